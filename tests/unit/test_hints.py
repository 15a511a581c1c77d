"""Advisories as hints: whose they are, and which of them are nothing new."""

from typing import Any

import pytest

from coze_nats.controller.cache import Cache
from coze_nats.controller.hints import MOST_GATHERED, PREFIX, SUBJECTS, Hints
from coze_nats.controller.queue import KeyedQueue
from coze_nats.core import names
from coze_nats.core.login import Login
from coze_nats.core.resource import Key, Resource
from coze_nats.reconcile import Next
from fakes.endpoint import FakeEndpoint
from support.eventually import eventually_async

LONG_AGO = 3600.0
HUB = {"name": "hub"}


class Bench:
    """Hints of one connection, and the resources that are looked at because of them."""

    def __init__(self, connection: Key | None = None) -> None:
        self.cache = Cache()
        self.looked_at: list[str] = []
        self.written_ago = LONG_AGO
        self.queue = KeyedQueue(self._look)
        self.compared = 0
        self.blocked: dict[str, tuple[Key, ...]] = {}
        self.hints = Hints(
            self.cache,
            self.queue,
            connection,
            lambda _: self.written_ago,
            self._compare,
            lambda stream: self.blocked.get(stream, ()),
        )

    def _compare(self) -> None:
        self.compared += 1

    async def _look(self, key: Key) -> Next:
        self.looked_at.append(key.name)
        return Next()

    def put(self, kind: str, resource: str, /, **spec: Any) -> None:
        metadata = {"namespace": "coze", "name": resource, "uid": resource}
        self.cache.put(Resource.from_body({"kind": kind, "metadata": metadata, "spec": spec}))

    async def hears(self, *advisories: str) -> list[str]:
        """What is looked at because of these."""
        # Something that is surely looked at marks the end of the wait.
        self.put(names.STREAM_KIND, "last", connection=self._last_connection)
        for advisory in (*advisories, "STREAM.DELETED.last"):
            self.hints.heard(f"{PREFIX}{advisory}")

        async def acted() -> bool:
            return "last" in self.looked_at

        await eventually_async(acted, 60, "the hints to be acted on")
        await self.queue.idle()
        return sorted(name for name in self.looked_at if name != "last")

    @property
    def _last_connection(self) -> dict[str, str] | None:
        return HUB if self.hints._connection else None


@pytest.fixture
async def bench() -> Bench:
    found = Bench()
    found.put(names.STREAM_KIND, "orders")
    found.put(names.STREAM_KIND, "renamed", name="invoices")
    found.put(names.CONSUMER_KIND, "reader", streamRef={"name": "orders"})
    found.put(names.CONSUMER_KIND, "auditor", streamRef={"name": "orders"}, name="audit")
    found.put(names.CONSUMER_KIND, "outsider", streamName="foreign")
    found.put(names.STREAM_KIND, "elsewhere", name="orders", connection=HUB)
    return found


@pytest.mark.parametrize(
    "advisory, expected",
    [
        ("STREAM.DELETED.orders", ["orders"]),
        ("STREAM.UPDATED.invoices", ["renamed"]),
        ("STREAM.CREATED.foreign", []),
        ("CONSUMER.DELETED.orders.reader", ["reader"]),
        ("CONSUMER.PAUSE.orders.audit", ["auditor"]),
        ("CONSUMER.CREATED.foreign.outsider", ["outsider"]),
        ("CONSUMER.DELETED.orders.somebody", []),
    ],
)
async def test_a_hint_is_about_the_resource_of_the_named_object(
    bench: Bench, advisory: str, expected: list[str]
) -> None:
    assert await bench.hears(advisory) == expected


async def test_the_same_names_in_another_system_are_others(bench: Bench) -> None:
    hub = Bench(Key(names.CONNECTION_KIND, "coze", "hub"))
    hub.put(names.STREAM_KIND, "orders")
    hub.put(names.STREAM_KIND, "elsewhere", name="orders", connection=HUB)
    assert await hub.hears("STREAM.DELETED.orders") == ["elsewhere"]


async def test_many_hints_about_one_object_are_one(bench: Bench) -> None:
    assert await bench.hears(*["STREAM.UPDATED.orders"] * 50) == ["orders"]


@pytest.mark.parametrize("advisory", ["", "STREAM", "STREAM.DELETED", "API"])
async def test_what_is_no_advisory_is_no_hint(bench: Bench, advisory: str) -> None:
    assert await bench.hears(advisory, f"{advisory}.") == []


async def test_more_hints_than_are_kept_have_everything_compared(bench: Bench) -> None:
    flood = [f"STREAM.DELETED.S{number}" for number in range(5 * MOST_GATHERED)]
    for advisory in flood:
        bench.hints.heard(f"{PREFIX}{advisory}")
    assert len(bench.hints._gathered) == MOST_GATHERED
    bench.hints._resolve()
    assert bench.compared == 1
    bench.hints.stop()


async def test_what_the_operator_has_just_done_itself_is_nothing_new(bench: Bench) -> None:
    bench.written_ago = 0.1
    advisories = ("STREAM.CREATED.orders", "CONSUMER.CREATED.orders.reader")
    assert await bench.hears(*advisories, "STREAM.DELETED.invoices") == ["renamed"]


async def test_what_may_be_somebody_elses_change_is_found_by_comparing(bench: Bench) -> None:
    bench.written_ago = 0.1
    assert await bench.hears("STREAM.UPDATED.orders", "CONSUMER.PAUSE.orders.reader") == []

    async def compared() -> bool:
        return bench.compared > 0

    await eventually_async(compared, 60, "a comparison")
    assert bench.compared == 1


async def test_nothing_is_done_after_the_end(bench: Bench) -> None:
    bench.hints.heard(f"{PREFIX}STREAM.DELETED.orders")
    bench.hints.stop()
    assert await bench.hears() == []


async def test_what_the_user_may_not_hear_is_logged_when_it_changes(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    endpoint = FakeEndpoint(Login(servers=("nats://hub:4222",)))
    bench.hints.listen(endpoint)
    await endpoint.start()
    for denied in ((), SUBJECTS[:2], SUBJECTS, (), ()):
        endpoint.accept(denied=denied)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    refused, granted = (record.getMessage() for record in caplog.records)
    assert f"may not subscribe to {SUBJECTS[0]}, {SUBJECTS[1]}: " in refused
    assert "may subscribe to JetStream's advisories now" in granted


async def test_a_hint_about_a_stream_is_one_for_who_is_refused_because_of_it(bench: Bench) -> None:
    bench.written_ago = 0.0
    bench.blocked["foreign"] = (Key(names.STREAM_KIND, "coze", "orders"),)
    heard = ("STREAM.UPDATED.orders", "CONSUMER.DELETED.foreign.theirs")
    assert await bench.hears(*heard) == ["orders"]


async def test_who_is_refused_is_not_woken_by_its_own_objects_echo(bench: Bench) -> None:
    bench.written_ago = 0.0
    bench.blocked["orders"] = (Key(names.STREAM_KIND, "coze", "orders"),)
    assert await bench.hears("STREAM.UPDATED.orders", "STREAM.UPDATED.elsewhere") == []
