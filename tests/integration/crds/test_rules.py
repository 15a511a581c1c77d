"""What the apiserver judges across fields and across changes, both ways for every rule.

The rules for single values are in test_values.py.
"""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from coze_nats.core import names
from support.rules import CASES, CONNECTION_CASES, CONSUMER, STREAM, Case
from support.schema import Spec, fields, messages, resource, whole
from support.specs import consumer_specs, stream_specs

EVERY_CASE = {**CASES, **CONNECTION_CASES}
MESSAGES = {kind: frozenset(messages(whole(kind))) for kind in names.PLURALS}


@dataclass(frozen=True, slots=True)
class Change:
    """One field's transitions, from a spec to others."""

    kind: str
    blamed: str
    says: str
    before: Spec
    refused: tuple[Spec, ...]
    accepted: tuple[Spec, ...]


NAME_CAN_NOT = ("spec.name", "spec.name can't be changed")
CONNECTION_CAN_NOT = ("spec.connection", "spec.connection can't be changed, added or removed")
CHANGES = {
    "a stream without a name keeps metadata.name": Change(
        STREAM,
        *NAME_CAN_NOT,
        {},
        ({"name": "other"},),
        ({}, {"name": "example"}, {"maxAge": "1h"}),
    ),
    "a stream with metadata.name as its name keeps it": Change(
        STREAM,
        *NAME_CAN_NOT,
        {"name": "example"},
        ({"name": "other"},),
        ({}, {"name": "example", "maxAge": "1h"}),
    ),
    "a stream with another name keeps it": Change(
        STREAM,
        *NAME_CAN_NOT,
        {"name": "other"},
        ({}, {"name": "example"}, {"name": "OTHER"}),
        ({"name": "other", "maxAge": "1h"},),
    ),
    "a consumer without a name keeps metadata.name": Change(
        CONSUMER, *NAME_CAN_NOT, {}, ({"name": "other"},), ({"name": "example"},)
    ),
    "a consumer with another name keeps it": Change(
        CONSUMER,
        *NAME_CAN_NOT,
        {"name": "other"},
        ({}, {"name": "example"}),
        ({"name": "other", "maxDeliver": 3},),
    ),
    "a consumer keeps the CozeStream that it names": Change(
        CONSUMER,
        "spec.streamRef",
        "streamRef can't be changed",
        {"streamRef": {"name": "orders"}},
        (
            {"streamRef": {"name": "bills"}},
            {"streamRef": {"name": "orders", "namespace": "platform"}},
            {"streamName": "orders"},
        ),
        ({"streamRef": {"name": "orders"}, "maxDeliver": 3},),
    ),
    "a consumer keeps the namespace of the CozeStream that it names": Change(
        CONSUMER,
        "spec.streamRef",
        "streamRef can't be changed",
        {"streamRef": {"name": "orders", "namespace": "platform"}},
        (
            {"streamRef": {"name": "orders"}},
            {"streamRef": {"name": "orders", "namespace": "other"}},
        ),
        ({"streamRef": {"name": "orders", "namespace": "platform"}, "maxDeliver": 3},),
    ),
    "a consumer keeps the stream that it names": Change(
        CONSUMER,
        "spec.streamName",
        "streamName can't be changed",
        {"streamName": "ORDERS"},
        ({"streamName": "BILLS"},),
        ({"streamName": "ORDERS", "maxDeliver": 3}, {"streamRef": {"name": "orders"}}),
    ),
    "a stream without a connection gets none": Change(
        STREAM,
        *CONNECTION_CAN_NOT,
        {},
        ({"connection": {"name": "events"}},),
        ({}, {"maxAge": "1h"}),
    ),
    "a stream keeps its connection": Change(
        STREAM,
        *CONNECTION_CAN_NOT,
        {"connection": {"name": "events"}},
        (
            {},
            {"connection": {"name": "other"}},
            {"connection": {"name": "events", "namespace": "platform"}},
        ),
        ({"connection": {"name": "events"}, "maxAge": "1h"},),
    ),
    "a stream keeps its connection in another namespace": Change(
        STREAM,
        *CONNECTION_CAN_NOT,
        {"connection": {"name": "events", "namespace": "platform"}},
        (
            {"connection": {"name": "events"}},
            {"connection": {"name": "events", "namespace": "other"}},
        ),
        ({"connection": {"name": "events", "namespace": "platform"}, "maxAge": "1h"},),
    ),
    "a consumer without a connection gets none": Change(
        CONSUMER,
        *CONNECTION_CAN_NOT,
        {},
        ({"connection": {"name": "events"}},),
        ({"maxDeliver": 3},),
    ),
    "a consumer keeps its connection": Change(
        CONSUMER,
        *CONNECTION_CAN_NOT,
        {"connection": {"name": "events"}},
        (
            {},
            {"connection": {"name": "other"}},
            {"connection": {"name": "events", "namespace": "platform"}},
        ),
        ({"connection": {"name": "events"}, "maxDeliver": 3},),
    ),
    "a sealed stream stays sealed": Change(
        STREAM,
        "spec.sealed",
        "NATS can't unseal a stream",
        {"sealed": True},
        ({}, {"sealed": False}),
        ({"sealed": True, "description": "done"},),
    ),
    "a stream may be sealed": Change(
        STREAM,
        "spec.sealed",
        "NATS can't unseal a stream",
        {"sealed": False},
        (),
        ({}, {"sealed": True}),
    ),
    "a stream's fields may come and go": Change(
        STREAM,
        "spec",
        "NATS can't unseal a stream",
        {"maxAge": "1h"},
        (),
        ({}, {"maxAge": "2h"}),
    ),
}


