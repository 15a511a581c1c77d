"""Who owns a consumer, under every policy: adoption, deletion, and what went behind one's back."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from coze_nats.core.names import OWNER_METADATA
from coze_nats.core.ownership import owner_of
from safety.cells import MESSAGES, Cell, Spec

OURS_IS: Spec = {"maxDeliver": 7}
"""What the resource declares."""

Situation = Callable[[Cell], Awaitable[None]]


async def a_stream(cell: Cell) -> None:
    cell.declare({})
    await cell.settle(cell.orders)
    await cell.publish()


async def on_interest(cell: Cell, retention: str = "interest") -> None:
    """A stream that keeps messages for the consumer alone, which has worked off one of them."""
    cell.declare({"retention": retention})
    cell.declare_consumer(OURS_IS)
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    await cell.work(True, False)


async def done_on_interest(cell: Cell) -> None:
    cell.declare({"retention": "interest"})
    cell.declare_consumer(OURS_IS)
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    await cell.work(*[True] * MESSAGES)


async def on_interest_of_two(cell: Cell) -> None:
    """Another consumer wants the same messages; it may be the next to go."""
    await on_interest(cell)
    await cell.foreign_consumer()


async def on_a_work_queue(cell: Cell) -> None:
    await on_interest(cell, "workqueue")


async def by_hand(cell: Cell, **config: Any) -> None:
    """A consumer as the resource declares it, unless `config` differs, that has done some work."""
    await a_stream(cell)
    common = {"name": "reader", "durable_name": "reader", "ack_policy": "explicit"}
    await cell.jetstream.create_consumer(cell.name, {**common, "max_deliver": 7, **config})
    await cell.work(True, False)


async def edit(cell: Cell, **changes: Any) -> None:
    found = await cell.consumer()
    await cell.jetstream.update_consumer(cell.name, {**found.config, **changes})


async def made(cell: Cell, policies: Spec | None = None) -> None:
    await a_stream(cell)
    cell.declare_consumer(OURS_IS, policies)
    await cell.settle(cell.reader)
    await cell.work(True, False)


async def unused(cell: Cell) -> None:
    await a_stream(cell)
    cell.declare_consumer(OURS_IS)
    await cell.settle(cell.reader)


async def adopted(cell: Cell) -> None:
    await by_hand(cell)
    cell.declare_consumer(OURS_IS)
    await cell.settle(cell.reader)


async def started_at_the_end(cell: Cell) -> None:
    """Nothing was delivered yet, but where it would start again is elsewhere."""
    await a_stream(cell)
    cell.declare_consumer({**OURS_IS, "deliverPolicy": "new"})
    await cell.settle(cell.reader)
    await cell.publish()


async def absent(cell: Cell) -> None:
    await a_stream(cell)


async def without_a_stream(cell: Cell) -> None:
    """Its stream's resource is not there either."""


async def identical(cell: Cell) -> None:
    await by_hand(cell)


async def different(cell: Cell) -> None:
    await by_hand(cell, max_deliver=3)


async def different_for_good(cell: Cell) -> None:
    await by_hand(cell, max_waiting=5)


async def paused(cell: Cell) -> None:
    await by_hand(cell)
    await cell.jetstream.pause_consumer(cell.name, "reader", "2099-01-01T00:00:00Z")


async def owned_by_another(cell: Cell) -> None:
    await by_hand(cell, metadata={OWNER_METADATA: "elsewhere/shop/reader"})


async def stripped(cell: Cell) -> None:
    await made(cell)
    await edit(cell, metadata={})


async def vanished(cell: Cell) -> None:
    await made(cell)
    await cell.jetstream.delete_consumer(cell.name, "reader")


async def vanished_with_its_stream(cell: Cell) -> None:
    await made(cell)
    await cell.jetstream.delete_stream(cell.name)


def position(found: Any) -> tuple[str, int, int, int]:
    return found.created, found.acknowledged, found.ack_pending, found.pending


# --- adoption -------------------------------------------------------------------------------------

