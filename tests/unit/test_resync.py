"""The resync: who is compared with what, what is asked of JetStream, and what an outage does."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Any, cast

import pytest

from coze_nats import metrics
from coze_nats.controller.cache import Cache
from coze_nats.controller.queue import KeyedQueue
from coze_nats.controller.resync import Resync
from coze_nats.core import names
from coze_nats.core.desired import Target
from coze_nats.core.errors import NotFound, OutcomeUnknown, Transient
from coze_nats.core.live import Listing, LiveConsumer, LiveStream
from coze_nats.core.resource import Key, Resource
from coze_nats.ports import JetStream
from coze_nats.reconcile import Next
from support.eventually import eventually_async

CREATED = "2026-01-01T00:00:00Z"


class Lists:
    """The part of JetStream that a resync asks: streams and their consumers, by name."""

    def __init__(self, **streams: Collection[str]) -> None:
        self.contents = streams
        self.missing: frozenset[str] = frozenset()
        self.failures: dict[str, Exception] = {}
        self.asked: list[str] = []

    async def streams(self) -> Listing[LiveStream]:
        self._ask("streams")
        return Listing(
            {name: LiveStream({"name": name}, CREATED) for name in self.contents}, self.missing
        )

    async def consumers(self, stream: str) -> Listing[LiveConsumer]:
        self._ask(stream)
        return Listing(
            {name: LiveConsumer({"durable_name": name}, CREATED) for name in self.contents[stream]}
        )

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if failure := self.failures.get(what):
            raise failure


class Existing:
    """A reconciler for which a resource is settled when it exists in JetStream."""

    def __init__(self) -> None:
        self.reconciled: list[str] = []
        self.compared: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def learn(self) -> None:
        """Nothing has to be known of the server."""

    async def reconcile(self, key: Key) -> Next:
        self.reconciled.append(key.name)
        await self.may_end.wait()
        return Next()

    def is_settled(
        self,
        resource: Resource,
        live: LiveStream | LiveConsumer | None,
        stream: LiveStream | None = None,
    ) -> bool:
        self.compared.append(resource.key.name)
        return live is not None

    def target(self, resource: Resource) -> Target | None:
        if resource.spec.get("invalid"):
            return None
        if resource.key.kind == names.STREAM_KIND:
            return Target(resource.key.name)
        return Target(resource.spec["streamName"], resource.key.name)


class Bench:
    """A resync of one connection; NATS may be away for `grace` seconds before everybody is told."""

    def __init__(self, lists: Lists, interval: float = 3600, grace: float = 3600) -> None:
        self.lists = lists
        self.reconciler = Existing()
        self.cache = Cache()
        self.queue = KeyedQueue(self.reconciler.reconcile)
        self.resync = Resync(
            self.queue,
            self.reconciler,
            lambda: self.cache.users_of(None),
            cast(JetStream, lists),
            interval=interval,
            quiet=0.001,
            grace=grace,
        )

    def stream(self, name: str, **spec: Any) -> None:
        self.cache.put(_resource(names.STREAM_KIND, name, spec))

    def consumer(self, name: str, of: str) -> None:
        self.cache.put(_resource(names.CONSUMER_KIND, name, {"streamName": of}))

    async def round(self) -> list[str]:
        """Do a round while connected; returns the names of what was reconciled."""
        self.resync.connected()
        await self.resync.round()
        await self.queue.idle()
        return sorted(self.reconciler.reconciled)


def _resource(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> Resource:
    common = {
        "namespace": "coze",
        "name": name,
        "uid": name,
        "finalizers": [names.FINALIZER],
    }
    return Resource.from_body({"kind": kind, "metadata": common | metadata, "spec": spec})


async def test_what_is_not_as_it_should_be_is_reconciled_and_nothing_else() -> None:
    bench = Bench(Lists(orders=["worker"], foreign=["foreign"]))
    bench.stream("orders")
    bench.stream("lost")
    bench.consumer("worker", of="orders")
    bench.consumer("lost-worker", of="orders")
    bench.consumer("orphan", of="nowhere")
    assert await bench.round() == ["lost", "lost-worker", "orphan"]


async def test_consumers_are_listed_only_of_streams_that_have_some_of_ours() -> None:
    bench = Bench(Lists(orders=["worker"], invoices=[]))
    bench.stream("orders")
    bench.stream("invoices")
    bench.consumer("worker", of="orders")
    bench.consumer("orphan", of="nowhere")
    await bench.round()
    assert bench.lists.asked == ["streams", "orders"]


async def test_what_did_not_answer_in_time_is_not_taken_for_lost() -> None:
    bench = Bench(Lists())
    bench.lists.missing = frozenset({"slow"})
    bench.stream("slow")
    bench.consumer("worker", of="slow")
    assert await bench.round() == []


async def test_a_resource_whose_target_is_unknown_is_skipped() -> None:
    bench = Bench(Lists())
    bench.stream("broken", invalid=True)
    assert await bench.round() == []


async def test_what_is_about_to_be_reconciled_is_not_enqueued_once_more() -> None:
    bench = Bench(Lists())
    bench.stream("lost")
    bench.reconciler.may_end.clear()
    bench.resync.connected()
    bench.queue.add(Key(names.STREAM_KIND, "coze", "lost"))
    await bench.resync.round()
    bench.reconciler.may_end.set()
    await bench.queue.idle()
    assert bench.reconciler.reconciled == ["lost"]


async def test_a_stream_that_vanishes_during_the_round_leaves_its_consumers_lost() -> None:
    bench = Bench(Lists(orders=["worker"]))
    bench.lists.failures["orders"] = NotFound("stream not found", 10059)
    bench.consumer("worker", of="orders")
    assert await bench.round() == ["worker"]


async def test_one_stream_whose_consumers_cannot_be_listed_stops_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(Lists(orders=["worker"], invoices=[]))
    bench.lists.failures["orders"] = OutcomeUnknown("no answer")
    bench.consumer("worker", of="orders")
    bench.consumer("lost", of="invoices")
    assert await bench.round() == ["lost"]
    assert "consumers of stream orders is put off: no answer" in caplog.text


async def test_a_comparison_that_fails_is_told_of_until_one_succeeds(running: Bench) -> None:
    running.lists.failures["streams"] = Transient("nobody answers")
    running.resync.connected()

    async def told() -> bool:
        return running.resync.trouble == "nobody answers"

    await eventually_async(told, 60, "the trouble to be told")
    running.lists.failures.clear()
    running.resync.request()

    async def over() -> bool:
        return running.resync.trouble == ""

    await eventually_async(over, 60, "the end of the trouble")


async def test_nothing_is_asked_while_nats_is_away() -> None:
    bench = Bench(Lists())
    bench.stream("orders")
    bench.resync.disconnected()
    await bench.resync.round()
    assert bench.lists.asked == []
    assert bench.reconciler.compared == []


@pytest.fixture
async def running() -> AsyncIterator[Bench]:
    """A resync that runs, and that only a request sets off; NATS is away."""
    bench = Bench(Lists(orders=[]), grace=0.001)
    task = asyncio.create_task(bench.resync.run())
    await asyncio.sleep(0)
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def reconciled(bench: Bench, *names: str) -> None:
    async def look() -> bool:
        return sorted(bench.reconciler.reconciled) == sorted(names)

    await eventually_async(look, 5, f"the reconcile of {names}")


async def test_when_nats_is_back_everything_is_compared_at_once(running: Bench) -> None:
    running.stream("orders")
    running.stream("lost")
    running.resync.connected()
    await reconciled(running, "lost")


async def test_when_nats_stays_away_every_resource_is_reconciled_to_say_so(
    running: Bench,
) -> None:
    running.stream("orders")
    running.stream("invoices")
    running.resync.disconnected()
    await reconciled(running, "orders", "invoices")


async def test_a_round_that_fails_is_followed_by_others(
    running: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def put_off() -> bool:
        return "put off: no answer" in caplog.text

    running.lists.failures["streams"] = OutcomeUnknown("no answer")
    running.stream("lost")
    running.resync.connected()
    await eventually_async(put_off)
    running.lists.failures.clear()
    running.resync.request()
    await reconciled(running, "lost")


async def test_a_bug_in_a_round_is_told_and_does_not_end_the_rounds(
    running: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def told() -> bool:
        return any(record.exc_info for record in caplog.records)

    running.lists.failures["streams"] = ZeroDivisionError("oops")
    running.stream("lost")
    running.resync.connected()
    await eventually_async(told)
    running.lists.failures.clear()
    running.resync.request()
    await reconciled(running, "lost")


async def test_rounds_come_by_themselves() -> None:
    bench = Bench(Lists(), interval=0.01)

    async def look() -> bool:
        return len(bench.lists.asked) > 2

    task = asyncio.create_task(bench.resync.run())
    await asyncio.sleep(0)
    bench.resync.connected()
    await eventually_async(look)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_the_lists_tell_is_passed_on_to_the_metrics() -> None:
    bench = Bench(Lists(orders=[]))
    seen = metrics.Seen(10, bench.cache.get)
    bench.resync = Resync(
        bench.queue,
        bench.reconciler,
        lambda: bench.cache.users_of(None),
        cast(JetStream, bench.lists),
        interval=3600,
        figures=seen.of(metrics.OWN_CONNECTION, 60.0),
    )
    bench.stream("orders")
    orders = bench.cache.users_of(None)[0]
    bench.cache.put(orders.with_status({"created": CREATED}))
    await bench.round()
    assert b'coze_nats_stream_messages{connection="operator"' in seen.text()
    bench.resync.forget()
    assert b'coze_nats_stream_messages{connection="operator"' not in seen.text()
