"""What holds for all tests."""

import os
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

from controlplane import ports
from support import side_by_side

# Machines stand still now and then, which is no finding. And a tree that hasn't changed is judged
# by the examples that it was judged by before; `make test-safety` looks for new ones.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

LONG_SECONDS = 15.0
"""A test that takes longer is one for `make test-long`, unless the machine was busy."""

MOST_WORKERS = 8
"""Each has servers of its own, which take memory."""


def pytest_xdist_auto_num_workers() -> int:
    """More than there are processors: tests wait more than they compute."""
    return min(2 * (os.cpu_count() or 1), MOST_WORKERS)


def pytest_configure(config: pytest.Config) -> None:
    worker = getattr(config, "workerinput", None)
    if worker:
        # A server that restarts on its port must not find it taken by another worker's.
        ports.share(int(worker["workerid"].removeprefix("gw")), worker["workercount"])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") != "loadscope":
        return None
    config.option.loadscopereorder = False
    return side_by_side.Scheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: side_by_side.turn_of(item.nodeid))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    long = sorted(_long(terminalreporter.stats.get("passed", ())), reverse=True)
    if long:
        terminalreporter.section(f"not marked slow, and longer than {LONG_SECONDS:.0f} s")
    for seconds, nodeid in long:
        terminalreporter.write_line(f"{seconds:.0f} s  {nodeid}")


def _long(passed: Iterable[pytest.TestReport]) -> Iterable[tuple[float, str]]:
    """The tests whose own time, without fixtures, is too long for `make test`."""
    for report in passed:
        if report.duration > LONG_SECONDS and "slow" not in report.keywords:
            yield report.duration, report.nodeid
