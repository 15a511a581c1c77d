"""Every policy, from the resource to what it leaves in JetStream, with a word for each loss."""

from collections.abc import Mapping
from typing import Any

from nats.aio.client import Client

from coze_nats.core import names
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually_async

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
RECREATE = {"replacement": "Recreate"}


async def publish(client: Client, subject: str, count: int) -> None:
    for number in range(1, count + 1):
        await client.jetstream().publish(subject, str(number).encode())


async def fetch(client: Client, stream: str, count: int) -> list[Any]:
    subscription = await client.jetstream().pull_subscribe_bind("work", stream)
    found = await subscription.fetch(count, timeout=5)
    await subscription.unsubscribe()
    return list(found)


async def stream_of(jetstream: Gateway, name: str) -> LiveStream:
    found = await jetstream.stream(name)
    assert found
    return found


async def consumer_of(jetstream: Gateway, stream: str) -> LiveConsumer:
    """The stream's consumer, once it is there: it comes back after the stream says that it is."""

    async def look() -> list[LiveConsumer]:
        found = await jetstream.consumer(stream, "work")
        return [found] if found else []

    (found,) = await eventually_async(look, what=f"consumer work of {stream}")
    return found


# --- deletion -------------------------------------------------------------------------------------


async def test_delete_takes_a_stream_with_its_messages(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    tenant.stream("doomed", subjects=["doomed"], policies={"deletion": "Delete"})
    await tenant.ready(STREAM, "doomed")
    await publish(client, "doomed", 3)
    tenant.delete(STREAM, "doomed")
    await tenant.gone(STREAM, "doomed")
    assert await jetstream.stream("doomed") is None


async def test_retained_objects_are_free_and_applied_again_they_are_taken_back(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    retain = {"policies": {"deletion": "Retain"}}

    async def apply() -> tuple[LiveStream, LiveConsumer]:
        tenant.stream("kept", subjects=["kept"], **retain)
        tenant.consumer("work", streamRef={"name": "kept"}, **retain)
        await tenant.ready(STREAM, "kept")
        await tenant.ready(CONSUMER, "work")
        return await stream_of(jetstream, "kept"), await consumer_of(jetstream, "kept")

    first = await apply()
    await publish(client, "kept", 3)
    for kind, name in ((CONSUMER, "work"), (STREAM, "kept")):
        tenant.delete(kind, name)
        await tenant.gone(kind, name)
    assert "holds 3 messages" in await tenant.event("kept", "Retained")
    assert owner_of(await stream_of(jetstream, "kept")) == ""
    assert owner_of(await consumer_of(jetstream, "kept")) == ""
    stream, consumer = await apply()
    assert (stream.created, consumer.created) == tuple(live.created for live in first)
    assert stream.messages == 3
    assert tenant.status(STREAM, "kept")["adopted"] is True
    assert tenant.status(CONSUMER, "work")["adopted"] is True
    assert await tenant.event("kept", "Adopted")


# --- adoption -------------------------------------------------------------------------------------


async def test_always_takes_over_and_changes_what_differs(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    before = await jetstream.create_stream({"name": "found", "subjects": ["found"], "max_msgs": 7})
    await publish(client, "found", 2)
    tenant.stream("found", subjects=["found"], maxMsgs=8, policies={"adoption": "Always"})
    await tenant.ready(STREAM, "found")
    after = await stream_of(jetstream, "found")
    assert (after.created, after.messages) == (before.created, 2)
    assert after.config["max_msgs"] == 8
    assert "maxMsgs 7 → 8" in await tenant.event("found", "Adopted")
    await jetstream.delete_stream("found")


async def test_never_leaves_even_an_identical_one_alone(tenant: Any, jetstream: Gateway) -> None:
    before = await jetstream.create_stream({"name": "theirs", "subjects": ["theirs"]})
    tenant.stream("theirs", subjects=["theirs"], policies={"adoption": "Never"})
    assert "policies.adoption is Never" in await tenant.stalled(STREAM, "theirs", "AdoptionRefused")
    tenant.delete(STREAM, "theirs")
    await tenant.gone(STREAM, "theirs")
    after = await stream_of(jetstream, "theirs")
    assert (after.config, after.created) == (before.config, before.created)
    await jetstream.delete_stream("theirs")


# --- what a change costs --------------------------------------------------------------------------


async def test_a_loss_that_is_allowed_is_made_and_told(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    tenant.stream("shrinking", subjects=["shrinking"])
    await tenant.ready(STREAM, "shrinking")
    await publish(client, "shrinking", 5)
    tenant.stream("shrinking", subjects=["shrinking"], maxMsgs=2, policies={"dataLoss": "Allow"})
    await tenant.ready(STREAM, "shrinking")
    assert (await stream_of(jetstream, "shrinking")).messages == 2
    assert "discard" in await tenant.event("shrinking", "MessagesDiscarded")
    await jetstream.delete_stream("shrinking")


async def test_a_stream_is_replaced_only_if_its_messages_may_go_and_its_consumers_come_back(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    tenant.stream("moving", subjects=["moving"])
    tenant.consumer("work", streamRef={"name": "moving"}, policies={"missing": "Hold"})
    before = await tenant.ready(STREAM, "moving")
    await tenant.ready(CONSUMER, "work")
    await publish(client, "moving", 4)
    change: Mapping[str, Any] = {"subjects": ["moving"], "storage": "memory"}
    tenant.stream("moving", **change, policies=RECREATE)
    message = await tenant.stalled(STREAM, "moving", "WouldLoseData")
    assert "would discard 4 messages" in message
    assert (await stream_of(jetstream, "moving")).created == before["created"]
    tenant.stream("moving", **change, policies={**RECREATE, "dataLoss": "Allow"})
    after = await tenant.ready(STREAM, "moving")
    await tenant.ready(CONSUMER, "work")
    stream = await stream_of(jetstream, "moving")
    assert (stream.config["storage"], stream.messages) == ("memory", 0)
    assert after["created"] == stream.created != before["created"]
    assert "replacing" not in after
    assert "dataLoss" not in after
    assert owner_of(await consumer_of(jetstream, "moving")).endswith("/work")
    assert await tenant.event("moving", "Replaced")
    assert tenant.told("moving", "DataLossDetected") == []


async def test_a_replaced_consumer_goes_on_with_what_was_not_acknowledged(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    ref = {"streamRef": {"name": "worked"}}
    tenant.stream("worked", subjects=["worked"], policies={"deletion": "Delete"})
    tenant.consumer("work", **ref)
    await tenant.ready(CONSUMER, "work")
    await publish(client, "worked", 6)
    for message in (await fetch(client, "worked", 4))[:3]:
        await message.ack_sync()
    before = await consumer_of(jetstream, "worked")
    tenant.consumer("work", **ref, replayPolicy="original")
    assert "replayPolicy" in await tenant.stalled(CONSUMER, "work", "ImmutableField")
    tenant.consumer("work", **ref, replayPolicy="original", policies=RECREATE)
    await tenant.ready(CONSUMER, "work")
    assert (await consumer_of(jetstream, "worked")).created != before.created
    left = await fetch(client, "worked", 3)
    assert [message.data for message in left] == [b"4", b"5", b"6"]
    assert await tenant.event("work", "Replaced")


# --- what vanished --------------------------------------------------------------------------------


async def test_what_somebody_deleted_is_held_until_told_and_the_loss_is_on_record(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    tenant.stream("robbed", subjects=["robbed"], policies={"missing": "Hold"})
    await tenant.ready(STREAM, "robbed")
    await publish(client, "robbed", 3)
    tenant.annotate(STREAM, "robbed", reconcile_requested_at="now")

    async def counted() -> bool:
        return bool(tenant.status(STREAM, "robbed").get("messages") == 3)

    await eventually_async(counted, 90, "the messages in status")
    await jetstream.delete_stream("robbed")
    message = await tenant.stalled(STREAM, "robbed", "Missing")
    assert "policies.missing is Hold" in message
    loss = tenant.status(STREAM, "robbed")["dataLoss"]
    assert (loss["messages"], loss["lastSequence"]) == (3, 3)
    assert "3 messages up to sequence 3" in await tenant.event("robbed", "DataLossDetected")
    assert await jetstream.stream("robbed") is None
    tenant.stream("robbed", subjects=["robbed"], policies={"missing": "Recreate"})
    status = await tenant.ready(STREAM, "robbed")
    assert (await stream_of(jetstream, "robbed")).created == status["created"] != loss["created"]
    assert status["dataLoss"] == {**loss, "successor": status["created"]}
    assert len(tenant.told("robbed", "DataLossDetected")) == 1


async def test_stripped_metadata_is_put_back(tenant: Any, jetstream: Gateway) -> None:
    tenant.stream("stripped", subjects=["stripped"], policies={"adoption": "Never"})
    await tenant.ready(STREAM, "stripped")
    stream = await stream_of(jetstream, "stripped")
    await jetstream.update_stream({**stream.config, "metadata": {}})

    async def is_owned() -> bool:
        return owner_of(await stream_of(jetstream, "stripped")) == owner_of(stream)

    await eventually_async(is_owned, what="the owner")
    await tenant.ready(STREAM, "stripped")


# --- suspended ------------------------------------------------------------------------------------


async def test_a_suspended_resource_reports_drift_and_changes_nothing_but_can_be_deleted(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("resting", subjects=["resting"], maxMsgs=10)
    await tenant.ready(STREAM, "resting")
    tenant.stream("resting", subjects=["resting"], maxMsgs=10, suspend=True)
    await tenant.ready(STREAM, "resting")
    stream = await stream_of(jetstream, "resting")
    await jetstream.update_stream({**stream.config, "max_msgs": 5})

    async def plan() -> str:
        return str(tenant.status(STREAM, "resting").get("plan", ""))

    assert "maxMsgs 5 → 10" in await eventually_async(plan, what="the drift")
    ready = tenant.status(STREAM, "resting")["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "Suspended")
    tenant.stream("resting", subjects=["resting"], maxMsgs=20, suspend=True)

    async def planned() -> bool:
        return "maxMsgs 5 → 20" in await plan()

    await eventually_async(planned, what="the plan for the new spec")
    assert (await stream_of(jetstream, "resting")).config["max_msgs"] == 5
    tenant.delete(STREAM, "resting")
    await tenant.gone(STREAM, "resting")
    assert await jetstream.stream("resting") is None


# --- sanity ---------------------------------------------------------------------------------------


async def test_a_filter_that_can_match_nothing_is_warned_of(tenant: Any) -> None:
    tenant.stream("narrow", subjects=["narrow.*"])
    ref = {"streamRef": {"name": "narrow"}}
    tenant.consumer("work", **ref, filterSubject="wide.>")
    status = await tenant.reports(CONSUMER, "work", "FilterMatchesNothing", "FilterMatchesNothing")
    warning = next(c for c in status["conditions"] if c["type"] == "FilterMatchesNothing")
    assert "wide.>" in warning["message"]
    assert "narrow.*" in warning["message"]
    await tenant.ready(CONSUMER, "work")
    tenant.consumer("work", **ref, filterSubject="narrow.x")
    status = await tenant.ready(CONSUMER, "work")
    assert [c["type"] for c in status["conditions"]] == ["Ready"]


async def test_the_rivals_on_a_work_queue_are_named(tenant: Any) -> None:
    tenant.stream("queue", subjects=["queue.*"], retention="workqueue")
    ref = {"streamRef": {"name": "queue"}}
    tenant.consumer("first", **ref, filterSubject="queue.a")
    await tenant.ready(CONSUMER, "first")
    tenant.consumer("second", **ref, filterSubject="queue.*")
    message = await tenant.stalled(CONSUMER, "second", "RejectedByServer")
    assert "first (queue.a)" in message
