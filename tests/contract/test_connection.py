"""The connection against real servers that stop, hang and come back, and against impostors."""

import asyncio
import json
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from controlplane.certificates import Authority
from controlplane.nats import NatsServer
from coze_nats.core.errors import OutcomeUnknown, Rejected, Unavailable
from coze_nats.core.live import LiveStream
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.suspension import resume, suspend
from support.until import until

RunServer = Callable[..., NatsServer]
SECRET = "correct-horse-battery-staple"
STREAM = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}
# Nothing answers on it: port 9 is discard, and nobody runs that any more.
NOBODY = "nats://127.0.0.1:9"


@asynccontextmanager
async def started(*urls: str, **options: Any) -> AsyncIterator[Connection]:
    """A connection that has been started; it may leave no task behind."""
    quick = {"request_timeout": 5.0, "connect_timeout": 2.0, "ping_interval": 0.5} | options
    connection = Connection(ConnectionOptions(servers=urls, **quick))
    before = asyncio.all_tasks()
    await connection.start()
    try:
        yield connection
    finally:
        await connection.close(deadline=1)
    await until(lambda: asyncio.all_tasks() <= before)


@asynccontextmanager
async def connected(*urls: str, **options: Any) -> AsyncIterator[Connection]:
    async with started(*urls, **options) as connection:
        async with asyncio.timeout(10):
            await connection.wait_connected()
        yield connection


def is_away(connection: Connection) -> bool:
    return connection.away_since is not None


async def halt(server: NatsServer) -> None:
    await asyncio.to_thread(server.halt)


async def restart(server: NatsServer) -> None:
    await asyncio.to_thread(server.restart)


# --- coming and going ---------------------------------------------------------------------------


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

        await halt(server)
        await until(lambda: heard == ["connected", "disconnected"])
        assert not connection.is_connected
        assert is_away(connection)
        await until(lambda: connection.last_error == f"{server.url}: connection refused")

        await restart(server)
        await until(lambda: heard == ["connected", "disconnected", "connected"])
        assert (connection.epoch, connection.last_error) == (2, "")
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
    async with connected(server.url) as connection:
        gateway = Gateway(connection)
        await halt(server)
        await until(lambda: not connection.is_connected)
        before = time.monotonic()
        with pytest.raises(Unavailable, match="not connected to NATS: nats://127"):
            await gateway.create_stream(STREAM)
        assert time.monotonic() - before < 0.5

        await restart(server)
        await connection.wait_connected()
        assert (await gateway.streams()).found == {}
        assert server.monitor("/varz")["in_msgs"] <= 1


async def test_a_server_that_hangs_leaves_the_outcome_unknown_and_is_declared_lost(
    run_server: RunServer,
) -> None:
    server = run_server()
    async with connected(server.url, request_timeout=0.3) as connection:
        suspend(server)
        with pytest.raises(OutcomeUnknown, match=r"no answer to \$JS.API.STREAM.INFO.orders"):
            await Gateway(connection).stream("orders")
        await until(lambda: not connection.is_connected, within=3)
        assert "no answer to PING" in connection.last_error
        with pytest.raises(Unavailable):
            await Gateway(connection).stream("orders")
        resume(server)
        await until(lambda: connection.is_connected)
        assert await Gateway(connection).stream("orders") is None


async def test_a_request_in_flight_ends_when_the_connection_breaks(run_server: RunServer) -> None:
    server = run_server()
    async with connected(server.url, request_timeout=60, ping_interval=60) as connection:
        suspend(server)
        request = asyncio.create_task(Gateway(connection).stream("orders"))
        await asyncio.sleep(0)
        await asyncio.to_thread(server.kill)
        async with asyncio.timeout(5):
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
        before = time.monotonic()
        await connection.close(deadline=0.2)
        assert time.monotonic() - before < 3
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


# --- impostors ----------------------------------------------------------------------------------


@dataclass
class Impostor:
    """Something that listens, greets, keeps every byte that it is sent, and answers nothing."""

    greeting: bytes
    hangs_up: bool = False
    port: int = 0
    visits: int = 0
    received: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.write(self.greeting)
        with suppress(OSError):
            while data := await reader.read(4096):
                self.received += data
                if self.hangs_up:
                    break
        writer.close()


