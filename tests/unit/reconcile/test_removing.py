"""The end of a resource: what is done in JetStream, what is left alone, and when it waits."""

from typing import Any

import pytest

from coze_nats.core.errors import Denied, OutcomeUnknown, Unavailable
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.names import (
    CONFIRM_DELETION_ANNOTATION,
    OWNER_METADATA,
    RELEASE_ANNOTATION,
)
from coze_nats.core.resource import Key
from coze_nats.reconcile.brake import QUIET
from coze_nats.reconcile.reconciler import BRAKE_INTERVAL, BUSY_INTERVAL
from coze_nats.reconcile.removing import LATE
from fakes.jetstream import FakeJetStream
from support.bench import NAMESPACE, Bench


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


# --- consumers of streams that keep messages for them ---------------------------------------------


async def wanted(bench: Bench, jetstream: FakeJetStream, **consumer: Any) -> tuple[Key, Key]:
    """An interest stream with five messages, and the consumer that they are kept for."""
    orders, reader = bench.stream(retention="interest"), bench.consumer(**consumer)
    await bench.settle(orders, reader)
    jetstream.publish("orders", 5)
    return orders, reader


async def existing(jetstream: FakeJetStream) -> LiveStream:
    found = await jetstream.stream("orders")
    assert found is not None
    return found


@pytest.mark.parametrize("stream_first", [False, True], ids=["consumer first", "stream first"])
async def test_an_interest_stream_and_its_consumer_keep_their_messages_in_any_order(
    bench: Bench, jetstream: FakeJetStream, *, stream_first: bool
) -> None:
    orders, reader = await wanted(bench, jetstream)
    for key in (orders, reader) if stream_first else (reader, orders):
        await delete(bench, key)
        assert is_gone(bench, key)
    stream, consumer = await existing(jetstream), await jetstream.consumer("orders", "reader")
    assert stream.messages == 5
    assert consumer is not None
    assert consumer.pending == 5
    assert OWNER_METADATA not in stream.config["metadata"] | consumer.config["metadata"]
    assert [event.reason for event in bench.events(orders)] == ["Retained"]
    (event,) = bench.events(reader)
    assert event[1:] == (
        "Warning",
        "Retained",
        (
            "consumer reader of stream orders is kept in JetStream, without an owner: stream "
            "orders has interest retention, and up to 5 messages would go with the consumer; to "
            "delete it with them: nats consumer rm orders reader, or policies.deletion: Delete "
            "beforehand"
        ),
    )


