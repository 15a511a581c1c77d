"""What a fault came to: a line in build/faults.json, from which docs/reliability.md is made."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "build" / "faults.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Survived:
    """A fault that the operator survived.

    Attributes:
        fault: what was done, in a few words; it names the line.
        stayed_up: what went on during the fault.
        retried: what the operator did again, and upon what.
        objects: how many resources were declared; all of them ended as declared, none was lost.
        heal_seconds: from the end of the fault until everything was as declared.
        writes: the operator's writes to the API server, from before the fault until healed.
        most_writes: most of them to one resource.
        bound: what `most_writes` may be at most, but for the hiccups of a busy machine.
    """

    fault: str
    stayed_up: str
    retried: str
    objects: int
    heal_seconds: float
    writes: int
    most_writes: int
    bound: int


def keep(result: Survived, path: Path = RESULTS) -> None:
    """Write a result in its place among the others."""
    results = {found["fault"]: found for found in load(path)} | {result.fault: asdict(result)}
    lines = ",\n".join(json.dumps(found) for found in results.values())
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def load(path: Path = RESULTS) -> list[dict[str, Any]]:
    """All results, in the order of their first run."""
    return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []
