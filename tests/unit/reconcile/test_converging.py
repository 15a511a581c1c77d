"""What is done about a difference, what is held and why, and what is told of it."""

from typing import Any

import pytest

from coze_nats.core.errors import CapacityExceeded, Denied, Failure, OutcomeUnknown, Rejected
from coze_nats.core.live import Config, LiveConsumer, LiveStream
from coze_nats.core.names import OWNER_METADATA
from coze_nats.core.resource import Key
from coze_nats.reconcile.contests import FIRST_HOLD, ROUNDS
from coze_nats.reconcile.reporting import COUNTERS_EVERY
from fakes.jetstream import FakeJetStream
from support.bench import Bench

REPLACING = {"replacement": "Recreate"}


async def live(jetstream: FakeJetStream, name: str = "orders") -> LiveStream:
    found = await jetstream.stream(name)
    assert found is not None
    return found


async def by_hand(jetstream: FakeJetStream, name: str = "orders", **changes: Any) -> None:
    await jetstream.update_stream({**(await live(jetstream, name)).config, **changes})


def without_owner(config: Config) -> dict[str, Any]:
    metadata = {key: value for key, value in config["metadata"].items() if key != OWNER_METADATA}
    return {**config, "metadata": metadata}


# --- the first time -------------------------------------------------------------------------------


