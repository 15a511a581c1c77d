"""What is as declared is Ready when its replicas and copies are, and says how far it is."""

import pytest

from coze_nats.core.conditions import condition
from coze_nats.core.live import Origin, Raft
from coze_nats.reconcile.reporting import COUNTERS_EVERY
from fakes.jetstream import FakeJetStream
from support.bench import Bench

MISSING = (Origin("orders", error="stream not found (10059)"),)
FINE = (Origin("orders", heard_ago=0.3),)


async def test_a_mirror_without_its_origin_is_not_ready_until_it_is_there(
    bench: Bench, jetstream: FakeJetStream, caplog: pytest.LogCaptureFixture
) -> None:
    copy = bench.stream("copy", mirror={"name": "orders"})
    await bench.settle(copy)
    assert bench.ready(copy) == ("True", "Converged")
    jetstream.origins["copy"] = MISSING
    assert (await bench.reconcile(copy)).backoff
    assert bench.ready(copy) == ("False", "ReplicationStalled")
    assert condition(bench.status(copy), "Reconciling")
    assert condition(bench.status(copy), "ReplicationStalled")
    assert bench.status(copy)["origins"][0]["error"] == "stream not found (10059)"
    assert [event.reason for event in bench.events(copy)] == ["ReplicationStalled"]
    assert "ReplicationStalled: nothing is copied from orders" in caplog.text
    bench.clock.advance(COUNTERS_EVERY)
    await bench.reconcile(copy)
    assert condition(bench.status(copy), "Stalled")
    assert bench.events(copy) == []
    jetstream.origins["copy"] = FINE
    await bench.reconcile(copy)
    assert bench.ready(copy) == ("True", "Converged")
    assert condition(bench.status(copy), "ReplicationStalled") is None
    assert [event.reason for event in bench.events(copy)] == ["Recovered"]


async def test_a_mirror_at_rest_costs_no_writes(bench: Bench, jetstream: FakeJetStream) -> None:
    copy = bench.stream("copy", mirror={"name": "orders"})
    jetstream.origins["copy"] = FINE
    await bench.settle(copy)
    writes = bench.kubernetes.writes
    for _ in range(5):
        bench.clock.advance(COUNTERS_EVERY)
        await bench.reconcile(copy)
    assert bench.kubernetes.writes == writes


async def test_a_stream_is_ready_when_all_replicas_have_caught_up(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    jetstream.rafts["orders"] = Raft("a", behind=("b",), replicas=("b",))
    orders = bench.stream()
    assert (await bench.reconcile(orders)).backoff
    assert bench.ready(orders) == ("False", "Scaling")
    assert (bench.status(orders)["currentReplicas"], bench.status(orders)["replicas"]) == (1, 2)
    assert bench.status(orders)["created"]
    jetstream.rafts["orders"] = Raft("a")
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")
    assert "currentReplicas" not in bench.status(orders)
    assert bench.events(orders) == []


async def test_a_drift_is_put_right_while_replicas_catch_up(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    jetstream.rafts["orders"] = Raft("a", behind=("b",), replicas=("b",))
    orders = bench.stream(maxMsgs=5)
    await bench.reconcile(orders)
    live = await jetstream.stream("orders")
    assert live is not None
    await jetstream.update_stream({**live.config, "max_msgs": 7})
    await bench.reconcile(orders)
    assert bench.ready(orders) == ("False", "Scaling")
    assert "DriftCorrected" in [event.reason for event in bench.events(orders)]