async def test_a_consumer_that_was_kept_for_its_messages_is_taken_back(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = await wanted(bench, jetstream)
    await delete(bench, reader)
    bench.events(reader)
    assert bench.consumer() == reader
    await bench.settle(orders, reader)
    assert [event.reason for event in bench.events(reader)] == ["Adopted"]
    jetstream.deliver("orders", "reader", *[True] * 5)
    await delete(bench, reader)
    assert await jetstream.consumer("orders", "reader") is not None
    (event,) = bench.events(reader)
    assert (event.type, event.reason) == ("Normal", "Retained")
    assert "it was there before its resource; it is done up to sequence 5" in event.message


async def test_a_consumer_that_is_paused_or_suspended_is_kept_for_its_messages(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    _, reader = await wanted(bench, jetstream, pauseUntil="2199-01-01T00:00:00Z")
    bench.consumer(pauseUntil="2199-01-01T00:00:00Z", suspend=True)
    await delete(bench, reader)
    kept = await jetstream.consumer("orders", "reader")
    assert kept is not None
    assert kept.paused
    assert kept.pending == 5


async def test_a_yes_to_deletion_holds_for_the_messages_of_a_consumer_as_well(
    jetstream: FakeJetStream,
) -> None:
    for spec, defaults in (
        ({"policies": {"deletion": "Delete"}}, {}),
        ({}, {"deletion": "Delete"}),
    ):
        bench = Bench(jetstream, default_policies=defaults)
        orders, reader = await wanted(bench, jetstream, **spec)
        await delete(bench, reader)
        assert await jetstream.consumer("orders", "reader") is None
        await delete(bench, orders)


class Hurried(FakeJetStream):
    """Its streams are deleted by somebody else between a look at a consumer and the next call."""

    async def consumer(self, stream: str, name: str) -> LiveConsumer | None:
        found = await super().consumer(stream, name)
        await self.delete_stream(stream)
        return found


async def test_a_consumer_whose_stream_goes_during_the_look_is_gone() -> None:
    calm, hurried = FakeJetStream(), Hurried()
    bench = Bench(calm)
    _, reader = await wanted(bench, calm)
    await hurried.create_stream((await existing(calm)).config)
    kept = await calm.consumer("orders", "reader")
    assert kept is not None
    await hurried.create_consumer("orders", kept.config)
    later = Bench(hurried, kubernetes=bench.kubernetes)
    await delete(later, reader)
    assert is_gone(later, reader)
    assert later.events(reader) == []


async def test_a_dry_run_says_of_a_consumer_that_it_would_be_let_go(
    jetstream: FakeJetStream,
) -> None:
    bench = Bench(jetstream)
    _, reader = await wanted(bench, jetstream)
    before = await jetstream.consumer("orders", "reader")
    dry = Bench(jetstream, kubernetes=bench.kubernetes, dry_run=True)
    await delete(dry, reader)
    assert await jetstream.consumer("orders", "reader") == before
    (event,) = dry.events(reader)
    assert event.message.endswith("without it: release consumer reader of stream orders")


# --- what somebody uses ---------------------------------------------------------------------------


async def used(bench: Bench, jetstream: FakeJetStream, **consumer: Any) -> tuple[Key, Key]:
    """A work queue without messages, as its consumer is done with all of them."""
    orders, reader = bench.stream(retention="workqueue"), bench.consumer(**consumer)
    await bench.settle(orders, reader)
    jetstream.publish("orders", 5)
    jetstream.deliver("orders", "reader", *[True] * 5)
    return orders, reader


@pytest.mark.parametrize("stream_first", [False, True], ids=["consumer first", "stream first"])
async def test_what_an_application_uses_outlives_its_resources_and_is_taken_back_as_it_was(
    bench: Bench, jetstream: FakeJetStream, *, stream_first: bool
) -> None:
    orders, reader = await used(bench, jetstream)
    before = await jetstream.stream("orders"), await jetstream.consumer("orders", "reader")
    for key in (orders, reader) if stream_first else (reader, orders):
        await delete(bench, key)
        assert is_gone(bench, key)
        (event,) = bench.events(key)
        assert (event.type, event.reason) == ("Normal", "Retained")
    assert (bench.stream(retention="workqueue"), bench.consumer()) == (orders, reader)
    await bench.settle(orders, reader)
    after = await jetstream.stream("orders"), await jetstream.consumer("orders", "reader")
    for then, now in zip(before, after, strict=True):
        assert then
        assert now
        assert then.created == now.created
    assert [bench.status(key)["adopted"] for key in (orders, reader)] == [True, True]


async def test_a_deletion_that_costs_a_position_says_so_with_the_numbers(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer(policies={"deletion": "Delete"})
    await bench.settle(orders, reader)
    jetstream.publish("orders", 7)
    jetstream.deliver("orders", "reader", True, True, False, False)
    await delete(bench, reader)
    assert await jetstream.consumer("orders", "reader") is None
    (event,) = bench.events(reader)
    assert event[1:] == (
        "Warning",
        "PositionLost",
        (
            "consumer reader of stream orders was deleted, as policies.deletion is Delete: it was "
            "done up to sequence 2, with 3 messages to be delivered and 2 not acknowledged"
        ),
    )


async def test_a_stream_that_is_deleted_with_used_consumers_says_so(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await used(bench, jetstream)
    orders = bench.stream(retention="workqueue", policies={"deletion": "Delete"})
    await delete(bench, orders)
    assert await jetstream.stream("orders") is None
    (event,) = bench.events(orders)
    assert (event.type, event.reason) == ("Warning", "PositionLost")
    assert event.message == (
        "stream orders was deleted, as policies.deletion is Delete: its consumers went with it: "
        "reader (done up to sequence 5, with 0 messages to be delivered and 0 not acknowledged)"
    )


async def test_an_empty_stream_is_kept_for_a_consumer_that_no_resource_stands_for(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    await jetstream.create_consumer("orders", {"name": "foreign", "durable_name": "foreign"})
    await delete(bench, orders)
    assert await jetstream.consumer("orders", "foreign") is not None
    (event,) = bench.events(orders)
    assert "it has consumers in use: foreign" in event.message


async def test_an_empty_stream_is_kept_when_its_consumers_may_not_be_listed(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    jetstream.refusals["consumers"] = Denied("$JS.API.CONSUMER.LIST.orders")
    await delete(bench, orders)
    assert is_gone(bench, orders)
    assert await jetstream.stream("orders") is not None
    (event,) = bench.events(orders)
    assert "those that can't be listed (permission" in event.message


@pytest.mark.parametrize("is_listed", [True, False])
async def test_a_stream_that_others_copy_is_kept_also_if_they_may_not_be_listed(
    bench: Bench, jetstream: FakeJetStream, *, is_listed: bool
) -> None:
    orders = bench.stream(retention="interest")
    await bench.settle(orders)
    jetstream.publish("orders")
    if not is_listed:
        jetstream.refusals["streams"] = Denied("$JS.API.STREAM.LIST")
    await delete(bench, orders)
    assert is_gone(bench, orders)
    assert (await jetstream.stream("orders") is None) is is_listed
    why = "would miss messages of one made anew: streams that can't be listed"
    assert [why in event.message for event in bench.events(orders)] == [True] * (not is_listed)


async def test_a_consumer_with_a_client_attached_is_kept(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    jetstream.attach("orders", "reader")
    await delete(bench, reader)
    kept = await jetstream.consumer("orders", "reader")
    assert kept
    assert OWNER_METADATA not in kept.config["metadata"]


async def test_a_stream_that_was_adopted_is_kept_though_it_is_empty(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "orders"})
    orders = bench.stream()
    await bench.settle(orders)
    assert bench.status(orders)["adopted"] is True
    bench.restart()
    bench.stream(maxMsgs=9)
    await bench.settle(orders)
    assert bench.status(orders)["adopted"] is True, "whatever is done to it"
    await delete(bench, orders)
    assert await jetstream.stream("orders") is not None


@pytest.mark.parametrize(
    "owner, remedy",
    [
        (
            "here/platform/orders",
            (
                "have coze added to the consumersFrom of that CozeStream, and write streamRef: "
                "{name: orders, namespace: platform} in place of it; or declare the consumer"
            ),
        ),
        ("there/coze/orders", "declare the consumer with streamRef in that namespace"),
    ],
)
async def test_a_consumer_is_told_the_way_to_a_stream_that_is_managed_elsewhere(
    bench: Bench, jetstream: FakeJetStream, owner: str, remedy: str
) -> None:
    await jetstream.create_stream({"name": "orders", "metadata": {OWNER_METADATA: owner}})
    reader = bench.consumer(streamName="orders")
    await bench.settle(reader)
    assert bench.ready(reader) == ("False", "StreamIsManaged")
    assert remedy in bench.message(reader)


async def test_a_consumer_goes_on_when_its_stream_comes_to_be_managed(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "orders", "subjects": ["orders"]})
    reader = bench.consumer(streamName="orders", deliverPolicy="new")
    await bench.settle(reader)
    before = await jetstream.consumer("orders", "reader")
    jetstream.publish("orders", 10)
    orders = bench.stream(subjects=["orders"])
    await jetstream.update_stream(
        {**(await existing(jetstream)).config, "metadata": {OWNER_METADATA: bench.owner(orders)}}
    )
    await bench.settle(orders, reader)
    assert bench.ready(reader) == ("False", "StreamIsManaged")
    assert "write streamRef: {name: orders} in place of it" in bench.message(reader)
    bench.consumer(deliverPolicy="new")
    await bench.settle(reader)
    after = await jetstream.consumer("orders", "reader")
    assert before
    assert after
    assert (after.created, after.pending) == (before.created, 10)
    assert bench.ready(reader) == ("True", "Converged")


async def test_a_consumer_is_handed_over_by_the_remedy_for_a_stream_that_another_namespace_manages(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "orders", "subjects": ["orders"]})
    reader = bench.consumer(streamName="orders", deliverPolicy="new")
    await bench.settle(reader)
    jetstream.publish("orders", 10)
    owned = {OWNER_METADATA: "here/platform/orders"}
    await jetstream.update_stream({**(await existing(jetstream)).config, "metadata": owned})
    await bench.settle(reader)
    assert "delete this resource: a consumer that is used stays" in bench.message(reader)
    await delete(bench, reader)
    kept = await jetstream.consumer("orders", "reader")
    assert kept
    assert (kept.pending, kept.config["metadata"].get(OWNER_METADATA)) == (10, None)


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


async def test_the_brake_stops_consumers_that_would_take_messages_along(
    jetstream: FakeJetStream,
) -> None:
    bench = Bench(jetstream, most_deletions=1)
    keys = []
    for name in ("first", "second"):
        orders = bench.stream(name, retention="interest")
        reader = bench.consumer(f"{name}-reader", of=name, policies={"deletion": "Delete"})
        await bench.settle(orders, reader)
        jetstream.publish(name, 5)
        keys.append(reader)
    for key in keys:
        await delete(bench, key)
    assert [is_gone(bench, key) for key in keys] == [True, False]
    assert bench.ready(keys[1]) == ("False", "MassDeletion")
    assert bench.message(keys[1]).endswith("to keep the consumer")
    kept = await jetstream.stream("second")
    assert kept is not None
    assert kept.messages == 5


async def test_a_deletion_that_nats_refuses_says_why_and_stops_nobody(
    jetstream: FakeJetStream,
) -> None:
    bench = Bench(jetstream, most_deletions=1)
    keys = await full_streams(bench, jetstream, 3)
    jetstream.refusals["delete_stream"] = Denied("$JS.API.STREAM.DELETE.*")
    for key in keys:
        await delete(bench, key)
        assert bench.ready(key) == ("False", "PermissionDenied")
    del jetstream.refusals["delete_stream"]
    for key in keys:
        await bench.reconcile(key)
    assert [is_gone(bench, key) for key in keys] == [True, False, False]
    assert bench.ready(keys[2]) == ("False", "MassDeletion")


async def test_a_deletion_without_an_answer_counts_once(jetstream: FakeJetStream) -> None:
    bench = Bench(jetstream, most_deletions=2)
    keys = await full_streams(bench, jetstream, 3)
    jetstream.refusals["delete_stream"] = OutcomeUnknown("no answer")
    await delete(bench, keys[0])
    del jetstream.refusals["delete_stream"]
    for key in keys[1:]:
        await delete(bench, key)
    await bench.reconcile(keys[0])
    assert [is_gone(bench, key) for key in keys] == [True, True, False]


async def test_a_deletion_waits_a_moment_for_those_that_are_under_way(
    jetstream: FakeJetStream,
) -> None:
    bench = Bench(jetstream, most_deletions=1)
    keys = await full_streams(bench, jetstream, 2)
    bench.context.brake.asked(NAMESPACE, "under way", bench.clock.monotonic())
    await delete(bench, keys[0])
    assert bench.last.after == BUSY_INTERVAL
    assert not is_gone(bench, keys[0])
    bench.context.brake.failed(NAMESPACE, "under way")
    await bench.reconcile(keys[0])
    assert is_gone(bench, keys[0])


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


PURGE = "$JS.API.STREAM.PURGE.bills"


async def edited(jetstream: FakeJetStream, **config: Any) -> None:
    live = await jetstream.stream("orders")
    assert live is not None
    await jetstream.update_stream({**live.config, **config})


async def dangerous_stream(bench: Bench, jetstream: FakeJetStream) -> Key:
    """A stream that was made before it was refused, as its resource says after a look."""
    orders = bench.stream()
    await bench.settle(orders)
    await edited(jetstream, republish={"src": ">", "dest": PURGE})
    bench.stream(republish={"destination": PURGE})
    await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", "ForbiddenSubject")
    return orders


async def test_a_stream_that_is_kept_is_kept_without_what_it_must_not_reach(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = await dangerous_stream(bench, jetstream)
    jetstream.publish("orders", 8)
    await delete(bench, orders)
    kept = await jetstream.stream("orders")
    assert kept is not None
    assert "republish" not in kept.config
    assert kept.messages == 8


async def test_a_released_stream_is_left_as_it_is_but_for_what_it_must_not_reach(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = await dangerous_stream(bench, jetstream)
    before = await jetstream.stream("orders")
    bench.kubernetes.annotate(orders, RELEASE_ANNOTATION)
    await delete(bench, orders)
    assert is_gone(bench, orders)
    kept = await jetstream.stream("orders")
    assert before is not None
    assert kept is not None
    assert kept.config == {k: v for k, v in before.config.items() if k != "republish"}
    assert bench.events(orders)[-1].message.endswith(
        "released by annotation, but for what it must not reach: that was taken off it"
    )


async def test_a_dangerous_stream_is_released_while_nats_is_away_and_what_stays_is_said(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = await dangerous_stream(bench, jetstream)
    bench.kubernetes.annotate(orders, RELEASE_ANNOTATION)
    jetstream.faults.append(Unavailable("not connected to NATS"))
    await delete(bench, orders)
    assert is_gone(bench, orders)
    assert "still there, as NATS says: not connected" in bench.events(orders)[-1].message


async def test_somebody_elses_dangerous_stream_is_not_touched_when_a_resource_is_released(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = await dangerous_stream(bench, jetstream)
    await edited(jetstream, metadata={OWNER_METADATA: "other/a/b"})
    before = await jetstream.stream("orders")
    bench.kubernetes.annotate(orders, RELEASE_ANNOTATION)
    await delete(bench, orders)
    assert await jetstream.stream("orders") == before


# --- creations that were not answered -------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("kind", ["stream", "consumer"])
async def test_what_comes_after_its_resource_was_deleted_goes_with_it(
    bench: Bench, jetstream: FakeJetStream, kind: str, restarts: bool
) -> None:
    orders = key = bench.stream()
    if kind == "consumer":
        await bench.settle(orders)
        key = bench.consumer()
    jetstream.refusals[f"create_{kind}"] = OutcomeUnknown("no answer in 30 s")
    await bench.reconcile(key)
    assert bench.status(key)["creating"] is True
    jetstream.refusals.clear()
    if restarts:
        bench.restart()
    bench.kubernetes.delete(key)
    following = await bench.reconcile(key)
    assert following.backoff
    assert not is_gone(bench, key)
    assert "may come yet" in bench.message(key)
    metadata = {OWNER_METADATA: bench.owner(key)}
    if kind == "consumer":
        reader = {"name": "reader", "durable_name": "reader", "metadata": metadata}
        await jetstream.create_consumer("orders", {**reader, "ack_policy": "explicit"})
    else:
        await jetstream.create_stream({"name": "orders", "metadata": metadata})
    await bench.reconcile(key)
    assert is_gone(bench, key)
    if kind == "consumer":
        assert await jetstream.consumer("orders", "reader") is None
    else:
        assert await jetstream.stream("orders") is None


async def test_what_does_not_come_within_its_time_is_not_waited_for(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    jetstream.refusals["create_stream"] = OutcomeUnknown("no answer in 30 s")
    await bench.reconcile(orders)
    bench.kubernetes.delete(orders)
    bench.clock.advance(LATE - 1)
    assert (await bench.reconcile(orders)).backoff
    bench.clock.advance(1)
    await bench.reconcile(orders)
    assert is_gone(bench, orders)


async def test_what_was_refused_or_found_later_is_no_creation_without_an_answer(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    jetstream.refusals["create_stream"] = OutcomeUnknown("no answer in 30 s")
    await bench.reconcile(orders)
    jetstream.refusals.clear()
    await bench.settle(orders)
    assert "creating" not in bench.status(orders)
    await jetstream.delete_stream("orders")
    await delete(bench, orders)
    assert is_gone(bench, orders)
