"""Who owns an object, under every policy: adoption, deletion, and what went behind one's back.

The tables hold for streams and consumers alike; where they differ, both are written down.
"""

from collections.abc import Awaitable, Callable, Mapping

import pytest

from coze_nats.core.names import OWNER_METADATA
from safety.cells import MESSAGES, Cell, Snapshot

OTHERS = {"metadata": {OWNER_METADATA: "elsewhere/shop/orders"}}
Situation = Callable[[Cell], Awaitable[None]]


async def absent(cell: Cell) -> None:
    """There is nothing."""


async def make_stream(cell: Cell, **config: object) -> None:
    """A stream by hand, of ten messages, as the resource declares it unless `config` differs."""
    subjects = [f"{cell.name}.>"]
    common = {"name": cell.name, "subjects": subjects, "storage": "memory", "max_msgs": 50}
    await cell.jetstream.create_stream({**common, **config})
    await cell.publish()
    await cell.foreign_consumer()


async def identical(cell: Cell) -> None:
    await make_stream(cell)


async def different(cell: Cell) -> None:
    await make_stream(cell, max_msgs=60)


async def different_and_costly(cell: Cell) -> None:
    await make_stream(cell, max_msgs=60, discard="new", max_bytes=-1)
    await cell.publish(45)


async def different_for_good(cell: Cell) -> None:
    await make_stream(cell, storage="file")


async def owned_by_another(cell: Cell) -> None:
    await make_stream(cell, **OTHERS)


async def stripped(cell: Cell) -> None:
    cell.declare({"maxMsgs": 50})
    await cell.settle(cell.orders)
    await cell.publish()
    await cell.strip()


# --- adoption -------------------------------------------------------------------------------------

