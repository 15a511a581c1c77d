"""Servers that lie: each is a connection that says why it is broken, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from coze_nats.core.errors import Failure, OutcomeUnknown, Unavailable
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from support.connections import connected, started
from support.lies import ANSWERS, PROTOCOL
from support.lying_server import Lie, lying, lying_beside
from support.until import until

HARMLESS = {
    "40,000 servers",
    "40,000 servers later",
    "a version of 20,000 letters",
    "answers after 2 s",
    "subjects that are taken, told after 2 s",
    # One at a time comes no faster than it is read.
    "a flood of large messages",
    "a flood of advisories",
    "a flood of advisories about all kinds of streams",
}
"""With these, a connection works, if more slowly."""
SLOW = {name for name in PROTOCOL if "flood" in name or "never" in name} | {
    "it answers no PING",
    "it reads nothing",
    "an answer of 24 MB",
    "silence of JetStream",
}
MOST_MEMORY = 160 * 1024 * 1024
"""Bytes by which the process may grow that is lied to: a message, what is made of it, and what is
kept of it until the next is read."""


def in_memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def keep_asking(jetstream: Gateway) -> None:
    """Ask for all kinds of things, as the operator does, for ever."""
    questions: tuple[Callable[[], Awaitable[object]], ...] = (
        jetstream.server,
        jetstream.account,
        jetstream.streams,
        lambda: jetstream.stream("ORDERS"),
        lambda: jetstream.consumers("ORDERS"),
        lambda: jetstream.streams_on("orders.>"),
        lambda: jetstream.delete_stream("ORDERS"),
    )
    while True:
        for question in questions:
            with suppress(Failure):
                await question()
        await asyncio.sleep(0.01)


async def until_broken(connection: Connection) -> None:
    asking = asyncio.create_task(keep_asking(Gateway(connection)))
    try:
        await until(lambda: connection.trouble)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name
        for name in sorted((PROTOCOL | ANSWERS).keys() - HARMLESS)
    ],
)
async def test_a_server_that_lies_is_a_broken_connection_that_says_why(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = in_memory()
    with lying_beside((PROTOCOL | ANSWERS)[name]) as server:
        patience = {"request_timeout": 2.0, "connect_timeout": 4.0, "ping_interval": 4.0}
        async with started(server.url, **patience) as connection:
            await until_broken(connection)
            assert connection.trouble in {Trouble.NONSENSE, Trouble.SILENT, Trouble.UNREACHABLE}
            assert connection.last_error.isprintable()
            assert len(connection.last_error) < 1000
            assert "unexpected" not in connection.last_error
    assert in_memory() - before < MOST_MEMORY
    assert not [record for record in caplog.records if record.exc_info or "Bug" in record.message]


@pytest.mark.parametrize("name", sorted(HARMLESS & {"40,000 servers", "40,000 servers later"}))
async def test_other_servers_that_a_server_names_are_ignored(name: str) -> None:
    async with lying(PROTOCOL[name]) as server, connected(server.url) as connection:
        jetstream = Gateway(connection)
        for _ in range(20):
            assert await jetstream.stream("ORDERS") is None
        assert connection.epoch == 1


async def test_a_version_has_an_end() -> None:
    lie = PROTOCOL["a version of 20,000 letters"]
    async with lying(lie) as server, connected(server.url) as connection:
        found = await Gateway(connection).server()
        assert len(found.version) < 200


async def test_a_server_that_lies_again_and_again_is_asked_less_and_less() -> None:
    lie = ANSWERS["a total that is a word"]
    async with lying(lie) as server, started(server.url) as connection:
        asking = asyncio.create_task(keep_asking(Gateway(connection)))
        begun = asyncio.get_running_loop().time()
        await until(lambda: server.visits > 3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        # 1, 2 and 4 s, each at least half.
        assert asyncio.get_running_loop().time() - begun > 3


async def test_a_server_that_comes_to_its_senses_is_used_again() -> None:
    async with lying(ANSWERS["no JSON"]) as server, started(server.url) as connection:
        await until_broken(connection)
        server.lie = Lie()
        await until(lambda: connection.is_connected)
        assert await Gateway(connection).stream("ORDERS") is None


async def test_jetstream_that_is_silent_over_a_session_is_told_once_for_all() -> None:
    lie = ANSWERS["silence of JetStream"]
    async with lying(lie) as server, started(server.url, request_timeout=1.0) as connection:
        await connection.wait_connected()
        jetstream = Gateway(connection, in_flight=4)
        waiting = [asyncio.create_task(jetstream.stream(f"S{n}")) for n in range(200)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        # The first ones waited for themselves, and all others for nothing.
        assert len([each for each in found if isinstance(each, OutcomeUnknown)]) < 20
        assert len([each for each in found if isinstance(each, Unavailable)]) > 180
        assert connection.trouble is Trouble.SILENT
        assert "JetStream answers nothing within 1 s" in connection.last_error
        assert len(server.asked) < 20
        server.lie = Lie()
        await until(lambda: connection.is_connected)


async def test_one_request_without_an_answer_does_not_end_a_session() -> None:
    def silent_about(one: str) -> Lie:
        return Lie(answer=lambda js, words, body: None if one in words else js.answer(words, body))

    async with (
        lying(silent_about("ORDERS")) as server,
        connected(server.url, request_timeout=0.5) as connection,
    ):
        jetstream = Gateway(connection)
        for _ in range(3):
            with pytest.raises(OutcomeUnknown):
                await jetstream.stream("ORDERS")
        assert connection.epoch == 1
        assert connection.is_connected


async def test_a_flood_leaves_the_event_loop_to_others() -> None:
    with lying_beside(PROTOCOL["a flood of PING"]) as flooding:
        async with lying(Lie()) as honest, connected(honest.url) as good:
            jetstream = Gateway(good)
            async with started(flooding.url, request_timeout=2.0) as bad:
                await until(lambda: bad.is_connected or bad.trouble)
                for _ in range(200):
                    assert await jetstream.stream("ORDERS") is None
                assert good.epoch == 1


async def test_a_server_of_our_own_that_does_not_lie_is_a_jetstream() -> None:
    async with lying(Lie()) as server, connected(server.url) as connection:
        jetstream = Gateway(connection)
        await jetstream.create_stream({"name": "ORDERS", "subjects": ["orders.>"]})
        await jetstream.create_consumer("ORDERS", {"name": "c", "durable_name": "c"})
        assert (await jetstream.streams()).found.keys() == {"ORDERS"}
        assert (await jetstream.consumers("ORDERS")).found.keys() == {"c"}
        assert await jetstream.stream("NONE") is None
        assert await jetstream.consumer("ORDERS", "none") is None
        await jetstream.delete_consumer("ORDERS", "c")
        await jetstream.delete_stream("ORDERS")
        assert (await jetstream.streams()).found == {}
