"""The connection to real servers that stop, hang, come back and move on."""

import asyncio
import json
import logging
import signal
from collections.abc import Callable

import pytest

from controlplane import ports
from controlplane.nats import NatsServer
from coze_nats.core.errors import OutcomeUnknown, Unavailable
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.connections import connected, gateway_to, started
from support.impostors import impostor
from support.suspension import resume, suspend
from support.until import until

RunServer = Callable[..., NatsServer]
STREAM = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}
NOBODY = f"nats://{ports.LOOPBACK}:{ports.NOBODY}"


def trouble_of(connection: Connection) -> Trouble | None:
    return connection.trouble


def is_away(connection: Connection) -> bool:
    return connection.away_since is not None


async def halt(server: NatsServer) -> None:
    await asyncio.to_thread(server.halt)


async def restart(server: NatsServer) -> None:
    await asyncio.to_thread(server.restart)


async def test_listeners_hear_of_every_session(run_server: RunServer) -> None:
    server = run_server()
    heard: list[str] = []
    async with started(server.url) as connection:
        connection.on_connected(lambda: heard.append("connected"))
        connection.on_disconnected(lambda: heard.append("disconnected"))
        assert is_away(connection)
        await until(lambda: heard == ["connected"])
        assert (connection.epoch, connection.last_error) == (1, "")
        assert not is_away(connection)
        assert connection.server_version == server.version
        assert (connection.address, connection.cluster) == (server.url, "")

        await halt(server)
        await until(lambda: heard == ["connected", "disconnected"])
        assert not connection.is_connected
        assert is_away(connection)
        assert (connection.address, connection.server_version) == ("", "")
        await until(lambda: connection.last_error == f"{server.url}: connection refused")
        assert trouble_of(connection) is Trouble.UNREACHABLE

        await restart(server)
        await until(lambda: heard == ["connected", "disconnected", "connected"])
        assert (connection.epoch, connection.last_error) == (2, "")
        assert trouble_of(connection) is None
        assert not is_away(connection)


