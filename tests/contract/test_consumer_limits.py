"""What consumers get from their stream's `consumerLimits`, on every server, while it holds.

Nothing of it is declared by the consumers, so none of it may ever count as a difference.
"""

from typing import Any

import pytest

from coze_nats.core.resource import Key
from coze_nats.jetstream.gateway import Gateway
from support.bench import Bench

READY = ("True", "Converged")
FIFTY = {"maxAckPending": 50}


@pytest.fixture
async def bench(jetstream: Gateway) -> Bench:
    """A stream with limits, and a consumer of it that says nothing of them."""
    bench = Bench(jetstream)
    bench.stream(consumerLimits=FIFTY)
    bench.consumer()
    await bench.settle(ORDERS, READER)
    assert chosen(bench) == 50
    return bench


ORDERS = Key("CozeStream", "coze", "orders")
READER = Key("CozeConsumer", "coze", "reader")


def chosen(bench: Bench, field: str = "maxAckPending") -> Any:
    return bench.status(READER)["effective"].get(field)


async def expect_rest(bench: Bench) -> None:
    """Ready, and a comparison by lists finds nothing to do, also after a restart."""
    for _ in range(2):
        stream = await bench.jetstream.stream("orders")
        live = await bench.jetstream.consumer("orders", "reader")
        reader = bench.cache.get(READER)
        assert reader is not None
        assert bench.ready(READER) == READY
        assert bench.reconciler.is_settled(reader, live, stream)
        bench.restart()
        bench.hear()
        await bench.reconciler.learn()


async def expect_no_drift(bench: Bench) -> None:
    await expect_rest(bench)
    assert [event for event in bench.events(READER) if event.reason == "DriftCorrected"] == []


async def test_a_suspended_consumer_is_as_declared(bench: Bench) -> None:
    bench.consumer(suspend=True)
    await bench.settle(READER)
    await expect_no_drift(bench)


async def test_a_kept_consumer_is_adopted_again(bench: Bench) -> None:
    bench.consumer(policies={"deletion": "Retain"})
    await bench.settle(READER)
    bench.kubernetes.delete(READER)
    await bench.reconcile(READER)
    bench.consumer(policies={"deletion": "Retain"})
    await bench.settle(READER)
    assert [event.reason for event in bench.events(READER)] == ["Retained", "Adopted"]
    await expect_rest(bench)


async def test_a_consumer_follows_its_streams_limits(bench: Bench) -> None:
    for limits in ({"maxAckPending": 100}, {"maxAckPending": 120, "inactiveThreshold": "72h"}):
        bench.stream(consumerLimits=limits)
        await bench.settle(ORDERS)
        assert {name: chosen(bench, name) for name in limits} == {
            "maxAckPending": limits["maxAckPending"],
            **({"inactiveThreshold": "3d"} if len(limits) > 1 else {}),
        }
        await expect_no_drift(bench)


async def test_a_consumer_without_limits_has_the_usual_default_again(bench: Bench) -> None:
    bench.stream()
    if (await bench.jetstream.server()).api_level < 4:
        await bench.settle_for_now(ORDERS)
        assert bench.ready(ORDERS) == ("False", "RejectedByServer")
        assert bench.message(ORDERS).startswith("consumerLimits: ")
        # Unlimited is not above any limit, for these servers.
        bench.consumer(maxAckPending=-1)
        await bench.settle(READER, ORDERS)
        bench.consumer()
    await bench.settle(ORDERS, READER)
    assert chosen(bench) == 1000
    await expect_no_drift(bench)


async def test_limits_are_lowered_after_the_consumers_that_have_the_old_ones(bench: Bench) -> None:
    bench.stream(consumerLimits={"maxAckPending": 20})
    await bench.settle_for_now(ORDERS)
    assert bench.ready(ORDERS) == ("False", "RejectedByServer")
    assert bench.message(ORDERS).startswith("consumerLimits: ")
    assert "declare" in bench.message(ORDERS)
    await expect_no_drift(bench)
    bench.consumer(maxAckPending=20)
    await bench.settle(READER, ORDERS)
    bench.consumer()
    await bench.settle(READER)
    assert chosen(bench) == 20
    await expect_no_drift(bench)


async def test_a_value_that_somebody_changed_is_put_right(bench: Bench) -> None:
    live = await bench.jetstream.consumer("orders", "reader")
    assert live is not None
    await bench.jetstream.update_consumer("orders", {**live.config, "max_ack_pending": 7})
    await bench.settle(READER)
    assert "maxAckPending 7 → 50" in bench.events(READER)[-1].message
    await expect_rest(bench)


async def test_a_push_consumer_that_needs_no_acknowledgements_stays_without(
    jetstream: Gateway,
) -> None:
    bench = Bench(jetstream)
    bench.stream()
    bench.consumer(ackPolicy="none", deliverSubject="deliver.here")
    await bench.settle(ORDERS, READER)
    bench.stream(consumerLimits=FIFTY)
    await bench.settle(ORDERS, READER)
    assert chosen(bench) is None
    await expect_no_drift(bench)


async def test_a_stream_that_nobody_manages_gives_its_limits_too(jetstream: Gateway) -> None:
    bench = Bench(jetstream)
    limits = {"max_ack_pending": 50}
    made = await jetstream.create_stream({"name": "orders", "consumer_limits": limits})
    bench.consumer(streamName="orders")
    await bench.settle(READER)
    assert chosen(bench) == 50
    await expect_no_drift(bench)
    bench.consumer(streamName="orders", suspend=True)
    await bench.settle(READER)
    await expect_no_drift(bench)
    bench.consumer(streamName="orders")
    await jetstream.update_stream({**made.config, "consumer_limits": {"max_ack_pending": 60}})
    await bench.settle(READER)
    assert chosen(bench) == 60
    await expect_no_drift(bench)
