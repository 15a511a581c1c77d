"""Consumers that no resource manages, for which an interest stream keeps messages."""

from typing import Any

import pytest

from coze_nats.core.errors import Denied
from fakes.jetstream import FakeJetStream
from support.bench import Bench

INTEREST: dict[str, Any] = {"subjects": ["orders"], "retention": "interest"}


@pytest.fixture
def jetstream() -> FakeJetStream:
    return FakeJetStream()


@pytest.fixture
def bench(jetstream: FakeJetStream) -> Bench:
    return Bench(jetstream)


async def make(jetstream: FakeJetStream, *consumers: str) -> None:
    for name in consumers:
        config = {"name": name, "durable_name": name, "ack_policy": "explicit"}
        await jetstream.create_consumer("orders", config)


async def test_those_that_somebody_made_are_named_and_only_so_many(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(**INTEREST), bench.consumer()
    await bench.settle(orders, reader)
    await make(jetstream, *(f"made-{number:02}" for number in range(11)))
    bench.stream(**INTEREST, description="changed")
    await bench.settle(orders)
    named = bench.kubernetes.status(orders)["unmanagedConsumers"]
    assert named == [f"made-{number:02}" for number in range(8)]
    writes = bench.kubernetes.writes
    await bench.settle(orders)
    assert bench.kubernetes.writes == writes


@pytest.mark.parametrize("retention", ["limits", "interest"])
async def test_none_is_looked_for_where_messages_wait_for_nobody(
    bench: Bench, jetstream: FakeJetStream, retention: str
) -> None:
    orders, reader = bench.stream(**{**INTEREST, "retention": retention}), bench.consumer()
    await bench.settle(orders, reader)
    if retention == "limits":
        await make(jetstream, "made")
    jetstream.calls.clear()
    bench.stream(**{**INTEREST, "retention": retention}, description="changed")
    await bench.settle(orders)
    assert "consumers" not in jetstream.calls
    assert "unmanagedConsumers" not in bench.kubernetes.status(orders)


async def test_those_that_were_named_stay_so_while_they_must_not_be_listed(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(**INTEREST)
    await bench.settle(orders)
    await make(jetstream, "made")
    bench.stream(**INTEREST, description="changed")
    await bench.settle(orders)
    jetstream.refusals["consumers"] = Denied("$JS.API.CONSUMER.LIST.orders")
    bench.stream(**INTEREST, description="changed again")
    await bench.settle(orders)
    assert bench.kubernetes.status(orders)["unmanagedConsumers"] == ["made"]
