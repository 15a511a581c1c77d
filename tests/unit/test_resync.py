"""The resync: who is compared with what, what is asked of JetStream, and what an outage does."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from typing import Any, cast

import pytest

from coze_nats import metrics
from coze_nats.controller.cache import Cache
from coze_nats.controller.queue import KeyedQueue
from coze_nats.controller.resync import Resync
from coze_nats.core import names
from coze_nats.core.desired import Target
from coze_nats.core.errors import Denied, NotFound, OutcomeUnknown, Transient
from coze_nats.core.live import Listing, LiveConsumer, LiveStream
from coze_nats.core.resource import Key, Resource
from coze_nats.ports import JetStream
from coze_nats.reconcile import Next
from support.clock import ManualClock
from support.eventually import eventually_async
from support.until import until

CREATED = "2026-01-01T00:00:00Z"
GRACE, INTERVAL = 15.0, 3600.0
NO_JETSTREAM = Transient("JetStream not enabled for account", 10039)


class Lists:
    """The part of JetStream that a resync asks: streams and their consumers, by name."""

    def __init__(self, **streams: Collection[str]) -> None:
        self.contents = streams
        self.missing: frozenset[str] = frozenset()
        self.failures: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def streams(self) -> Listing[LiveStream]:
        await self.may_answer.wait()
        self._ask("streams")
        return Listing(
            {name: LiveStream({"name": name}, CREATED) for name in self.contents}, self.missing
        )

    async def consumers(self, stream: str) -> Listing[LiveConsumer]:
        self._ask(stream)
        return Listing(
            {name: LiveConsumer({"durable_name": name}, CREATED) for name in self.contents[stream]}
        )

    async def account(self) -> dict[str, Any]:
        self._ask("account")
        return {}

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if failure := self.failures.get(what):
            raise failure


class Existing:
    """A reconciler for which a resource is settled when it exists in JetStream."""

    def __init__(self) -> None:
        self.reconciled: list[str] = []
        self.compared: list[str] = []
        self.outcome = Next()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def learn(self) -> None:
        """Nothing has to be known of the server."""

    async def reconcile(self, key: Key) -> Next:
        self.reconciled.append(key.name)
        await self.may_end.wait()
        return self.outcome

    def saw(self, streams: Iterable[LiveStream]) -> None:
        """What the account has tells nothing here."""

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
    """A resync of one connection.

    Resources may stay unseen for GRACE seconds; `advance` makes them pass.
    """

    def __init__(self, lists: Lists, interval: float = INTERVAL, retry: float = 3600) -> None:
        self.lists = lists
        self.reconciler = Existing()
        self.cache = Cache()
        self.clock = ManualClock()
        self.queue = KeyedQueue(self.reconciler.reconcile, clock=self.clock)
        self.resync = Resync(
            self.queue,
            self.reconciler,
            lambda: self.cache.users_of(None),
            cast(JetStream, lists),
            interval=interval,
            quiet=0.001,
            grace=GRACE,
            retry=retry,
            clock=self.clock,
        )

    def stream(self, name: str, **spec: Any) -> None:
        self.cache.put(_resource(names.STREAM_KIND, name, spec))

    def consumer(self, name: str, of: str) -> None:
        self.cache.put(_resource(names.CONSUMER_KIND, name, {"streamName": of}))

    async def round(self) -> list[str]:
        """Do a round while connected; returns the names of what was reconciled."""
        self.resync.connected()
        return await self.another_round()

    async def another_round(self) -> list[str]:
        """Do a round in the session that there is, if any; the names as from `round`."""
        await self.resync.round()
        return await self.looked()

    async def advance(self, seconds: float) -> list[str]:
        """Let time pass; the names as from `round`."""
        self.clock.advance(seconds)
        return await self.looked()

    async def looked(self) -> list[str]:
        """The names of what was reconciled since the last time that somebody asked."""
        await self.queue.idle()
        found = sorted(self.reconciler.reconciled)
        self.reconciler.reconciled.clear()
        return found


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
    assert bench.resync.trouble == "the consumers of stream orders can't be listed: no answer"


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
    bench = Bench(Lists(orders=[]))
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


@pytest.mark.parametrize("failing", ["streams", "orders"])
async def test_after_a_round_that_failed_others_come_without_waiting_for_the_interval(
    failing: str,
) -> None:
    bench = Bench(Lists(orders=[]), retry=0.001)
    bench.consumer("lost", of="orders")
    bench.lists.failures[failing] = Transient("no leader", 10008)
    bench.reconciler.may_end.clear()

    async def asked_often() -> bool:
        return bench.lists.asked.count(failing) > 3

    task = asyncio.create_task(bench.resync.run())
    await asyncio.sleep(0)
    bench.resync.connected()
    await eventually_async(asked_often)
    assert bench.reconciler.reconciled == []
    bench.lists.failures.clear()
    await reconciled(bench, "lost")
    bench.reconciler.may_end.set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# --- what isn't seen ------------------------------------------------------------------------------


def silent() -> Bench:
    """A resync whose JetStream is gone, while what it compares says that all is well."""
    bench = Bench(Lists(orders=["worker"]))
    bench.stream("orders")
    bench.consumer("worker", of="orders")
    bench.lists.failures["streams"] = NO_JETSTREAM
    return bench


async def test_when_nats_stays_away_every_resource_is_reconciled_to_say_so() -> None:
    bench = Bench(Lists())
    bench.stream("orders")
    bench.stream("invoices")
    bench.resync.disconnected()
    assert await bench.advance(GRACE - 1) == []
    assert await bench.advance(1) == ["invoices", "orders"]


async def test_who_is_listed_while_nats_is_away_is_reconciled_to_say_so() -> None:
    bench = Bench(Lists())
    bench.resync.disconnected()
    bench.stream("orders")
    assert await bench.another_round() == []
    assert await bench.advance(GRACE) == ["orders"]


async def test_when_rounds_go_on_failing_every_resource_is_reconciled_to_say_so() -> None:
    bench = silent()
    assert await bench.round() == []
    await bench.advance(GRACE - 1)
    assert await bench.another_round() == []
    assert await bench.advance(1) == ["orders", "worker"]


async def test_a_session_does_not_count_as_an_answer_of_jetstream() -> None:
    bench = silent()
    bench.resync.disconnected()
    await bench.advance(GRACE - 1)
    assert await bench.round() == []
    assert await bench.advance(1) == ["orders", "worker"]


async def test_sessions_that_are_too_short_for_an_answer_do_not_hide_that_nats_is_away() -> None:
    bench = silent()
    bench.lists.failures["streams"] = OutcomeUnknown("the connection broke")
    bench.resync.disconnected()
    for _ in range(2):
        assert await bench.advance(GRACE / 2 - 1) == []
        assert await bench.round() == []
        bench.resync.disconnected()
    assert await bench.advance(2) == ["orders", "worker"]


async def test_a_hiccup_between_two_rounds_is_nobodys_business() -> None:
    bench = silent()
    await bench.round()
    bench.lists.failures.clear()
    assert await bench.another_round() == []
    assert await bench.advance(GRACE) == []
    bench.lists.failures["streams"] = NO_JETSTREAM
    await bench.another_round()
    assert await bench.advance(GRACE - 1) == [], "the grace begins anew"


async def test_nobody_is_looked_at_while_a_server_takes_its_time_for_the_first_round() -> None:
    bench = Bench(Lists(orders=[]))
    bench.stream("orders")
    bench.lists.may_answer.clear()
    bench.resync.disconnected()
    await bench.advance(GRACE - 1)
    bench.resync.connected()
    going_on = asyncio.create_task(bench.resync.round())
    assert await bench.advance(20) == []
    bench.lists.may_answer.set()
    await going_on
    assert await bench.advance(GRACE) == []


async def test_a_first_round_that_fails_late_has_everybody_looked_at_at_once() -> None:
    bench = silent()
    bench.lists.may_answer.clear()
    bench.resync.disconnected()
    bench.resync.connected()
    going_on = asyncio.create_task(bench.resync.round())
    assert await bench.advance(30) == []
    bench.lists.may_answer.set()
    await going_on
    assert await bench.looked() == ["orders", "worker"]


async def test_a_round_of_a_former_session_proves_nothing_of_the_next_one() -> None:
    bench = silent()
    bench.lists.failures.clear()
    bench.lists.may_answer.clear()
    bench.resync.connected()
    going_on = asyncio.create_task(bench.resync.round())
    await asyncio.sleep(0)
    bench.resync.disconnected()
    bench.lists.may_answer.set()
    await going_on
    assert await bench.advance(GRACE) == ["orders", "worker"]


@pytest.mark.parametrize("outcome", [Next(backoff=True), Next(parked=True)], ids=str)
async def test_whose_look_failed_is_left_to_the_queue(outcome: Next) -> None:
    bench = silent()
    bench.reconciler.outcome = outcome
    await bench.round()
    assert await bench.advance(GRACE) == ["orders", "worker"]
    for _ in range(3):
        assert await bench.another_round() == []
    assert not outcome.parked or await bench.advance(INTERVAL) == []


async def test_who_saw_nothing_wrong_is_looked_at_again_while_no_round_succeeds() -> None:
    bench = silent()
    await bench.round()
    assert await bench.advance(GRACE) == ["orders", "worker"]
    assert await bench.another_round() == []
    assert await bench.advance(INTERVAL) == ["orders", "worker"]


async def test_when_jetstream_answers_again_nobody_waits_for_a_retry() -> None:
    bench = silent()
    bench.reconciler.outcome = Next(backoff=True)
    await bench.round()
    await bench.advance(GRACE)
    bench.lists.failures.clear()
    assert await bench.another_round() == ["orders", "worker"]
    assert await bench.another_round() == [], "what fails now doesn't fail for that"


async def test_what_may_not_be_listed_is_looked_at_one_by_one_again_and_again() -> None:
    bench = silent()
    bench.lists.failures["streams"] = Denied("$JS.API.STREAM.LIST")
    await bench.round()
    for _ in range(3):
        assert await bench.advance(INTERVAL) == ["orders", "worker"]
    assert "STREAM.LIST" in bench.resync.trouble
    assert bench.resync.denied == "STREAM.LIST"


async def test_who_may_not_list_is_cut_off_when_the_account_has_no_jetstream() -> None:
    bench = silent()
    bench.lists.failures["streams"] = Denied("$JS.API.STREAM.LIST")
    bench.lists.failures["account"] = NO_JETSTREAM
    await bench.round()
    assert await bench.advance(GRACE) == ["orders", "worker"]


async def test_consumers_that_are_not_listed_are_looked_at_and_no_others() -> None:
    bench = Bench(Lists(orders=["worker"], invoices=["reader"]))
    for stream, consumer in (("orders", "worker"), ("invoices", "reader")):
        bench.stream(stream)
        bench.consumer(consumer, of=stream)
    bench.lists.failures["orders"] = OutcomeUnknown("no answer")
    bench.resync.disconnected()
    assert await bench.round() == []
    assert await bench.advance(GRACE) == ["worker"]
    bench.lists.failures.clear()
    await bench.another_round()
    assert bench.resync.trouble == ""
    assert await bench.advance(INTERVAL) == []


async def test_consumers_that_may_not_be_listed_are_looked_at_one_by_one() -> None:
    bench = Bench(Lists(orders=[]))
    bench.consumer("worker", of="orders")
    bench.lists.failures["orders"] = Denied("$JS.API.CONSUMER.LIST.orders")
    await bench.round()
    assert (bench.resync.trouble, bench.resync.denied) == ("", "CONSUMER.LIST")
    for _ in range(2):
        assert await bench.advance(INTERVAL) == ["worker"]
    bench.lists.failures.clear()
    await bench.another_round()
    assert bench.resync.denied == ""


async def test_what_does_not_answer_for_long_is_looked_at() -> None:
    bench = Bench(Lists(orders=[]))
    bench.lists.missing = frozenset({"slow"})
    bench.stream("orders")
    bench.stream("slow")
    bench.consumer("worker", of="slow")
    await bench.round()
    assert bench.resync.trouble == ""
    assert await bench.advance(GRACE) == ["slow", "worker"]


async def test_a_bug_in_the_rounds_does_not_leave_anybody_unseen() -> None:
    bench = silent()
    bench.lists.failures["streams"] = ZeroDivisionError("oops")
    await bench.round()
    assert "see the log" in bench.resync.trouble
    assert await bench.advance(GRACE) == ["orders", "worker"]


async def test_nobody_is_looked_at_for_a_connection_that_was_given_up() -> None:
    bench = silent()
    bench.resync.disconnected()
    bench.resync.stop()
    bench.resync.disconnected()
    assert await bench.advance(GRACE) == []


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


@pytest.mark.parametrize(
    "took, pause",
    [(0.0, INTERVAL / 4), (INTERVAL / 20, INTERVAL / 2), (INTERVAL, INTERVAL)],
    ids=["usual", "long lists", "very long lists"],
)
async def test_while_streams_are_young_comparisons_come_earlier(took: float, pause: float) -> None:
    bench = Bench(Lists())
    assert INTERVAL * 0.9 <= bench.resync._pause() <= INTERVAL * 1.1
    bench.resync._is_young = lambda: True
    bench.resync._took = took
    assert pause * 0.9 <= bench.resync._pause() <= pause * 1.1


async def test_who_never_stops_asking_for_a_round_has_one_all_the_same() -> None:
    bench = Bench(Lists())
    bench.stream("orders")
    bench.resync.connected()

    async def keep_asking() -> None:
        while True:
            bench.resync.request()
            await asyncio.sleep(0)

    asking = asyncio.create_task(keep_asking())
    running = asyncio.create_task(bench.resync.run())
    await until(lambda: bench.lists.asked)
    for task in (asking, running):
        task.cancel()
    await asyncio.gather(asking, running, return_exceptions=True)
