"""Spec → what JetStream shall have, field by field."""

from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from coze_nats.core.api.consumer import ConsumerSpec
from coze_nats.core.api.stream import StreamSpec
from coze_nats.core.desired import InvalidField, Target, desired_consumer, desired_stream
from coze_nats.core.fields import Field, in_spec_terms
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS
from support.cases import CONSUMER_CASES, IDENTITY, STREAM_CASES, Case
from support.convergence import consumer, stream
from support.specs import CONSUMER, STREAM, comparable

OUTSIDE = frozenset({"metadata", "pauseUntil"})
"""Fields that are no ordinary part of the configuration: planned apart."""

FOR_THE_OPERATOR = {"policies", "suspend", "allowedNamespaces", "consumersFrom"}
"""What JetStream is told nothing of."""


def names_of(model: type[StreamSpec | ConsumerSpec]) -> set[str]:
    """The fields that are about the object in JetStream."""
    return {to_camel(name) for name in model.model_fields} - FOR_THE_OPERATOR


# --- completeness ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model, cases", [(StreamSpec, STREAM_CASES), (ConsumerSpec, CONSUMER_CASES)]
)
def test_the_cases_cover_every_field(
    model: type[StreamSpec | ConsumerSpec], cases: tuple[Case, ...]
) -> None:
    assert {case.name for case in cases} | IDENTITY >= names_of(model)
    assert {case.name for case in cases} <= names_of(model)


@pytest.mark.parametrize("model, strategies", [(StreamSpec, STREAM), (ConsumerSpec, CONSUMER)])
def test_the_strategies_cover_every_field(
    model: type[StreamSpec | ConsumerSpec], strategies: dict[str, Any]
) -> None:
    assert set(strategies) == names_of(model) - IDENTITY


@pytest.mark.parametrize(
    "model, fields", [(StreamSpec, STREAM_FIELDS), (ConsumerSpec, CONSUMER_FIELDS)]
)
def test_the_operators_tables_cover_every_field(
    model: type[StreamSpec | ConsumerSpec], fields: tuple[Field, ...]
) -> None:
    assert {item.name for item in fields} | IDENTITY | OUTSIDE >= names_of(model)
    assert {item.name for item in fields} <= names_of(model)


# --- field by field -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", STREAM_CASES, ids=str)
def test_a_field_of_a_stream_is_sent_under_nats_own_name(case: Case) -> None:
    for value in case.values:
        desired = stream("work", case.spec(value))
        if case.name == "metadata":
            assert desired.metadata == value.wire
        else:
            assert sent(desired.declared.get(case.wire), case) == value.wire


@pytest.mark.parametrize("case", CONSUMER_CASES, ids=str)
def test_a_field_of_a_consumer_is_sent_under_nats_own_name(case: Case) -> None:
    for value in case.values:
        desired = consumer("work", "reader", case.spec(value))
        if case.name == "metadata":
            assert desired.metadata == value.wire
        elif case.name == "pauseUntil":
            assert desired.pause_until == value.wire
        else:
            assert sent(desired.declared.get(case.wire), case) == value.wire


def sent(wire: Any, case: Case) -> Any:
    """A declared value as the server gives it back."""
    server_says = {"": None, "default": None, 0: None if case.default is None else 0}
    if isinstance(wire, str | int) and not isinstance(wire, bool):
        return server_says.get(wire, wire)
    if wire is None and case.default is False:
        return False
    if case.name == "republish":
        return {"src": ">", **wire}
    if case.name == "mirror" and "external" in wire:
        return {**wire, "external": {"deliver": "", **wire["external"]}}
    return wire


@pytest.mark.parametrize("case", STREAM_CASES, ids=str)
def test_a_live_field_of_a_stream_reads_as_it_is_declared(case: Case) -> None:
    for value in case.values:
        if case.name != "metadata" and value.wire not in (None, False, 0):
            shown = in_spec_terms(STREAM_FIELDS, {case.wire: value.wire})
            again = stream("work", {**case.spec(value), **shown})
            assert comparable(again.declared) == comparable(
                {**again.declared, **stream("work", case.spec(value)).declared}
            )


def test_a_live_configuration_is_shown_in_the_terms_of_the_spec() -> None:
    config = {
        "name": "work",
        "max_msgs": 1,
        "max_bytes": -1,
        "max_age": 90 * 10**9,
        "sealed": True,
        "subject_transform": {"src": "a", "dest": "b"},
        "unknown": 1,
    }
    assert in_spec_terms(STREAM_FIELDS, config) == {
        "maxMsgs": 1,
        "maxBytes": -1,
        "maxAge": "1m30s",
        "sealed": True,
        "subjectTransform": {"source": "a", "destination": "b"},
    }


