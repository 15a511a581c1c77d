"""From declaration to a real stream and consumer, through change, drift and deletion."""

from typing import Any

import pytest
from nats.aio.client import Client

from coze_nats.core import names
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually_async

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND


async def test_a_declared_stream_and_consumer_become_real(tenant: Any, jetstream: Gateway) -> None:
    tenant.consumer("work", streamRef={"name": "made"}, maxDeliver=3, ackWait="10s")
    tenant.stream("made", subjects=["made.*"], maxMsgs=100, maxAge="7d", storage="memory")
    await tenant.ready(STREAM, "made")
    status = await tenant.ready(CONSUMER, "work")
    stream = await jetstream.stream("made")
    consumer = await jetstream.consumer("made", "work")
    assert stream
    assert consumer
    assert stream.config["subjects"] == ["made.*"]
    assert stream.config["max_msgs"] == 100
    assert stream.config["max_age"] == 7 * 24 * 3600 * 10**9
    assert stream.config["storage"] == "memory"
    assert consumer.config["durable_name"] == "work"
    assert consumer.config["max_deliver"] == 3
    assert consumer.config["ack_policy"] == "explicit"
    assert owner_of(stream).endswith(f"/{tenant.namespace}/made")
    assert owner_of(consumer).endswith(f"/{tenant.namespace}/work")
    assert status["effective"]["ackWait"] == "10s"
    assert status["stream"] == "made"


