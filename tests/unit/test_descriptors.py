"""File descriptors: the limit is raised, and running out of them is told once."""

import errno
import logging
import resource
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from coze_nats import descriptors
from coze_nats.descriptors import EACH, OVER_AFTER, RESERVED, OnceRunOut, connections

WITH_FEW = textwrap.dedent(
    """
    import asyncio, logging, socket, resource
    from coze_nats import logs
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    async def main():
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        there = server.sockets[0].getsockname()
        held = [socket.socket() for _ in range(5)]
        try:
            while True:
                held.append(socket.socket())
        except OSError:
            pass
        for each in held[:5]:
            each.setblocking(False)
            each.connect_ex(there)
        await asyncio.sleep(2.5)

    logs.configure("text", logging.INFO)
    asyncio.run(main())
    """
)


def test_a_server_that_can_accept_nobody_says_so_once() -> None:
    found = subprocess.run(
        [sys.executable, "-c", WITH_FEW], capture_output=True, text=True, timeout=120, check=True
    )
    assert found.stderr.count("No file descriptor is left") == 1
    assert "Traceback" not in found.stderr
    assert len(found.stderr.splitlines()) == 1


def record(error: BaseException | None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("x", logging.ERROR, "x.py", 1, "it failed", (), info)


def run_out() -> Exception:
    try:
        try:
            raise OSError(errno.EMFILE, "Too many open files")
        except OSError as error:
            raise ValueError("no connection") from error
    except ValueError as error:
        return error


def test_it_is_told_again_when_it_was_over() -> None:
    now = [0.0]
    once = OnceRunOut(lambda: now[0])
    told = []
    for now[0] in (0.0, 1.0, OVER_AFTER, 2 * OVER_AFTER + 1):
        told.append(once.filter(record(run_out())))
    assert told == [True, False, False, True]


@pytest.mark.parametrize("error", [None, ValueError("x"), OSError(errno.ECONNREFUSED, "refused")])
def test_what_has_another_cause_is_told_each_time(error: Exception | None) -> None:
    once, about = OnceRunOut(), record(error)
    assert all(once.filter(about) for _ in range(3))
    assert about.getMessage() == "it failed"


def test_the_limit_is_raised_to_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[Any] = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.append(new))
    assert descriptors.raise_limit() == 4096
    assert limits[-1] == (4096, 4096)


def test_a_limit_that_may_not_be_raised_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: int, __: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (512, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert descriptors.raise_limit() == 512
    assert "stays 512: not allowed" in caplog.text


@pytest.mark.parametrize(
    "wanted, limit, most, told",
    [
        (1000, 1 << 20, 1000, False),
        (0, RESERVED + 100 * EACH, 100, False),
        (1000, RESERVED + 100 * EACH, 100, True),
        (1000, 64, 1, True),
    ],
)
def test_there_are_as_many_connections_as_there_are_descriptors_for(
    wanted: int, limit: int, most: int, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert connections(wanted, limit) == most
    assert bool(caplog.records) is told
