"""What a status remembers, as the situation that a plan is made from."""

from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.desired import Target
from coze_nats.core.diff import FieldChange
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.plan import Action, Plan
from coze_nats.core.policies import Policies
from coze_nats.core.remembered import (
    is_drift,
    is_observed,
    replacement_of,
    situation_of,
    was_in_vain,
)
from coze_nats.core.resource import Key, Resource
from coze_nats.core.steps import Pause, Replacement

Status = dict[str, Any]
SERVER = Server("2.15.1", 5)
EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-01-01T12:00:00.5Z", "2026-01-02T00:00:00Z"
AFTER = "2026-01-01T12:00:00.500000001Z"
LOSS = {"created": EARLY, "detectedAt": "2020-01-01T00:00:00Z"}
READY = {"conditions": [{"type": "Ready", "status": "True"}], "observedGeneration": 7}


def resource(status: Status, kind: str = names.STREAM_KIND, **spec: Any) -> Resource:
    return Resource(
        key=Key(kind, "shop", "orders"),
        uid="u",
        generation=7,
        finalized=True,
        deleting=False,
        reconcile_requested_at="",
        spec=spec,
        status=status,
    )


def found(one: Resource, stream: Resource | None = None, **defaults: str) -> Any:
    return situation_of(one, stream, "cluster/shop/orders", SERVER, defaults)


def test_a_new_resource_remembers_nothing() -> None:
    situation = found(resource({}))
    assert (situation.owner, situation.server) == ("cluster/shop/orders", SERVER)
    assert situation.policies == Policies()
    assert (situation.incarnation, situation.last_known) == (None, "")
    assert situation.replacing is None
    assert situation.chosen == {}


def test_policies_come_from_the_spec_and_from_the_operator() -> None:
    situation = found(resource({}, policies={"missing": "Hold"}), deletion="Retain")
    assert situation.policies == Policies(missing="Hold", deletion="Retain")


def test_the_object_is_remembered_by_its_creation() -> None:
    assert found(resource({"created": EARLY})).incarnation == Incarnation(EARLY)


@pytest.mark.parametrize(
    "kind, status, words",
    [
        (names.STREAM_KIND, {"messages": 12, "lastSequence": 40}, "12 messages up to sequence 40"),
        (names.STREAM_KIND, {"messages": 1}, "1 message up to sequence 0"),
        (names.STREAM_KIND, {}, ""),
        (names.CONSUMER_KIND, {"pending": 12}, ""),
    ],
)
def test_what_was_held_is_remembered_in_words(kind: str, status: Status, words: str) -> None:
    assert found(resource(status, kind)).last_known == words


@pytest.mark.parametrize(
    "status, replacement",
    [
        ({}, None),
        ({"replacing": {"created": EARLY}}, Replacement(EARLY)),
        ({"replacing": {"created": EARLY, "startSequence": 41}}, Replacement(EARLY, 41)),
    ],
)
def test_a_replacement_under_way_is_remembered(
    status: Status, replacement: Replacement | None
) -> None:
    assert replacement_of(status) == replacement
    assert found(resource(status)).replacing == replacement


def test_what_the_server_chose_is_remembered_whatever_becomes_of_the_spec() -> None:
    assert found(resource({"chosen": {"maxBatch": 10}})).chosen == {"maxBatch": 10}


def test_a_status_is_about_the_spec_of_now_or_not() -> None:
    assert is_observed(resource(READY))
    assert not is_observed(resource({"observedGeneration": 6}))
    assert not is_observed(resource({}))


# --- drift ----------------------------------------------------------------------------------------

LIVE = LiveConsumer(config={"name": "orders", "max_ack_pending": 50}, created=EARLY)
AS_LEFT = {**READY, "effective": {"maxAckPending": 50}}
CONTESTED = {**AS_LEFT, "conditions": [{"type": "Ready", "reason": "DriftContested"}]}


def update(*changes: FieldChange) -> Plan:
    return Plan(Action.UPDATE, changes=changes)


@pytest.mark.parametrize(
    "status, declared, drifted",
    [
        (AS_LEFT, False, False),
        (AS_LEFT, True, True),
        ({**AS_LEFT, "effective": {"maxAckPending": 100}}, False, True),
        ({**AS_LEFT, "effective": {}}, False, True),
        (CONTESTED, False, True),
        ({**CONTESTED, "observedGeneration": 6}, False, False),
        ({**AS_LEFT, "observedGeneration": 6}, True, False),
        ({"observedGeneration": 7}, True, False),
    ],
    ids=[
        "its stream has another limit now",
        "a declared field is not what it was",
        "somebody changed it",
        "somebody set it",
        "somebody keeps changing it",
        "somebody kept changing it under another spec",
        "the spec is another one",
        "it was not as declared",
    ],
)
def test_only_what_somebody_else_changed_is_drift(
    status: Status, declared: bool, drifted: bool
) -> None:
    todo = update(FieldChange("maxAckPending", 50, 100, declared=declared))
    assert is_drift(resource(status), todo, LIVE) is drifted


