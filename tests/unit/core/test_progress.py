"""What is as declared may be on its way yet, and says so; a replica that merely lags doesn't."""

from dataclasses import replace
from typing import Any

import pytest

from coze_nats.core.conditions import Health, Outcome
from coze_nats.core.diff import FieldChange
from coze_nats.core.live import LiveConsumer, LiveStream, Origin, Raft
from coze_nats.core.names import Reason
from coze_nats.core.plan import Action, Plan
from coze_nats.core.progress import as_far_as_it_is
from coze_nats.core.replication import GRACE

AS_DECLARED = Outcome(Health.READY, Reason.CONVERGED, "stream orders is as declared")
THREE = LiveStream({"name": "orders", "num_replicas": 3}, "2026-01-31T12:00:00Z")
READER = LiveConsumer({"durable_name": "reader", "num_replicas": 0}, "2026-01-31T12:00:00Z")
WHOLE = Raft("a", ("b", "c"))
LAGGING = Raft("a", ("b", "c"), behind=("c",))
OFFLINE = Raft("a", ("b", "c"), behind=("c (offline)",))
TWO = Raft("a", ("b",))
FOUR = Raft("a", ("b", "c", "d"), behind=("d",))
LEADERLESS = Raft("", ("a", "b", "c"), is_leaderless=True)
CREATED = Plan(Action.CREATE)


def changed(*fields: str) -> Plan:
    changes = tuple(FieldChange(name, 1, 2, declared=True) for name in fields)
    return Plan(Action.UPDATE, changes=changes)


def said(reason: Reason | None) -> dict[str, Any]:
    if reason is None:
        return {}
    return {"conditions": [{"type": "Ready", "status": "False", "reason": str(reason)}]}


@pytest.mark.parametrize(
    "raft, done, before, reason, words",
    [
        (Raft(), CREATED, None, Reason.CONVERGED, ""),
        (WHOLE, CREATED, None, Reason.CONVERGED, ""),
        (LAGGING, CREATED, None, Reason.SCALING, "but 2 of 3 replicas are current: waiting for c"),
        (OFFLINE, changed("replicas"), None, Reason.SCALING, "waiting for c (offline)"),
        (LEADERLESS, changed("replicas"), None, Reason.SCALING, "have not agreed on a leader yet"),
        (FOUR, changed("placement"), None, Reason.MOVING, "it moves: 3 of 4 servers that have it"),
        (LAGGING, None, Reason.SCALING, Reason.SCALING, "waiting for c"),
        (LAGGING, None, Reason.MOVING, Reason.MOVING, "2 of 3 replicas are current"),
        (WHOLE, None, Reason.MOVING, Reason.CONVERGED, ""),
        (LAGGING, None, Reason.CONVERGED, Reason.CONVERGED, ""),
        (LAGGING, changed("maxAge"), Reason.CONVERGED, Reason.CONVERGED, ""),
        (LEADERLESS, None, Reason.CONVERGED, Reason.CONVERGED, ""),
        (TWO, None, Reason.CONVERGED, Reason.SCALING, "but 2 of 3 replicas are current"),
        (FOUR, None, Reason.CONVERGED, Reason.MOVING, "3 shall stay"),
    ],
)
def test_a_stream_is_ready_when_each_declared_replica_is_current(
    raft: Raft, done: Plan | None, before: Reason | None, reason: Reason, words: str
) -> None:
    found = as_far_as_it_is(AS_DECLARED, said(before), replace(THREE, raft=raft), done)
    assert found.reason is reason
    assert words in found.message
    health = Health.READY if reason is Reason.CONVERGED else Health.RECONCILING
    assert found.health is health


def test_a_consumer_has_as_many_replicas_as_its_stream_and_is_asked_for_no_number() -> None:
    for raft in (TWO, FOUR, LAGGING):
        found = as_far_as_it_is(AS_DECLARED, {}, replace(READER, raft=raft))
        assert found.reason is Reason.CONVERGED
    found = as_far_as_it_is(AS_DECLARED, {}, replace(READER, raft=LAGGING), CREATED)
    assert found.reason is Reason.SCALING
    assert "2 of 3 replicas" in found.message


def test_what_is_not_as_declared_is_told_first() -> None:
    refused = Outcome(Health.STALLED, Reason.WOULD_LOSE_DATA, "no")
    assert as_far_as_it_is(refused, {}, replace(THREE, raft=LAGGING), CREATED) is refused
    assert as_far_as_it_is(AS_DECLARED, {}, None) is AS_DECLARED


def copy(*origins: Origin) -> LiveStream:
    return replace(THREE, origins=origins, as_of="2026-01-31T12:05:00Z")


def since(instant: str, **item: str) -> dict[str, Any]:
    return {"origins": [{"name": "orders", "silentSince": instant, **item}]}


@pytest.mark.parametrize(
    "origin, before, health",
    [
        (Origin("orders", heard_ago=1.0), {}, Health.READY),
        (Origin("orders"), {}, Health.READY),
        (Origin("orders"), since("2026-01-31T12:04:00Z"), Health.STALLED),
        (Origin("orders", error="gone (10059)"), {}, Health.RECONCILING),
        (Origin("orders", error="gone (10059)"), since("2026-01-31T12:04:00Z"), Health.STALLED),
    ],
)
def test_a_copy_that_gets_nothing_is_not_ready(
    origin: Origin, before: dict[str, Any], health: Health
) -> None:
    found = as_far_as_it_is(AS_DECLARED, before, copy(origin))
    assert found.health is health
    assert ("ReplicationStalled" in found.warnings) is (health is not Health.READY)
    assert found.is_as_declared


def test_a_copy_whose_origin_is_silent_warns_and_stays_ready() -> None:
    found = as_far_as_it_is(AS_DECLARED, {}, copy(Origin("orders", heard_ago=GRACE)))
    assert found.health is Health.READY
    assert "nothing is heard from it any more" in found.warnings["ReplicationStalled"]  # type: ignore[index]


def test_a_copy_that_gets_nothing_says_so_before_its_replicas() -> None:
    live = replace(copy(Origin("orders", error="gone (10059)")), raft=LAGGING)
    assert as_far_as_it_is(AS_DECLARED, {}, live, CREATED).reason is Reason.REPLICATION_STALLED