ADOPTIONS = ("IfIdentical", "Always", "Never")
ADOPTION: dict[Situation, tuple[str, str, str]] = {
    absent: ("Converged", "Converged", "Converged"),
    identical: ("Converged", "Converged", "AdoptionRefused"),
    different: ("NotIdentical", "Converged", "AdoptionRefused"),
    different_for_good: ("NotIdentical", "ImmutableField", "AdoptionRefused"),
    paused: ("NotIdentical", "Converged", "AdoptionRefused"),
    owned_by_another: ("OwnedByAnother", "OwnedByAnother", "OwnedByAnother"),
    stripped: ("Converged", "Converged", "Converged"),
}
"""What is there → the reason, for each value of the policy."""


@pytest.mark.parametrize(
    "situation, policy, reason",
    [
        pytest.param(situation, policy, reason, id=f"{situation.__name__}-{policy}")
        for situation, reasons in ADOPTION.items()
        for policy, reason in zip(ADOPTIONS, reasons, strict=True)
    ],
)
async def test_adoption_of_a_consumer(
    cell: Cell, situation: Situation, policy: str, reason: str
) -> None:
    await situation(cell)
    before = await cell.jetstream.consumer(cell.name, "reader")
    cell.declare_consumer(OURS_IS, {"adoption": policy})
    await cell.settle(cell.reader)
    ready = cell.bench.ready(cell.reader)
    assert ready[1] == reason, cell.bench.message(cell.reader)
    after = await cell.jetstream.consumer(cell.name, "reader")
    assert await cell.is_left_alone(cell.reader)
    if reason != "Converged":
        assert after == before
        assert "created" not in cell.bench.status(cell.reader)
        return
    assert after is not None
    was_made = situation in (absent, stripped)
    assert owner_of(after) == (cell.bench.owner(cell.reader) if was_made else "")
    assert cell.bench.status(cell.reader).get("adopted", False) is not was_made
    assert after.config["max_deliver"] == 7
    assert not after.paused
    if before is not None:
        assert position(after) == position(before)


# --- deletion -------------------------------------------------------------------------------------

DELETED, KEPT, UNTOUCHED = "deleted", "kept without an owner", "untouched"
TAKES = "deleted with all messages"
DELETIONS = ("DeleteIfEmpty", "Delete", "Retain")
DELETION: dict[Situation, tuple[str, str, str]] = {
    made: (KEPT, DELETED, KEPT),
    unused: (DELETED, DELETED, KEPT),
    adopted: (KEPT, DELETED, KEPT),
    started_at_the_end: (KEPT, DELETED, KEPT),
    stripped: (KEPT, DELETED, KEPT),
    on_interest: (KEPT, TAKES, KEPT),
    on_interest_of_two: (KEPT, DELETED, KEPT),
    done_on_interest: (KEPT, DELETED, KEPT),
    on_a_work_queue: (KEPT, DELETED, KEPT),
    absent: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
    vanished: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
    vanished_with_its_stream: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
    without_a_stream: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
    owned_by_another: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
    identical: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
}


@pytest.mark.parametrize(
    "situation, policy, fate",
    [
        pytest.param(situation, policy, fate, id=f"{situation.__name__}-{policy}")
        for situation, fates in DELETION.items()
        for policy, fate in zip(DELETIONS, fates, strict=True)
    ],
)
async def test_deletion_of_a_consumers_resource(
    cell: Cell, situation: Situation, policy: str, fate: str
) -> None:
    await situation(cell)
    before = await cell.snapshot()
    from_the_end = {"deliverPolicy": "new"} if situation is started_at_the_end else {}
    cell.declare_consumer(OURS_IS | from_the_end, {"deletion": policy})
    cell.bench.events(cell.reader)
    cell.bench.kubernetes.delete(cell.reader)
    await cell.bench.reconcile(cell.reader)
    assert cell.reader not in cell.bench.kubernetes.resources
    after = await cell.snapshot()
    told = [event.reason for event in cell.bench.events(cell.reader)]
    if fate == UNTOUCHED:
        assert after == before
        assert told == []
        return
    assert after is not None
    assert before is not None
    assert after.stream.messages == (0 if fate == TAKES else before.stream.messages)
    costs = [] if situation is unused else ["PositionLost"]
    assert told == (["Retained"] if fate == KEPT else costs)
    if fate != KEPT:
        assert "reader" not in after.consumers
        return
    assert owner_of(after.consumers["reader"]) == ""
    assert position(after.consumers["reader"]) == position(before.consumers["reader"])


