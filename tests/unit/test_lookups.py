"""Names that resolve slowly, or never, and who waits for them: nobody else."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlparse

import pytest

from coze_nats.jetstream.addresses import JudgedTransport, SlowName
from coze_nats.jetstream.failures import cause_of
from coze_nats.jetstream.lookups import Lookups


class Resolver:
    """Answers when it may, and notes what it was asked."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked: list[str] = []

    def ask(self, host: str, _: int) -> list[str]:
        self.asked.append(host)
        self.may_answer.wait()
        return ["192.0.2.1"]


@pytest.fixture
def slow() -> Iterator[Resolver]:
    resolver = Resolver()
    yield resolver
    resolver.may_answer.set()


async def given_up(lookups: Lookups, host: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await lookups.addresses(host, 4222)


async def test_fifty_names_that_resolve_slowly_delay_no_other(slow: Resolver) -> None:
    waiting = [
        asyncio.create_task(Lookups(slow.ask).addresses(f"slow-{number}.example", 4222))
        for number in range(50)
    ]
    assert await Lookups().addresses("localhost", 4222)
    assert await asyncio.get_running_loop().run_in_executor(None, socket.gethostname)
    assert not any(task.done() for task in waiting)
    slow.may_answer.set()
    assert await asyncio.gather(*waiting) == [["192.0.2.1"]] * 50


async def test_a_connection_that_tries_again_has_one_look_up_for_each_name(slow: Resolver) -> None:
    lookups = Lookups(slow.ask)
    for _ in range(5):
        await given_up(lookups, "one.example")
        await given_up(lookups, "two.example")
    slow.may_answer.set()
    assert await lookups.addresses("one.example", 4222) == ["192.0.2.1"]
    assert await lookups.addresses("two.example", 4222) == ["192.0.2.1"]
    assert sorted(slow.asked) == ["one.example", "two.example"]


async def test_an_answer_is_used_once(slow: Resolver) -> None:
    slow.may_answer.set()
    lookups = Lookups(slow.ask)
    for _ in range(2):
        assert await lookups.addresses("one.example", 4222) == ["192.0.2.1"]
    assert slow.asked == ["one.example"] * 2


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
async def test_an_address_is_not_looked_up(slow: Resolver, address: str) -> None:
    assert await Lookups(slow.ask).addresses(address, 4222) == [address]
    assert slow.asked == []


async def test_a_name_that_does_not_exist_is_a_reason() -> None:
    def ask(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(socket.gaierror, match="not known"):
        await Lookups(ask).addresses("nowhere.example", 4222)


async def test_a_name_that_is_not_resolved_in_time_is_told_as_such(slow: Resolver) -> None:
    transport: Any = JudgedTransport(Lookups(slow.ask))
    with pytest.raises(SlowName) as found:
        await transport.connect(urlparse("nats://slow.example:4222"), 1, connect_timeout=0)
    assert cause_of(found.value).words == "can't resolve the host name: no answer in time"