async def test_a_changed_and_an_unset_field_reach_jetstream(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("changing", subjects=["changing"], maxMsgs=100, maxAge="1h", description="one")
    await tenant.ready(STREAM, "changing")
    tenant.stream("changing", subjects=["changing", "more"], maxMsgs=200)
    status = await tenant.ready(STREAM, "changing")
    stream = await jetstream.stream("changing")
    assert stream
    assert sorted(stream.config["subjects"]) == ["changing", "more"]
    assert stream.config["max_msgs"] == 200
    assert stream.config["max_age"] == 0
    assert "description" not in stream.config
    assert stream.config["duplicate_window"] == 120 * 10**9
    assert "maxAge" not in status["effective"]


async def test_drift_is_put_right_and_told_as_an_event(tenant: Any, jetstream: Gateway) -> None:
    tenant.stream("drifting", subjects=["drifting"], maxMsgs=100)
    tenant.consumer("work", streamRef={"name": "drifting"}, ackWait="10s")
    await tenant.ready(STREAM, "drifting")
    await tenant.ready(CONSUMER, "work")
    stream = await jetstream.stream("drifting")
    consumer = await jetstream.consumer("drifting", "work")
    assert stream
    assert consumer
    await jetstream.update_stream({**stream.config, "max_msgs": 5})
    await jetstream.update_consumer("drifting", {**consumer.config, "ack_wait": 10**9})

    async def is_right() -> bool:
        stream = await jetstream.stream("drifting")
        consumer = await jetstream.consumer("drifting", "work")
        assert stream
        assert consumer
        limits = (stream.config["max_msgs"], consumer.config["ack_wait"])
        return limits == (100, 10**10)

    await eventually_async(is_right)
    assert "maxMsgs 5 → 100" in await tenant.event("drifting", "DriftCorrected")
    assert "ackWait 1s → 10s" in await tenant.event("work", "DriftCorrected")


async def test_a_stream_deleted_behind_its_back_comes_back_with_its_consumers(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("vanishing", subjects=["vanishing"])
    tenant.consumer("work", streamRef={"name": "vanishing"})
    before = await tenant.ready(STREAM, "vanishing")
    await tenant.ready(CONSUMER, "work")
    await jetstream.delete_stream("vanishing")

    async def is_back() -> bool:
        stream = await jetstream.stream("vanishing")
        return stream is not None and await jetstream.consumer("vanishing", "work") is not None

    await eventually_async(is_back)
    assert "vanished" in await tenant.event("vanishing", "Recreated")
    after = await tenant.ready(STREAM, "vanishing")
    assert after["created"] != before["created"]


async def test_an_empty_stream_is_deleted_with_its_resource(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("empty", subjects=["empty"])
    await tenant.ready(STREAM, "empty")
    tenant.delete(STREAM, "empty")
    await tenant.gone(STREAM, "empty")
    assert await jetstream.stream("empty") is None


async def test_a_stream_with_messages_is_kept_when_its_resource_is_deleted(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    tenant.stream("full", subjects=["full"])
    await tenant.ready(STREAM, "full")
    await client.jetstream().publish("full", b"precious")
    tenant.delete(STREAM, "full")
    await tenant.gone(STREAM, "full")
    stream = await jetstream.stream("full")
    assert stream
    assert stream.messages == 1
    assert owner_of(stream) == ""
    assert "holds 1 message" in await tenant.event("full", "Retained")

    tenant.stream("full", subjects=["full"])
    await tenant.ready(STREAM, "full")
    assert "is managed now" in await tenant.event("full", "Adopted")
    await jetstream.delete_stream("full")


@pytest.mark.parametrize("order", [(STREAM, CONSUMER), (CONSUMER, STREAM)])
async def test_stream_and_consumer_can_be_deleted_in_any_order(
    tenant: Any, jetstream: Gateway, order: tuple[str, str]
) -> None:
    tenant.stream("ending", subjects=["ending"])
    tenant.consumer("ending", streamRef={"name": "ending"})
    await tenant.ready(CONSUMER, "ending")
    for kind in order:
        tenant.delete(kind, "ending")
    for kind in order:
        await tenant.gone(kind, "ending")
    assert await jetstream.stream("ending") is None


async def test_a_consumer_can_be_deleted_after_its_stream_resource_is_gone(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    tenant.stream("left", subjects=["left"])
    tenant.consumer("work", streamRef={"name": "left"})
    await tenant.ready(CONSUMER, "work")
    await client.jetstream().publish("left", b"precious")
    tenant.delete(STREAM, "left")
    await tenant.gone(STREAM, "left")
    await tenant.reports(CONSUMER, "work", "Reconciling", "WaitingForStream")
    tenant.delete(CONSUMER, "work")
    await tenant.gone(CONSUMER, "work")
    assert await jetstream.consumer("left", "work") is None
    assert await jetstream.stream("left") is not None
    await jetstream.delete_stream("left")


async def test_a_consumer_waits_for_its_stream_and_says_so(tenant: Any) -> None:
    tenant.consumer("early", streamRef={"name": "late"})
    status = await tenant.reports(CONSUMER, "early", "Reconciling", "WaitingForStream")
    assert "no CozeStream late" in status["conditions"][0]["message"]
    tenant.stream("late", subjects=["late"])
    await tenant.ready(CONSUMER, "early")


async def test_a_stream_that_exists_as_declared_is_adopted_and_stays_as_it_is(
    tenant: Any, jetstream: Gateway
) -> None:
    before = await jetstream.create_stream({"name": "there", "subjects": ["there"], "max_msgs": 7})
    tenant.stream("there", subjects=["there"], maxMsgs=7)
    assert (await tenant.ready(STREAM, "there"))["adopted"] is True
    stream = await jetstream.stream("there")
    assert stream
    assert stream.config == before.config


async def test_a_stream_that_exists_otherwise_is_not_touched(
    tenant: Any, jetstream: Gateway
) -> None:
    before = await jetstream.create_stream({"name": "foreign", "subjects": ["f"], "max_msgs": 7})
    tenant.stream("foreign", subjects=["f"], maxMsgs=8)
    message = await tenant.stalled(STREAM, "foreign", "NotIdentical")
    assert "maxMsgs 7 → 8" in message
    tenant.delete(STREAM, "foreign")
    await tenant.gone(STREAM, "foreign")
    after = await jetstream.stream("foreign")
    assert after
    assert after.config == before.config
    assert after.created == before.created
    await jetstream.delete_stream("foreign")


async def test_a_stream_that_another_resource_owns_is_not_touched(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("owner", name="shared", subjects=["shared"])
    await tenant.ready(STREAM, "owner")
    tenant.stream("loser", name="shared", subjects=["shared"], maxMsgs=1)
    message = await tenant.stalled(STREAM, "loser", "OwnedByAnother")
    assert f"{tenant.namespace}/owner" in message
    tenant.delete(STREAM, "loser")
    await tenant.gone(STREAM, "loser")
    stream = await jetstream.stream("shared")
    assert stream
    assert stream.config["max_msgs"] == -1
    assert owner_of(stream).endswith("/owner")


async def test_a_consumer_is_paused_and_resumed(tenant: Any, jetstream: Gateway) -> None:
    tenant.stream("pausing", subjects=["pausing"])
    tenant.consumer("work", streamRef={"name": "pausing"})
    await tenant.ready(CONSUMER, "work")
    for until, paused in (("2199-01-01T00:00:00.5Z", True), (None, False)):
        spec = {"pauseUntil": until} if until else {}
        tenant.consumer("work", streamRef={"name": "pausing"}, **spec)
        status = await tenant.ready(CONSUMER, "work")
        consumer = await jetstream.consumer("pausing", "work")
        assert consumer
        assert consumer.paused is paused
        assert status["effective"].get("pauseUntil") == until


async def test_a_change_that_would_lose_messages_is_held(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    tenant.stream("keeping", subjects=["keeping"], maxMsgs=100)
    await tenant.ready(STREAM, "keeping")
    for _ in range(5):
        await client.jetstream().publish("keeping", b"precious")
    tenant.stream("keeping", subjects=["keeping"], maxMsgs=2, description="not by halves")
    message = await tenant.stalled(STREAM, "keeping", "WouldLoseData")
    assert "maxMsgs 100 → 2: would discard 3 of 5 messages" in message
    stream = await jetstream.stream("keeping")
    assert stream
    assert stream.messages == 5
    assert "description" not in stream.config
    tenant.stream("keeping", subjects=["keeping"], maxMsgs=5)
    await tenant.ready(STREAM, "keeping")
    assert await tenant.event("keeping", "Recovered")
    await jetstream.delete_stream("keeping")


async def test_a_reconcile_asked_for_is_echoed(tenant: Any) -> None:
    tenant.stream("asked", subjects=["asked"])
    await tenant.ready(STREAM, "asked")
    resource = tenant.get(STREAM, "asked")
    resource["metadata"]["annotations"] = {names.RECONCILE_REQUESTED_ANNOTATION: "now"}
    assert tenant.client.replace(resource).accepted

    async def echo() -> str:
        return str(tenant.status(STREAM, "asked").get("lastHandledReconcileAt", ""))

    assert await eventually_async(echo, what="the echo of the request") == "now"