ADOPTIONS = ("IfIdentical", "Always", "Never")
ADOPTION: dict[Situation, tuple[str, str, str]] = {
    absent: ("Converged", "Converged", "Converged"),
    identical: ("Converged", "Converged", "AdoptionRefused"),
    different: ("NotIdentical", "Converged", "AdoptionRefused"),
    different_and_costly: ("NotIdentical", "WouldLoseData", "AdoptionRefused"),
    different_for_good: ("NotIdentical", "ImmutableField", "AdoptionRefused"),
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
async def test_adoption_of_a_stream(
    cell: Cell, situation: Situation, policy: str, reason: str
) -> None:
    await situation(cell)
    before = await cell.snapshot()
    cell.declare({"maxMsgs": 50}, {"adoption": policy})
    await cell.settle(cell.orders)
    assert cell.reason == reason, cell.bench.message(cell.orders)
    after = await cell.snapshot()
    if reason != "Converged":
        assert after == before
        assert "created" not in cell.bench.status(cell.orders)
    else:
        assert after is not None
        was_made = situation in (absent, stripped)
        assert await cell.owner_of_stream() == (cell.owner if was_made else "")
        assert cell.bench.status(cell.orders).get("adopted", False) is not was_made
        assert after.stream.config["max_msgs"] == 50
        if before is not None:
            assert content(after) == content(before)
        expected = set() if situation in (absent, stripped) else {"Adopted"}
        events = {event.reason for event in cell.bench.events(cell.orders)}
        assert events - {"DriftCorrected"} == expected
    assert await cell.is_left_alone(cell.orders)


def content(found: Snapshot) -> tuple[str, int, int, dict[str, tuple[int | None, int]]]:
    return (
        found.stream.created,
        found.stream.messages,
        found.stream.last_sequence,
        {name: (each.acknowledged, each.pending) for name, each in found.consumers.items()},
    )


# --- deletion -------------------------------------------------------------------------------------

DELETED, KEPT, UNTOUCHED = "deleted", "kept without an owner", "untouched"


async def empty(cell: Cell) -> None:
    cell.declare({})
    await cell.settle(cell.orders)


async def with_messages(cell: Cell) -> None:
    await empty(cell)
    await cell.publish()


async def with_consumers(cell: Cell) -> None:
    await empty(cell)
    cell.declare_consumer({})
    await cell.settle(cell.reader)


async def with_messages_and_consumers(cell: Cell) -> None:
    await with_consumers(cell)
    await cell.publish()
    await cell.work(True, False)


async def with_used_consumers(cell: Cell) -> None:
    """A stream that is empty because its consumer is done."""
    cell.declare({"retention": "workqueue"})
    cell.declare_consumer({})
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    await cell.work(*[True] * MESSAGES)
    await cell.until_left(0)


async def with_foreign_consumers(cell: Cell) -> None:
    await empty(cell)
    await cell.foreign_consumer()


async def stripped_and_full(cell: Cell) -> None:
    await with_messages(cell)
    await cell.strip()


async def stripped_and_empty(cell: Cell) -> None:
    await empty(cell)
    await cell.strip()


async def sealed(cell: Cell) -> None:
    await with_messages(cell)
    cell.declare({"sealed": True})
    await cell.settle(cell.orders)


async def anothers(cell: Cell) -> None:
    await owned_by_another(cell)
    cell.declare({"maxMsgs": 50})
    await cell.settle(cell.orders)


async def nobodys(cell: Cell) -> None:
    await different(cell)
    cell.declare({"maxMsgs": 50})
    await cell.settle(cell.orders)


async def vanished(cell: Cell) -> None:
    await with_messages(cell)
    await cell.jetstream.delete_stream(cell.name)


async def never_made(cell: Cell) -> None:
    cell.declare({"suspend": True})
    await cell.settle(cell.orders)


DELETIONS = ("DeleteIfEmpty", "Delete", "Retain")
DELETION: dict[Situation, tuple[str, str, str]] = {
    empty: (DELETED, DELETED, KEPT),
    with_messages: (KEPT, DELETED, KEPT),
    with_consumers: (DELETED, DELETED, KEPT),
    with_used_consumers: (KEPT, DELETED, KEPT),
    with_foreign_consumers: (KEPT, DELETED, KEPT),
    with_messages_and_consumers: (KEPT, DELETED, KEPT),
    stripped_and_full: (KEPT, DELETED, KEPT),
    stripped_and_empty: (DELETED, DELETED, KEPT),
    sealed: (KEPT, DELETED, KEPT),
    anothers: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
    nobodys: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
    vanished: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
    never_made: (UNTOUCHED, UNTOUCHED, UNTOUCHED),
}


@pytest.mark.parametrize(
    "situation, policy, fate",
    [
        pytest.param(situation, policy, fate, id=f"{situation.__name__}-{policy}")
        for situation, fates in DELETION.items()
        for policy, fate in zip(DELETIONS, fates, strict=True)
    ],
)
async def test_deletion_of_a_streams_resource(
    cell: Cell, situation: Situation, policy: str, fate: str
) -> None:
    await situation(cell)
    before = await cell.snapshot()
    cell.redeclare(policies={"deletion": policy})
    cell.bench.events(cell.orders)
    cell.bench.kubernetes.delete(cell.orders)
    await cell.bench.reconcile(cell.orders)
    assert cell.orders not in cell.bench.kubernetes.resources
    after = await cell.snapshot()
    told = [event.reason for event in cell.bench.events(cell.orders)]
    if fate == KEPT:
        assert before is not None
        assert after is not None
        assert await cell.owner_of_stream() == ""
        assert content(after) == content(before)
        assert told == ["Retained"]
        return
    assert after == (None if fate == DELETED else before)
    costs = situation in (with_used_consumers, with_messages_and_consumers, with_foreign_consumers)
    assert told == (["PositionLost"] if costs else [])


# --- missing --------------------------------------------------------------------------------------


async def gone(cell: Cell) -> None:
    await cell.jetstream.delete_stream(cell.name)


def replaced(by: Mapping[str, object], *, ours: bool) -> Situation:
    async def happens(cell: Cell) -> None:
        config = {**(await cell.stream()).config, **by}
        if not ours and "metadata" not in by:
            config["metadata"] = {}
        await cell.jetstream.delete_stream(cell.name)
        await cell.jetstream.create_stream(config)

    return happens


BY_AN_APPLICATION = replaced({}, ours=False)
BY_ANOTHER_APPLICATION = replaced({"max_msgs": 60}, ours=False)

MISSINGS = ("Recreate", "Hold")
MISSING: dict[str, tuple[Situation, str, str]] = {
    "gone": (gone, "Converged", "Missing"),
    "replaced, with our mark": (replaced({}, ours=True), "Converged", "Missing"),
    "replaced by a different one with our mark": (
        replaced({"max_msgs": 60}, ours=True),
        "Converged",
        "Missing",
    ),
    "replaced, without an owner": (BY_AN_APPLICATION, "Converged", "Missing"),
    "replaced by a different one without an owner": (
        BY_ANOTHER_APPLICATION,
        "Converged",
        "Missing",
    ),
    "replaced by another's": (replaced(OTHERS, ours=False), "OwnedByAnother", "OwnedByAnother"),
}


@pytest.mark.parametrize("messages", [0, MESSAGES])
@pytest.mark.parametrize(
    "happens, policy, reason",
    [
        pytest.param(happens, policy, reason, id=f"{says}-{policy}")
        for says, (happens, *reasons) in MISSING.items()
        for policy, reason in zip(MISSINGS, reasons, strict=True)
    ],
)
async def test_a_stream_that_went_behind_the_operators_back(
    cell: Cell, happens: Situation, policy: str, reason: str, messages: int
) -> None:
    cell.declare({"maxMsgs": 50}, {"missing": policy})
    await cell.settle(cell.orders)
    await cell.publish(messages)
    cell.bench.clock.advance(60)
    await cell.settle(cell.orders)
    was = cell.bench.status(cell.orders)
    await happens(cell)
    before = await cell.snapshot()
    await cell.settle(cell.orders)
    assert cell.reason == reason, cell.bench.message(cell.orders)
    after = await cell.snapshot()
    status = cell.bench.status(cell.orders)
    if reason == "Converged":
        assert after is not None
        assert status["created"] == after.stream.created != was["created"]
        made_by_hand = happens in (BY_AN_APPLICATION, BY_ANOTHER_APPLICATION)
        assert await cell.owner_of_stream() == ("" if made_by_hand else cell.owner)
        assert after.stream.config["max_msgs"] == 50
    else:
        assert after == before
    if policy == "Hold":
        assert status["created"] == was["created"]
    told = [event.reason for event in cell.bench.events(cell.orders)]
    assert told.count("DataLossDetected") == 1
    loss = status["dataLoss"]
    assert (loss["created"], loss["messages"], loss["lastSequence"]) == (
        was["created"],
        messages,
        messages,
    )
    assert loss.get("successor") == (status["created"] if reason == "Converged" else None)
    assert await cell.is_left_alone(cell.orders)
    assert cell.bench.events(cell.orders) == []


# --- what stays as it is --------------------------------------------------------------------------


@pytest.mark.parametrize("situation", [empty, with_messages])
@pytest.mark.parametrize("policy", MISSINGS)
async def test_a_restart_takes_nothing_for_lost(
    cell: Cell, situation: Situation, policy: str
) -> None:
    await situation(cell)
    cell.redeclare(policies={"missing": policy})
    await cell.settle(cell.orders)
    cell.bench.events(cell.orders)
    cell.bench.restart()
    assert await cell.is_left_alone(cell.orders)
    assert cell.reason == "Converged"
    assert cell.bench.events(cell.orders) == []
