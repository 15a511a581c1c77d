"""Puts what was measured last into the documentation.

By `make bench`, `test-faults`, `test-neighbours` and `soak`.
"""

import json
import re
import shutil
from pathlib import Path

from benchmarks import keys, report

from faults import record, table
from neighbours import record as neighbours
from neighbours import table as of_neighbours
from soak import report as soak

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    put("performance.md", "keys", meanings())
    if record.RESULTS.exists():
        put("reliability.md", "faults", table.table())
    if neighbours.RESULTS.exists():
        put("reliability.md", "neighbours", of_neighbours.table())
    if soak.RESULTS.exists():
        put("reliability.md", "soak", soak.text(json.loads(soak.RESULTS.read_text("utf-8"))))
    if report.RESULTS.exists():
        document = json.loads(report.RESULTS.read_text(encoding="utf-8"))
        about = document.pop("about")
        machine = (
            f"On {about['cores']} cores and {about['memory']} of memory ({about['system']}), with "
            f"Python {about['python']} and nats-server {about['nats-server']}; everything, the "
            "servers too, ran on them at the same time."
        )
        plot = "![Milliseconds for a resource, by their number](bench.svg)"
        figures = report.table(document, about["sizes"])
        put("performance.md", "bench", f"{machine}\n\n{figures}\n\n{plot}")
        shutil.copy(report.PLOT, DOCS / "bench.svg")


def meanings() -> str:
    """The keys of build/bench.json."""
    lines = ["| Key | Promise | What it is |", "|---|---|---|"]
    lines += [
        f"| `{key.name}` | {key.promise} | {key.meaning} |" for key in keys.for_sizes((1000, 10000))
    ]
    return "\n".join(lines)


def put(page: str, name: str, text: str) -> None:
    """Replace what stands between a page's markers."""
    path = DOCS / page
    found = path.read_text(encoding="utf-8")
    pattern = rf"(<!-- figures: {name} -->\n).*?(<!-- end -->)"
    changed, count = re.subn(
        pattern, lambda match: f"{match[1]}{text}\n{match[2]}", found, flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{path} lacks the markers of {name}")
    path.write_text(changed, encoding="utf-8")
    print(f"docs/{page}: written")


if __name__ == "__main__":
    main()