@asynccontextmanager
async def impostor(
    greeting: bytes, port: int = 0, *, hangs_up: bool = False
) -> AsyncIterator[Impostor]:
    host = Impostor(greeting, hangs_up)
    server = await asyncio.start_server(host.serve, "127.0.0.1", port)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host


@pytest.mark.parametrize(
    "greeting, reason",
    [
        (b"", "no answer in time"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is not a NATS server"),
        (b"INFO {nonsense}\r\n", "json parse error"),
        (b"INFO " + b"x" * 100_000, "unexpected ValueError"),
    ],
)
async def test_what_is_not_a_nats_server_is_a_reason_not_a_hang(
    greeting: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        impostor(greeting) as host,
        started(f"nats://127.0.0.1:{host.port}", connect_timeout=0.5) as connection,
    ):
        await until(lambda: connection.last_error)
        assert reason in connection.last_error


async def test_a_name_that_does_not_resolve_is_a_reason(run_server: RunServer) -> None:
    async with started("nats://nats.invalid:4222") as connection:
        await until(lambda: connection.last_error)
        assert "can't resolve the host name" in connection.last_error


INFO: dict[str, Any] = {"server_id": "X", "version": "2.14.6", "max_payload": 1 << 20}
WAYS_TO_LOG_IN = [
    {"token": SECRET},
    {"user": "operator", "password": SECRET},
    {"jwt": f"eyJhbGciOiJub25lIn0.{SECRET}.c2ln"},
]


async def test_a_server_that_hangs_up_during_the_login_is_a_reason() -> None:
    greeting = f"INFO {json.dumps(INFO)}\r\n".encode()
    async with (
        impostor(greeting, hangs_up=True) as host,
        started(f"nats://127.0.0.1:{host.port}") as connection,
    ):
        await until(lambda: connection.last_error)
        assert "the server closed the connection" in connection.last_error


async def test_closing_in_the_middle_of_a_login_leaves_nothing_behind() -> None:
    async with impostor(b"") as host, started(f"nats://127.0.0.1:{host.port}") as connection:
        await until(lambda: host.visits)
        await connection.close()
        assert not connection.is_connected


@pytest.mark.parametrize("login", WAYS_TO_LOG_IN)
@pytest.mark.parametrize(
    "info",
    [
        {"auth_required": True, "nonce": "abc"},
        {"auth_required": True, "nonce": "abc", "tls_required": False, "tls_available": False},
    ],
)
async def test_no_credentials_are_sent_when_the_server_does_not_offer_tls(
    login: dict[str, str], info: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    greeting = f"INFO {json.dumps(INFO | info)}\r\n".encode()
    async with (
        impostor(greeting) as host,
        started(f"tls://127.0.0.1:{host.port}", **login) as connection,
    ):
        await until(lambda: connection.last_error)
        assert "TLS is required but the server does not offer it" in connection.last_error
    assert host.received == b""
    assert SECRET not in caplog.text


@pytest.mark.parametrize("login", WAYS_TO_LOG_IN)
@pytest.mark.parametrize("offer", ["tls_required", "tls_available"])
async def test_no_credentials_are_sent_before_the_tls_handshake_is_done(
    login: dict[str, str], offer: str
) -> None:
    info = INFO | {"auth_required": True, "nonce": "abc", offer: True}
    async with (
        impostor(f"INFO {json.dumps(info)}\r\n".encode()) as host,
        started(f"tls://127.0.0.1:{host.port}", connect_timeout=0.5, **login) as connection,
    ):
        await until(lambda: connection.last_error)
    # A ClientHello, and nothing of our protocol.
    assert host.received[:2] == b"\x16\x03"
    assert b"CONNECT" not in host.received
    assert SECRET.encode() not in host.received


async def test_one_tls_url_makes_tls_the_rule_for_all_servers_of_the_list() -> None:
    async with (
        impostor(f"INFO {json.dumps(INFO)}\r\n".encode()) as host,
        started(f"nats://127.0.0.1:{host.port}", "tls://127.0.0.1:9", token=SECRET) as connection,
    ):
        await until(lambda: "TLS is required" in connection.last_error)
    assert host.received == b""


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def tls_config(authority: Authority, **settings: str) -> str:
    pair = authority.issue_server("nats")
    return f'tls {{ cert_file: "{pair.certificate}", key_file: "{pair.key}" }}'


@pytest.mark.parametrize("more", ["", "allow_non_tls: true"])
async def test_a_server_with_tls_is_connected_to_encrypted(
    run_server: RunServer, authority: Authority, more: str
) -> None:
    server = run_server(config=f"{tls_config(authority)}\n{more}", token=SECRET)
    url = server.url.replace("nats://", "tls://")
    async with connected(url, ca_file=str(authority.certificate), token=SECRET) as connection:
        assert (await Gateway(connection).streams()).found == {}
        (seen,) = server.monitor("/connz")["connections"]
        assert seen["tls_version"] == "1.3"


async def test_a_certificate_of_an_unknown_authority_is_not_accepted(
    run_server: RunServer, authority: Authority
) -> None:
    server = run_server(config=tls_config(authority), token=SECRET)
    async with started(server.url.replace("nats://", "tls://"), token=SECRET) as connection:
        await until(lambda: connection.last_error)
        assert "the server's certificate is not accepted: unable to get" in connection.last_error


async def test_a_hanging_server_is_noticed_as_fast_with_tls(
    run_server: RunServer, authority: Authority
) -> None:
    server = run_server(config=tls_config(authority))
    url = server.url.replace("nats://", "tls://")
    async with connected(url, ca_file=str(authority.certificate)) as connection:
        suspend(server)
        await until(lambda: not connection.is_connected, within=3)
        resume(server)
        await until(lambda: connection.is_connected)


# --- permissions --------------------------------------------------------------------------------


def permissions(rules: str) -> str:
    return f"""
        authorization {{ users: [{{ user: op, password: {SECRET}, permissions: {{ {rules} }} }}] }}
    """


@pytest.mark.parametrize("version", ["2.10.26", "2.12.8", "2.14.6", "2.15.1"])
async def test_a_request_that_is_not_permitted_is_rejected_by_name(
    run_server: RunServer, version: str
) -> None:
    rules = 'publish: { deny: ["$JS.API.STREAM.CREATE.>"] }'
    server = run_server(version, config=permissions(rules))
    async with connected(server.url, user="op", password=SECRET) as connection:
        gateway = Gateway(connection)
        before = time.monotonic()
        with pytest.raises(Rejected, match=r"may not publish to \$JS.API.STREAM.CREATE.orders"):
            await gateway.create_stream(STREAM)
        assert time.monotonic() - before < 1
        assert (await gateway.streams()).found == {}
        assert connection.is_connected


async def test_violations_that_cannot_be_told_apart_are_left_to_the_time_out(
    run_server: RunServer,
) -> None:
    rules = 'publish: { deny: ["$JS.API.STREAM.CREATE.orders"] }'
    server = run_server(config=permissions(rules))
    # The violation is reported in lower case, and the stream ORDERS is permitted.
    login = {"user": "op", "password": SECRET}
    async with connected(server.url, request_timeout=0.5, **login) as connection:
        gateway = Gateway(connection)
        denied, created = await asyncio.gather(
            gateway.create_stream(STREAM),
            gateway.create_stream({**STREAM, "name": "ORDERS"}),
            return_exceptions=True,
        )
    assert isinstance(denied, OutcomeUnknown)
    assert isinstance(created, LiveStream)


async def test_a_user_that_may_not_hear_the_answers_is_told_so(run_server: RunServer) -> None:
    server = run_server(config=permissions('subscribe: { deny: ["_INBOX.>"] }'))
    async with started(server.url, user="op", password=SECRET) as connection:
        await until(lambda: connection.last_error)
        assert "the user may not subscribe to _INBOX.>" in connection.last_error
