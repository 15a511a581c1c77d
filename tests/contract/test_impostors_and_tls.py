"""Hosts that are not what they should be, and TLS: no credentials leave in plaintext."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from controlplane.certificates import Authority
from controlplane.nats import NatsServer
from coze_nats.jetstream.gateway import Gateway
from support.connections import connected, started
from support.impostors import impostor
from support.suspension import resume, suspend
from support.until import until

RunServer = Callable[..., NatsServer]
SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    "greeting, reason",
    [
        (b"", "no answer in time"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers there is not a NATS server"),
        (b"INFO {nonsense}\r\n", "the server's INFO makes no sense: it is no JSON"),
        (b"INFO " + b"x" * 100_000, "no answer in time"),
        (b"INFO " + b"x" * 2_000_000, "the server's greeting has more than 1,048,576 bytes"),
    ],
)
async def test_what_is_not_a_nats_server_is_a_reason_not_a_hang(
    greeting: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        impostor(greeting) as host,
        started(f"nats://127.0.0.1:{host.port}", connect_timeout=2) as connection,
    ):
        await until(lambda: connection.last_error)
        assert reason in connection.last_error


async def test_a_name_that_does_not_resolve_is_a_reason(run_server: RunServer) -> None:
    async with started("nats://nats.invalid:4222", connect_timeout=60) as connection:
        await until(lambda: connection.last_error)
        assert "can't resolve the host name" in connection.last_error


INFO: dict[str, Any] = {"server_id": "X", "version": "2.14.6", "max_payload": 1 << 20}
WAYS_TO_LOG_IN = [
    {"token": SECRET},
    {"user": "operator", "password": SECRET},
    {"jwt": f"eyJhbGciOiJub25lIn0.{SECRET}.c2ln"},
]


@pytest.mark.parametrize(
    "farewell, reason",
    [
        (b"", "the server closed the connection"),
        (b"-ERR 'Authorization Violation'\r\n", "authorization violation"),
        # Logged in, and out again at once: as with a JWT that expires within this second.
        (b"PONG\r\n-ERR 'User Authentication Expired'\r\n", "user authentication expired"),
        (b"PONG\r\n", "the server closed the connection"),
    ],
)
async def test_a_server_that_hangs_up_during_the_login_is_a_reason(
    farewell: bytes, reason: str
) -> None:
    greeting = f"INFO {json.dumps(INFO)}\r\n".encode()
    async with (
        impostor(greeting, farewell=farewell) as host,
        started(f"nats://127.0.0.1:{host.port}") as connection,
    ):
        await until(lambda: connection.last_error)
        assert reason in connection.last_error


@pytest.mark.parametrize("farewell", [None, b"", b"PONG\r\n-ERR 'Expired'\r\n"])
async def test_closing_in_any_moment_of_a_login_leaves_nothing_behind(
    farewell: bytes | None,
) -> None:
    greeting = f"INFO {json.dumps(INFO)}\r\n".encode()
    async with impostor(greeting, farewell=farewell) as host:
        for turns in range(60):
            async with started(f"nats://127.0.0.1:{host.port}"):
                for _ in range(turns):
                    await asyncio.sleep(0)
        assert host.visits > 10


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
        started(f"tls://127.0.0.1:{host.port}", connect_timeout=2, **login) as connection,
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
    ca_file = str(authority.certificate)
    async with connected(url, ca_file=ca_file, ping_interval=0.5) as connection:
        suspend(server)
        await until(lambda: not connection.is_connected)
        resume(server)
        await until(lambda: connection.is_connected)


CREDENTIALS = f"eyJhbGciOiJub25lIn0.{SECRET}.c2ln"


@pytest.mark.parametrize(
    "login, said",
    [
        ({"token": SECRET}, f"Wrong token: {SECRET.upper()}"),
        ({"user": "shop-app", "password": SECRET}, f"User shop-app with {SECRET} is not known"),
        ({"jwt": CREDENTIALS}, f"Not valid: {CREDENTIALS}"),
    ],
)
@pytest.mark.parametrize("beginning", [b"", b"PONG\r\n"])
async def test_what_a_server_says_is_shown_without_the_login(
    login: dict[str, str], said: str, beginning: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    greeting = f"INFO {json.dumps(INFO)}\r\n".encode()
    async with (
        impostor(greeting, farewell=beginning + f"-ERR '{said}'\r\n".encode()) as host,
        started(f"nats://127.0.0.1:{host.port}", **login) as connection,
    ):
        await until(lambda: connection.last_error)
        shown = f"{connection.last_error} {caplog.text}".lower()
    assert "[hidden]" in shown
    assert not any(value.lower() in shown for value in login.values())


async def test_what_a_server_says_is_bounded_and_stays_on_its_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = "x\x1b[2J\u202e" + "y" * 30_000
    version = "9.9.9\nERROR " + "9" * 1000
    greeting = f"INFO {json.dumps({**INFO, 'version': version})}\r\n".encode()
    async with (
        impostor(greeting, farewell=f"-ERR '{said}'\r\n".encode()) as host,
        started(f"nats://127.0.0.1:{host.port}") as connection,
    ):
        await until(lambda: connection.last_error)
        shown = connection.last_error
    assert len(shown) < 1000
    assert shown.isprintable()
    assert not any("ERROR 9" in line for line in caplog.text.splitlines())
