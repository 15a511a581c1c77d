"""What a change costs other objects, on real servers: a stream's consumers, a copy's origin."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import nats
import pytest

from controlplane.nats import NatsServer
from coze_nats.core.names import Reason
from coze_nats.core.plan import Action
from coze_nats.core.resource import Key
from coze_nats.jetstream.gateway import Gateway
from coze_nats.ports import JetStream
from support.bench import Bench
from support.convergence import apply, consumer, planned, stream
from support.eventually import eventually_async
from support.traffic import Traffic

Spec = dict[str, Any]
ORDERS = Key("CozeStream", "coze", "orders")
READER = Key("CozeConsumer", "coze", "reader")
READY = ("True", "Converged")
HELD = ("False", "WouldLoseData")
SOON = {"inactiveThreshold": "100ms", "maxAckPending": 1000}
"""Up to 2.12, servers refuse one without the other, as the default of maxAckPending is above 0."""


@pytest.fixture
async def traffic(nats_server: NatsServer) -> AsyncIterator[Traffic]:
    client = await nats.connect(nats_server.url)
    yield Traffic(client)
    await client.close()


async def count(jetstream: JetStream, name: str) -> int:
    found = await jetstream.stream(name)
    assert found is not None
    return found.messages


async def until_count(jetstream: JetStream, name: str, expected: int) -> None:
    async def is_there() -> bool:
        return await count(jetstream, name) == expected

    await eventually_async(is_there, what=f"{expected} messages in {name}")


# --- a stream's consumers -------------------------------------------------------------------------


async def test_a_limit_to_the_life_of_consumers_is_held_while_it_would_take_their_messages(
    jetstream: Gateway, traffic: Traffic
) -> None:
    """By each in turn: the stream's change of its limits, and the consumer's that follows it."""
    bench = Bench(jetstream)
    orders = {"subjects": ["orders.*"], "retention": "interest"}
    bench.stream(**orders)
    bench.consumer()
    await bench.settle(ORDERS, READER)
    await traffic.publish(*["orders.new"] * 5)

    bench.stream(**orders, consumerLimits=SOON)
    await bench.settle(ORDERS, READER)
    assert bench.ready(ORDERS) == HELD
    assert "idle for 100ms" in bench.message(ORDERS)
    assert "reader (up to 5 messages)" in bench.message(ORDERS)
    assert bench.ready(READER) == READY

    bench.stream(**orders, consumerLimits=SOON, policies={"dataLoss": "Allow"})
    await bench.settle(ORDERS, READER)
    assert bench.ready(ORDERS) == READY
    assert bench.ready(READER) == HELD
    assert bench.message(READER).startswith(
        "inactiveThreshold 0s → 100ms: it comes from the stream's consumerLimits: NATS would "
        "remove the consumer once it is idle for 100ms, and with it up to 5 messages"
    )
    assert await count(jetstream, "orders") == 5

    bench.consumer(policies={"dataLoss": "Allow"})
    await bench.reconcile(READER)
    await until_count(jetstream, "orders", 0)


async def test_a_life_that_takes_nothing_is_given_to_consumers(
    jetstream: Gateway, traffic: Traffic
) -> None:
    bench = Bench(jetstream)
    for retention in ("interest", "limits"):
        orders = {"subjects": ["orders.*"], "retention": retention}
        limits = {**SOON, "inactiveThreshold": "1h" if retention == "interest" else "2h"}
        bench.stream(**orders, consumerLimits=limits)
        bench.consumer()
        await bench.settle(ORDERS, READER)
        assert (bench.ready(ORDERS), bench.ready(READER)) == (READY, READY)
        assert bench.status(READER)["effective"]["inactiveThreshold"] == limits["inactiveThreshold"]
        await traffic.publish("orders.new")


async def test_a_life_that_a_consumer_declares_is_held_while_it_would_take_its_messages(
    jetstream: Gateway, traffic: Traffic
) -> None:
    await apply(jetstream, stream("orders", {"subjects": ["orders.*"], "retention": "interest"}))
    await apply(jetstream, consumer("orders", "reader", {"inactiveThreshold": "1h"}))
    await traffic.publish("orders.new")
    held = await planned(jetstream, consumer("orders", "reader", {"inactiveThreshold": "1m"}))
    assert held.refusal is not None
    assert held.refusal.reason is Reason.WOULD_LOSE_DATA
    assert "inactiveThreshold 1h → 1m: NATS would remove the consumer" in held.refusal.message
    longer = await planned(jetstream, consumer("orders", "reader", {"inactiveThreshold": "2h"}))
    assert longer.action is Action.UPDATE


# --- a copy's origin ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Copying:
    """A stream `orders` with 10 messages on orders.a and 10 on orders.b is copied by `copy`.

    Attributes:
        covered: the filters of the consumers that the origin has.
        taken: how many messages the origin loses; `kept`: how many the copy has in the end.
        is_held: whether that has to be accepted.
    """

    copy: Mapping[str, object]
    retention: str = "workqueue"
    covered: tuple[str, ...] = ()
    taken: int = 0
    kept: int = 20
    is_held: bool = True


COPIES = {
    "a mirror of a work queue without consumers": Copying(
        copy={"mirror": {"name": "orders"}}, taken=20
    ),
    "a source, likewise": Copying(copy={"sources": [{"name": "orders"}]}, taken=20),
    "a mirror of a work queue of which a consumer covers a half": Copying(
        copy={"mirror": {"name": "orders"}}, covered=("orders.a",), taken=10
    ),
    "a mirror of a work queue whose consumers cover everything": Copying(
        copy={"mirror": {"name": "orders"}}, covered=("orders.a", "orders.b"), is_held=False
    ),
    "a mirror of a work queue whose only consumer wants everything": Copying(
        copy={"mirror": {"name": "orders"}}, covered=("orders.>",), is_held=False
    ),
    "a source of the half that is covered": Copying(
        copy={"sources": [{"name": "orders", "filterSubject": "orders.a"}]},
        covered=("orders.a",),
        kept=10,
        is_held=False,
    ),
    "a source of the half that is not covered": Copying(
        copy={"sources": [{"name": "orders", "filterSubject": "orders.b"}]},
        covered=("orders.a",),
        taken=10,
        kept=10,
    ),
    "a source that renames a half": Copying(
        copy={"sources": [{"name": "orders", "subjectTransforms": [
            {"source": "orders.b", "destination": "renamed.b"}
        ]}]},
        taken=10,
        kept=10,
    ),
    "a source from the middle on": Copying(
        copy={"sources": [{"name": "orders", "optStartSeq": 16}]}, taken=5, kept=5
    ),
    "a mirror of an interest stream": Copying(
        copy={"mirror": {"name": "orders"}}, retention="interest", covered=(">",), is_held=False
    ),
    "a mirror of a stream with limits": Copying(
        copy={"mirror": {"name": "orders"}}, retention="limits", is_held=False
    ),
    "a mirror with interest retention": Copying(
        copy={"mirror": {"name": "orders"}, "retention": "interest"}, retention="limits", kept=0
    ),
    "a source with interest retention, of a work queue": Copying(
        copy={"sources": [{"name": "orders"}], "retention": "interest"}, taken=20, kept=0
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COPIES.values(), ids=COPIES.keys())
async def test_what_a_new_copy_takes_or_does_not_keep_is_foreseen(
    jetstream: Gateway, traffic: Traffic, case: Copying
) -> None:
    await apply(
        jetstream, stream("orders", {"subjects": ["orders.>"], "retention": case.retention})
    )
    for number, subject in enumerate(case.covered):
        await apply(jetstream, consumer("orders", f"c{number}", {"filterSubject": subject}))
    await traffic.publish(*["orders.a", "orders.b"] * 10)

    bench = Bench(jetstream)
    copy = bench.stream("copy", **case.copy)
    await bench.settle(copy)
    if case.is_held:
        assert bench.ready(copy) == HELD
        assert await jetstream.stream("copy") is None
        for number, says in ((case.taken, "would take"), (20 - case.kept, "would keep none of")):
            is_said = f"{says} up to {number} messages o" in bench.message(copy)
            assert is_said is bool(number and (says == "would take" or case.kept == 0))
        assert await count(jetstream, "orders") == 20
        bench.stream("copy", **case.copy, policies={"dataLoss": "Allow"})
        await bench.settle(copy)
    assert bench.ready(copy) == READY
    reasons = [event.reason for event in bench.events(copy)]
    assert ("MessagesDiscarded" in reasons) is case.is_held
    await until_count(jetstream, "copy", case.kept)
    await until_count(jetstream, "orders", 20 - case.taken)


async def test_a_source_that_is_added_later_is_held_as_a_new_copy_is(
    jetstream: Gateway, traffic: Traffic
) -> None:
    for name in ("orders", "returns"):
        await apply(jetstream, stream(name, {"subjects": [f"{name}.>"], "retention": "workqueue"}))
    bench = Bench(jetstream)
    copy = bench.stream("copy", sources=[{"name": "orders"}])
    await bench.settle(copy)
    await traffic.publish("orders.a")
    await until_count(jetstream, "copy", 1)
    await traffic.publish("returns.a", "returns.b")

    bench.stream("copy", sources=[{"name": "orders"}, {"name": "returns"}])
    await bench.settle(copy)
    assert bench.ready(copy) == HELD
    assert "would take up to 2 messages out of stream returns" in bench.message(copy)
    assert "orders, on" not in bench.message(copy)
    assert await count(jetstream, "returns") == 2

    await apply(jetstream, consumer("returns", "clerk", {}))
    await bench.settle(copy)
    assert bench.ready(copy) == READY
    await until_count(jetstream, "copy", 3)
    assert await count(jetstream, "returns") == 2


async def test_a_copy_that_was_lost_is_not_made_again_at_the_cost_of_its_origin(
    jetstream: Gateway, traffic: Traffic
) -> None:
    bench = Bench(jetstream)
    copy = bench.stream("copy", mirror={"name": "orders"})
    await apply(jetstream, stream("orders", {"subjects": ["orders.>"], "retention": "workqueue"}))
    await bench.settle(copy)
    await jetstream.delete_stream("copy")
    await traffic.publish("orders.a")
    await bench.settle(copy)
    assert bench.ready(copy) == HELD
    assert await count(jetstream, "orders") == 1