async def test_a_failing_listener_stops_neither_the_others_nor_the_connection(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = run_server()
    heard: list[str] = []

    def fail() -> None:
        raise RuntimeError("a listener's own fault")

    async with started(server.url) as connection:
        connection.on_connected(fail)
        connection.on_connected(lambda: heard.append("connected"))
        await until(lambda: heard)
        await restart(server)
        await until(lambda: len(heard) == 2)
    assert "A listener of the NATS connection failed" in caplog.text


async def test_a_subscription_lasts_over_sessions_and_comes_before_what_is_asked_in_them(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    server = run_server()
    connection = Connection(ConnectionOptions(servers=(server.url,)))
    heard: list[str] = []

    def fail(*_: object) -> None:
        raise RuntimeError("a listener's own fault")

    connection.subscribe("$JS.EVENT.ADVISORY.STREAM.CREATED.*", fail)
    connection.subscribe(
        "$JS.EVENT.ADVISORY.STREAM.CREATED.*",
        lambda subject, data: heard.append(f"{subject} {json.loads(data)['stream']}"),
    )
    await connection.start()
    try:
        await until(lambda: connection.is_connected)
        await Gateway(connection).create_stream(STREAM)
        await until(lambda: heard == ["$JS.EVENT.ADVISORY.STREAM.CREATED.orders orders"])
        await restart(server)
        await until(lambda: connection.epoch == 2)
        await Gateway(connection).create_stream(STREAM)
        await until(lambda: heard == ["$JS.EVENT.ADVISORY.STREAM.CREATED.orders orders"] * 2)
        assert "A listener to $JS.EVENT.ADVISORY.STREAM.CREATED.* failed" in caplog.text
    finally:
        await connection.close()


async def test_of_several_servers_the_one_that_answered_says_what_the_trouble_is(
    run_server: RunServer,
) -> None:
    server = run_server(token="correct")
    async with started(NOBODY, server.url, token="wrong") as connection:
        assert connection.trouble is None
        await until(lambda: len(connection.last_error.split(";")) == 2)
        assert connection.trouble is Trouble.AUTHENTICATION


async def test_it_waits_for_a_server_that_starts_later(run_server: RunServer) -> None:
    server = run_server()
    await halt(server)
    async with started(server.url) as connection:
        await until(lambda: connection.last_error == f"{server.url}: connection refused")
        await restart(server)
        await until(lambda: connection.is_connected)


async def test_each_server_of_the_list_is_tried(run_server: RunServer) -> None:
    server = run_server()
    async with connected(NOBODY, server.url) as connection:
        assert (await Gateway(connection).streams()).found == {}
        await halt(server)
        await until(
            lambda: (
                connection.last_error
                == f"{NOBODY}: connection refused; {server.url}: connection refused"
            )
        )


async def test_nothing_is_sent_while_disconnected_and_nothing_runs_late(
    run_server: RunServer,
) -> None:
    server = run_server()
    async with connected(server.url, request_timeout=600) as connection:
        gateway = Gateway(connection)
        await halt(server)
        await until(lambda: not connection.is_connected)
        async with asyncio.timeout(30):
            with pytest.raises(Unavailable, match="not connected to NATS: nats://127"):
                await gateway.create_stream(STREAM)

        await restart(server)
        await connection.wait_connected()
        assert (await gateway.streams()).found == {}
        assert server.monitor("/varz")["in_msgs"] <= 1


async def test_a_server_that_hangs_leaves_the_outcome_unknown_and_is_declared_lost(
    run_server: RunServer,
) -> None:
    server = run_server()
    async with connected(server.url, request_timeout=1, ping_interval=3) as connection:
        suspend(server)
        with pytest.raises(OutcomeUnknown, match=r"no answer to \$JS.API.STREAM.INFO.orders"):
            await Gateway(connection).stream("orders")
        await until(lambda: not connection.is_connected)
        assert "no answer to PING" in connection.last_error
        with pytest.raises(Unavailable):
            await Gateway(connection).stream("orders")
        resume(server)
        await until(lambda: connection.is_connected)
    async with gateway_to(server.url) as gateway:
        assert await gateway.stream("orders") is None


async def test_a_request_in_flight_ends_when_the_connection_breaks(run_server: RunServer) -> None:
    server = run_server()
    async with connected(server.url, request_timeout=60, ping_interval=60) as connection:
        suspend(server)
        request = asyncio.create_task(Gateway(connection).stream("orders"))
        await asyncio.sleep(0)
        await asyncio.to_thread(server.kill)
        async with asyncio.timeout(30):
            with pytest.raises(OutcomeUnknown, match="the connection broke before"):
                await request


async def test_closing_lets_requests_in_flight_finish(run_server: RunServer) -> None:
    server = run_server()
    async with connected(server.url, ping_interval=60) as connection:
        suspend(server)
        request = asyncio.create_task(Gateway(connection).create_stream(STREAM))
        await asyncio.sleep(0)
        closing = asyncio.create_task(connection.close(deadline=10))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await Gateway(connection).stream("orders")
        resume(server)
        await closing
        assert (await request).name == "orders"


async def test_closing_does_not_wait_longer_than_its_deadline(run_server: RunServer) -> None:
    server = run_server()
    async with connected(server.url, request_timeout=60, ping_interval=60) as connection:
        suspend(server)
        request = asyncio.create_task(Gateway(connection).stream("orders"))
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await connection.close(deadline=0.2)
        with pytest.raises(OutcomeUnknown):
            await request


async def test_a_cancelled_request_disturbs_nobody(run_server: RunServer) -> None:
    server = run_server()
    async with connected(server.url, ping_interval=60) as connection:
        gateway = Gateway(connection, in_flight=1)
        suspend(server)
        request = asyncio.create_task(gateway.stream("orders"))
        await asyncio.sleep(0.05)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        resume(server)
        assert await gateway.stream("orders") is None


async def test_lame_duck_mode_moves_on_without_a_gap(run_server: RunServer) -> None:
    first, second = run_server(), run_server()
    heard: list[str] = []
    async with connected(first.url, second.url) as connection:
        connection.on_connected(lambda: heard.append("connected"))
        connection.on_disconnected(lambda: heard.append("disconnected"))
        assert first.process is not None
        first.process.send_signal(signal.SIGUSR2)
        await until(lambda: heard == ["connected"])
        assert (connection.epoch, connection.is_connected) == (2, True)
        await Gateway(connection).create_stream(STREAM)
    # Left to itself, it would wait for its clients for some time.
    await asyncio.to_thread(first.kill)
    async with connected(second.url) as connection:
        assert (await Gateway(connection).streams()).found.keys() == {"orders"}


async def test_transitions_are_logged_once_not_every_attempt(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = run_server()
    await halt(server)
    async with started(server.url) as connection:
        async with impostor(b"bye\r\n", server.port) as host:
            await until(lambda: host.visits >= 3)
        await restart(server)
        await until(lambda: connection.is_connected)
        await halt(server)
        await until(lambda: not connection.is_connected)
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("coze_nats")]
    assert ours == [
        f"Can't connect to NATS, and will go on trying: {server.url}: connection refused",
        f"Connected to {server.url} (nats-server {server.version})",
        f"Lost the connection to {server.url}: the server closed the connection",
    ]


async def test_a_long_absence_is_remembered_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection(ConnectionOptions(servers=(NOBODY,)), remind_every=0.3)
    await connection.start()
    await until(lambda: "Not connected to NATS for" in caplog.text)
    await connection.close()
    reminder = caplog.records[-1].getMessage()
    assert reminder.endswith(f" s: {NOBODY}: connection refused")