def test_what_is_absent_empty_or_off_is_not_shown() -> None:
    config = {"max_age": 0, "sealed": False, "description": "", "subjects": [], "placement": {}}
    assert in_spec_terms(STREAM_FIELDS, config) == {}
    assert in_spec_terms(STREAM_FIELDS, {"placement": {"preferred": "a"}}) == {}


# --- names ----------------------------------------------------------------------------------------


def test_a_stream_is_named_by_its_resource_unless_the_spec_names_it() -> None:
    assert stream("orders", {}).target == Target("orders")
    assert stream("orders", {"name": "ORDERS"}).target == Target("ORDERS")
    assert stream("orders", {"name": "ORDERS"}).declared == {"name": "ORDERS"}


def test_a_consumer_is_named_by_its_resource_unless_the_spec_names_it() -> None:
    assert consumer("orders", "reader", {}).target == Target("orders", "reader")
    desired = consumer("orders", "reader", {"name": "READER"})
    assert desired.target == Target("orders", "READER")
    assert desired.declared == {
        "name": "READER",
        "durable_name": "READER",
        "ack_policy": "explicit",
    }


def test_a_target_reads_well() -> None:
    assert str(Target("orders")) == "stream orders"
    assert str(Target("orders", "reader")) == "consumer reader of stream orders"


# --- defaults -------------------------------------------------------------------------------------


def test_the_operators_replicas_are_declared_for_a_stream_that_names_none() -> None:
    assert desired_stream("a", StreamSpec(), 3).declared["num_replicas"] == 3
    assert desired_stream("a", StreamSpec(replicas=1), 3).declared["num_replicas"] == 1
    assert "num_replicas" not in desired_stream("a", StreamSpec(), None).declared


def test_a_field_that_is_off_is_not_sent_to_servers_that_may_lack_it() -> None:
    spec = {"allowBatched": False, "allowMsgTtl": False, "denyDelete": False}
    assert stream("work", spec).declared == {"name": "work", "deny_delete": False}


@pytest.mark.parametrize(
    "spec, wire, value",
    [
        ({}, "discard", "old"),
        ({"sealed": True}, "discard", "new"),
        ({"discard": "new"}, "discard", "new"),
        ({}, "max_msgs", -1),
        ({"maxMsgs": 5}, "max_msgs", 5),
    ],
)
def test_what_a_field_will_be_is_declared_or_the_usual_default(
    spec: dict[str, Any], wire: str, value: Any
) -> None:
    assert stream("work", spec).after(wire) == value


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"maxAge": "1 h"}, "maxAge: '1 h' is no duration"),
        ({"maxBytes": "10GB"}, "maxBytes: '10GB' is no size"),
        ({"maxMsgSize": "3Gi"}, "maxMsgSize: '3Gi' is not a whole number of bytes up to"),
        ({"mirror": {"name": "a", "optStartTime": "now"}}, "mirror: 'now' is no RFC 3339 time"),
    ],
)
def test_a_value_that_nats_cannot_hold_is_refused_by_its_field(
    spec: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        stream("work", spec)
    assert str(caught.value).startswith(message)


def test_a_pause_that_is_no_time_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidField, match=r"^pauseUntil: 'tomorrow' is no RFC 3339 time"):
        consumer("work", "reader", {"pauseUntil": "tomorrow"})


@pytest.mark.parametrize("spec", [{"maxMessages": 5}, {"replicas": 6}, {"retention": "none"}])
def test_a_spec_that_the_schema_forbids_is_refused_here_too(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StreamSpec.model_validate(spec)


def test_what_a_consumer_leaves_out_will_be_its_streams_limit_or_the_usual_default() -> None:
    desired = consumer("work", "reader", {})
    assert desired.after("max_ack_pending") == 1000
    assert desired.under({"max_ack_pending": 50}).after("max_ack_pending") == 50
    assert desired.under({"max_ack_pending": 50}).under(None) == desired


def test_a_consumer_without_acknowledgements_may_say_so() -> None:
    spec = ConsumerSpec.model_validate({"streamName": "a", "ackPolicy": "none"})
    assert desired_consumer("reader", spec, "a").declared["ack_policy"] == "none"
