"""What has gone wrong with NATS clients: each can happen, and none does what it did there.

More of them are in tests/contract: nothing runs after a reconnect (test_connection), a malformed
seed is a reason and mended later (test_login), plain impostors (test_impostors_and_tls).
"""

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from connections.systems import METHODS, PASSWORD, USER, WRONG, Identities, Method
from controlplane.certificates import Authority
from controlplane.nats import NatsServer
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from support.connections import connected, started
from support.impostors import Impostor, impostor, listening
from support.until import until

RunServer = Callable[..., NatsServer]
GREETING = {
    "server_id": "X",
    "version": "2.14.6",
    "max_payload": 1 << 20,
    "auth_required": True,
    "nonce": "abc",
}
methods = pytest.mark.parametrize("method", METHODS, ids=str)


def info(**more: Any) -> bytes:
    return f"INFO {json.dumps(GREETING | more)}\r\n".encode()


def trouble_of(connection: Connection) -> Trouble | None:
    return connection.trouble


@methods
@pytest.mark.parametrize(
    "demand",
    [
        {"tls": True},
        {"ca": "authority"},
        {"certificate": "own", "private_key": "own"},
        {"server_name": "nats.example"},
        {"handshake_first": True},
    ],
    ids=lambda demand: next(iter(demand)),
)
async def test_whoever_demands_tls_gives_no_byte_of_a_login_to_a_server_without_it(
    identities: Identities,
    method: Method,
    demand: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    material = {
        "ca": identities.authority.certificate,
        "certificate": identities.client.certificate,
        "private_key": identities.client.key,
    }
    tls = {key: material[key].read_text() if key in material else demand[key] for key in demand}
    login = method.right(identities)
    quick = {"connect_timeout": 1, **tls, **login}
    async with (
        impostor(info(tls_required=False)) as host,
        started(f"nats://127.0.0.1:{host.port}", **quick) as connection,
    ):
        await until(lambda: trouble_of(connection) is Trouble.TLS)
        said = connection.last_error + caplog.text
    # With the handshake first, a ClientHello went out; and nothing but that.
    assert host.received[:2] == (b"\x16\x03" if "handshake_first" in demand else b"")
    assert b"CONNECT" not in host.received
    for secret in identities.secrets({**login, **tls}):
        assert secret.encode() not in host.received
        assert secret not in said


@asynccontextmanager
async def man_in_the_middle(
    authority: Authority, *, handshake_first: bool
) -> AsyncIterator[Impostor]:
    """Someone with a certificate of an authority that we don't trust, who reads what is sent."""
    pair = authority.issue_server("nats")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    host = Impostor(info(tls_required=True) if handshake_first else b"")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with host.visited(writer), suppress(OSError):
            if not handshake_first:
                writer.write(info(tls_required=True))
                await writer.start_tls(context)
            await host.serve(reader, writer)

    async with listening(host, serve, tls=context if handshake_first else None):
        yield host


@methods
@pytest.mark.parametrize("handshake_first", [False, True])
async def test_a_man_in_the_middle_is_told_nothing(
    identities: Identities, method: Method, handshake_first: bool
) -> None:
    options = {
        "ca": identities.authority.certificate.read_text(),
        "handshake_first": handshake_first,
        **method.right(identities),
    }
    async with (
        man_in_the_middle(identities.foreign, handshake_first=handshake_first) as host,
        started(f"nats://127.0.0.1:{host.port}", **options) as connection,
    ):
        await until(lambda: trouble_of(connection) is Trouble.TLS)
        assert "the server's certificate is not accepted" in connection.last_error
    assert host.received == b""


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A port that swallows what is sent to it: its queue of connections is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole:
        address = hole.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        yield f"nats://127.0.0.1:{address[1]}"
        for filler in fillers:
            filler.close()


async def test_a_server_that_never_answers_holds_up_neither_the_others_nor_the_end(
    run_server: RunServer, black_hole: str
) -> None:
    async with started(black_hole, connect_timeout=1) as connection:
        await until(lambda: connection.last_error == f"{black_hole}: no answer in time")
        assert connection.trouble is Trouble.UNREACHABLE
    async with connected(black_hole, run_server().url, connect_timeout=1) as connection:
        assert (await Gateway(connection).streams()).found == {}


async def test_a_jwt_that_expires_is_followed_by_the_one_that_has_replaced_it(
    run_server: RunServer, identities: Identities, tmp_path: Path
) -> None:
    server = run_server(config=identities.operator.config)
    creds = tmp_path / "user.creds"
    first, second = identities.account.user(lasts=6), identities.account.user(lasts=15)
    creds.write_text(first.creds)
    troubles: set[Trouble | None] = set()
    async with connected(server.url, creds_file=str(creds)) as connection:
        connection.on_disconnected(lambda: troubles.add(connection.trouble))
        creds.write_text(second.creds)
        # Replaced in time, the new one is taken at once; replaced too late, soon after.
        await until(lambda: connection.epoch == 2)
        await until(lambda: trouble_of(connection) is Trouble.AUTHENTICATION)
        await until(lambda: "authorization violation" in connection.last_error)
        creds.write_text(identities.account.user().creds)
        await until(lambda: connection.is_connected)
        assert (await Gateway(connection).streams()).found == {}
    assert troubles == {Trouble.AUTHENTICATION}


async def test_creds_that_become_malformed_while_connected_leave_no_zombie(
    run_server: RunServer, identities: Identities, tmp_path: Path
) -> None:
    server = run_server(config=identities.operator.config)
    creds = tmp_path / "user.creds"
    creds.write_text(identities.user.creds)
    async with connected(server.url, creds_file=str(creds)) as connection:
        creds.write_text(identities.user.creds.replace(identities.user.seed, "SUAAA"))
        await asyncio.to_thread(server.restart)
        await until(lambda: connection.trouble is Trouble.CREDENTIALS)
        assert "the nkey seed is malformed" in connection.last_error
        assert "SUAAA" not in connection.last_error
        creds.write_text(identities.user.creds)
        await until(lambda: connection.is_connected)
        assert (await Gateway(connection).streams()).found == {}


async def test_a_password_that_is_changed_at_the_server_ends_the_session_with_that_reason(
    run_server: RunServer,
) -> None:
    def users(password: str) -> str:
        return f"authorization {{ users: [{{ user: {USER}, password: {password} }}] }}"

    server = run_server(config=users(PASSWORD))
    async with connected(server.url, user=USER, password=PASSWORD) as connection:
        await asyncio.to_thread(server.reload, users(WRONG))
        await until(lambda: trouble_of(connection) is Trouble.AUTHENTICATION)
        await asyncio.to_thread(server.reload, users(PASSWORD))
        await until(lambda: connection.is_connected)
