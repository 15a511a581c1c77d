"""Every way to log in, on a real server, and what is said when it fails."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane.accounts import Key, Operator
from controlplane.nats import NatsServer
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.environment import from_environment
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.until import until

RunServer = Callable[..., NatsServer]
SECRET = "correct-horse-battery-staple"
WRONG = "incorrect-horse-battery-staple"


async def can_log_in(url: str, environ: dict[str, str]) -> bool:
    """Log in with settings as they come from the environment, and use JetStream."""
    options = from_environment({"NATS_SERVER_URL": url} | environ)
    assert options
    connection = Connection(options)
    await connection.start()
    try:
        async with asyncio.timeout(10):
            await connection.wait_connected()
        return (await Gateway(connection).server()).version != ""
    finally:
        await connection.close()


async def test_with_a_token(run_server: RunServer) -> None:
    server = run_server(token=SECRET)
    assert await can_log_in(server.url, {"NATS_TOKEN": f"{SECRET}\n"})


async def test_with_user_and_password(run_server: RunServer) -> None:
    server = run_server(user="operator", password=SECRET)
    assert await can_log_in(server.url, {"NATS_USERNAME": "operator", "NATS_PASSWORD": SECRET})


async def test_with_user_info_in_the_url(run_server: RunServer) -> None:
    server = run_server(user="operator", password="p@ss:word/")
    user_info = "operator:p%40ss%3Aword%2F"
    assert await can_log_in(f"nats://{user_info}@127.0.0.1:{server.port}", {})


@pytest.mark.parametrize(
    "file",
    [
        b"%s",
        b"%s\n",
        b"%s\r\n",
        b"\xef\xbb\xbf%s\r\n",
        b"-----BEGIN USER NKEY SEED-----\r\n%s\r\n------END USER NKEY SEED------\r\n",
    ],
)
async def test_with_the_seed_of_an_nkey_whatever_its_line_ends(
    run_server: RunServer, tmp_path: Path, file: bytes
) -> None:
    key = Key()
    server = run_server(config=f"authorization {{ users: [{{ nkey: {key.public} }}] }}")
    (tmp_path / "seed").write_bytes(file % key.seed.encode())
    assert await can_log_in(server.url, {"NATS_NKEY_SEED": str(tmp_path / "seed")})


async def test_with_a_jwt_and_its_seed(run_server: RunServer, tmp_path: Path) -> None:
    operator = Operator()
    user = operator.account("A").user()
    server = run_server(config=operator.config)
    (tmp_path / "seed").write_text(f"{user.seed}\r\n")
    environ = {"NATS_JWT_TOKEN": f"{user.jwt}\n", "NATS_NKEY_SEED": str(tmp_path / "seed")}
    assert await can_log_in(server.url, environ)


async def test_with_a_jwt_that_is_a_bearer_token(run_server: RunServer) -> None:
    operator = Operator()
    user = operator.account("A").user(bearer=True)
    server = run_server(config=operator.config)
    assert await can_log_in(server.url, {"NATS_JWT_TOKEN": user.jwt})


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
async def test_with_a_creds_file_whatever_its_line_ends(
    run_server: RunServer, tmp_path: Path, line_end: str
) -> None:
    operator = Operator()
    user = operator.account("A").user()
    server = run_server(config=operator.config)
    (tmp_path / "user.creds").write_bytes(user.creds.replace("\n", line_end).encode())
    assert await can_log_in(server.url, {"NATS_CREDS": str(tmp_path / "user.creds")})


async def test_a_wrong_password_is_told_without_it_and_the_right_server_is_found_later(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    strict = run_server(user="operator", password=SECRET)
    options = ConnectionOptions(servers=(strict.url,), user="operator", password=WRONG)
    connection = Connection(options)
    await connection.start()
    await until(lambda: connection.last_error)
    assert connection.last_error == f"{strict.url}: authorization violation"
    assert not connection.is_connected

    await asyncio.to_thread(strict.stop)
    run_server(port=strict.port, user="operator", password=WRONG)
    await until(lambda: connection.is_connected)
    await connection.close()
    assert SECRET not in caplog.text
    assert WRONG not in caplog.text


async def test_a_malformed_seed_is_a_reason_and_a_mended_file_is_read_anew(
    run_server: RunServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = Key()
    server = run_server(config=f"authorization {{ users: [{{ nkey: {key.public} }}] }}")
    seed = tmp_path / "seed"
    seed.write_text(key.seed[:-4])
    environ = {"NATS_SERVER_URL": server.url, "NATS_NKEY_SEED": str(seed)}
    options = from_environment(environ)
    assert options
    connection = Connection(options)
    await connection.start()
    await until(lambda: "the nkey seed is malformed" in connection.last_error)
    seed.unlink()
    await until(lambda: "can't be read: No such file" in connection.last_error)
    seed.write_text(key.seed)
    await until(lambda: connection.is_connected)
    await connection.close()
    assert key.seed[:-4] not in caplog.text
