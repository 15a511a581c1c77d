"""Events: namespaces take turns, the newest of a kind is posted, and too many are told once."""

import asyncio
from typing import Any, cast

import pytest

from coze_nats.core.errors import Unavailable
from coze_nats.core.resource import Key, Resource
from coze_nats.kube.events import EventPoster


class Api:
    """Takes what is posted when the test says so."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self.may_answer = asyncio.Event()

    async def request(self, _: str, __: str, *, body: dict[str, Any]) -> dict[str, Any]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_answer.wait()
        self.at_once -= 1
        self.posted.append(body)
        if body["reason"] == "Refused":
            raise Unavailable("no")
        return body

    def told(self) -> list[tuple[str, str, int]]:
        return [
            (each["involvedObject"]["name"], each["message"], each["count"]) for each in self.posted
        ]


def resource(namespace: str, name: str) -> Resource:
    key = Key("CozeStream", namespace, name)
    return Resource(
        key=key,
        uid=f"{namespace}/{name}",
        generation=1,
        finalized=True,
        deleting=False,
        reconcile_requested_at="",
        spec={},
        status={},
    )


@pytest.fixture
async def api() -> Api:
    return Api()


@pytest.fixture
def poster(api: Api) -> EventPoster:
    return EventPoster(cast(Any, api))


def emit(
    poster: EventPoster, namespace: str, name: str, message: str = "", reason: str = "Stalled"
) -> None:
    poster.emit(resource(namespace, name), "Warning", reason, message)


async def breathe() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def all_posted(api: Api, poster: EventPoster) -> None:
    api.may_answer.set()
    await poster.close(60)


async def test_one_namespaces_many_keep_no_others_few_waiting(
    api: Api, poster: EventPoster
) -> None:
    for number in range(500):
        emit(poster, "many", f"m{number}")
    emit(poster, "few", "one")
    await breathe()
    await all_posted(api, poster)
    names = [name for name, _, _ in api.told()]
    assert len(names) == 501
    assert names.index("one") < 10
    assert api.most_at_once == 4


async def test_of_those_that_wait_the_newest_of_a_kind_is_posted_and_counts_the_others(
    api: Api, poster: EventPoster
) -> None:
    for name in ("a", "b", "c", "d"):
        emit(poster, "shop", name)
    for number in range(300):
        emit(poster, "shop", "orders", f"{number}")
        emit(poster, "shop", "orders", f"{number}", "Recovered")
    await all_posted(api, poster)
    assert api.told()[4:] == [("orders", "299", 300)] * 2


async def test_of_too_many_those_of_who_has_the_most_are_dropped_and_it_is_told_twice(
    api: Api, poster: EventPoster, caplog: pytest.LogCaptureFixture
) -> None:
    emit(poster, "few", "one")
    for number in range(3000):
        emit(poster, "many", f"m{number}")
    emit(poster, "few", "two")
    await all_posted(api, poster)
    names = [name for name, _, _ in api.told()]
    assert {"one", "two", "m2999"} <= set(names)
    dropped, ended = (record.getMessage() for record in caplog.records)
    assert dropped.startswith("Event Stalled of CozeStream many/m")
    assert ended == f"{3002 - len(names)} events were dropped: too many waited"


async def test_an_event_that_is_refused_is_logged(
    api: Api, poster: EventPoster, caplog: pytest.LogCaptureFixture
) -> None:
    emit(poster, "shop", "orders", reason="Refused")
    emit(poster, "shop", "orders")
    await all_posted(api, poster)
    assert len(api.posted) == 2
    assert "Event Refused could not be posted: no" in caplog.text


async def test_what_is_not_posted_in_time_at_the_end_is_given_up(
    api: Api, poster: EventPoster
) -> None:
    for number in range(10):
        emit(poster, "shop", f"o{number}")
    await breathe()
    await poster.close(0.01)
    await breathe()
    assert api.posted == []
    assert api.at_once == 4
