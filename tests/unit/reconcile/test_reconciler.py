"""The loop: one resource at a time, one status at its end, and when it is looked at again."""

from collections.abc import Mapping
from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.errors import (
    CapacityExceeded,
    Denied,
    Failure,
    Nonsense,
    OutcomeUnknown,
    Rejected,
    SubjectOverlap,
    Transient,
    Unavailable,
)
from coze_nats.core.live import LiveStream
from coze_nats.core.names import OWNER_METADATA
from coze_nats.core.resource import Key
from coze_nats.reconcile import AWAY_GRACE, Next
from coze_nats.reconcile.reconciler import HICCUPS
from coze_nats.reconcile.waiting import BAD_NEWS, QUIET
from fakes.jetstream import FakeJetStream
from support.bench import Bench

# --- converging -----------------------------------------------------------------------------------


async def test_what_is_declared_is_made_and_told_in_one_write(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(maxMsgs=5)
    assert await bench.reconcile(orders) == Next()
    made = await jetstream.stream("orders")
    assert made is not None
    assert made.config["max_msgs"] == 5
    assert made.config["metadata"][OWNER_METADATA] == "here/coze/orders"
    assert bench.ready(orders) == ("True", "Converged")
    assert bench.status(orders)["created"] == made.created
    assert bench.kubernetes.writes == 1
    assert bench.events(orders) == []


async def test_at_rest_nothing_is_written_and_nothing_changed(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(maxMsgs=5), bench.consumer(maxDeliver=3)
    await bench.settle(orders, reader)
    writes, before = bench.kubernetes.writes, jetstream.calls.copy()
    await bench.settle(orders, reader)
    assert bench.kubernetes.writes == writes
    asked = set(jetstream.calls[len(before) :])
    assert asked <= {"server", "stream", "consumer"}


async def test_a_change_is_made_and_told_in_one_write(bench: Bench) -> None:
    orders = bench.stream(maxMsgs=5)
    await bench.settle(orders)
    writes = bench.kubernetes.writes
    bench.stream(maxMsgs=7)
    await bench.settle(orders)
    assert bench.status(orders)["effective"]["maxMsgs"] == 7
    assert bench.status(orders)["observedGeneration"] == 2
    assert bench.kubernetes.writes == writes + 1


async def test_a_resource_that_is_gone_is_nothing_to_do(bench: Bench) -> None:
    assert await bench.reconcile(Key(names.STREAM_KIND, "coze", "gone")) == Next()


async def test_a_spec_without_meaning_stalls_until_it_changes(bench: Bench) -> None:
    orders = bench.stream(maxAge="1 h")
    assert await bench.reconcile(orders) == Next()
    assert bench.ready(orders) == ("False", "InvalidSpec")
    assert "maxAge: '1 h' is no duration" in bench.message(orders)


async def test_a_stream_that_appears_wakes_its_consumers(bench: Bench) -> None:
    orders = bench.stream()
    readers = {bench.consumer("one"), bench.consumer("two")}
    bench.consumer("else", of="other")
    assert set((await bench.reconcile(orders)).wake) == readers
    assert (await bench.reconcile(orders)).wake == ()


async def test_a_stream_with_other_limits_for_its_consumers_wakes_them(bench: Bench) -> None:
    orders, reader = bench.stream(), bench.consumer(maxAckPending=10)
    await bench.settle(orders, reader)
    for limits in ({"maxAckPending": 50}, {"maxAckPending": 60, "inactiveThreshold": "1h"}, {}):
        bench.stream(consumerLimits=limits, description="changed")
        assert (await bench.reconcile(orders)).wake == (reader,)
        bench.stream(consumerLimits=limits)
        assert (await bench.reconcile(orders)).wake == ()


# --- waiting for a stream -------------------------------------------------------------------------


async def test_a_consumer_waits_in_silence_while_others_are_being_made(bench: Bench) -> None:
    reader = bench.consumer()
    assert await bench.reconcile(reader) == Next(after=QUIET)
    assert bench.kubernetes.writes == 0


async def test_a_consumer_says_that_it_waits_once_nothing_happens_any_more(bench: Bench) -> None:
    reader = bench.consumer()
    await bench.reconcile(reader)
    bench.clock.advance(QUIET)
    assert await bench.reconcile(reader) == Next()
    assert bench.ready(reader) == ("False", "WaitingForStream")


async def test_a_consumer_whose_stream_vanished_wakes_its_resource(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    jetstream.wipe()
    assert await bench.reconcile(reader) == Next(after=BAD_NEWS, wake=(orders,))
    await bench.settle(orders, reader)
    assert bench.ready(reader) == ("True", "Converged")


# --- failures -------------------------------------------------------------------------------------


async def test_nats_away_for_a_moment_is_nobodys_business(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    bench.session.away_since = bench.clock.monotonic()
    bench.clock.advance(5)
    jetstream.faults.append(Unavailable("no connection"))
    assert await bench.reconcile(orders) == Next(after=AWAY_GRACE - 5, parked=True)
    assert bench.kubernetes.writes == 0


async def test_nats_away_for_longer_is_told_once(bench: Bench, jetstream: FakeJetStream) -> None:
    orders = bench.stream()
    bench.session.away_since = bench.clock.monotonic()
    bench.clock.advance(AWAY_GRACE)
    for _ in range(3):
        jetstream.faults.append(Unavailable("no connection"))
        assert await bench.reconcile(orders) == Next(parked=True)
    assert bench.ready(orders) == ("False", "NATSUnavailable")
    assert bench.kubernetes.writes == 1


async def test_sessions_that_are_too_short_for_a_look_count_as_none(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    for _ in range(2):
        bench.session.away_since = bench.clock.monotonic()
        bench.clock.advance(AWAY_GRACE / 2)
        jetstream.faults.append(Unavailable("no connection"))
        await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", "NATSUnavailable")


async def test_a_short_session_is_no_news_for_who_has_said_that_nats_is_away(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    bench.session.away_since = bench.clock.monotonic()
    bench.clock.advance(AWAY_GRACE)
    jetstream.faults.append(Unavailable("no connection"))
    await bench.reconcile(orders)
    jetstream.faults.append(OutcomeUnknown("the connection broke"))
    assert await bench.reconcile(orders) == Next(parked=True)
    assert bench.kubernetes.writes == 1
    bench.session.away_since = None
    jetstream.faults.append(OutcomeUnknown("no answer in 30 s"))
    assert await bench.reconcile(orders) == Next(backoff=True)
    assert bench.ready(orders) == ("False", "Retrying")


@pytest.mark.parametrize("between", [None, Rejected("stream is too good", 10052)], ids=str)
async def test_a_look_that_was_answered_ends_the_time_for_which_nats_was_away(
    bench: Bench, jetstream: FakeJetStream, between: Failure | None
) -> None:
    orders = bench.stream()
    jetstream.faults.append(Unavailable("no connection"))
    assert await bench.reconcile(orders) == Next(after=AWAY_GRACE, parked=True)
    if between:
        jetstream.faults.append(between)
    await bench.reconcile(orders)
    bench.clock.advance(AWAY_GRACE)
    jetstream.faults.append(Unavailable("no connection"))
    assert await bench.reconcile(orders) == Next(after=AWAY_GRACE, parked=True)


async def test_a_hiccup_is_nobodys_business(bench: Bench, jetstream: FakeJetStream) -> None:
    orders = bench.stream()
    for _ in range(HICCUPS):
        jetstream.faults.append(Transient("no leader"))
        assert await bench.reconcile(orders) == Next(backoff=True)
    assert bench.kubernetes.writes == 0
    jetstream.faults.append(Transient("no leader"))
    assert (await bench.reconcile(orders)).backoff
    assert bench.ready(orders) == ("False", "Retrying")


async def test_hiccups_are_counted_in_a_row(bench: Bench, jetstream: FakeJetStream) -> None:
    orders = bench.stream()
    for _ in range(HICCUPS + 2):
        jetstream.faults.append(Transient("no leader"))
        await bench.reconcile(orders)
        await bench.reconcile(orders)
    assert bench.kubernetes.writes == 1
    assert bench.ready(orders) == ("True", "Converged")


@pytest.mark.parametrize(
    "failure, reason, backoff",
    [
        (OutcomeUnknown("no answer in 30 s"), "Retrying", True),
        (CapacityExceeded("insufficient storage", 10047), "InsufficientCapacity", True),
        (Rejected("stream is too good", 10052), "RejectedByServer", False),
    ],
)
async def test_what_lasts_is_told_at_once(
    bench: Bench, jetstream: FakeJetStream, failure: Failure, reason: str, backoff: bool
) -> None:
    orders = bench.stream()
    jetstream.faults.append(failure)
    assert (await bench.reconcile(orders)).backoff is backoff
    assert bench.ready(orders) == ("False", reason)
    assert failure.description in bench.message(orders)


async def test_an_overlap_names_the_other_stream_and_its_owner(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await bench.settle(bench.stream("first", subjects=["orders.*", "bills.>"]))
    await jetstream.create_stream({"name": "theirs", "subjects": ["logs"]})
    rival, other = bench.stream("rival", subjects=["mine", "orders.new"]), bench.stream("logs")
    await bench.reconcile(rival)
    await bench.reconcile(other)
    assert bench.ready(rival) == bench.ready(other) == ("False", "SubjectOverlap")
    assert bench.message(rival) == (
        "subjects: orders.new overlaps with the subjects of stream first (owned by "
        "here/coze/first), and a message can be stored by one stream only: change one of the two"
    )
    assert "subjects: logs overlaps with the subjects of stream theirs, and" in bench.message(other)


async def test_an_overlap_that_is_over_by_now_is_told_in_the_servers_words(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    jetstream.refusals["create_stream"] = SubjectOverlap("subjects overlap", 10065)
    await bench.reconcile(orders)
    assert bench.message(orders) == "subjects: subjects overlap (10065)"


async def test_an_overlap_is_told_also_by_who_may_not_ask_what_it_overlaps_with(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "theirs", "subjects": ["orders"]})
    orders = bench.stream()
    jetstream.refusals["streams_on"] = Denied("$JS.API.STREAM.NAMES")
    await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", "SubjectOverlap")
    assert "may not publish to $JS.API.STREAM.NAMES" in bench.message(orders)


@pytest.mark.parametrize(
    "filters, named",
    [
        ({"filterSubject": "orders.eu"}, "; it overlaps with consumer eu (orders.eu)"),
        ({}, "; it overlaps with consumer eu (orders.eu), us (orders.us, orders.ca)"),
        (
            {"filterSubjects": ["orders.ca", "orders.asia"]},
            "; it overlaps with consumer us (orders.us, orders.ca)",
        ),
    ],
)
async def test_a_rival_on_a_work_queue_is_named_with_its_filters(
    bench: Bench, filters: Mapping[str, Any], named: str
) -> None:
    orders = bench.stream(subjects=["orders.>"], retention="workqueue")
    eu = bench.consumer("eu", filterSubject="orders.eu")
    us = bench.consumer("us", filterSubjects=["orders.us", "orders.ca"])
    await bench.settle(orders, eu, us)
    reader = bench.consumer(**filters)
    await bench.reconcile(reader)
    assert bench.ready(reader) == ("False", "RejectedByServer")
    assert bench.message(reader).endswith(named)


async def test_a_rival_that_is_gone_by_now_is_not_named(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(subjects=["orders.>"], retention="workqueue")
    await bench.settle(orders)
    reader = bench.consumer(filterSubject="orders.asia")
    jetstream.refusals["create_consumer"] = Rejected("filtered consumer not unique", 10100)
    await bench.reconcile(reader)
    assert bench.message(reader).endswith("the consumers' filters must not overlap")


async def test_a_deletion_that_has_to_wait_says_how_to_let_the_resource_go(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.kubernetes.delete(orders)
    for _ in range(HICCUPS + 1):
        jetstream.faults.append(Nonsense("an answer that nobody understands"))
        assert (await bench.reconcile(orders)).backoff
    assert bench.message(orders).startswith("deletion waits: ")
    assert "annotate it with jetstream.coze.dev/release=true" in bench.message(orders)


async def test_a_deletion_that_the_server_refuses_is_tried_again(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.kubernetes.delete(orders)
    jetstream.faults.append(Rejected("stream is too good", 10052))
    assert await bench.reconcile(orders) == Next(backoff=True)
    assert bench.ready(orders) == ("False", "RejectedByServer")
    assert (await bench.reconcile(orders)).finalized


# --- what a resync leaves alone -------------------------------------------------------------------


async def settled(bench: Bench, key: Key) -> bool:
    """As a resync asks: with what lists tell."""
    bench.hear()
    resource = bench.cache.get(key)
    assert resource is not None
    target = bench.reconciler.target(resource)
    assert target is not None
    stream = await bench.jetstream.stream(target.stream)
    if target.consumer is None:
        return bench.reconciler.is_settled(resource, stream)
    live = await bench.jetstream.consumer(target.stream, target.consumer) if stream else None
    return bench.reconciler.is_settled(resource, live, stream)


async def test_what_is_as_declared_is_settled(bench: Bench) -> None:
    orders, reader = bench.stream(), bench.consumer()
    unmanaged = bench.consumer("else", streamName="orders", name="x")
    assert not await settled(bench, orders)
    await bench.settle(orders, reader)
    await bench.reconcile(unmanaged)
    assert await settled(bench, orders)
    assert await settled(bench, reader)
    assert bench.ready(unmanaged) == ("False", "StreamIsManaged")
    assert await settled(bench, unmanaged)


async def test_a_restart_leaves_nothing_settled_before_it_has_seen_a_server(bench: Bench) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.restart()
    assert not await settled(bench, orders)


async def test_what_was_changed_behind_the_operators_back_is_not_settled(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    live = await jetstream.stream("orders")
    assert live is not None
    await jetstream.update_stream({**live.config, "max_msgs": 5})
    await jetstream.delete_consumer("orders", "reader")
    assert not await settled(bench, orders)
    assert not await settled(bench, reader)


async def test_what_is_lost_is_not_settled_though_another_is_as_declared(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    live = await jetstream.stream("orders")
    assert live is not None
    jetstream.wipe()
    await jetstream.create_stream(live.config)
    assert not await settled(bench, orders)


async def test_what_waits_or_is_invalid_is_settled_once_it_says_so(bench: Bench) -> None:
    await bench.settle(bench.stream("other"))
    reader, invalid = bench.consumer(), bench.stream("invalid", maxAge="1 h")
    assert not await settled(bench, reader)
    assert not await settled(bench, invalid)
    await bench.reconcile(invalid)
    await bench.reconcile(reader)
    bench.clock.advance(QUIET)
    await bench.reconcile(reader)
    assert await settled(bench, reader)
    assert await settled(bench, invalid)


async def test_what_is_being_deleted_is_none_of_a_resyncs_business(bench: Bench) -> None:
    orders = bench.stream()
    bench.kubernetes.delete(orders)
    assert await settled(bench, orders)


# --- a stream that isn't there --------------------------------------------------------------------


def a_stream_named(name: str) -> LiveStream:
    return LiveStream({"name": name}, "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "there, guess",
    [
        (("ORDERS", "payments"), "; did you mean ORDERS"),
        (("orders_v2", "order", "ordinary"), "; did you mean order"),
        (("payments",), ""),
        ((), ""),
    ],
    ids=["other letters", "the closest", "nothing alike", "nothing"],
)
async def test_a_stream_that_is_not_there_is_named_with_the_one_that_may_be_meant(
    bench: Bench, there: tuple[str, ...], guess: str
) -> None:
    bench.reconciler.saw(map(a_stream_named, there))
    reader = bench.consumer(streamName="orders")
    await bench.settle_for_now(reader)
    assert bench.ready(reader) == ("False", "WaitingForStream")
    assert bench.message(reader) == (
        f"streamName: there is no stream orders in JetStream{guess}: have it made, or delete this "
        "resource and create one with the right streamName"
    )


async def test_a_stream_of_another_namespace_is_not_what_is_meant(bench: Bench) -> None:
    theirs = bench.kubernetes.apply(names.STREAM_KIND, "elsewhere", "order", {})
    await bench.settle(theirs)
    bench.reconciler.saw([a_stream_named("order")])
    reader = bench.consumer(streamName="orders")
    await bench.settle_for_now(reader)
    assert "there is no stream orders in JetStream: have" in bench.message(reader)
