"""What is promised of the figures of a soak, and whether it was kept."""

from collections.abc import Mapping, Sequence

from soak.findings import Findings
from soak.measures import Measure
from soak.site import STEADY

MOST_GROWTH_OF_MEMORY = 0.15
MOST_MORE_TASKS = 2
MOST_MORE_FILES = 10
"""As many connections to the API server may be open for the next request."""

MOST_GROWTH_OF_SERIES = 0.1
"""Counters have a series for each reason and code that has occurred, which are finite."""

_BUGS = (
    "Traceback (most recent call last)",
    "was never awaited",
    "was never retrieved",
    # No server here ignores what it is told.
    "Stalled, NotConverging",
)


def judge(
    measures: Sequence[tuple[float, Measure]], logs: Mapping[str, str], findings: Findings
) -> None:
    """Compare each process that was there at two rests, first with last."""
    first: dict[tuple[int, bool], Measure] = {}
    last: dict[tuple[int, bool], Measure] = {}
    for _, found in measures:
        key = (found.pid, found.leads)
        first.setdefault(key, found)
        last[key] = found
        if found.strangers:
            what = f"{found.replica} tells of {sorted(found.strangers)}"
            findings.breaks("no series is about what is gone", what)
    for key, before in first.items():
        _compare(before, last[key], findings)
    for name, log in logs.items():
        for bug in _BUGS:
            if bug in log:
                where = log.index(bug)
                findings.breaks(
                    "no error is unforeseen", f"{name}: {log[where - 500 : where + 2500]}"
                )


def _compare(before: Measure, after: Measure, findings: Findings) -> None:
    who = f"{after.replica} (pid {after.pid})"
    # A process that is young still takes its memory; the steady one had the first round for that.
    is_memory_judged = before.replica == STEADY
    if is_memory_judged and after.memory > before.memory * (1 + MOST_GROWTH_OF_MEMORY):
        findings.breaks("memory stays", f"{who}: {before.memory} to {after.memory} MiB")
    if after.tasks > before.tasks + MOST_MORE_TASKS:
        findings.breaks("tasks stay", f"{who}: {before.tasks} to {after.tasks}")
    if after.files > before.files + MOST_MORE_FILES:
        findings.breaks("file descriptors stay", f"{who}: {before.files} to {after.files}")
    if after.series > before.series * (1 + MOST_GROWTH_OF_SERIES):
        more = after.families - before.families
        findings.breaks("series stay", f"{who}: {before.series} to {after.series}; {dict(more)}")
