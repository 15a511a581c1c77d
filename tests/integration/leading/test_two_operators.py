"""Of two operators, exactly one writes: through freezes, crashes, hand-overs and slow servers."""

import asyncio
import os
import signal
import time
from typing import Any

import pytest

from support.until import until

FREEZES = int(os.environ.get("FREEZES", "2"))


def one_after_another(world: Any) -> bool:
    """Whether no process wrote any more once another one had begun to."""
    writers = world.record.writers
    return len(writers) == len(set(writers))


async def freeze_the_leader(world: Any) -> Any:
    """Freeze whoever leads, and wake it up when the other one leads and has written."""
    leader, other = await world.leader()
    await world.is_ready(world.declare())
    leader.freeze()
    await other.takes_over()
    await world.is_ready(world.declare())
    leader.thaw()
    await leader.ends()
    return leader


@pytest.mark.timeout(60 + 60 * FREEZES)
async def test_a_frozen_leader_that_wakes_up_writes_nothing(world: Any) -> None:
    async with world.busy():
        for _ in range(FREEZES):
            leader = await freeze_the_leader(world)
            assert "is lost" in leader.process.log
            assert leader.process.stop() == 1
    assert len(world.record.writers) > FREEZES
    assert one_after_another(world), world.record.writers


async def test_the_lead_is_handed_over_and_nothing_is_done_twice(
    world: Any, duration: float
) -> None:
    leader, other = await world.leader()
    for name in [world.declare() for _ in range(20)]:
        await world.is_ready(name)
    before = time.time()
    assert await asyncio.to_thread(leader.process.stop) == 0
    await other.takes_over()
    assert time.time() - before < duration
    await world.is_ready(world.declare())

    def by_other() -> list[Any]:
        found = world.record.requests
        return [each for each in found if each.at > before and each.user == other.user]

    def written() -> set[str]:
        return {each.what.partition("?")[0] for each in by_other() if each.writes}

    # A finalizer, a stream and a status, of what was declared since, and nothing else.
    await until(lambda: len(written()) == 3)
    assert not [each for each in by_other() if each.what.startswith("list ")], "it is warm"
    assert not [each for each in by_other() if each.what.startswith("get ")]
    assert world.record.writers == [f"{leader.user} 1", f"{other.user} 1"]


async def test_a_leader_that_crashes_is_followed_when_its_lease_ends(
    world: Any, duration: float
) -> None:
    leader, other = await world.leader()
    await world.is_ready(world.declare())
    before = time.time()
    leader.process.kill()
    name = world.declare()
    await world.is_ready(name)
    taken = time.time() - before
    # It may have been renewed up to a retry period before; and the machine may be busy.
    assert duration - 2.0 < taken < duration + 30.0
    await until(lambda: other.leads)
    assert world.record.writers == [f"{leader.user} 1", f"{other.user} 1"]


async def test_nobody_writes_while_the_api_server_is_too_slow_for_renewals(world: Any) -> None:
    leader, other = await world.leader()
    await world.is_ready(world.declare())
    server = world.kubernetes._apiserver.process.pid
    os.kill(server, signal.SIGSTOP)
    try:
        await leader.ends()
    finally:
        os.kill(server, signal.SIGCONT)
    assert "no answer within" in leader.process.log
    assert other.process.running
    await other.takes_over()
    await world.is_ready(world.declare())
    assert world.record.writers == [f"{leader.user} 1", f"{other.user} 1"]


async def test_readiness_and_liveness_tell_the_truth_about_leader_and_standby(world: Any) -> None:
    leader, other = await world.leader()
    assert leader.process.probe("/readyz")[0] == 200
    status, body = other.process.probe("/readyz")
    assert status == 200
    assert "standing by" in body
    assert leader.process.probe("/healthz")[0] == other.process.probe("/healthz")[0] == 200
