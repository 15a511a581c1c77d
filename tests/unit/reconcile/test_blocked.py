"""Who is refused for what a neighbour is like is tried again as soon as that changes."""

from coze_nats.core.resource import Key
from coze_nats.reconcile.blocked import ANY, Blocked
from coze_nats.reconcile.reconciler import SECOND_LOOK
from fakes.jetstream import FakeJetStream
from support.bench import Bench

ONE, OTHER = Key("CozeStream", "coze", "one"), Key("CozeStream", "coze", "other")


async def is_woken(bench: Bench, whom: Key, by: Key) -> bool:
    return whom in (await bench.reconcile(by)).wake


async def becomes_ready(bench: Bench, key: Key) -> None:
    await bench.settle(key)
    assert bench.ready(key) == ("True", "Converged")


async def test_a_filter_given_up_on_a_work_queue_wakes_who_wants_it(bench: Bench) -> None:
    orders = bench.stream(subjects=["orders.>"], retention="workqueue")
    first = bench.consumer("first", filterSubject="orders.eu")
    await bench.settle(orders, first)
    second = bench.consumer("second", filterSubject="orders.eu")
    await bench.reconcile(second)
    assert bench.ready(second) == ("False", "RejectedByServer")
    bench.consumer("first", filterSubject="orders.us")
    assert await is_woken(bench, second, by=first)
    await becomes_ready(bench, second)


async def test_a_consumer_that_is_deleted_wakes_who_wants_its_filter(bench: Bench) -> None:
    orders = bench.stream(subjects=["orders.>"], retention="workqueue")
    first = bench.consumer("first", filterSubject="orders.eu")
    await bench.settle(orders, first)
    second = bench.consumer("second", filterSubject="orders.eu")
    await bench.reconcile(second)
    bench.kubernetes.delete(first)
    assert await is_woken(bench, second, by=first)
    await becomes_ready(bench, second)


async def test_subjects_given_up_by_a_stream_wake_who_wants_them(bench: Bench) -> None:
    first = bench.stream("first", subjects=["orders.*", "bills"])
    await bench.settle(first)
    second, third = bench.stream("second", subjects=["bills"]), bench.stream("third")
    await bench.reconcile(second)
    assert bench.ready(second) == ("False", "SubjectOverlap")
    assert not await is_woken(bench, second, by=third)
    bench.stream("first", subjects=["orders.*"])
    assert await is_woken(bench, second, by=first)
    await becomes_ready(bench, second)


async def test_who_wants_another_ones_object_is_woken_when_that_one_goes(bench: Bench) -> None:
    first = bench.stream("first", name="shared", policies={"deletion": "Retain"})
    await bench.settle(first)
    second = bench.stream("second", name="shared")
    await bench.reconcile(second)
    assert bench.ready(second) == ("False", "OwnedByAnother")
    bench.kubernetes.delete(first)
    assert await is_woken(bench, second, by=first)
    await becomes_ready(bench, second)


async def test_a_stream_that_is_held_for_lack_of_consumers_is_woken_by_one(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(subjects=["orders"])
    await bench.settle(orders)
    jetstream.publish("orders", 3)
    bench.stream(subjects=["orders"], retention="interest")
    await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", "WouldLoseData")
    assert await is_woken(bench, orders, by=bench.consumer())


async def test_who_is_refused_is_tried_once_more_without_a_change(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "theirs", "subjects": ["orders"]})
    orders = bench.stream()
    assert (await bench.reconcile(orders)).after == SECOND_LOOK
    assert (await bench.reconcile(orders)).after is None
    await jetstream.delete_stream("theirs")
    await becomes_ready(bench, orders)
    assert bench.context.blocked.on("theirs") == ()


async def test_a_change_of_what_a_stream_allows_wakes_whom_it_refused(bench: Bench) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    reader = bench.consumer(streamName="orders")
    await bench.reconcile(reader)
    assert bench.ready(reader) == ("False", "StreamIsManaged")
    bench.stream(consumersFrom=["elsewhere"])
    assert await is_woken(bench, reader, by=orders)


def test_a_change_wakes_whom_it_may_concern_once() -> None:
    blocked = Blocked()
    blocked.are_by(ONE, {"a", "b"})
    blocked.are_by(OTHER, {ANY})
    blocked.changed("b")
    blocked.changed("c")
    assert blocked.due(OTHER) == (ONE,)
    assert blocked.due(OTHER) == ()
    assert blocked.on("a") == (ONE, OTHER)


def test_who_is_not_refused_any_more_is_forgotten() -> None:
    blocked = Blocked()
    blocked.are_by(ONE, {"a", "b"})
    blocked.are_by(ONE, {"b"})
    assert blocked.on("a") == ()
    blocked.forget(ONE)
    blocked.forget(ONE)
    assert blocked.on("b") == ()
