"""What an operator's process takes, as it tells itself."""

import asyncio
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from soak.site import Replica

_LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_NAME = re.compile(r'(?:^|,)(?:name|connection)="([^"]*)"')
LOOKS = 12
LOOK_SECONDS = 3.0
PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Measure:
    """A process at rest.

    Attributes:
        pid: of the process, which tells it from the one before.
        memory: resident, in MiB.
        files: open descriptors.
        series: how many it exposes, and `families` how many of each metric.
        strangers: names in labels that aren't declared.
    """

    replica: str
    pid: int
    leads: bool
    memory: float
    files: int
    tasks: int
    series: int
    families: Counter[str]
    strangers: frozenset[str]


async def measure(replica: Replica, declared: Collection[str]) -> Measure:
    """The least of some looks: a request under way has a task and a connection of its own.

    Connections to the API server stay open for 15 seconds after their last request.
    """
    looks: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while len(looks) < LOOKS:
            status, text = await asyncio.to_thread(replica.process.probe, "/metrics")
            looks += [text] if status == HTTPStatus.OK else []
            await asyncio.sleep(LOOK_SECONDS)
    return taken(replica.name, replica.process.pid, looks, declared)


def taken(replica: str, pid: int, looks: list[str], declared: Collection[str]) -> Measure:
    """The measure from the texts of some scrapes."""

    def least(metric: str) -> float:
        return min(value(text, metric) for text in looks)

    last = looks[-1]
    names = {
        name.rpartition("/")[2]
        for _, labels, _ in _LINE.findall(last)
        for name in _NAME.findall(labels)
    }
    families = Counter(name for name, _, _ in _LINE.findall(last))
    return Measure(
        replica=replica,
        pid=pid,
        leads=any(
            name == "coze_nats_leader" and number == "1.0"
            for name, _, number in _LINE.findall(last)
        ),
        memory=round(least("process_resident_memory_bytes") / 2**20, 1),
        files=int(least("process_open_fds")),
        tasks=int(least("coze_nats_tasks")),
        series=sum(families.values()),
        families=families,
        strangers=frozenset(names - set(declared) - {"operator", ""}),
    )


def value(text: str, metric: str) -> float:
    """Of a metric without labels."""
    return next(float(number) for name, labels, number in _LINE.findall(text) if name == metric)


def row(found: Measure, rest: int, minutes: float) -> dict[str, Any]:
    """For the report."""
    return {
        "rest": rest,
        "minutes": round(minutes, 1),
        "process": f"{found.replica} (pid {found.pid})",
        "leads": found.leads,
        "memory_mib": found.memory,
        "files": found.files,
        "tasks": found.tasks,
        "series": found.series,
    }
