"""A consumer that is replaced neither skips nor loses what is due, and then it is no difference.

A twin of the same configuration, which does the same work and is not replaced, tells what is due.
"""

from typing import Any

import pytest

from safety.cells import Cell, Spec
from support.eventually import eventually_async

EARLIER, LATER = 6, 6
"""How many messages there are when the consumer is made, and how many come then."""

STARTS: dict[str, Spec] = {
    "all": {},
    "new": {"deliverPolicy": "new"},
    "last": {"deliverPolicy": "last"},
    "byStartTime": {"deliverPolicy": "byStartTime", "optStartTime": "2020-01-01T00:00:00Z"},
    "byStartSequence": {"deliverPolicy": "byStartSequence", "optStartSeq": 4},
    "lastPerSubject": {"deliverPolicy": "lastPerSubject"},
}
FILTERS = ("everything", "one subject", "two subjects")
WORK: dict[str, dict[str, tuple[bool, ...]]] = {
    "explicit": {
        "none": (),
        "first": (False, True),
        "some": (True, True, False, True),
        "all": (True,) * 20,
    },
    "all": {"none": (), "first": (False,) * 2, "some": (False, True, False), "all": (True,) * 20},
    "none": {"none": (), "first": (False,) * 2, "some": (False,) * 3, "all": (False,) * 20},
}
"""Acknowledgement policy → how much is done → what is received, and acknowledged."""


def filters(cell: Cell, which: str, start: str) -> Spec:
    if which == "one subject":
        return {"filterSubject": cell.subject("odd")}
    if which == "two subjects":
        return {"filterSubjects": [cell.subject("odd"), cell.subject("even")]}
    # Per subject, the server wants to know which.
    return {"filterSubject": cell.subject(">")} if start == "lastPerSubject" else {}


def unacknowledged(policy: str, received: list[int], flags: tuple[bool, ...]) -> list[int]:
    """What was received and is still to be acknowledged."""
    if policy == "none":
        return []
    done = [sequence for sequence, flag in zip(received, flags, strict=False) if flag]
    if policy == "all":
        return [sequence for sequence in received if sequence > max(done, default=0)]
    return [sequence for sequence in received if sequence not in done]


async def twin_of(cell: Cell) -> None:
    """A second consumer, made by hand at once after the first."""
    config = (await cell.consumer()).config
    rest = {key: value for key, value in config.items() if key != "metadata"}
    await cell.jetstream.create_consumer(
        cell.name, {**rest, "name": "twin", "durable_name": "twin"}
    )


async def due(cell: Cell, policy: str, flags: tuple[bool, ...]) -> list[int]:
    """Let the reader and its twin do the same, and return what the reader has still to get."""
    received = await cell.work(*flags)
    twins = await cell.traffic.receive(cell.name, "twin", *flags)
    assert [message.sequence for message in twins] == received
    rest = await cell.traffic.receive_all(cell.name, "twin")
    return unacknowledged(policy, received, flags) + rest


async def replace(cell: Cell, spec: dict[str, Any]) -> None:
    cell.declare_consumer({**spec, "maxWaiting": 5}, {"replacement": "Recreate"})
    before = await cell.consumer()
    await cell.settle(cell.reader)
    assert cell.bench.ready(cell.reader) == ("True", "Converged")
    assert (await cell.consumer()).created != before.created


@pytest.mark.parametrize("done", ["none", "first", "some", "all"])
@pytest.mark.parametrize("which", FILTERS)
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("policy", WORK)
async def test_a_replaced_consumer_goes_on_where_it_was(
    cell: Cell, policy: str, start: str, which: str, done: str
) -> None:
    cell.declare({})
    await cell.settle(cell.orders)
    await cell.publish(EARLIER)
    spec = {"ackPolicy": policy, **STARTS[start], **filters(cell, which, start)}
    cell.declare_consumer(spec)
    await cell.settle(cell.reader)
    await twin_of(cell)
    await cell.publish(LATER)
    expected = await due(cell, policy, WORK[policy][done])

    await replace(cell, spec)
    assert await cell.is_left_alone(cell.reader)
    found = await cell.traffic.receive_all(cell.name, "reader")
    assert set(expected) <= set(found)
    assert found[:1] == expected[:1]
    assert found == sorted(set(found))

    await cell.publish(2)
    new: list[int] = []

    async def have_come() -> bool:
        new.extend(await cell.traffic.receive_all(cell.name, "reader"))
        return len(new) >= (1 if which == "one subject" else 2)

    await eventually_async(have_come)
    assert len(new) == (1 if which == "one subject" else 2)


@pytest.mark.parametrize("start", STARTS)
async def test_a_kept_position_is_no_difference_until_the_start_is_declared_anew(
    cell: Cell, start: str
) -> None:
    cell.declare({})
    spec = {**STARTS[start], **filters(cell, "everything", start)}
    cell.declare_consumer(spec)
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    await cell.work(True, True, True)
    await replace(cell, spec)
    kept = await cell.consumer()

    cell.bench.restart()
    assert await cell.is_left_alone(cell.reader)
    cell.declare_consumer({**spec, "maxWaiting": 5, "maxDeliver": 7})
    await cell.settle(cell.reader)
    assert cell.bench.ready(cell.reader) == ("True", "Converged")
    changed = await cell.consumer()
    assert (changed.created, changed.acknowledged) == (kept.created, kept.acknowledged)

    other = STARTS["new" if start == "all" else "all"]
    declared = {**other, **filters(cell, "everything", start), "maxWaiting": 5}
    cell.declare_consumer(declared, {"replacement": "Recreate"})
    await cell.settle(cell.reader)
    assert cell.bench.ready(cell.reader) == ("False", "WouldLoseData")
    assert (await cell.consumer()).created == kept.created
    cell.declare_consumer(declared, {"replacement": "Recreate", "position": "Reset"})
    await cell.settle(cell.reader)
    assert cell.bench.ready(cell.reader) == ("True", "Converged")
    assert (await cell.consumer()).pending == (0 if start == "all" else 10)


async def test_a_position_is_kept_through_one_replacement_after_the_other(cell: Cell) -> None:
    cell.declare({})
    cell.declare_consumer({})
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    for number in range(1, 6):
        assert await cell.work(True) == [number]
        cell.declare_consumer({"maxWaiting": number}, {"replacement": "Recreate"})
        await cell.settle(cell.reader)
    assert await cell.traffic.receive_all(cell.name, "reader") == [6, 7, 8, 9, 10]


async def test_a_work_queue_gives_on_what_is_not_acknowledged_and_nothing_else(cell: Cell) -> None:
    cell.declare({"retention": "workqueue"})
    cell.declare_consumer({})
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    await cell.work(True, False, True, False)
    await replace(cell, {})
    assert await cell.is_left_alone(cell.reader)
    assert await cell.traffic.receive_all(cell.name, "reader") == [2, 4, 5, 6, 7, 8, 9, 10]
