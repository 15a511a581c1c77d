"""The operator watches itself: what is stuck is named with its lines of code, and no values."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest

from coze_nats import stacks
from coze_nats.core import names
from coze_nats.core.resource import Key
from coze_nats.selfwatch import LoopWatch, RunWatch
from support.until import until

KEY = Key(names.STREAM_KIND, "coze", "orders")
SECRET = "s3cr3t-of-the-user"


async def outer(password: str) -> None:
    await inner(password)


async def inner(password: str) -> None:
    await asyncio.Event().wait()


async def test_a_stack_names_the_lines_and_no_values() -> None:
    task = asyncio.create_task(outer(SECRET))
    await asyncio.sleep(0)
    stack = stacks.of_task(task)
    lines = stack.splitlines()
    assert [line.rpartition(" in ")[2] for line in lines] == ["outer", "inner", "Event.wait"]
    assert f"{__file__}:" in lines[0]
    assert SECRET not in stack
    task.cancel()


async def test_a_task_that_is_done_has_no_stack() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    assert "not suspended" in stacks.of_task(task)


async def test_a_slow_reconcile_is_named_once_with_where_it_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stuck = asyncio.create_task(outer(SECRET))
    quick = asyncio.create_task(outer(SECRET))
    await asyncio.sleep(0)
    seconds = {stuck: 121.0, quick: 3.0}
    watch = RunWatch(lambda: [(KEY, seconds[task], task) for task in (stuck, quick)])
    watch.look()
    watch.look()
    [record] = caplog.records
    assert "CozeStream coze/orders has been going on for 121 s" in record.getMessage()
    assert " in inner" in record.getMessage()
    assert SECRET not in record.getMessage()
    for task in (stuck, quick):
        task.cancel()


async def test_slow_reconciles_are_looked_for_again_and_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = asyncio.create_task(outer(SECRET))
    runs: list[tuple[Key, float, asyncio.Task[None]]] = []
    watching = asyncio.create_task(RunWatch(lambda: runs, every=0.01).run())
    await asyncio.sleep(0)
    runs.append((KEY, 200.0, task))
    await until(lambda: caplog.records)
    watching.cancel()
    task.cancel()


def block(until: Callable[[], object]) -> None:
    """Keep the event loop from everything else."""
    while not until():
        time.sleep(0.05)


async def test_a_loop_that_is_stuck_is_named_by_a_thread_with_the_line_it_is_at(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LoopWatch(asyncio.get_running_loop(), limit=0.3, every=0.03):
        block(until=lambda: caplog.records)
        record = caplog.records[0]
        assert record.levelno == logging.ERROR
        assert record.threadName == "loop-watch"
        assert " in block" in record.getMessage()
        await until(lambda: "The event loop goes on" in caplog.text)
    assert "loop-watch" not in [thread.name for thread in threading.enumerate()]


async def test_a_process_that_was_frozen_is_not_stuck(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    watch = LoopWatch(asyncio.get_running_loop(), limit=10, every=1, clock=lambda: now)
    now += 60
    watch.look(since_last_look=60)
    assert not caplog.records
    now += 5
    watch.look(since_last_look=5)
    now += 5.1
    watch.look(since_last_look=1)
    assert "stuck for 10 s" in caplog.text
