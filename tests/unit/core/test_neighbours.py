"""Whose streams a resource must not reach."""

from typing import Any

import pytest

from coze_nats.core.fences import Neighbour
from coze_nats.core.neighbours import may_reach_others, neighbours_of, takes_anything
from coze_nats.core.resource import Key, Resource

OWNED = {"created": "2026-01-01T00:00:00Z", "effective": {"subjects": ["orders.>"]}}


def resource(namespace: str, kind: str = "CozeStream", **more: Any) -> Resource:
    given: dict[str, Any] = {"spec": {}, "status": OWNED, **more}
    key = Key(kind, namespace, "orders")
    return Resource(
        key=key,
        uid=str(key),
        generation=1,
        finalized=True,
        deleting=False,
        reconcile_requested_at="",
        **given,
    )


OURS = resource("shop")


@pytest.mark.parametrize(
    "other, counts",
    [
        (resource("other"), True),
        (resource("shop"), False),
        (resource("other", status={}), False),
        (resource("other", "CozeConsumer"), False),
        (resource("other", spec={"allowedNamespaces": ["shop"]}), False),
        (resource("other", spec={"allowedNamespaces": ["*"]}), False),
        (resource("other", spec={"allowedNamespaces": ["third"]}), True),
    ],
)
def test_a_stream_that_another_namespace_owns_and_does_not_share_is_a_neighbour(
    other: Resource, counts: bool
) -> None:
    expected = (Neighbour(other.key, "orders", ("orders.>",)),) if counts else ()
    assert neighbours_of(OURS, [OURS, other]) == expected


@pytest.mark.parametrize(
    "spec, matter",
    [
        ({"subjects": ["a"]}, False),
        ({"mirror": {"name": "a"}}, True),
        ({"republish": {"destination": "a"}}, True),
        ({"deliverSubject": "a"}, True),
    ],
)
def test_neighbours_matter_to_what_publishes_or_copies(spec: Any, matter: bool) -> None:
    assert may_reach_others(spec) is matter


@pytest.mark.parametrize(
    "spec, anything",
    [({}, False), ({"subjects": ["a.*"]}, False), ({"subjects": ["a", "*"]}, True)],
)
def test_a_subject_that_begins_with_a_wildcard_takes_anything(spec: Any, anything: bool) -> None:
    assert takes_anything(spec) is anything
