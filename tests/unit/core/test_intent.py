"""A resource, and those it depends on → what it desires, or why that can't be said yet."""

from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.desired import InvalidField, Target
from coze_nats.core.intent import Waiting, intent, target_of
from coze_nats.core.names import Reason
from coze_nats.core.resource import Key, Resource

Spec = dict[str, Any]


def resource(kind: str, name: str, spec: Spec, deleting: bool = False, **status: Any) -> Resource:
    return Resource(
        key=Key(kind, "shop", name),
        uid="u",
        generation=1,
        finalized=True,
        deleting=deleting,
        reconcile_requested_at="",
        spec=spec,
        status=status,
    )


def a_stream(spec: Spec | None = None, deleting: bool = False, **status: Any) -> Resource:
    return resource(names.STREAM_KIND, "orders", spec or {}, deleting, **status)


def a_consumer(spec: Spec, **status: Any) -> Resource:
    return resource(names.CONSUMER_KIND, "reader", spec, **status)


REFERRING = a_consumer({"streamRef": {"name": "orders"}})


# --- what is desired ------------------------------------------------------------------------------


def desired_of(found: object) -> Target:
    assert not isinstance(found, Waiting)
    return found.target  # type: ignore[attr-defined,no-any-return]


def test_a_stream_desires_a_stream() -> None:
    desired = intent(a_stream({"maxMsgs": 5}), None, 3)
    assert not isinstance(desired, Waiting)
    assert desired.declared == {"name": "orders", "max_msgs": 5, "num_replicas": 3}


def test_a_consumer_of_a_named_stream_needs_no_resource() -> None:
    found = intent(a_consumer({"streamName": "foreign"}), None, None)
    assert desired_of(found) == Target("foreign", "reader")


@pytest.mark.parametrize("spec, name", [({}, "orders"), ({"name": "ORDERS"}, "ORDERS")])
def test_a_consumer_of_a_resource_uses_its_stream_once_it_is_there(spec: Spec, name: str) -> None:
    found = intent(REFERRING, a_stream(spec, created="then"), None)
    assert desired_of(found) == Target(name, "reader")


@pytest.mark.parametrize(
    "spec, inherited",
    [
        ({}, {"max_ack_pending": 50, "inactive_threshold": 3600 * 10**9}),
        ({"maxAckPending": 10}, {"inactive_threshold": 3600 * 10**9}),
        ({"maxAckPending": 10, "inactiveThreshold": "1m"}, {}),
        (
            {"ackPolicy": "none"},
            {"max_ack_pending": 50, "inactive_threshold": 3600 * 10**9},
        ),
        ({"ackPolicy": "none", "deliverSubject": "a"}, {"inactive_threshold": 3600 * 10**9}),
    ],
    ids=[
        "all of it",
        "what it doesn't declare",
        "nothing",
        "a pull consumer without acknowledgements",
        "a push consumer without acknowledgements",
    ],
)
def test_a_consumer_gets_what_it_leaves_out_from_its_streams_limits(
    spec: Spec, inherited: Spec
) -> None:
    limits = {"maxAckPending": 50, "inactiveThreshold": "1h"}
    stream = a_stream(created="then", effective={"consumerLimits": limits})
    desired = intent(a_consumer({**REFERRING.spec, **spec}), stream, None)
    assert not isinstance(desired, Waiting)
    assert desired.inherited == inherited


@pytest.mark.parametrize(
    "stream, message",
    [
        (
            None,
            f"there is no CozeStream orders in this namespace: apply it, or {names.ANOTHER_STREAM}",
        ),
        (a_stream(deleting=True, created="then"), "CozeStream orders is being deleted"),
        (a_stream(), "CozeStream orders is not there yet"),
        (
            a_stream(conditions=[{"type": "Ready", "reason": "SubjectOverlap"}]),
            "CozeStream orders is not there yet: SubjectOverlap, see its status",
        ),
    ],
)
def test_a_consumer_waits_for_its_stream(stream: Resource | None, message: str) -> None:
    found = intent(REFERRING, stream, None)
    assert found == Waiting(Reason.WAITING_FOR_STREAM, f"streamRef: {message}")


def test_a_consumer_waits_for_a_stream_of_another_namespace() -> None:
    elsewhere = a_consumer({"streamRef": {"name": "orders", "namespace": "platform"}})
    found = intent(elsewhere, None, None)
    assert isinstance(found, Waiting)
    assert "there is no CozeStream orders in namespace platform: apply it" in found.message


@pytest.mark.parametrize(
    "broken, message",
    [
        (a_stream({"maxMessages": 5}), "maxMessages: Extra inputs are not permitted"),
        (a_stream({"replicas": 9}), "replicas: Input should be less than or equal to 5"),
        (a_stream({"sources": [{}]}), "sources.0.name: Field required"),
        (a_stream({"maxAge": "soon"}), "maxAge: 'soon' is no duration"),
        (a_consumer({}), "streamRef: name the stream by streamRef or streamName"),
    ],
)
def test_a_spec_without_a_meaning_is_refused_by_its_field(broken: Resource, message: str) -> None:
    with pytest.raises(InvalidField) as caught:
        intent(broken, None, None)
    assert str(caught.value).startswith(message)


# --- which object ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found, stream, target",
    [
        (a_stream(), None, Target("orders")),
        (a_stream({"name": "ORDERS"}), None, Target("ORDERS")),
        (a_consumer({"streamName": "foreign", "name": "R"}), None, Target("foreign", "R")),
        (
            a_consumer({"streamRef": {"name": "orders"}}, stream="WAS"),
            a_stream(),
            Target("WAS", "reader"),
        ),
        (REFERRING, a_stream({"name": "ORDERS"}), Target("ORDERS", "reader")),
        (REFERRING, None, Target("orders", "reader")),
        (a_consumer({"streamRef": {"name": "orders.v2"}}), None, None),
        (a_consumer({}), None, None),
    ],
)
def test_the_object_of_a_resource_is_known_without_a_valid_spec_or_a_ready_stream(
    found: Resource, stream: Resource | None, target: Target | None
) -> None:
    assert target_of(found, stream) == target
