"""Every change of a consumer, under every policy, on every kind of stream: where it goes on.

The consumer has acknowledged 1, 2 and 4, holds 3 unacknowledged, and has 5 to 10 before it.
"""

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest

from coze_nats.core.conditions import condition
from safety.cells import MESSAGES, Cell, Snapshot, Spec

BLOCK, RECREATE, KEEP, RESET = "Block", "Recreate", "Keep", "Reset"
LIMITS, INTEREST, WORK_QUEUE = "limits", "interest", "workqueue"
RETENTIONS = (LIMITS, INTEREST, WORK_QUEUE)
POLICIES = list(product((BLOCK, RECREATE), (KEEP, RESET)))
IN_PLACE, IMMUTABLE, MOVES = "in place", "immutable", "moves"
ALL = list(range(1, MESSAGES + 1))
FROM_THIRD = ALL[2:]
LEFT_ON_QUEUE = [3, 5, 6, 7, 8, 9, 10]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a consumer's spec.

    Attributes:
        starts: which messages a consumer gets that starts where `after` says.
        queue: whether a work queue takes what `before` and `after` say.
    """

    says: str
    does: str
    after: Spec
    before: Spec = field(default_factory=dict)
    starts: list[int] = field(default_factory=lambda: ALL)
    queue: tuple[bool, bool] = (True, True)

    def __str__(self) -> str:
        return self.says

    @property
    def is_pulled(self) -> bool:
        return "deliverSubject" not in self.after

    def fits(self, retention: str) -> bool:
        return retention != WORK_QUEUE or self.queue[0]


def change(says: str, does: str, after: Spec, **more: Any) -> Change:
    return Change(says=says, does=does, after=after, **more)


FIFTH = {"deliverPolicy": "byStartSequence", "optStartSeq": 5}
FIRST = {"deliverPolicy": "byStartSequence", "optStartSeq": 1}
LONG_AGO = {"deliverPolicy": "byStartTime", "optStartTime": "2020-01-01T00:00:00Z"}
PUSHED = {"deliverSubject": "nobody.listens", "ackPolicy": "explicit"}
NOT_NOW, NOT_AT_ALL = (True, False), (False, False)
CHANGES = (
    change("another ackWait", IN_PLACE, {"ackWait": "45s"}),
    change("another maxDeliver", IN_PLACE, {"maxDeliver": 7}),
    change("a description", IN_PLACE, {"description": "new"}),
    change("another ackPolicy", IMMUTABLE, {"ackPolicy": "all"}, queue=NOT_NOW),
    change("no acknowledgements", IMMUTABLE, {"ackPolicy": "none"}, queue=NOT_NOW),
    change("another maxWaiting", IMMUTABLE, {"maxWaiting": 5}),
    change("another replayPolicy", IMMUTABLE, {"replayPolicy": "original"}),
    change("its state in memory", IMMUTABLE, {"memStorage": True}),
    change("pushed instead of pulled", IMMUTABLE, PUSHED),
    change("only new ones", MOVES, {"deliverPolicy": "new"}, starts=[], queue=NOT_NOW),
    change("only the last one", MOVES, {"deliverPolicy": "last"}, starts=[10], queue=NOT_NOW),
    change("from the fifth on", MOVES, FIFTH, starts=ALL[4:], queue=NOT_NOW),
    change("from a time on", MOVES, LONG_AGO, queue=NOT_NOW),
    change("from another one on", MOVES, FIFTH, before=FIRST, starts=ALL[4:], queue=NOT_AT_ALL),
    change("from the beginning", MOVES, {}, before=FIRST, queue=NOT_AT_ALL),
    change("two at once", MOVES, FIFTH | {"maxWaiting": 5}, starts=ALL[4:], queue=NOT_NOW),
)
CELLS = [
    pytest.param(change, retention, id=f"{change}-{retention}")
    for change, retention in product(CHANGES, RETENTIONS)
    if change.fits(retention)
]


async def at_work(cell: Cell, change: Change, retention: str) -> Snapshot:
    cell.declare({"retention": retention})
    cell.declare_consumer(change.before)
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    assert await cell.work(True, True, False, True) == [1, 2, 3, 4]
    found = await cell.snapshot()
    assert found is not None
    return found


def expected(change: Change, retention: str, replacement: str, position: str) -> str:
    """The reason that the table demands."""
    if change.does == IN_PLACE:
        return "Converged"
    if replacement == BLOCK:
        return "ImmutableField"
    if retention == WORK_QUEUE and not change.queue[1]:
        return "RejectedByServer"
    if position == KEEP and (change.does == MOVES or retention == INTEREST):
        return "WouldLoseData"
    return "Converged"


def delivered(change: Change, retention: str, position: str) -> list[int]:
    """What a consumer that was replaced gets."""
    if retention == WORK_QUEUE:
        return LEFT_ON_QUEUE
    if retention == INTEREST:
        return []  # it went with the consumer, as position: Reset accepts
    return FROM_THIRD if position == KEEP else change.starts


@pytest.mark.parametrize("replacement, position", POLICIES)
@pytest.mark.parametrize("change, retention", CELLS)
async def test_a_change_of_a_consumer(
    cell: Cell, change: Change, retention: str, replacement: str, position: str
) -> None:
    before = await at_work(cell, change, retention)
    cell.declare_consumer(change.after, {"replacement": replacement, "position": position})
    await cell.settle(cell.reader)
    reason = expected(change, retention, replacement, position)
    ready, message = cell.bench.ready(cell.reader), cell.bench.message(cell.reader)
    assert ready[1] == reason, message
    after = await cell.snapshot()
    assert after is not None
    if reason != "Converged":
        assert after == before
        assert condition(cell.bench.status(cell.reader), "Stalled") is not None
        assert "Nothing was changed" in message
        assert await cell.is_left_alone(cell.reader)
        return
    reader = after.consumers["reader"]
    assert cell.bench.status(cell.reader)["created"] == reader.created
    assert await cell.is_left_alone(cell.reader)
    if change.does == IN_PLACE:
        assert after.stream == before.stream
        assert positions(after) == positions(before)
        return
    assert reader.created != before.consumers["reader"].created
    assert [event.reason for event in cell.bench.events(cell.reader)] == ["Replaced"]
    gets = delivered(change, retention, position)
    assert (reader.pending, reader.ack_pending) == (len(gets), 0)
    if retention != INTEREST:
        assert after.stream.messages == before.stream.messages
    if change.is_pulled:
        assert await cell.traffic.receive_all(cell.name, "reader") == gets


def positions(found: Snapshot) -> tuple[int | None, int, int]:
    reader = found.consumers["reader"]
    return reader.acknowledged, reader.ack_pending, reader.pending
