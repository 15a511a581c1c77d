"""A custom resource as the operator holds it."""

from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.resource import Key, Resource, is_older

BODY: dict[str, Any] = {
    "kind": "CozeStream",
    "metadata": {
        "namespace": "shop",
        "name": "orders",
        "uid": "u",
        "generation": 3,
        "resourceVersion": "17",
        "finalizers": [names.FINALIZER],
        "annotations": {
            names.RECONCILE_REQUESTED_ANNOTATION: "now",
            names.HAND_OVER_ANNOTATION: "shop/bills",
        },
    },
    "spec": {"maxMsgs": 5},
    "status": {"messages": 1},
}


def test_a_resource_is_read_as_the_apiserver_serves_it() -> None:
    found = Resource.from_body(BODY)
    assert found == Resource(
        key=Key("CozeStream", "shop", "orders"),
        uid="u",
        generation=3,
        finalized=True,
        deleting=False,
        reconcile_requested_at="now",
        spec={"maxMsgs": 5},
        status={"messages": 1},
        resource_version="17",
        handed_over_to="shop/bills",
    )
    assert str(found.key) == "CozeStream shop/orders"


def test_what_a_new_resource_lacks_is_empty() -> None:
    metadata = {"namespace": "shop", "name": "orders", "uid": "u", "deletionTimestamp": "now"}
    found = Resource.from_body({"kind": "CozeStream", "metadata": metadata})
    assert (found.generation, found.finalized, found.deleting) == (0, False, True)
    assert (found.spec, found.status, found.resource_version) == ({}, {}, "")


def test_a_status_that_only_the_crd_has_written_is_none() -> None:
    assert Resource.from_body({**BODY, "status": names.UNSEEN}).status == {}


def test_a_status_alone_makes_no_new_revision() -> None:
    found = Resource.from_body(BODY)
    assert found.with_status({"messages": 2}).revision == found.revision
    assert found.with_status({"messages": 2}).status == {"messages": 2}
    changed = Resource.from_body({**BODY, "metadata": {**BODY["metadata"], "generation": 4}})
    assert changed.revision != found.revision


@pytest.mark.parametrize(
    "version, known, verdict",
    [("9", "10", True), ("10", "10", False), ("100", "10", False)],
)
def test_versions_are_compared_as_numbers(version: str, known: str, verdict: bool) -> None:
    assert is_older(version, known) == verdict


@pytest.mark.parametrize("version, known", [("abc", "10"), ("9", "abc"), ("", "1"), ("1", "")])
def test_versions_that_are_no_numbers_are_not_compared(version: str, known: str) -> None:
    assert not is_older(version, known)


@pytest.mark.parametrize(
    "annotation, seconds",
    [("30s", 30.0), ("1m30s", 90.0), ("10ms", 1.0), ("often", 0.0), ("", 0.0)],
)
def test_a_resource_may_ask_to_be_looked_at_more_often(annotation: str, seconds: float) -> None:
    annotations = {names.RESYNC_INTERVAL_ANNOTATION: annotation}
    asking = {**BODY, "metadata": {**BODY["metadata"], "annotations": annotations}}
    assert Resource.from_body(asking).resync_interval == seconds
