"""Which change of a status is worth a write."""

from typing import Any

import pytest

from coze_nats.core.movement import Difference, difference

Status = dict[str, Any]

REFUSED = {"type": "Stalled", "status": "True", "reason": "A", "message": "some"}


def account(used: int, **limit: int) -> Status:
    return {"storage": {"used": used, **limit}, "streams": {"used": 1}}


@pytest.mark.parametrize(
    "status, following, found",
    [
        ({"messages": 1}, {"messages": 1}, Difference.NONE),
        ({"policies": {"a": "b"}}, {"policies": {"a": "b", "new": "c"}}, Difference.NONE),
        ({"policies": {"a": "b"}}, {"policies": {"a": "c", "new": "c"}}, Difference.REAL),
        ({"policies": {"a": "b"}}, {}, Difference.REAL),
        ({}, {"policies": {"a": "b"}}, Difference.REAL),
        ({"consumers": 1}, {"consumers": 2}, Difference.NONE),
        ({"messages": 1, "consumers": 1}, {"messages": 2}, Difference.COUNTERS),
        ({"leader": "a"}, {"leader": "b"}, Difference.COUNTERS),
        ({"messages": 1000}, {"messages": 1009}, Difference.NONE),
        ({"messages": 1000}, {"messages": 1010}, Difference.COUNTERS),
        ({"messages": 1000}, {"messages": 990}, Difference.COUNTERS),
        ({"messages": 0}, {"messages": 1}, Difference.COUNTERS),
        ({}, {"replicaLag": 1}, Difference.COUNTERS),
        ({"account": account(1000)}, {"account": account(1009)}, Difference.NONE),
        ({"account": account(1000)}, {"account": account(2000)}, Difference.COUNTERS),
        ({"account": account(1000)}, {"account": account(1000, limit=1)}, Difference.COUNTERS),
        ({"messages": 1}, {"messages": 2, "created": "x"}, Difference.REAL),
        ({"conditions": [REFUSED]}, {}, Difference.REAL),
        ({"conditions": [REFUSED]}, {"conditions": [{**REFUSED, "reason": "B"}]}, Difference.REAL),
        (
            {"conditions": [REFUSED], "plan": "4,000 messages"},
            {"conditions": [{**REFUSED, "message": "more"}], "plan": "4,001 messages"},
            Difference.COUNTERS,
        ),
    ],
)
def test_what_moves_by_itself_is_no_reason_to_write(
    status: Status, following: Status, found: Difference
) -> None:
    assert difference(status, following) is found