def _message(kind: str, says: str) -> str:
    (found,) = (message for message in MESSAGES[kind] if message.startswith(says))
    return found


@pytest.mark.parametrize("case", EVERY_CASE.values(), ids=EVERY_CASE.keys())
def test_fields_must_go_together(resources: Any, case: Case) -> None:
    message = _message(case.kind, case.says)
    for spec in case.refused:
        verdict = resources.create(resource(case.kind, spec, case.name), dry_run=True)
        # Kubernetes 1.36 leaves the value out, and others tell no more than its type.
        value = '("(object|array)": )?'
        refusal = f"{re.escape(case.blamed)}: Invalid value: {value}{re.escape(message)}"
        assert re.search(refusal, verdict.message), (spec, verdict.message)
    for spec in case.accepted:
        verdict = resources.create(resource(case.kind, spec, case.name), dry_run=True)
        assert verdict.accepted, f"{spec}: {verdict.message}"


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_identifies_or_seals_does_not_change(resources: Any, change: Change) -> None:
    message = _message(change.kind, change.says)
    before = resources.create(resource(change.kind, change.before))
    assert before.accepted, before.message
    try:
        for spec in change.refused:
            verdict = resources.replace(_after(before, change.kind, spec), dry_run=True)
            assert f"{change.blamed}: " in verdict.message, spec
            assert message in verdict.message, spec
        for spec in change.accepted:
            verdict = resources.replace(_after(before, change.kind, spec), dry_run=True)
            assert verdict.accepted, f"{spec}: {verdict.message}"
    finally:
        resources.delete(before.document)


def _after(before: Any, kind: str, spec: Spec) -> dict[str, Any]:
    return {**resource(kind, spec), "metadata": before.document["metadata"]}


@pytest.mark.parametrize("kind", names.PLURALS)
def test_a_resource_without_a_spec_is_refused(resources: Any, kind: str) -> None:
    verdict = resources.create({**resource(kind, {}), "spec": None}, dry_run=True)
    assert not verdict.accepted
    assert "spec: Required value" in verdict.message


@pytest.mark.parametrize("kind", names.PLURALS)
def test_a_case_exercises_every_rule(kind: str) -> None:
    alone = {message for field in fields(kind) for message in field.messages}
    across = {case.says for case in EVERY_CASE.values() if case.kind == kind}
    over_time = {
        change.says for change in CHANGES.values() if change.kind == kind and change.refused
    }
    for message in MESSAGES[kind] - alone:
        assert any(message.startswith(says) for says in across | over_time), message


_thoroughly = settings(
    max_examples=150,
    deadline=None,
    # The refusal names the field: shrinking would ask the apiserver hundreds of times more.
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(spec=stream_specs())
@_thoroughly
def test_every_stream_that_real_servers_accept_passes(resources: Any, spec: Spec) -> None:
    verdict = resources.create(resource(STREAM, spec), dry_run=True)
    assert verdict.accepted, verdict.message


@given(spec=consumer_specs())
@_thoroughly
def test_every_consumer_that_real_servers_accept_passes(resources: Any, spec: Spec) -> None:
    verdict = resources.create(resource(CONSUMER, spec), dry_run=True)
    assert verdict.accepted, verdict.message