@pytest.mark.parametrize("situation", [on_interest, on_interest_of_two, made, on_a_work_queue])
@pytest.mark.parametrize("consumer_first", [True, False])
async def test_nobodys_messages_go_when_stream_and_consumer_are_deleted_at_once(
    cell: Cell, situation: Situation, *, consumer_first: bool
) -> None:
    """As when a namespace is deleted, or both are pruned."""
    await situation(cell)
    before = await cell.stream()
    keys = (cell.reader, cell.orders) if consumer_first else (cell.orders, cell.reader)
    for key in keys:
        cell.bench.kubernetes.delete(key)
    for key in keys:
        await cell.bench.reconcile(key)
        assert key not in cell.bench.kubernetes.resources
    after = await cell.stream()
    assert after.created == before.created
    assert after.messages == before.messages > 0


# --- missing --------------------------------------------------------------------------------------


async def gone(cell: Cell) -> None:
    await cell.jetstream.delete_consumer(cell.name, "reader")


async def gone_with_its_stream(cell: Cell) -> None:
    await cell.jetstream.delete_stream(cell.name)
    await cell.settle(cell.orders)


async def gone_with_its_stream_which_we_replaced(cell: Cell) -> None:
    cell.declare({"storage": "file"}, {"replacement": "Recreate", "dataLoss": "Allow"})
    await cell.settle(cell.orders)


def replaced(*, ours: bool, **by: Any) -> Situation:
    async def happens(cell: Cell) -> None:
        config = {**(await cell.consumer()).config, **by}
        metadata = {} if ours else {"metadata": by.get("metadata", {})}
        await cell.jetstream.delete_consumer(cell.name, "reader")
        await cell.jetstream.create_consumer(cell.name, {**config, **metadata})

    return happens


BY_AN_APPLICATION = replaced(ours=False)
BY_ANOTHER_APPLICATION = replaced(ours=False, max_deliver=3)

MISSINGS = ("Recreate", "Hold")
MISSING: dict[str, tuple[Situation, str, str]] = {
    "gone": (gone, "Converged", "Missing"),
    "gone with its lost stream": (gone_with_its_stream, "Converged", "Missing"),
    "gone with its stream, which we replaced": (
        gone_with_its_stream_which_we_replaced,
        "Converged",
        "Converged",
    ),
    "replaced, with our mark": (replaced(ours=True), "Converged", "Missing"),
    "replaced, without an owner": (BY_AN_APPLICATION, "Converged", "Missing"),
    "replaced by a different one": (
        BY_ANOTHER_APPLICATION,
        "Converged",
        "Missing",
    ),
    "replaced by another's": (
        replaced(ours=False, metadata={OWNER_METADATA: "elsewhere/shop/reader"}),
        "OwnedByAnother",
        "OwnedByAnother",
    ),
}


@pytest.mark.parametrize(
    "happens, policy, reason",
    [
        pytest.param(happens, policy, reason, id=f"{says}-{policy}")
        for says, (happens, *reasons) in MISSING.items()
        for policy, reason in zip(MISSINGS, reasons, strict=True)
    ],
)
async def test_a_consumer_that_went_behind_the_operators_back(
    cell: Cell, happens: Situation, policy: str, reason: str
) -> None:
    await made(cell, {"missing": policy})
    await cell.settle(cell.reader)
    was = cell.bench.status(cell.reader)
    await happens(cell)
    held = await cell.jetstream.consumer(cell.name, "reader")
    await cell.settle(cell.reader)
    ready = cell.bench.ready(cell.reader)
    assert ready[1] == reason, cell.bench.message(cell.reader)
    status = cell.bench.status(cell.reader)
    after = await cell.jetstream.consumer(cell.name, "reader")
    if reason == "Converged":
        assert after is not None
        assert status["created"] == after.created != was["created"]
        made_by_hand = happens in (BY_AN_APPLICATION, BY_ANOTHER_APPLICATION)
        assert owner_of(after) == ("" if made_by_hand else cell.bench.owner(cell.reader))
        assert after.config["max_deliver"] == 7
        lost_all = happens in (gone_with_its_stream, gone_with_its_stream_which_we_replaced)
        assert after.pending == (0 if lost_all else MESSAGES)
    else:
        assert after == held
    if reason == "Missing":
        assert status["created"] == was["created"]
    assert await cell.is_left_alone(cell.reader)
