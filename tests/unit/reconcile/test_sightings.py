"""A loss is told by the newest figures that anybody saw, with their age."""

import pytest

from coze_nats.reconcile.reporting import COUNTERS_EVERY, FIRST_AFTER
from fakes.jetstream import FakeJetStream
from support.bench import Bench


async def test_a_loss_is_told_by_what_was_seen_last_and_how_long_ago(
    bench: Bench, jetstream: FakeJetStream, caplog: pytest.LogCaptureFixture
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    jetstream.publish("orders", 4)
    bench.clock.advance(5)
    await bench.reconcile(orders)
    assert bench.status(orders)["messages"] == 0
    bench.clock.advance(40)
    jetstream.wipe()
    await bench.reconcile(orders)
    lost, recreated = bench.events(orders)
    assert "it was last seen with 4 messages up to sequence 4, as of 40 s before" in lost.message
    assert bench.status(orders)["dataLoss"]["messages"] == 4
    assert bench.status(orders)["dataLoss"]["asOf"] > bench.status(orders)["dataLoss"]["created"]
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text.partition(":")[0] for text in warned] == ["DataLossDetected", "Recreated"]
    assert recreated.reason == "Recreated"


async def test_a_list_counts_as_a_look(bench: Bench, jetstream: FakeJetStream) -> None:
    orders = bench.stream(policies={"missing": "Hold"})
    await bench.settle(orders)
    jetstream.publish("orders", 4)
    resource = bench.cache.get(orders)
    assert resource is not None
    bench.reconciler.is_settled(resource, await jetstream.stream("orders"))
    jetstream.wipe()
    await bench.reconcile(orders)
    message = bench.message(orders)
    assert "last seen with 4 messages up to sequence 4" in message
    bench.restart()
    await bench.reconcile(orders)
    assert bench.message(orders) == message


async def test_after_a_restart_a_loss_is_told_by_the_status_and_its_time(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.restart()
    jetstream.wipe()
    await bench.reconcile(orders)
    as_of = bench.status(orders)["dataLoss"]["asOf"]
    assert f"with 0 messages up to sequence 0, as of {as_of}" in bench.events(orders)[0].message


async def test_that_an_empty_stream_holds_something_is_told_soon(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    jetstream.publish("orders", 4)
    bench.clock.advance(FIRST_AFTER)
    await bench.reconcile(orders)
    assert bench.status(orders)["messages"] == 4
    jetstream.publish("orders", 4)
    bench.clock.advance(FIRST_AFTER)
    await bench.reconcile(orders)
    assert bench.status(orders)["messages"] == 4
    bench.clock.advance(COUNTERS_EVERY)
    await bench.reconcile(orders)
    assert bench.status(orders)["messages"] == 8


async def test_a_stream_is_young_for_two_minutes(bench: Bench) -> None:
    assert not bench.reconciler.has_young_streams()
    await bench.settle(bench.stream())
    assert bench.reconciler.has_young_streams()
    bench.clock.advance(121)
    assert not bench.reconciler.has_young_streams()


async def test_another_ones_stream_is_not_looked_at_for_figures(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    jetstream.wipe()
    await jetstream.create_stream({"name": "orders", "first_seq": 1})
    resource = bench.cache.get(orders)
    assert resource is not None
    bench.reconciler.is_settled(resource, None)
    assert bench.context.sightings.figures(resource) == {}
