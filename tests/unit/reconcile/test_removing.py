"""The end of a resource: what is done in JetStream, what is left alone, and when it waits."""

from coze_nats.core.names import (
    CONFIRM_DELETION_ANNOTATION,
    OWNER_METADATA,
    RELEASE_ANNOTATION,
)
from coze_nats.core.resource import Key
from coze_nats.reconcile.brake import QUIET
from coze_nats.reconcile.reconciler import BRAKE_INTERVAL
from fakes.jetstream import FakeJetStream
from support.bench import Bench


def is_gone(bench: Bench, key: Key) -> bool:
    return key not in bench.kubernetes.resources


async def delete(bench: Bench, key: Key) -> None:
    bench.kubernetes.delete(key)
    await bench.reconcile(key)


async def test_an_empty_stream_goes_with_its_resource_and_wakes_its_consumers(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    await delete(bench, orders)
    assert is_gone(bench, orders)
    assert bench.last.wake == (reader,)
    assert await jetstream.stream("orders") is None
    assert bench.events(orders) == []


async def test_a_stream_with_messages_is_kept_with_a_warning_and_the_command_to_delete_it(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    jetstream.publish("orders", 8)
    await delete(bench, orders)
    assert is_gone(bench, orders)
    kept = await jetstream.stream("orders")
    assert kept is not None
    assert kept.messages == 8
    assert OWNER_METADATA not in kept.config["metadata"]
    (event,) = bench.events(orders)
    assert event[1:] == (
        "Warning",
        "Retained",
        (
            "stream orders holds 8 messages and is kept in JetStream, without an owner; to delete "
            "it with its messages: nats stream rm orders"
        ),
    )


async def test_what_is_retained_is_taken_back_when_it_is_applied_again(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = (
        bench.stream(policies={"deletion": "Retain"}),
        bench.consumer(policies={"deletion": "Retain"}),
    )
    await bench.settle(orders, reader)
    for key in (reader, orders):
        await delete(bench, key)
        assert is_gone(bench, key)
        (event,) = bench.events(key)
        assert (event.type, event.reason) == ("Normal", "Retained")
    assert (bench.stream(), bench.consumer()) == (orders, reader)
    await bench.settle(orders, reader)
    for key in (orders, reader):
        assert bench.ready(key) == ("True", "Converged")
        assert [event.reason for event in bench.events(key)] == ["Adopted"]


async def test_a_loser_that_is_deleted_changes_nothing(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    loser = bench.stream("loser", name="orders", policies={"deletion": "Delete"})
    await bench.settle(loser)
    before = await jetstream.stream("orders")
    await delete(bench, loser)
    assert is_gone(bench, loser)
    assert await jetstream.stream("orders") == before


async def test_a_consumer_whose_stream_is_gone_is_gone(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    jetstream.wipe()
    await delete(bench, reader)
    assert is_gone(bench, reader)


async def test_a_consumer_of_a_cozestream_that_was_never_there_goes_whatever_its_name_is(
    bench: Bench,
) -> None:
    """A CozeStream with a dot in its name has another name in JetStream, which nobody knows."""
    reader = bench.consumer(streamRef={"name": "orders.v2"})
    await bench.settle(reader)
    await delete(bench, reader)
    assert is_gone(bench, reader)


async def test_a_suspended_resource_is_deleted_like_any_other(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.stream(suspend=True)
    await delete(bench, orders)
    assert is_gone(bench, orders)
    assert await jetstream.stream("orders") is None


async def test_a_released_resource_goes_and_jetstream_is_not_called(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.kubernetes.annotate(orders, RELEASE_ANNOTATION)
    before = len(jetstream.calls)
    await delete(bench, orders)
    assert is_gone(bench, orders)
    assert len(jetstream.calls) == before
    (event,) = bench.events(orders)
    assert event.reason == "Released"
    assert event.message == ("stream orders is left as it is in JetStream: released by annotation")


async def test_a_dry_run_lets_the_resource_go_and_says_what_it_left_undone(
    jetstream: FakeJetStream,
) -> None:
    bench = Bench(jetstream)
    orders = bench.stream()
    await bench.settle(orders)
    dry = Bench(jetstream, kubernetes=bench.kubernetes, dry_run=True)
    await delete(dry, orders)
    assert is_gone(dry, orders)
    assert await jetstream.stream("orders") is not None
    (event,) = dry.events(orders)
    assert event.message == (
        "stream orders is left as it is in JetStream: dry run, without it: delete stream orders"
    )


# --- the brake ------------------------------------------------------------------------------------


async def full_streams(bench: Bench, jetstream: FakeJetStream, count: int) -> list[Key]:
    keys = [
        bench.stream(f"orders-{number}", policies={"deletion": "Delete"}) for number in range(count)
    ]
    await bench.settle(*keys)
    for key in keys:
        jetstream.publish(key.name)
    return keys


async def test_mass_deletion_of_streams_with_messages_waits_for_a_yes(
    jetstream: FakeJetStream,
) -> None:
    bench = Bench(jetstream, most_deletions=2)
    keys = await full_streams(bench, jetstream, 5)
    for key in keys:
        await delete(bench, key)
    assert [is_gone(bench, key) for key in keys] == [True, True, False, False, False]
    confirmed, released, waiting = keys[2:]
    assert bench.last.after == BRAKE_INTERVAL
    assert bench.ready(waiting) == ("False", "MassDeletion")
    assert CONFIRM_DELETION_ANNOTATION in bench.message(waiting)

    bench.kubernetes.annotate(confirmed, CONFIRM_DELETION_ANNOTATION)
    bench.kubernetes.annotate(released, RELEASE_ANNOTATION)
    for key in keys[2:]:
        await bench.reconcile(key)
    assert [is_gone(bench, key) for key in keys[2:]] == [True, True, False]
    assert await jetstream.stream(confirmed.name) is None
    assert await jetstream.stream(released.name) is not None
    bench.clock.advance(QUIET)
    await bench.reconcile(waiting)
    assert is_gone(bench, waiting)


async def test_what_costs_no_messages_is_not_stopped(jetstream: FakeJetStream) -> None:
    bench = Bench(jetstream, most_deletions=1)
    full = await full_streams(bench, jetstream, 2)
    for key in full:
        await delete(bench, key)
    assert not is_gone(bench, full[1])
    empty = bench.stream("empty", policies={"deletion": "Delete"})
    kept = bench.stream("kept")
    reader = bench.consumer(of="kept")
    await bench.settle(empty, kept, reader)
    jetstream.publish("kept")
    for key in (empty, reader, kept):
        await delete(bench, key)
        assert is_gone(bench, key)