def test_a_lost_mark_is_no_drift_and_a_lost_pause_is() -> None:
    assert not is_drift(resource(AS_LEFT), update(), LIVE)
    pause = Pause(Target("orders", "reader"), None)
    assert is_drift(resource(AS_LEFT), Plan(Action.UPDATE, (pause,)), LIVE)
    assert not is_drift(resource(AS_LEFT), Plan(Action.CREATE), None)


def test_a_streams_own_fields_are_compared_with_what_was_left() -> None:
    stream = LiveStream(config={"name": "orders", "duplicate_window": 10**9}, created=EARLY)
    todo = update(FieldChange("duplicateWindow", "1s", "2m", declared=False))
    left = {**READY, "effective": {"duplicateWindow": "1s"}}
    assert not is_drift(resource(left), todo, stream)


# --- a consumer whose stream was made anew --------------------------------------------------------


@pytest.mark.parametrize(
    "stream, forgets",
    [
        ({"created": EARLY}, False),
        ({"created": MIDDLE}, False),
        ({"created": LATE}, True),
        ({}, False),
        ({"created": LATE, "dataLoss": {**LOSS, "successor": EARLY}}, True),
        ({"created": LATE, "dataLoss": {**LOSS, "successor": MIDDLE}}, True),
        ({"created": LATE, "dataLoss": {**LOSS, "successor": AFTER}}, False),
        ({"created": LATE, "dataLoss": {**LOSS, "created": AFTER}}, False),
        ({"created": LATE, "dataLoss": {**LOSS, "detectedAt": EARLY}}, True),
        ({"created": LATE, "dataLoss": {**LOSS, "detectedAt": LATE}}, False),
        ({"created": LATE, "dataLoss": {**LOSS, "detectedAt": MIDDLE[:19] + "Z"}}, False),
    ],
    ids=[
        "the stream is older",
        "as old as the consumer",
        "the operator made the stream anew",
        "the stream is not there",
        "one before was lost, and the operator made the next one anew",
        "one before was lost, and the next one is as old as the consumer",
        "it was lost, and not by the operator",
        "the next one was lost, too",
        "by a former version: one was lost long before, and made anew since",
        "by a former version: it was lost, and not by the operator",
        "by a former version: it was lost in the second in which the consumer was made",
    ],
)
def test_a_consumer_that_went_with_its_replaced_stream_was_taken_away_by_nobody(
    stream: Status, forgets: bool
) -> None:
    status = {"created": MIDDLE, "replacing": {"created": MIDDLE, "startSequence": 41}}
    reader = resource(status, names.CONSUMER_KIND)
    situation = found(reader, resource(stream))
    assert (situation.incarnation is None) is forgets
    # In another stream a position means nothing, whoever took the former one away.
    is_another = stream.get("created") == LATE
    assert situation.replacing == (None if is_another else Replacement(MIDDLE, 41))


@pytest.mark.parametrize("named, forgets", [("orders", False), ("former", True)])
def test_what_was_on_another_stream_is_not_missed_on_this_one(named: str, forgets: bool) -> None:
    status = {"stream": named, "created": MIDDLE, "replacing": {"created": MIDDLE}}
    situation = found(resource(status, names.CONSUMER_KIND), resource({"created": EARLY}))
    assert (situation.incarnation is None) is forgets
    assert situation.replacing == (None if forgets else Replacement(MIDDLE))


def test_what_was_on_a_stream_whose_replacement_a_crash_interrupted_is_not_missed() -> None:
    stream = {"created": EARLY, "replacing": {"created": EARLY}}
    reader = resource({"created": MIDDLE}, names.CONSUMER_KIND)
    assert found(reader, resource(stream)).incarnation is None


def test_a_consumer_that_never_was_there_went_with_nothing() -> None:
    reader = resource({}, names.CONSUMER_KIND)
    assert found(reader, resource({"created": LATE})).incarnation is None


@pytest.mark.parametrize(
    "reason, generation, in_vain",
    [
        ("RejectedByServer", 7, True),
        ("InsufficientCapacity", 7, True),
        ("RejectedByServer", 6, False),
        ("OwnedByAnother", 7, False),
        ("Retrying", 7, False),
    ],
)
def test_what_nats_refused_of_the_spec_of_now_was_in_vain(
    reason: str, generation: int, in_vain: bool
) -> None:
    ready = {"type": "Ready", "status": "False", "reason": reason}
    status = {"conditions": [ready], "observedGeneration": generation}
    assert was_in_vain(resource(status)) is in_vain