async def test_a_consumer_that_nobody_has_reported_on_is_created_without_a_look(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.reconcile(orders)
    jetstream.calls.clear()
    await bench.reconcile(reader)
    assert jetstream.calls == ["server", "stream", "create_consumer"]
    assert bench.ready(reader) == ("True", "Converged")
    jetstream.calls.clear()
    await bench.reconcile(reader)
    assert jetstream.calls == ["server", "consumer"], "from then on it is looked at"


async def test_a_stream_that_is_there_is_never_asked_for(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    # A cluster before nats-server 2.14.6 would note another time of creation for it.
    orders = bench.stream()
    await bench.settle(orders)
    bench.kubernetes.forget_status(orders)
    jetstream.calls.clear()
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")
    assert jetstream.calls == ["server", "stream"]


@pytest.mark.parametrize(
    "policy, outcome",
    [("Never", "AdoptionRefused"), ("IfIdentical", "NotIdentical"), ("Always", "Converged")],
)
async def test_what_is_there_is_judged_by_the_policy_and_not_by_the_attempt_to_create_it(
    bench: Bench, jetstream: FakeJetStream, policy: str, outcome: str
) -> None:
    await bench.settle(bench.stream())
    config = {"name": "reader", "ack_policy": "explicit", "max_deliver": 3}
    before = await jetstream.create_consumer("orders", config)
    reader = bench.consumer(maxDeliver=5, policies={"adoption": policy})
    await bench.settle(reader)
    assert bench.ready(reader)[1] == outcome
    after = await jetstream.consumer("orders", "reader")
    assert after
    assert after.created == before.created
    assert (after.config == before.config) == (outcome != "Converged")


async def test_what_is_not_identical_is_shown_to_be_copied(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await bench.settle(bench.stream())
    config = {"durable_name": "reader", "ack_policy": "explicit", "max_deliver": 3}
    await jetstream.create_consumer("orders", config)
    reader = bench.consumer(maxDeliver=5)
    await bench.settle(reader)
    assert bench.ready(reader)[1] == "NotIdentical"
    shown = bench.status(reader)["effective"]
    assert shown["maxDeliver"] == 3
    assert "created" not in bench.status(reader)
    spec = {key: value for key, value in shown.items() if key != "name"}
    await bench.settle(bench.consumer(**spec))
    assert bench.ready(reader) == ("True", "Converged")
    live = await jetstream.consumer("orders", "reader")
    assert live
    assert live.config["max_deliver"] == 3


@pytest.mark.parametrize("failure", [CapacityExceeded("full"), Rejected("no"), Denied("create")])
async def test_what_is_there_is_ready_though_it_could_not_be_created(
    bench: Bench, jetstream: FakeJetStream, failure: Failure
) -> None:
    # Some servers look for room, or at the request, before they look for the name.
    reader = bench.consumer()
    await bench.settle(bench.stream(), reader)
    bench.kubernetes.forget_status(reader)
    jetstream.refusals["create_consumer"] = failure
    await bench.settle(reader)
    assert bench.ready(reader) == ("True", "Converged")


async def test_what_was_created_before_a_crash_is_taken_as_it_is(bench: Bench) -> None:
    reader = bench.consumer()
    await bench.settle(bench.stream(), reader)
    created = bench.status(reader)["created"]
    bench.kubernetes.forget_status(reader)
    bench.restart()
    await bench.settle(reader)
    assert bench.ready(reader) == ("True", "Converged")
    assert bench.status(reader)["created"] == created
    assert bench.events(reader) == []


@pytest.mark.parametrize("declared", [{}, {"pauseUntil": "2190-01-01T00:00:00Z"}])
async def test_what_is_there_and_paused_otherwise_is_put_right_before_it_is_ready(
    bench: Bench, jetstream: FakeJetStream, declared: dict[str, Any]
) -> None:
    await bench.settle(bench.stream())
    reader = bench.consumer(**declared)
    await bench.settle(reader)
    bench.kubernetes.forget_status(reader)
    await jetstream.pause_consumer("orders", "reader", "2199-01-01T00:00:00Z")
    await bench.reconcile(reader)
    assert bench.ready(reader) == ("True", "Converged")
    after = await jetstream.consumer("orders", "reader")
    assert after
    assert after.config.get("pause_until") == declared.get("pauseUntil")


class Overtaken(FakeJetStream):
    """Asked to create a consumer that is there, it answers well, with what that is."""

    async def create_consumer(self, stream: str, config: Config) -> LiveConsumer:
        there = await self.consumer(stream, config["name"])
        return there or await super().create_consumer(stream, config)


async def test_what_somebody_else_put_there_meanwhile_is_theirs() -> None:
    # nats-server 2.10 takes a creation under a name that is being taken for an update.
    bench = Bench(Overtaken())
    await bench.settle(bench.stream(), bench.consumer())
    rival = bench.consumer("rival", name="reader")
    await bench.reconcile(rival)
    assert bench.ready(rival) == ("False", "OwnedByAnother")


async def test_a_time_out_of_the_first_request_is_not_followed_by_another_at_once(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await bench.settle(bench.stream())
    jetstream.refusals["create_consumer"] = OutcomeUnknown("no answer")
    reader = bench.consumer()
    jetstream.calls.clear()
    await bench.reconcile(reader)
    assert jetstream.calls == ["server", "stream", "create_consumer"]


# --- held because somebody said so ----------------------------------------------------------------


@pytest.mark.parametrize(
    "reason, spec, rules",
    [("Suspended", {"suspend": True}, {}), ("DryRun", {}, {"dry_run": True})],
)
async def test_what_is_held_is_told_and_not_done(
    jetstream: FakeJetStream, reason: str, spec: dict[str, Any], rules: dict[str, Any]
) -> None:
    bench = Bench(jetstream, **rules)
    orders = bench.stream(**spec)
    await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", reason)
    assert bench.status(orders)["plan"] == "create stream orders"
    assert bench.message(orders) == (
        "stream orders is not as declared and is left so; without this: create stream orders"
    )
    assert await jetstream.stream("orders") is None
    await jetstream.create_stream(
        {"name": "orders", "max_msgs": 5, "metadata": {OWNER_METADATA: "here/coze/orders"}}
    )
    await bench.reconcile(orders)
    assert bench.status(orders)["plan"] == "update stream orders: maxMsgs 5 → -1"
    assert (await live(jetstream)).config["max_msgs"] == 5


async def test_what_is_as_declared_is_ready_although_it_is_suspended(bench: Bench) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.stream(suspend=True)
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")
    assert "plan" not in bench.status(orders)


async def test_a_refusal_is_told_although_it_is_suspended(bench: Bench) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.stream(suspend=True, storage="memory")
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "ImmutableField")
    assert bench.status(orders)["plan"] == "refuse stream orders: storage file → memory"


async def test_a_suspended_stream_that_vanishes_is_still_known_when_it_goes_on(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    created = bench.status(orders)["created"]
    bench.stream(suspend=True)
    jetstream.wipe()
    await bench.reconcile(orders)
    assert [event.reason for event in bench.events(orders)] == ["DataLossDetected"]
    assert bench.status(orders)["created"] == created
    bench.stream(policies={"missing": "Hold"})
    await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", "Missing")


# --- drift ----------------------------------------------------------------------------------------


async def test_drift_is_put_right_with_an_event(bench: Bench, jetstream: FakeJetStream) -> None:
    orders = bench.stream(maxMsgs=5)
    await bench.settle(orders)
    await by_hand(jetstream, max_msgs=7)
    await bench.reconcile(orders)
    assert (await live(jetstream)).config["max_msgs"] == 5
    (event,) = bench.events(orders)
    assert event[1:] == ("Normal", "DriftCorrected", "put right in JetStream: maxMsgs 7 → 5")


async def test_who_keeps_changing_back_is_named_by_what_and_left_alone_for_a_while(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(maxMsgs=5)
    await bench.settle(orders)
    for _ in range(ROUNDS):
        await by_hand(jetstream, max_msgs=7)
        await bench.reconcile(orders)
        assert bench.ready(orders) == ("True", "Converged")
    assert bench.last.after == FIRST_HOLD
    bench.events(orders)

    await by_hand(jetstream, max_msgs=7)
    for _ in range(3):
        await bench.reconcile(orders)
    assert (await live(jetstream)).config["max_msgs"] == 7
    assert bench.ready(orders) == ("False", "DriftContested")
    assert "update stream orders: maxMsgs 7 → 5" in bench.message(orders)
    assert [event.reason for event in bench.events(orders)] == ["DriftContested"]

    bench.clock.advance(FIRST_HOLD)
    assert (await bench.reconcile(orders)).after == 2 * FIRST_HOLD
    assert (await live(jetstream)).config["max_msgs"] == 5
    assert bench.ready(orders) == ("True", "Converged")


async def test_a_new_spec_is_applied_though_the_former_one_was_contested(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(maxMsgs=5)
    await bench.settle(orders)
    for _ in range(ROUNDS + 1):
        await by_hand(jetstream, max_msgs=7)
        await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", "DriftContested")
    bench.stream(maxMsgs=6)
    await bench.reconcile(orders)
    assert (await live(jetstream)).config["max_msgs"] == 6


async def deleted_and_looked_at(bench: Bench, jetstream: FakeJetStream, key: Key) -> None:
    await jetstream.delete_stream("orders")
    await bench.reconcile(key)


async def test_who_keeps_deleting_is_told_once_and_the_stream_left_alone_for_a_while(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    for _ in range(ROUNDS):
        await deleted_and_looked_at(bench, jetstream, orders)
        assert bench.ready(orders) == ("True", "Converged")
    made = jetstream.calls.count("create_stream")
    events, writes = len(bench.events(orders)), bench.kubernetes.writes
    for _ in range(20):
        await deleted_and_looked_at(bench, jetstream, orders)
    assert jetstream.calls.count("create_stream") == made
    assert bench.ready(orders) == ("False", "DriftContested")
    assert bench.message(orders).startswith("somebody keeps deleting stream orders, so it is left")
    told = [event.reason for event in bench.events(orders)]
    assert told == ["DataLossDetected", "DriftContested"]
    assert bench.kubernetes.writes == writes + 1
    assert events <= 2 * ROUNDS
    assert bench.last.after == FIRST_HOLD

    bench.clock.advance(FIRST_HOLD)
    assert (await bench.reconcile(orders)).after == 2 * FIRST_HOLD
    assert (await live(jetstream)).name == "orders"
    assert bench.ready(orders) == ("True", "Converged")


async def test_what_servers_lose_again_and_again_is_made_anew_each_time(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    for _ in range(3 * ROUNDS):
        bench.session.epoch += 1
        await deleted_and_looked_at(bench, jetstream, orders)
        assert bench.ready(orders) == ("True", "Converged")


async def test_a_consumer_that_nats_itself_deletes_says_so_and_is_left_alone_for_a_while(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer(inactiveThreshold="100ms")
    await bench.settle(orders, reader)
    for _ in range(ROUNDS + 3):
        await jetstream.delete_consumer("orders", "reader")
        await bench.reconcile(reader)
    assert bench.ready(reader) == ("False", "DriftContested")
    assert "has used it for 100ms (inactiveThreshold)" in bench.message(reader)
    assert await jetstream.consumer("orders", "reader") is None


async def test_a_consumer_that_goes_with_its_stream_is_no_contest_of_its_own(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    for _ in range(ROUNDS):
        await jetstream.delete_stream("orders")
        await bench.settle(orders, reader)
        await jetstream.delete_consumer("orders", "reader")
        await bench.settle(reader)
    for _ in range(2):
        bench.clock.advance(4 * FIRST_HOLD)
        await jetstream.delete_stream("orders")
        await bench.settle(orders, reader)
    assert bench.ready(orders) == ("True", "Converged")
    assert bench.ready(reader) == ("True", "Converged")


# --- room -----------------------------------------------------------------------------------------


async def test_a_lack_of_room_is_told_with_numbers_before_jetstream_is_asked() -> None:
    jetstream = FakeJetStream(max_storage=1000)
    bench = Bench(jetstream)
    await bench.settle(bench.stream("first", maxBytes=600))
    orders = bench.stream(maxBytes=500)
    assert (await bench.reconcile(orders)).backoff
    assert bench.ready(orders) == ("False", "InsufficientCapacity")
    assert "600 bytes of the account's 1,000 bytes of storage" in bench.message(orders)
    assert jetstream.calls.count("create_stream") == 1
    bench.stream("first", maxBytes=500)
    await bench.settle(bench.stream("first", maxBytes=500), orders)
    assert bench.ready(orders) == ("True", "Converged")


async def test_a_replacement_that_finds_no_room_deletes_nothing() -> None:
    jetstream = FakeJetStream(max_memory=1000)
    bench = Bench(jetstream)
    orders = bench.stream(maxBytes=2000)
    await bench.settle(orders)
    bench.stream(maxBytes=2000, storage="memory", policies=REPLACING)
    await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", "InsufficientCapacity")
    assert (await live(jetstream)).config["storage"] == "file"


async def test_the_account_is_not_asked_where_nothing_is_reserved(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.stream(maxBytes=500)
    await bench.settle(orders)
    bench.stream(maxBytes=500, description="new")
    await bench.settle(orders)
    assert jetstream.calls.count("account") == 1


# --- warnings -------------------------------------------------------------------------------------


async def test_a_filter_that_can_never_match_is_a_warning_until_it_can(bench: Bench) -> None:
    orders, reader = bench.stream(subjects=["orders.*"]), bench.consumer(filterSubject="order.new")
    await bench.settle(orders, reader)
    assert bench.ready(reader) == ("True", "Converged")
    conditions = {item["type"]: item for item in bench.status(reader)["conditions"]}
    assert "order.new can never match" in conditions["FilterMatchesNothing"]["message"]
    bench.consumer(filterSubject="orders.new")
    await bench.settle(reader)
    assert [item["type"] for item in bench.status(reader)["conditions"]] == ["Ready"]


async def test_a_filter_on_an_unmanaged_stream_is_judged_by_what_that_has(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "theirs", "subjects": ["logs"]})
    reader = bench.consumer(streamName="theirs", filterSubject="log")
    await bench.settle(reader)
    assert "stores logs" in bench.status(reader)["conditions"][1]["message"]


# --- losses ---------------------------------------------------------------------------------------


async def test_a_stream_that_vanishes_is_told_recorded_and_made_again(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    jetstream.publish("orders", 8)
    bench.clock.advance(60)
    await bench.settle(orders)
    lost = bench.status(orders)["created"]
    jetstream.wipe()
    await bench.settle(orders)
    reasons = [event.reason for event in bench.events(orders)]
    assert reasons == ["DataLossDetected", "Recreated"]
    record = bench.status(orders)["dataLoss"]
    assert (record["created"], record["messages"], record["lastSequence"]) == (lost, 8, 8)
    assert record["successor"] == bench.status(orders)["created"] != lost
    await bench.settle(orders)
    assert bench.events(orders) == []


async def test_a_stream_that_is_held_missing_is_known_by_what_it_was(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(policies={"missing": "Hold"})
    await bench.settle(orders)
    before = bench.status(orders)
    jetstream.wipe()
    for _ in range(3):
        await bench.reconcile(orders)
    assert await jetstream.stream("orders") is None
    assert bench.ready(orders) == ("False", "Missing")
    kept = ("created", "messages", "lastSequence", "effective")
    assert {key: bench.status(orders)[key] for key in kept} == {key: before[key] for key in kept}
    assert [event.reason for event in bench.events(orders)] == ["DataLossDetected", "Missing"]
    assert "successor" not in bench.status(orders)["dataLoss"]
    bench.stream(policies={"missing": "Recreate"})
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")
    assert bench.status(orders)["dataLoss"]["successor"] == bench.status(orders)["created"]


async def test_an_accepted_loss_is_told_with_its_size(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    jetstream.publish("orders", 8)
    bench.stream(maxMsgs=5, policies={"dataLoss": "Allow"})
    await bench.settle(orders)
    assert (await live(jetstream)).messages == 5
    (event,) = bench.events(orders)
    assert event[1:] == (
        "Warning",
        "MessagesDiscarded",
        "stream orders: maxMsgs -1 → 5: would discard 3 of 8 messages",
    )


# --- messages left behind -------------------------------------------------------------------------


async def test_messages_on_removed_subjects_stay_and_are_named(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(subjects=["orders.>", "bills"])
    await bench.settle(orders)
    for subject in ("orders.new", "orders.new", "orders.eu.old", "bills"):
        jetstream.publish("orders", 1, subject)
    bench.stream(subjects=["orders.*"], suspend=True)
    await bench.settle(orders)
    left = "leaves 2 messages on bills, orders.eu.old stored, and takes no new ones there"
    assert bench.status(orders)["plan"].endswith(f"→ [orders.*]; {left}")
    bench.stream(subjects=["orders.*"])
    await bench.settle(orders)
    assert (await live(jetstream)).messages == 4
    (event,) = bench.events(orders)
    assert (event.type, event.reason) == ("Warning", "SubjectsRemoved")
    assert event.message.endswith(left)


@pytest.mark.parametrize(
    "before, after, published",
    [
        (["orders.a"], ["orders.>"], ["orders.a"]),
        (["orders.>"], ["orders.*"], ["orders.a"]),
        (["orders.a", "orders.b"], ["orders.a"], []),
        (["orders.a", "orders.b"], ["orders.a"], ["orders.a"]),
    ],
    ids=["more are taken", "those stored are taken on", "there are none", "they are elsewhere"],
)
async def test_nothing_is_told_where_no_message_is_left_behind(
    bench: Bench,
    jetstream: FakeJetStream,
    before: list[str],
    after: list[str],
    published: list[str],
) -> None:
    orders = bench.stream(subjects=before)
    await bench.settle(orders)
    for subject in published:
        jetstream.publish("orders", 1, subject)
    bench.stream(subjects=after)
    await bench.settle(orders)
    assert bench.events(orders) == []


# --- owners ---------------------------------------------------------------------------------------


async def test_stripped_metadata_is_put_back_and_no_rival_gets_in_between(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    rival = bench.stream("rival", name="orders", policies={"adoption": "Always"})
    await bench.settle(rival)
    assert bench.ready(rival) == ("False", "OwnedByAnother")
    stripped = without_owner((await live(jetstream)).config)
    await jetstream.update_stream(stripped)
    await bench.settle(rival)
    assert (await live(jetstream)).config["metadata"] == stripped["metadata"]
    assert bench.ready(rival) == ("False", "OwnedByAnother")
    await bench.settle(orders)
    assert (await live(jetstream)).config["metadata"][OWNER_METADATA] == "here/coze/orders"
    assert bench.ready(orders) == ("True", "Converged")


async def test_who_waits_adopts_what_its_owner_let_go(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(policies={"deletion": "Retain"})
    await bench.settle(orders)
    rival = bench.stream("rival", name="orders")
    await bench.settle(rival)
    bench.kubernetes.delete(orders)
    bench.events(rival)
    await bench.settle(orders)
    assert bench.ready(rival) == ("True", "Converged")
    assert bench.status(rival)["created"] == (await live(jetstream)).created
    assert {event.reason for event in bench.events(rival)} == {"Adopted", "Recovered"}


@pytest.mark.parametrize("wants", [{}, {"storage": "memory"}], ids=["adopted", "replaced"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_of_two_that_would_take_over_a_stream_the_first_by_name_does(
    bench: Bench, jetstream: FakeJetStream, wants: dict[str, Any], reverse: bool
) -> None:
    await jetstream.create_stream({"name": "orders"})
    policies = {"adoption": "Always", "replacement": "Recreate"}
    first = bench.stream("first", name="orders", policies=policies, **wants)
    second = bench.stream("second", name="orders", policies=policies, **wants)
    if not reverse:
        await bench.settle(first, second)
    else:
        await bench.settle(second)
        assert bench.ready(second) == ("False", "OwnedByAnother")
        assert bench.message(second).startswith(
            "stream orders has no owner yet, and here/coze/first (cluster/namespace/name), which "
        )
        await bench.settle(first)
    bench.clock.advance(COUNTERS_EVERY)
    await bench.settle(second)
    assert bench.ready(first) == ("True", "Converged")
    assert "belongs to here/coze/first" in bench.message(second)


@pytest.mark.parametrize(
    "failure",
    [Rejected("replicas > 1 not supported in non-clustered mode", 10074), Denied("x")],
)
async def test_who_cannot_take_a_stream_over_keeps_nobody_from_it(
    bench: Bench, jetstream: FakeJetStream, failure: Failure
) -> None:
    await jetstream.create_stream({"name": "orders"})
    first = bench.stream("first", name="orders", replicas=3, policies={"adoption": "Always"})
    second = bench.stream("second", name="orders")
    await bench.settle(second)
    assert bench.ready(second) == ("False", "OwnedByAnother")
    jetstream.refusals["update_stream"] = failure
    await bench.reconcile(first)
    assert bench.ready(first)[0] == "False"
    jetstream.refusals.clear()
    await bench.settle(second)
    assert bench.ready(second) == ("True", "Converged")
    await bench.settle(first)
    assert "belongs to here/coze/second" in bench.message(first)


async def test_what_is_missing_is_held_also_after_anothers_took_its_place_and_went(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(policies={"missing": "Hold"})
    await bench.settle(orders)
    created = bench.status(orders)["created"]
    config = (await live(jetstream)).config
    await jetstream.delete_stream("orders")
    await jetstream.create_stream({**config, "metadata": {OWNER_METADATA: "elsewhere/shop/orders"}})
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "OwnedByAnother")
    assert bench.status(orders)["created"] == created
    assert "DataLossDetected" in [event.reason for event in bench.events(orders)]

    await jetstream.delete_stream("orders")
    bench.restart()
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "Missing")
    assert await jetstream.stream("orders") is None
    assert "DataLossDetected" not in [event.reason for event in bench.events(orders)]

    bench.stream(policies={"missing": "Recreate"})
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")


async def test_what_somebody_gave_to_another_owner_is_not_held_when_it_goes(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(policies={"missing": "Hold"})
    await bench.settle(orders)
    config = (await live(jetstream)).config
    await jetstream.update_stream({**config, "metadata": {OWNER_METADATA: "elsewhere/shop/orders"}})
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "OwnedByAnother")
    await jetstream.delete_stream("orders")
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")


async def test_a_missing_consumer_is_held_also_after_its_stream_was_managed_by_another(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "orders", "subjects": ["orders"]})
    config = (await live(jetstream)).config
    reader = bench.consumer(streamName="orders", policies={"missing": "Hold"})
    await bench.settle(reader)
    await jetstream.delete_consumer("orders", "reader")
    owned = {**config["metadata"], OWNER_METADATA: "elsewhere/shop/orders"}
    await jetstream.update_stream({**config, "metadata": owned})
    await bench.settle(reader)
    assert bench.ready(reader) == ("False", "StreamIsManaged")
    await jetstream.update_stream(config)
    await bench.settle(reader)
    assert bench.ready(reader) == ("False", "Missing")


async def test_of_several_who_would_adopt_the_first_by_name_does(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "shared"})
    bench.stream("a-broken", name="shared", maxAge="1 h")
    bench.stream("b-suspended", name="shared", suspend=True)
    bench.stream("c-unlike", name="shared", maxMsgs=5)
    bench.stream("d-elsewhere")
    first, second = bench.stream("e-first", name="shared"), bench.stream("f-next", name="shared")
    await bench.settle(second)
    assert bench.ready(second) == ("False", "OwnedByAnother")
    assert "has no owner yet, and here/coze/e-first" in bench.message(second)
    await bench.settle(first)
    assert bench.ready(first) == ("True", "Converged")


async def test_what_is_adopted_as_another_tells_what_was_changed(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "orders", "max_msgs": 7})
    orders = bench.stream(maxMsgs=8, policies={"adoption": "Always"})
    await bench.settle(orders)
    (event,) = bench.events(orders)
    assert event.message == (
        "stream orders existed, without an owner, and is managed now, and was changed: "
        "maxMsgs 7 → 8"
    )


# --- replacement ----------------------------------------------------------------------------------


async def test_a_replacement_is_written_down_done_and_told(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    jetstream.publish("orders", 8)
    bench.stream(storage="memory", policies={**REPLACING, "dataLoss": "Allow"})
    writes = bench.kubernetes.writes
    await bench.settle(orders)
    assert bench.kubernetes.writes == writes + 2
    assert bench.ready(orders) == ("True", "Converged")
    assert "replacing" not in bench.status(orders)
    assert "dataLoss" not in bench.status(orders)
    (event,) = bench.events(orders)
    assert event[1:] == (
        "Warning",
        "Replaced",
        (
            "stream orders was deleted with 8 messages and created anew, as policies.replacement "
            "allows: storage file → memory"
        ),
    )


async def test_consumers_of_a_replaced_stream_come_back_though_missing_ones_are_held(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(storage="file")
    readers = [bench.consumer("eager"), bench.consumer("careful", policies={"missing": "Hold"})]
    await bench.settle(orders, *readers)
    bench.stream(storage="memory", policies=REPLACING)
    await bench.settle(orders)
    for reader in readers:
        assert bench.ready(reader) == ("True", "Converged")
        assert await jetstream.consumer("orders", reader.name) is not None


async def test_a_consumer_of_a_lost_stream_is_held_if_it_says_so(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer(policies={"missing": "Hold"})
    await bench.settle(orders, reader)
    jetstream.wipe()
    bench.clock.advance(5)
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")
    assert bench.ready(reader) == ("False", "Missing")


async def test_a_consumer_that_means_another_stream_now_is_made_there_and_not_missed(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    """The older of two streams, so that nothing can be told by its age."""
    await jetstream.create_stream({"name": "second"})
    orders = bench.stream(name="first", policies={"deletion": "Retain"})
    reader = bench.consumer(policies={"missing": "Hold"})
    await bench.settle(orders, reader)
    bench.kubernetes.delete(orders)
    await bench.settle(orders)
    await bench.settle(bench.stream(name="second"), reader)
    assert bench.ready(reader) == ("True", "Converged")
    assert await jetstream.consumer("second", "reader") is not None
    (event,) = [each for each in bench.events(reader) if each.reason == "Released"]
    assert event.message == (
        "consumer reader of stream first is left as it is in JetStream: streamRef means stream "
        "second now"
    )


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "failure", [OutcomeUnknown("no answer in 30 s"), Rejected("not today", 10052)]
)
async def test_a_replacement_that_fails_half_way_keeps_where_it_was(
    bench: Bench, jetstream: FakeJetStream, failure: Any, restarts: bool
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    jetstream.publish("orders", 8)
    jetstream.deliver("orders", "reader", True, True, True, False)
    bench.consumer(maxWaiting=5, policies={**REPLACING, "missing": "Hold"})
    jetstream.refusals["create_consumer"] = failure
    await bench.reconcile(reader)
    assert await jetstream.consumer("orders", "reader") is None
    assert bench.status(reader)["replacing"]["startSequence"] == 4
    if restarts:
        bench.restart()
    jetstream.refusals.clear()
    await bench.settle(reader)
    assert bench.ready(reader) == ("True", "Converged")
    assert jetstream.deliver("orders", "reader", True) == [4]


@pytest.mark.parametrize("is_another", [False, True], ids=["it is gone", "another has its name"])
async def test_nothing_is_replaced_for_a_resource_that_is_gone(
    bench: Bench, jetstream: FakeJetStream, is_another: bool
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    changed = bench.consumer(maxWaiting=5, policies=REPLACING)
    bench.hear()
    resource = bench.kubernetes.resources.pop(changed)
    if is_another:
        bench.consumer(maxWaiting=5, policies=REPLACING)
    before = await jetstream.consumer("orders", "reader")
    following = await bench.reconciler.reconcile(reader)
    assert following.backoff
    assert await jetstream.consumer("orders", "reader") == before
    assert resource.uid


async def test_an_empty_stream_with_consumers_that_nobody_brings_back_is_not_replaced(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    await jetstream.create_consumer(
        "orders", {"name": "audit", "durable_name": "audit", "ack_policy": "explicit"}
    )
    bench.stream(storage="memory", policies=REPLACING)
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "WouldLoseData")
    assert "what no resource brings back: consumer audit." in bench.message(orders)
    assert await jetstream.consumer("orders", "audit") is not None


async def test_a_stream_is_not_replaced_by_one_whose_subjects_are_taken(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "other", "subjects": ["taken.*"]})
    orders = bench.stream(subjects=["orders.*"])
    await bench.settle(orders)
    before = await jetstream.stream("orders")
    bench.stream(storage="memory", subjects=["orders.*", "taken.>"], policies=REPLACING)
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "SubjectOverlap")
    assert "taken.> overlaps with the subjects of stream other, and" in bench.message(orders)
    assert await jetstream.stream("orders") == before
    assert "replacing" not in bench.kubernetes.status(orders)
    bench.stream(storage="memory", subjects=["orders.*"], policies=REPLACING)
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")


async def test_who_stores_one_of_many_subjects_is_found_by_one_list(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    for number in range(10):
        await jetstream.create_stream({"name": f"other-{number}", "subjects": [f"taken.{number}"]})
    jetstream.calls.clear()
    orders = bench.stream(subjects=[*(f"orders.{number}" for number in range(254)), "taken.*"])
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "SubjectOverlap")
    assert "subjects: taken.* overlaps with the subjects of stream other-0" in bench.message(orders)
    assert "other-7 and 2 more, and a message" in bench.message(orders)
    assert not [call for call in jetstream.calls if "streams_on" in str(call)]


async def test_who_may_not_list_is_told_of_one_of_many_subjects_all_the_same(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "other", "subjects": ["taken.*"]})
    jetstream.refusals["streams"] = Denied("$JS.API.STREAM.LIST")
    orders = bench.stream(subjects=[*(f"orders.{number}" for number in range(20)), "taken.>"])
    await bench.settle(orders)
    assert "taken.> overlaps with the subjects of stream other, and" in bench.message(orders)


async def test_a_consumer_is_not_replaced_by_one_that_its_stream_refuses(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(subjects=["orders.*"]), bench.consumer()
    await bench.settle(orders, reader)
    before = await jetstream.consumer("orders", "reader")
    bench.consumer(deliverSubject="orders.delivered", policies=REPLACING)
    await bench.settle(reader)
    assert bench.ready(reader) == ("False", "RejectedByServer")
    assert "deliverSubject orders.delivered is a subject of" in bench.message(reader)
    assert await jetstream.consumer("orders", "reader") == before
    bench.consumer(deliverSubject="delivered", policies=REPLACING)
    await bench.settle(reader)
    assert bench.ready(reader) == ("True", "Converged")


async def test_a_replacement_that_costs_a_position_says_so_with_the_numbers(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    jetstream.publish("orders", 7)
    jetstream.deliver("orders", "reader", True, True, False)
    bench.consumer(deliverPolicy="new", policies={**REPLACING, "position": "Reset"})
    await bench.settle(reader)
    (event,) = bench.events(reader)
    assert (event.type, event.reason) == ("Warning", "Replaced")
    assert event.message.endswith(
        "; its position was lost: it was done up to sequence 2, with 4 messages to be delivered "
        "and 1 not acknowledged"
    )
