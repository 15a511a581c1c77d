"""How a good tenant fared: a line in build/neighbours.json, for docs/reliability.md."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "build" / "neighbours.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A good tenant beside a neighbour, and at the same time one without; pairs are alone, beside.

    Attributes:
        deeds: how often the neighbour misbehaved.
        shared_ms: applied → Ready on the operator's own connection, the median.
        own_ms: the same on a connection that is opened for it.
        worst_ms: the longest of those beside it.
        peak_mib: the most memory of the operator.
        writes: of the operator to the good tenant's resources.
    """

    kind: str
    what: str
    deeds: int
    shared_ms: tuple[int, int]
    own_ms: tuple[int, int]
    worst_ms: int
    peak_mib: int
    writes: tuple[int, int]


def keep(result: Compared, path: Path = RESULTS) -> None:
    """Write a result in its place among the others."""
    results = {found["kind"]: found for found in load(path)} | {result.kind: asdict(result)}
    lines = ",\n".join(json.dumps(found) for found in results.values())
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def load(path: Path = RESULTS) -> list[dict[str, Any]]:
    """All results, in the order of their first run."""
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []
