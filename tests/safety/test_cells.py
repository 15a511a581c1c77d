"""Every change of a stream, under every policy, in every live state: what is left, what is said.

A cell asserts JetStream's own state before and after, and the status written. What a change does to
messages was measured, and is written down here apart from the operator's own tables.
"""

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from coze_nats.core.conditions import condition
from safety.cells import MESSAGES, Cell, Snapshot, Spec

BLOCK, ALLOW, RECREATE = "Block", "Allow", "Recreate"
IN_PLACE, DISCARDS, IMMUTABLE, REFUSED = "in place", "discards", "immutable", "refused"
POLICIES = list(product((BLOCK, ALLOW), (BLOCK, RECREATE)))
STATES = ("empty", "with messages", "with consumers", "with a foreign consumer")
ACKNOWLEDGED = (True, True, False, True)
"""What the reader has done in the state `with consumers`; what follows is pending."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a stream's spec.

    Attributes:
        before: what is declared when messages are published; `between`: what is afterwards.
        after: what is declared then.
        does: what NATS makes of it while the stream holds messages.
        left: how many messages are left where it discards some; None: fewer, but not none.
        blamed: the field that a refusal begins with.
    """

    says: str
    after: Spec
    does: str
    blamed: str
    before: Spec = field(default_factory=dict)
    between: Spec | None = None
    left: int | None = 0

    def __str__(self) -> str:
        return self.says


def change(says: str, does: str, after: Spec, blamed: str = "", **more: Any) -> Change:
    return Change(says=says, does=does, after=after, blamed=blamed or next(iter(after)), **more)


LOW, NEW = {"maxMsgs": 5}, {"discard": "new"}
ORIGIN = {"subjects": None, "mirror": {"name": "origin"}}
CHANGES = (
    change("a lower maxMsgs", DISCARDS, LOW, left=5),
    change("a lower maxBytes", DISCARDS, {"maxBytes": 700}, left=None),
    change("a lower maxAge", DISCARDS, {"maxAge": "100ms"}, left=0),
    change("a lower maxMsgsPerSubject", DISCARDS, {"maxMsgsPerSubject": 2}, left=4),
    change("old messages give way again", DISCARDS, LOW, "discard", between=LOW | NEW, left=5),
    change("a lower maxMsgs, and new ones give way", IN_PLACE, LOW | NEW),
    # What has no TTL stays, but messages are not read to see which have one; likewise schedules.
    change("message TTLs", DISCARDS, {"allowMsgTtl": True}, left=MESSAGES),
    change("delete markers", DISCARDS, {"subjectDeleteMarkerTtl": "1h"}, "allowMsgTtl",
           left=MESSAGES),
    change("schedules", DISCARDS, {"allowMsgSchedules": True}, left=MESSAGES),
    change("a higher maxMsgs", IN_PLACE, {"maxMsgs": 50}, before={"maxMsgs": 20}),
    change("a description", IN_PLACE, {"description": "new"}),
    change("limits again", IN_PLACE, {}, "retention", between={"retention": "interest"}),
    change("another storage", IMMUTABLE, {"storage": "file"}),
    change("a work queue", IMMUTABLE, {"retention": "workqueue"}),
    change("a mirror", IMMUTABLE, ORIGIN, "mirror"),
    change("another mirror", IMMUTABLE, ORIGIN | {"mirror": {"name": "other"}}, before=ORIGIN,
           blamed="mirror"),
    change("no mirror any more", IN_PLACE, {}, "mirror", before=ORIGIN),
    change("denyDelete off", IMMUTABLE, {}, "denyDelete", before={"denyDelete": True}),
    change("denyPurge off", IMMUTABLE, {}, "denyPurge", before={"denyPurge": True}),
    change("allowMsgTtl off", IMMUTABLE, {}, "allowMsgTtl", before={"allowMsgTtl": True}),
    change("unsealed", IMMUTABLE, {}, "sealed", between={"sealed": True}),
    change("sealed", IN_PLACE, {"sealed": True}),
    change("a counter", IMMUTABLE, {"allowMsgCounter": True}),
    change("another first sequence", IMMUTABLE, {"firstSequence": 100}),
    change("another storage and a lower limit", IMMUTABLE, {"storage": "file", **LOW}),
    change("replicas that the server can't have", REFUSED, {"replicas": 3}),
)  # fmt: skip


async def in_state(cell: Cell, change: Change, state: str) -> Snapshot:
    """Bring the stream into a live state, with the spec from before the change."""
    has_messages = state in ("with messages", "with consumers")
    is_mirror = "mirror" in change.before
    await cell.foreign_stream("origin", MESSAGES if has_messages and is_mirror else 0)
    await cell.foreign_stream("other")
    cell.declare(change.before)
    await cell.settle(cell.orders)
    if state == "with consumers":
        cell.declare_consumer({})
        await cell.settle(cell.reader)
    if has_messages and not is_mirror:
        await cell.publish()
    if has_messages and is_mirror:
        await cell.until_left(MESSAGES)
    if state == "with consumers":
        assert await cell.work(*ACKNOWLEDGED) == [1, 2, 3, 4]
    if state == "with a foreign consumer":
        await cell.foreign_consumer()
    if change.between is not None:
        cell.declare(change.between, {"dataLoss": ALLOW})
        await cell.settle(cell.orders)
    found = await cell.snapshot()
    assert found is not None
    return found


def expected(change: Change, before: Snapshot, data_loss: str, replacement: str) -> str:
    """The reason that the table demands."""
    holds = before.stream.messages > 0
    strangers = [name for name in before.consumers if name != "reader"]
    if change.does == REFUSED:
        return "RejectedByServer"
    if change.does == DISCARDS and holds and data_loss == BLOCK:
        return "WouldLoseData"
    if change.does == IMMUTABLE and replacement == BLOCK:
        return "ImmutableField"
    if change.does == IMMUTABLE and data_loss == BLOCK and (holds or strangers):
        return "WouldLoseData"
    return "Converged"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("data_loss, replacement", POLICIES)
@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_a_change_of_a_stream(
    cell: Cell, change: Change, data_loss: str, replacement: str, state: str
) -> None:
    before = await in_state(cell, change, state)
    cell.declare(change.after, {"dataLoss": data_loss, "replacement": replacement})
    if "maxAge" in change.after and before.stream.messages:
        await cell.until_older_than(0.1)
    reason = expected(change, before, data_loss, replacement)
    await cell.settle(cell.orders)

    assert cell.reason == reason, cell.bench.message(cell.orders)
    status = cell.bench.status(cell.orders)
    assert status["observedGeneration"] == cell.bench.kubernetes.resources[cell.orders].generation
    if reason == "Converged":
        await expect_made(cell, change, before)
        return
    assert await cell.snapshot() == before
    assert condition(status, "Stalled") is not None
    assert cell.bench.message(cell.orders).startswith(change.blamed)
    assert ("plan" in status) is (reason != "RejectedByServer")
    assert status["created"] == before.stream.created
    assert await cell.is_left_alone(cell.orders)


async def expect_made(cell: Cell, change: Change, before: Snapshot) -> None:
    """The change was made, cost what it may, and is at rest."""
    await cell.settle(cell.orders, *([cell.reader] if "reader" in before.consumers else []))
    after = await cell.snapshot()
    assert after is not None
    is_new = change.does == IMMUTABLE
    assert (after.stream.created != before.stream.created) is is_new
    assert cell.bench.status(cell.orders)["created"] == after.stream.created
    assert set(after.consumers) == (
        set(before.consumers) if not is_new else set(before.consumers) & {"reader"}
    )
    if is_new:
        assert after.stream.messages == 0
    elif change.does == IN_PLACE or not before.stream.messages:
        assert after.stream.messages == before.stream.messages
        assert positions(after) == positions(before)
    else:
        await cell.until_left(change.left)
    assert await cell.is_left_alone(cell.orders)


def positions(found: Snapshot) -> dict[str, tuple[int | None, int, int]]:
    return {
        name: (each.acknowledged, each.ack_pending, each.pending)
        for name, each in found.consumers.items()
    }


# --- retention interest: what is left depends on who is interested, and on the server -------------

LEFT_WITH_INTEREST = {
    ("empty", 4): 0,
    ("empty", 5): 0,
    ("with messages", 4): MESSAGES,
    ("with messages", 5): 0,
    ("with consumers", 4): MESSAGES - 3,
    ("with consumers", 5): MESSAGES - 3,
    ("with a foreign consumer", 4): 0,
    ("with a foreign consumer", 5): 0,
}
"""State, API level → messages that are left; three of ACKNOWLEDGED are not needed any more."""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("data_loss", [BLOCK, ALLOW])
async def test_interest_keeps_what_a_consumer_needs(cell: Cell, data_loss: str, state: str) -> None:
    turn = change("interest", DISCARDS, {"retention": "interest"})
    before = await in_state(cell, turn, state)
    cell.declare(turn.after, {"dataLoss": data_loss})
    await cell.settle(cell.orders)
    reason = expected(turn, before, data_loss, BLOCK)
    assert cell.reason == reason
    if reason == "WouldLoseData":
        assert await cell.snapshot() == before
        assert "could discard up to 10 messages" in cell.bench.message(cell.orders)
        return
    level = (await cell.jetstream.server()).api_level
    await cell.until_left(LEFT_WITH_INTEREST[state, level])
    after = await cell.snapshot()
    assert after is not None
    assert positions(after) == positions(before)
    assert await cell.is_left_alone(cell.orders)


# --- subjects that are stored no longer -----------------------------------------------------------


@pytest.mark.parametrize("retention", ["limits", "interest", "workqueue"])
@pytest.mark.parametrize("state", STATES)
async def test_messages_on_removed_subjects_stay_and_are_named(
    cell: Cell, state: str, retention: str
) -> None:
    both = [cell.subject("odd"), cell.subject("even")]
    spec = {"retention": retention}
    before = await in_state(
        cell,
        change("fewer subjects", IN_PLACE, {}, "subjects", before=spec | {"subjects": both}),
        state,
    )
    fewer = spec | {"subjects": [cell.subject("odd")]}
    cell.declare({**fewer, "suspend": True})
    await cell.settle(cell.orders)
    plan = cell.bench.status(cell.orders)["plan"]
    cell.declare(fewer)
    await cell.settle(cell.orders)
    assert cell.reason == "Converged"
    after = await cell.snapshot()
    assert after is not None
    assert after.stream.messages == before.stream.messages
    assert positions(after) == positions(before)
    left = await cell.jetstream.messages_on(cell.name, cell.subject("even"))
    told = [event for event in cell.bench.events(cell.orders) if event.reason == "SubjectsRemoved"]
    if not left:
        assert told == []
        assert "leaves" not in plan
        return
    count = left[cell.subject("even")]
    words = f"leaves {count} messages on {cell.subject('even')} stored, and takes no new ones there"
    assert plan.endswith(words)
    assert [event.message.endswith(words) for event in told] == [True]


# --- another name ---------------------------------------------------------------------------------


@pytest.mark.parametrize("data_loss, replacement", POLICIES)
async def test_another_name_is_another_stream_and_takes_nothing_along(
    cell: Cell, data_loss: str, replacement: str
) -> None:
    """Names are immutable in the CRD, so a new name comes with a new resource."""
    policies = {"dataLoss": data_loss, "replacement": replacement}
    await in_state(cell, change("nothing", IN_PLACE, {}, "name"), "with messages")
    cell.bench.kubernetes.delete(cell.orders)
    await cell.bench.reconcile(cell.orders)
    renamed = cell.another("renamed")
    cell.declare({"name": renamed, "subjects": [renamed]}, policies)
    await cell.settle(cell.orders)
    assert cell.reason == "Converged"
    new = await cell.jetstream.stream(renamed)
    assert new is not None
    assert new.messages == 0
    assert (await cell.stream()).messages == MESSAGES
    assert await cell.owner_of_stream() == ""
