"""Shows what a soak came to: build/soak.json, and tables for the documentation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "build" / "soak.json"

Json = Mapping[str, Any]


def write(report: Json, path: Path = RESULTS) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def text(report: Json) -> str:
    """All of it, for people."""
    messages = report["messages"]
    parts = [
        f"{report['minutes']} minutes, seed {report['seed']}",
        _table(
            ("Done", "How often"),
            [(name, f"{count:,}") for name, count in report["acts"].items()],
        ),
        _table(
            ("Messages", "Number"),
            [
                ("acknowledged to their publishers", f"{messages['acknowledged']:,}"),
                ("handled by a worker", f"{messages['handled']:,}"),
                ("removed by a hand, or with a stream as declared", f"{messages['removed']:,}"),
                ("still in their streams at the end", f"{messages['kept']:,}"),
                ("lost", f"{lost(messages):,}"),
            ],
        ),
        _table(
            ("Rest", "After", "Process", "Leads", "Memory", "Files", "Tasks", "Series"),
            [
                (
                    str(row["rest"] + 1),
                    f"{row['minutes']} min",
                    row["process"],
                    "yes" if row["leads"] else "no",
                    f"{row['memory_mib']} MiB",
                    str(row["files"]),
                    str(row["tasks"]),
                    f"{row['series']:,}",
                )
                for row in report["measures"]
            ],
        ),
        f"{report['statuses']:,} statuses compared with JetStream.",
    ]
    return "\n\n".join(parts)


def lost(messages: Json) -> int:
    """Acknowledged messages that nothing accounts for."""
    accounted = messages["handled"] + messages["removed"] + messages["kept"]
    return int(messages["acknowledged"] - accounted)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
