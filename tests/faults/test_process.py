"""The operator's own process is killed, stopped, short of memory, or has the wrong time."""

import asyncio
import os
import resource
import signal
import time
from http import HTTPStatus
from pathlib import Path

import pytest

from faults.conftest import Begin
from faults.work import Work
from support.until import until

COUNT, MORE = 100, 20
MEBIBYTE = 2**20

# Python imports it at its start. The offset is read whenever somebody wants to know the time, so
# that the clock can leap while the operator runs; what measures durations isn't changed.
SKEWED_CLOCK = """
import time
real = time.time_ns
def skewed():
    with open({file!r}) as offset:
        return real() + int(offset.read() or 0) * 10**9
time.time_ns = skewed
time.time = lambda: skewed() / 10**9
"""


@pytest.mark.slow
async def test_the_operator_is_killed_under_load(begin: Begin) -> None:
    """What was half done is found and finished."""
    work = await begin(COUNT)
    going_on = asyncio.create_task(work.go_on(MORE))
    await asyncio.sleep(0.1)
    await asyncio.to_thread(work.site.operator.kill)
    await going_on
    start = time.monotonic()
    await asyncio.to_thread(work.site.operator.start)
    starting = time.monotonic() - start
    work.survived(
        "operator killed (SIGKILL) under load, and started again",
        stayed_up="JetStream; the API server",
        retried="what was half done",
        heal_seconds=starting + await work.healed(),
        bound=4,
    )


@pytest.mark.slow
async def test_the_operator_stands_still(begin: Begin) -> None:
    """It wakes up, finds its connections dead or alive, and goes on."""
    work = await begin(COUNT)
    os.kill(work.site.operator.pid, signal.SIGSTOP)
    await work.go_on(MORE)
    work.site.server.restart(wipe=False)
    os.kill(work.site.operator.pid, signal.SIGCONT)
    work.survived(
        "operator stopped (SIGSTOP) while NATS restarts, and continued",
        stayed_up="JetStream; the API server",
        retried="connections that died meanwhile",
        heal_seconds=await work.healed_in_jetstream(),
        bound=4,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_operator_is_out_of_memory(begin: Begin) -> None:
    """Killed by the kernel again and again in the midst of its work, it gets done all the same."""
    work = await begin(0)
    operator = work.site.operator
    await asyncio.to_thread(operator.start)
    limit = resident(operator.pid) + MEBIBYTE
    declaring = asyncio.create_task(work.declare(COUNT + MORE))
    for _ in range(3):
        # As the kernel does at the limit of a container, which the kubelet then starts again.
        await until(lambda: resident(operator.pid) > limit, 30)
        await asyncio.to_thread(operator.kill)
        await asyncio.to_thread(operator.start, until_ready=False)
    await declaring
    work.survived(
        "operator over its memory limit, killed three times",
        stayed_up="JetStream; the API server",
        retried="what was half done",
        heal_seconds=await work.healed(),
        bound=5,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_operator_gets_no_more_memory(begin: Begin) -> None:
    """It may end or go on, but it doesn't linger: alive by its own word, and doing nothing."""
    work = await begin(COUNT)
    operator = work.site.operator
    size = address_space(operator.pid)
    resource.prlimit(operator.pid, resource.RLIMIT_AS, (size, size))
    await work.declare(10 * COUNT)
    start = time.monotonic()
    await as_the_kubelet(work)
    work.survived(
        "operator gets no more memory (RLIMIT_AS)",
        stayed_up="JetStream; the API server",
        retried="what was half done; the process, if it ended",
        heal_seconds=time.monotonic() - start + await work.healed(),
        bound=4,
    )


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-48, 48])
async def test_the_clock_leaps(begin: Begin, tmp_path: Path, hours: int) -> None:
    """Nothing is done twice and nothing waits for the time to come."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(SKEWED_CLOCK.format(file=str(offset)))
    work = await begin(COUNT, environment={"PYTHONPATH": str(tmp_path)})
    offset.write_text(str(hours * 3600))
    await work.go_on(MORE)
    seconds = await work.healed()
    offset.write_text("0")
    await work.declare(MORE)
    seconds = max(seconds, await work.healed())
    work.survived(
        f"operator's clock leaps by {hours:+} hours, and back",
        stayed_up="everything",
        retried="nothing",
        heal_seconds=seconds,
        bound=3,
    )


async def as_the_kubelet(work: Work) -> None:
    """Start the operator again when it has ended, or says that it should be, until all is done."""
    operator = work.site.operator

    async def is_done() -> bool:
        if not operator.running:
            await asyncio.to_thread(operator.start, until_ready=False)
        elif operator.probe("/healthz")[0] != HTTPStatus.OK:
            operator.kill()
        return await work.is_done()

    await work.eventually(is_done, "all that was declared", 250)


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    return _status(pid, "VmRSS")


def address_space(pid: int) -> int:
    """Virtual memory in bytes."""
    return _status(pid, "VmSize")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
