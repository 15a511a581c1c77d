"""How the operator ends: by a signal, by Kopf's failure, and when Kopf doesn't come to its end."""

import asyncio

import pytest

from coze_nats.ending import CannotRun, unless, watch


async def forever() -> None:
    await asyncio.Event().wait()


async def test_waiting_is_given_up_for_a_signal() -> None:
    async def found() -> str:
        await forever()
        return "it"

    stop = asyncio.Event()
    waiting = asyncio.create_task(unless(stop, found()))
    await asyncio.sleep(0)
    stop.set()
    assert await waiting is None


async def test_what_was_waited_for_is_returned_or_raised() -> None:
    async def found() -> str:
        return "it"

    async def forbidden() -> str:
        raise PermissionError("it is not yours")

    assert await unless(asyncio.Event(), found()) == "it"
    with pytest.raises(PermissionError):
        await unless(asyncio.Event(), forbidden())


async def test_kopf_may_take_its_time_when_all_else_has_ended() -> None:
    stopped = asyncio.Event()

    async def kopf() -> None:
        stopped.set()
        await asyncio.sleep(0.01)

    await watch(kopf(), stopped)


async def test_kopfs_failure_is_the_operators() -> None:
    async def kopf() -> None:
        raise LookupError("404 page not found")

    with pytest.raises(CannotRun, match="404 page not found"):
        await watch(kopf(), asyncio.Event())


async def test_the_operator_ends_although_kopf_does_not() -> None:
    stopped = asyncio.Event()
    stopped.set()
    kopf = asyncio.ensure_future(forever())
    with pytest.raises(CannotRun, match="can't be ended"):
        await watch(kopf, stopped, within=0.01)
    kopf.cancel()
