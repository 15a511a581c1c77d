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
            {"conditions": [REFUSED], "plan": "of 4,000 messages (80 bytes)"},
            {"conditions": [REFUSED], "plan": "of 4,001 messages (81 bytes)"},
            Difference.COUNTERS,
        ),
        (
            {"conditions": [{**REFUSED, "message": "would discard 7 of 9 messages"}]},
            {"conditions": [{**REFUSED, "message": "would discard 8 of 1,000 messages"}]},
            Difference.COUNTERS,
        ),
        (
            {"conditions": [{**REFUSED, "message": "replicas 3: no suitable peers"}]},
            {"conditions": [{**REFUSED, "message": "replicas 3: insufficient storage"}]},
            Difference.REAL,
        ),
        ({"plan": "maxMsgs 100 → 5"}, {"plan": "maxMsgs 200 → 5"}, Difference.REAL),
    ],
)
def test_what_moves_by_itself_is_no_reason_to_write(
    status: Status, following: Status, found: Difference
) -> None:
    assert difference(status, following) is found
