"""What is to be replaced by something that servers refuse stays, whatever policies accept."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from safety.cells import Cell, Spec

ACCEPTING_STREAM = {"replacement": "Recreate", "dataLoss": "Allow"}
ACCEPTING_CONSUMER = {"replacement": "Recreate", "position": "Reset"}


async def test_a_stream_stays_whose_successor_has_another_ones_subjects(cell: Cell) -> None:
    cell.declare({})
    cell.declare_consumer({})
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    await cell.foreign_stream("other")
    before = await cell.snapshot()
    subjects = [f"{cell.name}.>", cell.another("other")]
    cell.declare({"storage": "file", "subjects": subjects}, ACCEPTING_STREAM)
    await cell.settle(cell.orders)
    assert cell.reason == "SubjectOverlap"
    assert cell.another("other") in cell.bench.message(cell.orders)
    assert await cell.snapshot() == before
    assert await cell.is_left_alone(cell.orders, cell.reader)


@dataclass(frozen=True, slots=True)
class Refused:
    """A stream, and what a consumer of it can't be made anew with."""

    says: str
    consumer: Callable[[Cell], Spec]
    stream: Spec

    def __str__(self) -> str:
        return self.says


CASES = (
    Refused(
        "is a subject of the stream itself", lambda cell: {"deliverSubject": cell.subject("a")}, {}
    ),
    Refused(
        "overlap",
        lambda cell: {
            "maxWaiting": 5,
            "filterSubjects": [cell.subject("odd"), cell.subject("*")],
        },
        {},
    ),
    Refused("replicas 3 is more than the", lambda _: {"maxWaiting": 5, "replicas": 3}, {}),
    Refused(
        "maxAckPending 11 is more than the",
        lambda _: {"maxWaiting": 5, "maxAckPending": 11},
        {"consumerLimits": {"maxAckPending": 10}},
    ),
    Refused(
        "a work queue takes only",
        lambda _: {"ackPolicy": "none"},
        {"retention": "workqueue"},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_consumer_stays_whose_successor_its_stream_refuses(
    cell: Cell, case: Refused
) -> None:
    cell.declare(case.stream)
    cell.declare_consumer({})
    await cell.settle(cell.orders, cell.reader)
    await cell.publish()
    assert await cell.work(True, False) == [1, 2]
    before = await cell.snapshot()
    cell.declare_consumer(case.consumer(cell), ACCEPTING_CONSUMER)
    await cell.settle(cell.reader)
    assert cell.bench.ready(cell.reader) == ("False", "RejectedByServer")
    assert case.says in cell.bench.message(cell.reader)
    assert await cell.snapshot() == before
    assert await cell.is_left_alone(cell.reader)
