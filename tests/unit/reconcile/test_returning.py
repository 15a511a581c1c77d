"""Streams that are made anew: which consumers come back, and that nothing is let in before."""

from collections.abc import Callable
from typing import Any

import pytest

from coze_nats.core.desired import Target
from coze_nats.core.errors import NotFound, Rejected
from coze_nats.core.fencing import fenced, is_fenced
from coze_nats.core.live import Config, LiveStream
from coze_nats.core.resource import Key
from coze_nats.core.steps import Fence
from coze_nats.reconcile.performing import perform
from fakes.jetstream import FakeJetStream
from support.bench import Bench
from support.convergence import not_noted

ORDERS: dict[str, Any] = {"subjects": ["orders.>"], "retention": "interest"}
ANEW = {"replacement": "Recreate"}


@pytest.fixture
def bench() -> Bench:
    return Bench(FakeJetStream())


async def declared(bench: Bench, **consumer: Any) -> tuple[Key, Key]:
    orders = bench.stream(**ORDERS, policies=ANEW)
    reader = bench.consumer(**consumer)
    await bench.settle(orders, reader)
    return orders, reader


async def replaced(bench: Bench, **more: Any) -> LiveStream:
    orders = bench.stream(**ORDERS, storage="memory", policies=ANEW, **more)
    await bench.settle(orders)
    found = await bench.jetstream.stream("orders")
    assert found is not None
    return found


async def test_a_replaced_stream_has_its_consumers_before_it_takes_anything_in(
    bench: Bench,
) -> None:
    _, reader = await declared(bench)
    jetstream = bench.jetstream
    assert isinstance(jetstream, FakeJetStream)
    jetstream.calls.clear()
    found = await replaced(bench)
    writes = ("update_stream", "delete_stream", "create_stream", "create_consumer")
    assert [name for name in jetstream.calls if name in writes] == [*writes, "update_stream"]
    assert found.config["subjects"] == ["orders.>"]
    assert found.config["metadata"].keys() >= {"coze.dev/owner"}
    await bench.settle(reader)
    assert bench.ready(reader) == ("True", "Converged")


def suspended(bench: Bench) -> None:
    bench.consumer(suspend=True)


def of_another_stream(bench: Bench) -> None:
    bench.consumer(of="elsewhere")


def invalid(bench: Bench) -> None:
    bench.consumer(backoff=["1s", "2s"], maxDeliver=1, ackWait="x")


def refused(bench: Bench) -> None:
    bench.consumer(deliverSubject="orders.a")


@pytest.mark.parametrize("change", [suspended, of_another_stream, invalid, refused])
async def test_a_consumer_that_its_resource_would_not_bring_back_holds_a_replacement(
    bench: Bench, change: Callable[[Bench], None]
) -> None:
    orders, _ = await declared(bench)
    change(bench)
    await replaced(bench)
    assert bench.ready(orders) == ("False", "WouldLoseData")
    assert "consumer reader" in bench.message(orders)


async def test_a_consumer_that_only_bears_a_mark_holds_a_replacement(bench: Bench) -> None:
    """Its resource was released, or is one of another namespace that the stream's doesn't let."""
    orders, _ = await declared(bench)
    metadata = {"coze.dev/owner": "here/elsewhere/probe"}
    config = {"name": "probe", "durable_name": "probe", "metadata": metadata}
    await bench.jetstream.create_consumer("orders", config)
    await replaced(bench)
    assert bench.ready(orders) == ("False", "WouldLoseData")
    assert "brings back: consumer probe." in bench.message(orders)


async def test_a_consumer_that_is_held_when_it_is_missing_does_not_come_back_with_its_stream(
    bench: Bench,
) -> None:
    orders, reader = await declared(bench, policies={"missing": "Hold"})
    await bench.jetstream.delete_stream("orders")
    await bench.settle(orders)
    await bench.settle(reader)
    assert bench.ready(orders) == ("True", "Converged")
    assert await bench.jetstream.consumer("orders", "reader") is None


async def test_a_crash_before_a_new_stream_opens_is_no_drift_and_is_made_good(
    bench: Bench,
) -> None:
    orders, _ = await declared(bench)
    live = await bench.jetstream.stream("orders")
    assert live is not None
    await bench.jetstream.update_stream(fenced(live.config))
    closed = await bench.jetstream.stream("orders")
    assert closed is not None
    assert is_fenced(closed.config)
    await bench.jetstream.delete_consumer("orders", "reader")
    await bench.settle(orders)
    opened = await bench.jetstream.stream("orders")
    assert opened is not None
    assert opened.config["subjects"] == ["orders.>"]
    assert await bench.jetstream.consumer("orders", "reader") is not None
    assert "DriftCorrected" not in {event.reason for event in bench.events(orders)}


async def test_a_consumer_that_is_refused_is_named(bench: Bench) -> None:
    orders, _ = await declared(bench)
    jetstream = bench.jetstream
    assert isinstance(jetstream, FakeJetStream)
    jetstream.refusals["create_consumer"] = Rejected("no such luck", 10000)
    await replaced(bench)
    assert bench.ready(orders) == ("False", "RejectedByServer")
    assert "consumer reader of stream orders: no such luck" in bench.message(orders)
    closed = await jetstream.stream("orders")
    assert closed is not None
    assert is_fenced(closed.config)


# --- the end of the former one --------------------------------------------------------------------


class Busy(FakeJetStream):
    """A message comes in while the subjects are taken away, and is acknowledged or not."""

    acknowledges = True

    async def update_stream(self, config: Config) -> LiveStream:
        if is_fenced(config):
            self.publish("orders")
            found = await super().update_stream(config)
            if self.acknowledges:
                self.deliver("orders", "reader", True)
            return found
        return await super().update_stream(config)


@pytest.mark.parametrize("acknowledges, storage", [(True, "memory"), (False, "file")])
async def test_what_came_in_while_a_stream_was_closed_is_acknowledged_or_keeps_it(
    acknowledges: bool, storage: str
) -> None:
    jetstream = Busy()
    jetstream.acknowledges = acknowledges
    bench = Bench(jetstream)
    orders, _ = await declared(bench)
    bench.stream(**ORDERS, storage="memory", policies=ANEW)
    await bench.reconcile(orders)
    found = await jetstream.stream("orders")
    assert found is not None
    assert found.config["storage"] == storage
    assert found.config["subjects"] == ["orders.>"]
    assert found.messages == (0 if acknowledges else 1)
    assert await jetstream.consumer("orders", "reader") is not None


async def test_a_stream_that_goes_while_it_is_closed_is_looked_for_again() -> None:
    jetstream = FakeJetStream()
    made = await jetstream.create_stream({"name": "orders", "subjects": ["a"]})
    step = Fence(Target("orders"), fenced(made.config), made.config, 0, 0)

    async def look(name: str) -> None:
        assert name == "orders"

    jetstream.stream = look  # type: ignore[method-assign]
    with pytest.raises(NotFound):
        await perform(jetstream, (step,), not_noted)


async def test_a_stream_that_opens_again_with_its_change_refused_says_so(bench: Bench) -> None:
    jetstream = bench.jetstream
    orders = bench.stream(subjects=["orders.>"])
    await bench.settle(orders)
    live = await jetstream.stream("orders")
    assert live
    await jetstream.update_stream(fenced({**live.config, "deny_delete": True}))
    await bench.reconcile(orders)
    opened = await jetstream.stream("orders")
    assert opened
    assert opened.config["subjects"] == ["orders.>"]
    assert bench.ready(orders) == ("False", "ImmutableField")
