"""Outcome + previous status + now → the next status."""

import json
from dataclasses import replace
from typing import Any

import pytest

from coze_nats.core import bounds, names
from coze_nats.core.codec import instant_ns
from coze_nats.core.conditions import (
    Health,
    Outcome,
    condition,
    is_known_loss,
    is_true,
    next_status,
    reduced,
    timestamp,
    turns,
)
from coze_nats.core.desired import Desired
from coze_nats.core.live import LiveConsumer, LiveStream, Raft
from coze_nats.core.names import EventReason, Reason
from coze_nats.core.resource import Key, Resource
from support.convergence import consumer, stream

Status = dict[str, Any]
BEFORE, NOW = "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"
NOW_NS = instant_ns(NOW) + 999_999_999
POLICIES = {"deletion": "Retain"}
READY = Outcome(Health.READY, Reason.CONVERGED, "as declared")
SUSPENDED = Outcome(Health.HELD, Reason.SUSPENDED, "left so", todo="update stream orders: …")
WARNED = replace(
    READY, warnings={EventReason.FILTER_MATCHES_NOTHING: "filterSubject: a can never match"}
)
STALLED = Outcome(Health.STALLED, Reason.IMMUTABLE_FIELD, "storage: can't")
AWAY = Outcome(Health.RECONCILING, Reason.NATS_UNAVAILABLE, "away", observed=False)


def resource(status: Status, requested: str = "") -> Resource:
    return Resource(
        key=Key(names.STREAM_KIND, "shop", "orders"),
        uid="u",
        generation=7,
        finalized=True,
        deleting=False,
        reconcile_requested_at=requested,
        spec={},
        status=status,
    )


def after(outcome: Outcome, previous: Status | None = None, requested: str = "") -> Status:
    return next_status(resource(previous or {}, requested), None, outcome, NOW_NS, POLICIES)


def facts(desired: Desired, outcome: Outcome) -> Status:
    """What a status tells besides what every status has."""
    status = next_status(resource({}), desired, outcome, NOW_NS, POLICIES)
    common = {"conditions", "observedGeneration", "policies"}
    return {key: value for key, value in status.items() if key not in common}


def shown(status: Status) -> dict[str, str]:
    """The conditions as type: status."""
    return {item["type"]: item["status"] for item in status["conditions"]}


# --- conditions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome, conditions",
    [
        (READY, {"Ready": "True"}),
        (STALLED, {"Ready": "False", "Stalled": "True"}),
        (AWAY, {"Ready": "False", "Reconciling": "True"}),
        (SUSPENDED, {"Ready": "False"}),
        (WARNED, {"Ready": "True", "FilterMatchesNothing": "True"}),
    ],
)
def test_ready_stands_always_and_what_is_in_its_way_while_it_is(
    outcome: Outcome, conditions: dict[str, str]
) -> None:
    assert shown(after(outcome)) == conditions


def test_a_condition_tells_reason_message_and_the_generation_it_is_about() -> None:
    status = after(STALLED)
    assert status["observedGeneration"] == 7
    for item in status["conditions"]:
        assert item["reason"] == "ImmutableField"
        assert item["message"] == "storage: can't"
        assert item["observedGeneration"] == 7


def test_a_transition_has_its_time_in_whole_seconds() -> None:
    assert timestamp(NOW_NS) == NOW
    assert condition(after(READY), "Ready")["lastTransitionTime"] == NOW  # type: ignore[index]


@pytest.mark.parametrize("outcome, since", [(READY, BEFORE), (STALLED, NOW)])
def test_the_time_stays_while_the_condition_stays(outcome: Outcome, since: str) -> None:
    previous = after(READY)
    previous["conditions"][0]["lastTransitionTime"] = BEFORE
    found = condition(after(outcome, previous), "Ready")
    assert found is not None
    assert found["lastTransitionTime"] == since


def test_a_condition_is_true_only_if_it_is_there_and_says_so() -> None:
    assert is_true(after(READY), "Ready")
    assert not is_true(after(STALLED), "Ready")
    assert not is_true(after(READY), "Stalled")
    assert condition({}, "Ready") is None


# --- facts ----------------------------------------------------------------------------------------


def test_the_status_of_a_stream_tells_what_is_there() -> None:
    config = {
        "name": "ORDERS",
        "max_age": 3600 * 10**9,
        "sealed": False,
        "metadata": {"team": "a", "coze.dev/owner": "x", "_nats.ver": "2"},
    }
    live = LiveStream(config, BEFORE, messages=3, bytes=300, consumers=2, raft=Raft("n1", ("n2",)))
    desired = stream("ORDERS", {})
    outcome = Outcome(Health.READY, Reason.CONVERGED, "as declared", live=live)
    status = facts(desired, outcome)
    assert status == {
        "stream": "ORDERS",
        "created": BEFORE,
        "leader": "n1",
        "replicas": 2,
        "messages": 3,
        "bytes": 300,
        "lastSequence": 0,
        "consumers": 2,
        "effective": {"maxAge": "1h", "metadata": {"team": "a"}},
    }


def test_the_status_of_a_consumer_tells_what_is_there() -> None:
    config = {"durable_name": "reader", "ack_policy": "all", "pause_until": NOW}
    live = LiveConsumer(config, BEFORE, pending=3, ack_pending=2)
    outcome = Outcome(Health.READY, Reason.CONVERGED, "as declared", live=live)
    desired = consumer("orders", "reader", {})
    status = facts(desired, outcome)
    assert status == {
        "stream": "orders",
        "consumer": "reader",
        "created": BEFORE,
        "replicas": 1,
        "pending": 3,
        "ackPending": 2,
        "ackFloor": 0,
        "effective": {"name": "reader", "ackPolicy": "all", "pauseUntil": NOW},
    }


@pytest.mark.parametrize("is_new, kept", [(False, {"ackFloor": 40}), (True, {})])
def test_what_the_server_tells_no_longer_of_a_consumer_is_kept_while_it_is_the_same_one(
    is_new: bool, kept: dict[str, int]
) -> None:
    live = LiveConsumer({"durable_name": "reader"}, BEFORE, ack_pending=2, acknowledged=None)
    outcome = Outcome(Health.READY, Reason.CONVERGED, "as declared", live=live, is_new=is_new)
    status = after(outcome, {"created": BEFORE, "ackFloor": 40})
    assert {key: status[key] for key in ("ackFloor",) if key in status} == kept


def test_a_leader_and_a_stream_without_consumers_are_told_as_they_are() -> None:
    live = LiveStream({"name": "ORDERS"}, BEFORE)
    outcome = Outcome(Health.READY, Reason.CONVERGED, "as declared", live=live)
    found = facts(stream("ORDERS", {}), outcome)
    assert "leader" not in found
    assert "consumers" not in found


def test_what_was_known_stays_while_jetstream_cannot_be_seen() -> None:
    previous = {"created": BEFORE, "messages": 3, "stream": "orders", "foreign": 1}
    status = after(AWAY, previous)
    assert {key: status.get(key) for key in previous} == {**previous, "foreign": None}


def test_what_was_known_goes_when_it_is_seen_to_be_gone() -> None:
    assert "created" not in after(STALLED, {"created": BEFORE})


@pytest.mark.parametrize(
    "outcome, requested, before, handled",
    [
        (READY, "now", None, "now"),
        (READY, "now", "earlier", "now"),
        (READY, "", "earlier", "earlier"),
        (AWAY, "now", "earlier", "earlier"),
        (AWAY, "now", None, None),
        (READY, "", None, None),
    ],
)
def test_a_request_to_reconcile_is_echoed_once_jetstream_was_looked_at(
    outcome: Outcome, requested: str, before: str | None, handled: str | None
) -> None:
    previous = {"lastHandledReconcileAt": before} if before else {}
    assert after(outcome, previous, requested).get("lastHandledReconcileAt") == handled


def test_a_warning_has_a_condition_of_its_own_while_it_holds() -> None:
    found = condition(after(WARNED), "FilterMatchesNothing")
    assert found is not None
    assert found["reason"] == "FilterMatchesNothing"
    assert found["message"] == "filterSubject: a can never match"
    assert condition(after(READY, after(WARNED)), "FilterMatchesNothing") is None


@pytest.mark.parametrize("outcome, plan", [(SUSPENDED, "update stream orders: …"), (READY, None)])
def test_a_plan_stands_in_status_while_it_is_held(outcome: Outcome, plan: str | None) -> None:
    assert after(outcome, after(SUSPENDED)).get("plan") == plan


def test_the_policies_in_force_stand_in_status() -> None:
    for outcome in (READY, AWAY):
        assert after(outcome, {"policies": {"deletion": "Delete"}})["policies"] == POLICIES


# --- the record of a loss -------------------------------------------------------------------------

LOST = replace(READY, lost=True)
HAD = {"created": BEFORE, "messages": 12, "lastSequence": 40}
RECORD = {"detectedAt": NOW, **HAD}


def test_a_loss_is_recorded_with_what_was_known_last() -> None:
    assert after(LOST, HAD)["dataLoss"] == RECORD
    empty = {"detectedAt": NOW, "created": BEFORE, "messages": 0, "lastSequence": 0}
    assert after(LOST, {"created": BEFORE})["dataLoss"] == empty
    assert "dataLoss" not in after(READY, HAD)


def test_the_record_of_a_loss_stays() -> None:
    assert after(READY, {**HAD, "dataLoss": RECORD})["dataLoss"] == RECORD
    assert after(AWAY, {**HAD, "dataLoss": RECORD})["dataLoss"] == RECORD


def test_one_loss_is_recorded_once_and_the_next_one_anew() -> None:
    first = {**RECORD, "detectedAt": BEFORE}
    assert after(LOST, {**HAD, "dataLoss": first})["dataLoss"] == first
    later = {"created": NOW, "messages": 1, "lastSequence": 1}
    expected = {"detectedAt": NOW, **later}
    assert after(LOST, {**later, "dataLoss": first})["dataLoss"] == expected


SECOND, THIRD = "2026-01-31T13:00:00.000000001Z", "2026-01-31T13:00:00.000000002Z"


def now_there(created: str, **differing: Any) -> Outcome:
    return replace(LOST, live=LiveStream({"name": "orders"}, created), **differing)


@pytest.mark.parametrize(
    "outcome, previous, successor",
    [
        (now_there(SECOND), HAD, SECOND),
        (now_there(SECOND), {**HAD, "dataLoss": RECORD}, SECOND),
        (now_there(SECOND, lost=False), {"dataLoss": RECORD}, SECOND),
        (LOST, HAD, None),
        (now_there(SECOND, observed=False), HAD, None),
        (now_there(BEFORE, lost=False), {**HAD, "dataLoss": RECORD}, BEFORE),
        (now_there(BEFORE), HAD, BEFORE),
        (now_there(THIRD, lost=False), {"created": SECOND, "dataLoss": RECORD}, None),
        (now_there(THIRD), {"created": SECOND, "dataLoss": RECORD}, THIRD),
        (
            now_there(THIRD, lost=False),
            {"created": SECOND, "dataLoss": {**RECORD, "successor": SECOND}},
            SECOND,
        ),
        (
            now_there(THIRD, lost=False),
            {"dataLoss": {**RECORD, "successor": SECOND}},
            SECOND,
        ),
    ],
    ids=[
        "made again at once",
        "made again after it was held",
        "made again after another's was in its place",
        "not there again",
        "another is there, and not accepted",
        "the lost one is back",
        "it lost all that it had, and goes by the same time of creation",
        "a former version didn't record it, and the next one was replaced",
        "the next one was lost, too",
        "the next one was replaced",
        "the next one was replaced after it had been another's for a while",
    ],
)
def test_the_record_of_a_loss_tells_what_took_the_place_of_the_lost_one(
    outcome: Outcome, previous: Status, successor: str | None
) -> None:
    assert after(outcome, previous)["dataLoss"].get("successor") == successor


@pytest.mark.parametrize(
    "status, known",
    [
        ({}, False),
        ({"created": BEFORE}, False),
        ({"created": BEFORE, "dataLoss": RECORD}, True),
        ({"created": NOW, "dataLoss": RECORD}, False),
        ({"created": BEFORE, "dataLoss": {**RECORD, "successor": BEFORE}}, False),
    ],
)
def test_a_loss_is_known_by_what_was_lost(status: Status, known: bool) -> None:
    assert is_known_loss(status) is known


@pytest.mark.parametrize("is_new, created", [(False, BEFORE), (True, NOW)])
def test_an_object_that_goes_on_keeps_the_time_of_creation_that_was_told_first(
    is_new: bool, created: str
) -> None:
    outcome = replace(READY, live=LiveStream({"name": "orders"}, NOW), is_new=is_new)
    assert after(outcome, {"created": BEFORE})["created"] == created
    assert after(outcome, {})["created"] == NOW


@pytest.mark.parametrize(
    "is_kept, before, told",
    [(True, NOW, True), (True, BEFORE, False), (False, NOW, False), (True, None, True)],
    ids=["kept", "moved before that", "not kept", "new"],
)
def test_a_status_says_whether_the_time_of_creation_was_told_for_good(
    is_kept: bool, before: str | None, told: bool
) -> None:
    live = LiveStream({"name": "orders"}, NOW)
    outcome = replace(READY, live=live, created_is_kept=is_kept)
    status = after(outcome, {"created": before} if before else {})
    assert status.get("createdIsKept", False) is told


# --- what the server chose ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome, chosen",
    [
        (READY, None),
        (replace(READY, chosen={"maxBatch": 10}), {"maxBatch": 10}),
        (SUSPENDED, {"maxBatch": 5}),
        (STALLED, {"maxBatch": 5}),
        (AWAY, {"maxBatch": 5}),
    ],
)
def test_what_the_server_chose_is_told_when_ready_and_stays_until_the_next_time(
    outcome: Outcome, chosen: Status | None
) -> None:
    assert after(outcome, {"chosen": {"maxBatch": 5}}).get("chosen") == chosen


# --- worth an event ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before, now, news",
    [
        (None, READY, ""),
        (None, STALLED, "stalled"),
        (READY, STALLED, "stalled"),
        (STALLED, STALLED, ""),
        (STALLED, Outcome(Health.STALLED, Reason.INVALID_SPEC, "x"), "stalled"),
        (STALLED, READY, "recovered"),
        (STALLED, AWAY, ""),
        (AWAY, READY, ""),
    ],
)
def test_stalling_and_recovering_are_news_once(
    before: Outcome | None, now: Outcome, news: str
) -> None:
    previous = after(before) if before else {}
    assert turns(previous, after(now)["conditions"]) == news


# --- what Kubernetes can take -------------------------------------------------------------------


def test_no_message_and_no_plan_is_longer_than_a_status_can_hold() -> None:
    endless = replace(
        STALLED,
        message="m" * 100_000,
        todo="p" * 100_000,
        warnings={EventReason.FILTER_MATCHES_NOTHING: "w" * 100_000},
    )
    status = after(endless)
    told = [item["message"] for item in status["conditions"]] + [status["plan"]]
    assert len(told) == 4
    assert all(len(text) == bounds.MESSAGE for text in told)


def test_a_sequence_beyond_what_kubernetes_can_hold_is_told_as_the_largest() -> None:
    live = LiveStream({"name": "orders"}, BEFORE, last_sequence=2**64 - 1)
    told = facts(stream("orders", {}), replace(READY, live=live))
    assert told["lastSequence"] == 2**63 - 1


def test_a_reduced_status_is_small_and_plain_and_keeps_what_must_not_be_forgotten() -> None:
    status = after(replace(STALLED, message="😀" * 5000, todo="much")) | {
        "created": BEFORE,
        "dataLoss": {"created": BEFORE},
        "effective": {"maxMsgs": 5, "description": "😀", "metadata": {"a": "b" * 9000}},
    }
    smaller = reduced(status, "answered 422: no 😀")
    assert "plan" not in smaller
    assert smaller["effective"] == {"maxMsgs": 5}
    assert (smaller["created"], smaller["dataLoss"]) == (BEFORE, status["dataLoss"])
    assert json.dumps(smaller, ensure_ascii=False).isascii()
    [ready, stalled] = smaller["conditions"]
    assert (ready["type"], ready["status"], stalled["type"]) == ("Ready", "False", "Stalled")
    assert ready["message"].endswith(
        "...; the API server refused the full status: answered 422: no ?"
    )
