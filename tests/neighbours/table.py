"""build/neighbours.json as the table of docs/reliability.md."""

from typing import Any

from neighbours import record
from neighbours.kind import Kind
from neighbours.kinds import SERVERS, TENANTS

HEADINGS = (
    "Neighbour",
    "Times",
    "Applied → Ready",
    "with a connection of its own",
    "Longest",
    "API writes",
    "Most memory",
)
"""Pairs are of who is alone, and of who has this neighbour."""


def table() -> str:
    found = {each["kind"]: each for each in record.load()}
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    for who, kinds in (("a tenant", TENANTS), ("a server", SERVERS)):
        lines += [_line(who, kind, found[kind.name]) for kind in kinds if kind.name in found]
    return "\n".join(lines)


def _line(who: str, kind: Kind, found: dict[str, Any]) -> str:
    cells = (
        f"{who}: {kind.what}",
        f"{found['deeds']:,}",
        f"{_pair(found['shared_ms'])} ms",
        f"{_pair(found['own_ms'])} ms",
        f"{found['worst_ms']:,} ms",
        _pair(found["writes"]),
        f"{found['peak_mib']} MiB",
    )
    return f"| {' | '.join(cells)} |"


def _pair(found: tuple[int, int]) -> str:
    return " / ".join(f"{each:,}" for each in found)
