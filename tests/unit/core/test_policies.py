"""Which policies are in force: the resource's, else the operator's, else the safe ones."""

from typing import get_args

import pytest

from coze_nats.core import names
from coze_nats.core.api.policies import ConsumerPolicies, StreamPolicies
from coze_nats.core.policies import (
    ALLOWED,
    SAFE,
    Policies,
    UnknownPolicy,
    in_force,
    parse_default,
    parse_forbidden,
    policies_of,
)

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
SAFE_FOR_A_CONSUMER = {
    "deletion": "DeleteIfEmpty",
    "adoption": "IfIdentical",
    "replacement": "Block",
    "position": "Keep",
    "missing": "Recreate",
}


@pytest.mark.parametrize("kind, model", [(STREAM, StreamPolicies), (CONSUMER, ConsumerPolicies)])
def test_the_values_are_those_of_the_models(
    kind: str, model: type[StreamPolicies | ConsumerPolicies]
) -> None:
    for field in model.model_fields.values():
        literal, _ = get_args(field.annotation)
        assert ALLOWED[kind][field.alias or ""] == get_args(literal)
    assert len(ALLOWED[kind]) == len(model.model_fields)


def test_every_policy_has_a_safe_value_that_the_models_know() -> None:
    for kind in (STREAM, CONSUMER):
        assert ALLOWED[kind].keys() <= SAFE.keys()
    for name, value in SAFE.items():
        assert any(value in allowed.get(name, ()) for allowed in ALLOWED.values())


@pytest.mark.parametrize(
    "kind, declared, defaults, expected",
    [
        (STREAM, None, {}, {k: v for k, v in SAFE.items() if k != "position"}),
        (CONSUMER, None, {}, SAFE_FOR_A_CONSUMER),
        (STREAM, {"deletion": "Retain"}, {"deletion": "Delete"}, {"deletion": "Retain"}),
        (STREAM, {"missing": "Hold"}, {"deletion": "Delete"}, {"deletion": "Delete"}),
        (CONSUMER, {}, {"deletion": "Retain"}, {"deletion": "Retain"}),
        (CONSUMER, {}, {"deletion": "Delete"}, {"deletion": "Delete"}),
        (CONSUMER, {"deletion": "DeleteIfEmpty"}, {"deletion": "Delete"}, SAFE_FOR_A_CONSUMER),
        (CONSUMER, {}, {"position": "Reset", "dataLoss": "Allow"}, {"position": "Reset"}),
        (STREAM, {}, {"position": "Reset", "dataLoss": "Allow"}, {"dataLoss": "Allow"}),
    ],
    ids=[
        "nobody says anything about a stream",
        "nobody says anything about a consumer",
        "the resource wins over the operator",
        "the operator decides what the resource leaves open",
        "the operator decides for consumers, too",
        "the operator may decide for consumers what costs messages",
        "a consumer's resource wins over the operator",
        "a policy of streams is none of a consumer's",
        "a policy of consumers is none of a stream's",
    ],
)
def test_what_is_in_force(
    kind: str, declared: dict[str, str], defaults: dict[str, str], expected: dict[str, str]
) -> None:
    found = in_force(kind, declared, defaults)
    assert found.items() >= expected.items()
    assert found.keys() == ALLOWED[kind].keys()


def test_what_the_operator_forbids_counts_for_nobody() -> None:
    forbidden = {("dataLoss", "Allow"), ("deletion", "Delete")}
    declared = {"dataLoss": "Allow", "adoption": "Always"}
    found = in_force(STREAM, declared, {"deletion": "Delete"}, forbidden)
    assert found["dataLoss"] == "Block"
    assert found["deletion"] == "DeleteIfEmpty"
    assert found["adoption"] == "Always"
    assert policies_of(STREAM, declared, {}, forbidden).data_loss == "Block"


@pytest.mark.parametrize("text", ["dataLoss=Block", "dataLoss=Never", "nonsense=Allow"])
def test_what_can_not_be_forbidden_is_refused(text: str) -> None:
    with pytest.raises(UnknownPolicy):
        parse_forbidden(text)
    assert parse_forbidden("dataLoss=Allow") == ("dataLoss", "Allow")


def test_the_same_as_a_value_that_plans_are_made_from() -> None:
    declared = {
        "deletion": "Retain",
        "adoption": "Never",
        "dataLoss": "Allow",
        "replacement": "Recreate",
        "missing": "Hold",
    }
    assert policies_of(STREAM, declared, {}) == Policies(
        "Retain", "Never", "Allow", "Recreate", "Keep", "Hold"
    )
    assert policies_of(CONSUMER, {"position": "Reset"}, {}) == Policies(position="Reset")
    assert policies_of(STREAM, None, {}) == Policies()


@pytest.mark.parametrize(
    "text, found",
    [
        ("deletion=Retain", ("deletion", "Retain")),
        ("deletion=DeleteIfEmpty", ("deletion", "DeleteIfEmpty")),
        ("position=Reset", ("position", "Reset")),
    ],
)
def test_a_default_is_read_as_it_is_given(text: str, found: tuple[str, str]) -> None:
    assert parse_default(text) == found


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "deletoin=Retain",
            (
                "'deletoin=Retain': there is no policy 'deletoin'; the policies are adoption, "
                "dataLoss, deletion, missing, ownership, position, replacement"
            ),
        ),
        ("missing=Keep", "'missing=Keep': missing is one of Hold, Recreate"),
        ("missing", "'missing': missing is one of Hold, Recreate"),
    ],
)
def test_a_default_that_is_none_is_refused_with_what_there_is(text: str, message: str) -> None:
    with pytest.raises(UnknownPolicy) as caught:
        parse_default(text)
    assert str(caught.value) == message
