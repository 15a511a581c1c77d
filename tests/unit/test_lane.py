"""The lane: how many requests at once, and whose time in line counts."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coze_nats.kube.lane import Lane


class Server:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.paths: list[str] = []
        self.may_answer = asyncio.Event()

    async def send(self, request: Any) -> Any:
        self.asked += 1
        self.paths.append(request.url.path)
        await self.may_answer.wait()
        return "answer"


def request(lane: Lane, server: Server, path: str = "/") -> "asyncio.Task[Any]":
    asked = SimpleNamespace(url=SimpleNamespace(path=path))
    return asyncio.ensure_future(lane(cast(Any, asked), server.send))


async def breathe() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_requests_are_sent_at_once_than_it_is_wide() -> None:
    server, lane = Server(), Lane(2)
    requests = [request(lane, server) for _ in range(5)]
    await breathe()
    assert server.asked == 2
    server.may_answer.set()
    assert await asyncio.gather(*requests) == ["answer"] * 5


async def test_a_request_does_not_wait_for_its_turn_for_ever() -> None:
    server, lane = Server(), Lane(1, turn_within=0.1)
    first, second = request(lane, server), request(lane, server)
    with pytest.raises(TimeoutError):
        await second
    assert server.asked == 1, "it was not sent"
    server.may_answer.set()
    assert await first == "answer"
    assert await request(lane, server) == "answer"


async def test_a_request_that_is_not_answered_in_time_makes_room_for_the_next() -> None:
    server, lane = Server(), Lane(1, answer_within=1)
    first, second = request(lane, server), request(lane, server)
    with pytest.raises(TimeoutError):
        await first
    await breathe()
    assert server.asked == 2, "the time of the second began with its turn"
    server.may_answer.set()
    assert await second == "answer"


async def test_namespaces_take_turns_in_line() -> None:
    server, lane = Server(), Lane(1)
    one, other = ("/api/v1/namespaces/one/secrets/login", "/apis/x/v1/namespaces/other/streams/a")
    paths = [one] * 4 + [other] * 2 + ["/version"]
    requests = [request(lane, server, path) for path in paths]
    await breathe()
    server.may_answer.set()
    await asyncio.gather(*requests)
    assert server.paths == [one, one, other, "/version", one, other, one]


async def test_a_request_that_is_given_up_in_line_leaves_its_turn_to_others() -> None:
    server, lane = Server(), Lane(1)
    first, second, third = (request(lane, server) for _ in range(3))
    await breathe()
    second.cancel()
    server.may_answer.set()
    assert list(await asyncio.gather(first, third)) == ["answer"] * 2
    assert second.cancelled()


async def test_a_request_that_is_given_up_just_when_it_is_its_turn_gives_the_slot_back() -> None:
    server, lane = Server(), Lane(1)
    first, second = request(lane, server), request(lane, server)
    await breathe()
    first.cancel()
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    server.may_answer.set()
    assert await request(lane, server) == "answer"
