"""Which connection a resource uses, and whether it may."""

from dataclasses import replace
from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.conditions import Health
from coze_nats.core.names import Reason
from coze_nats.core.references import (
    as_status,
    connection_of,
    consumers_of,
    forbidden,
    has_moved,
    may_end,
    missing,
    not_ready,
    stream_key,
    ungranted,
    unusable_stream,
    user_of_connection,
)
from coze_nats.core.resource import Key, Resource

HUB = Key(names.CONNECTION_KIND, "platform", "hub")


def resource(kind: str, name: str, spec: dict[str, Any], **status: Any) -> Resource:
    return Resource.from_body(
        {
            "kind": kind,
            "metadata": {"namespace": "shop", "name": name, "uid": name},
            "spec": spec,
            "status": status,
        }
    )


def a_stream(**spec: Any) -> Resource:
    return resource(names.STREAM_KIND, "orders", spec)


def a_connection(*allowed: str, **status: Any) -> Resource:
    body = {
        "kind": HUB.kind,
        "metadata": {"namespace": HUB.namespace, "name": HUB.name, "uid": "u"},
        "spec": {"allowedNamespaces": list(allowed)} if allowed else {},
        "status": status,
    }
    return Resource.from_body(body)


REFERRING = resource(names.CONSUMER_KIND, "reader", {"streamRef": {"name": "orders"}})
AT_HUB = {"name": "hub", "namespace": "platform"}


def test_only_a_consumer_that_refers_to_a_resource_depends_on_one() -> None:
    assert stream_key(REFERRING) == Key(names.STREAM_KIND, "shop", "orders")
    direct = resource(names.CONSUMER_KIND, "reader", {"streamName": "foreign"})
    assert stream_key(direct) is None
    assert stream_key(a_stream()) is None


@pytest.mark.parametrize(
    "used, expected",
    [
        ({}, None),
        ({"connection": {"name": "hub"}}, Key(names.CONNECTION_KIND, "shop", "hub")),
        ({"connection": AT_HUB}, HUB),
        ({"connection": {}}, None),
        ({"connection": "hub"}, None),
    ],
    ids=["none", "in its own namespace", "in another", "nameless", "no reference at all"],
)
def test_a_stream_uses_the_connection_that_it_names(
    used: dict[str, Any], expected: Key | None
) -> None:
    assert connection_of(a_stream(**used), None) == expected


def test_a_consumer_uses_its_streams_connection() -> None:
    assert connection_of(REFERRING, a_stream(connection=AT_HUB)) == HUB
    assert connection_of(REFERRING, a_stream()) is None


def test_a_consumer_whose_stream_is_gone_is_where_it_was() -> None:
    left = REFERRING.with_status(as_status(HUB))
    assert connection_of(left, None) == HUB
    assert connection_of(REFERRING, None) is None


def test_what_is_remembered_of_another_system_counts_for_nothing() -> None:
    made = {"created": "2026-01-01T00:00:00Z"}
    assert has_moved(REFERRING.with_status(made), HUB)
    assert not has_moved(REFERRING.with_status(made), None)
    assert not has_moved(REFERRING.with_status(made | as_status(HUB)), HUB)
    assert not has_moved(REFERRING, HUB)


@pytest.mark.parametrize(
    "namespace, allowed, may",
    [
        ("platform", (), True),
        ("shop", (), False),
        ("shop", ("shop",), True),
        ("shop", ("*",), True),
        ("shop", ("shop-2", "sho"), False),
    ],
)
def test_a_connection_is_for_its_own_namespace_and_those_it_allows(
    namespace: str, allowed: tuple[str, ...], may: bool
) -> None:
    assert (forbidden(namespace, HUB, a_connection(*allowed)) is None) == may


def test_who_is_not_allowed_does_not_learn_whether_the_connection_exists() -> None:
    refused = forbidden("shop", HUB, a_connection())
    assert refused
    assert refused == forbidden("shop", HUB, None)
    assert refused.outcome.health is Health.STALLED
    assert not refused.outcome.observed


def test_what_can_still_come_is_waited_for() -> None:
    assert missing(HUB).outcome.health is Health.RECONCILING
    assert "NATS_SERVER_URL" in missing(None).message


def test_why_a_connection_is_not_ready_is_told_in_its_own_namespace_only() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "SecretNotFound"}
    broken = a_connection(conditions=[ready])
    assert not_ready("platform", broken).message.count("SecretNotFound") == 1
    assert "SecretNotFound" not in not_ready("shop", broken).message
    assert not_ready("platform", a_connection()).reason is Reason.CONNECTION_NOT_READY


# --- streams of another namespace -----------------------------------------------------------------

ELSEWHERE = resource(
    names.CONSUMER_KIND, "reader", {"streamRef": {"name": "orders", "namespace": "platform"}}
)
ORDERS = Key(names.STREAM_KIND, "platform", "orders")


def lent(*allowed: str) -> Resource:
    """The CozeStream that `ELSEWHERE` refers to."""
    spec = {"consumersFrom": list(allowed)} if allowed else {}
    metadata = {"namespace": "platform", "name": "orders", "uid": "u"}
    return Resource.from_body({"kind": ORDERS.kind, "metadata": metadata, "spec": spec})


def test_a_consumer_may_refer_to_a_stream_of_another_namespace() -> None:
    assert stream_key(ELSEWHERE) == ORDERS
    assert user_of_connection(ELSEWHERE) == "platform"
    assert user_of_connection(REFERRING) == user_of_connection(a_stream()) == "shop"


@pytest.mark.parametrize(
    "allowed, may",
    [((), False), (("shop",), True), (("*",), True), (("shop-2", "sho"), False)],
)
def test_a_stream_is_for_the_consumers_of_its_own_namespace_and_those_it_allows(
    allowed: tuple[str, ...], *, may: bool
) -> None:
    assert (ungranted(ELSEWHERE, lent(*allowed)) is None) == may
    assert ungranted(REFERRING, lent(*allowed)) is None
    assert ungranted(a_stream(), None) is None


def test_who_may_do_more_with_a_stream_may_consume_it() -> None:
    stream = lent()
    shared = replace(stream, spec={"allowedNamespaces": ["shop"]})
    assert ungranted(ELSEWHERE, shared) is None
    assert consumers_of(replace(shared, spec={**shared.spec, "consumersFrom": ["a"]})) == {
        "a",
        "shop",
    }


def test_who_may_not_consume_does_not_learn_whether_the_stream_exists_but_who_can_grant_it() -> (
    None
):
    refused = ungranted(ELSEWHERE, lent())
    assert refused
    assert refused == ungranted(ELSEWHERE, None)
    assert refused.reason is Reason.STREAM_IS_MANAGED
    assert refused.outcome.health is Health.STALLED
    assert refused.message == (
        "streamRef: there is no CozeStream orders in namespace platform that namespace shop may "
        "consume: have shop added to its consumersFrom by whoever may change CozeStreams in "
        "platform, or delete this resource and create one with the right streamRef"
    )


@pytest.mark.parametrize(
    "stream, may", [(lent(), False), (lent("shop"), True), (None, True)], ids=str
)
def test_a_consumer_ends_by_its_streams_grant_as_long_as_there_is_a_stream(
    stream: Resource | None, *, may: bool
) -> None:
    assert may_end(ELSEWHERE, stream, a_connection()) is may
    assert not may_end(REFERRING, None, a_connection())


def test_the_connection_of_a_stream_elsewhere_is_not_told() -> None:
    assert unusable_stream(ORDERS).message == (
        "streamRef: CozeStream platform/orders can't use its connection: see its status"
    )
