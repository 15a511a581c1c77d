"""Our kinds as users meet them in kubectl: explain, get, short names, selectors, strictness."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from support.schema import fields, resource

NAMESPACE = "kubectl-tests"
STREAM_STATUS = {
    "stream": "ORDERS",
    "messages": 1234,
    "bytes": 56789,
    "replicas": 3,
    "leader": "nats-0",
}
CONSUMER_STATUS = {
    "stream": "ORDERS",
    "consumer": "WORKERS",
    "pending": 42,
    "ackPending": 7,
    "replicas": 3,
    "leader": "nats-1",
}


@pytest.fixture(scope="module")
def kubectl(apiserver: KubernetesAPI) -> Iterator[Any]:
    """Run kubectl in a namespace with one stream and one consumer that report themselves Ready."""

    def run(*words: str, **options: Any) -> str:
        completed = apiserver.kubectl(f"--namespace={NAMESPACE}", *words, **options)
        return completed.stdout + completed.stderr

    run("create", "namespace", NAMESPACE)
    declared = {
        "cozestream": (resource(names.STREAM_KIND, {"name": "ORDERS"}, "orders"), STREAM_STATUS),
        "cozeconsumer": (
            resource(names.CONSUMER_KIND, {"streamRef": {"name": "orders"}}, "workers"),
            CONSUMER_STATUS,
        ),
    }
    for kind, (body, status) in declared.items():
        run("apply", "--filename=-", input=json.dumps(body))
        name = body["metadata"]["name"]
        patch = json.dumps({"status": {**status, "conditions": [_ready()]}})
        run("patch", kind, name, "--subresource=status", "--type=merge", f"--patch={patch}")
    yield run
    run("delete", "cozestreams,cozeconsumers", "--all")


def _ready() -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": "True",
        "reason": "Converged",
        "message": "",
        "lastTransitionTime": "2026-01-31T12:00:00Z",
    }


def _table(text: str, kind: str) -> dict[str, str]:
    """One row of kubectl get, by its headings; every cell of it is filled."""
    headings, row = (line for line in text.splitlines() if kind in line or line.startswith("NAME"))
    return dict(
        zip(headings.replace("ACK PENDING", "ACK_PENDING").split(), row.split(), strict=True)
    )


def test_the_category_lists_both_kinds(kubectl: Any) -> None:
    listed = kubectl("get", "coze", "--output=name").split()
    assert sorted(listed) == [
        "cozeconsumer.jetstream.coze.dev/workers",
        "cozestream.jetstream.coze.dev/orders",
    ]


@pytest.mark.parametrize(
    "short, expected", [("cstream", "cozestream"), ("cconsumer", "cozeconsumer")]
)
def test_a_kind_has_a_short_name(kubectl: Any, short: str, expected: str) -> None:
    assert kubectl("get", short, "--output=name").startswith(f"{expected}.jetstream.coze.dev/")


def test_a_stream_shows_how_it_stands(kubectl: Any) -> None:
    row = _table(kubectl("get", "cozestreams"), "orders")
    assert row.pop("AGE")
    assert row == {
        "NAME": "orders",
        "READY": "True",
        "REASON": "Converged",
        "STREAM": "ORDERS",
        "MESSAGES": "1234",
    }


def test_a_stream_shows_where_it_stands_when_asked(kubectl: Any) -> None:
    row = _table(kubectl("get", "cozestreams", "--output=wide"), "orders")
    assert (row["REPLICAS"], row["LEADER"], row["BYTES"]) == ("3", "nats-0", "56789")


def test_a_consumer_shows_how_and_where_it_stands(kubectl: Any) -> None:
    row = _table(kubectl("get", "cozeconsumers", "--output=wide"), "workers")
    assert row.pop("AGE")
    assert row == {
        "NAME": "workers",
        "READY": "True",
        "REASON": "Converged",
        "STREAM": "ORDERS",
        "PENDING": "42",
        "CONSUMER": "WORKERS",
        "REPLICAS": "3",
        "LEADER": "nats-1",
        "ACK_PENDING": "7",
    }


@pytest.mark.parametrize(
    "kind, selector, found",
    [
        ("cozestreams", "spec.name=ORDERS", True),
        ("cozestreams", "spec.name=BILLS", False),
        ("cozestreams", "spec.name!=BILLS,spec.retention!=workqueue,spec.storage!=memory", True),
        ("cozeconsumers", "spec.streamRef.name=orders", True),
        ("cozeconsumers", "spec.streamRef.name=bills", False),
        ("cozeconsumers", "spec.name=,spec.streamName=", True),
    ],
)
def test_fields_that_people_look_for_are_selectable(
    kubectl: Any, kind: str, selector: str, *, found: bool
) -> None:
    listed = kubectl("get", kind, f"--field-selector={selector}", "--output=name")
    assert bool(listed.strip()) == found


def test_kubectl_waits_for_ready(kubectl: Any) -> None:
    assert "condition met" in kubectl(
        "wait", "--for=condition=Ready", "cozestream/orders", "--timeout=5s"
    )


EXPLAINED = {
    "cozestream.spec.maxAge": (
        "How long messages are kept: a duration such as `24h` or `7d`, at least 100ms; `0s` is for "
        "ever. Default: for ever. Can be changed; a value below the age of stored messages is held "
        "back, because it would discard them."
    ),
    "cozestream.spec.maxBytes": (
        "Most bytes the stream keeps: a number of bytes, or a quantity such as `10Gi`. "
        "Default: -1, unlimited. Can be changed;"
    ),
    "cozestream.spec.storage": "Default: file. Can't be changed.",
    "cozestream.spec.sources.external.apiPrefix": "such as `$JS.hub.API`",
    "cozeconsumer.spec.ackWait": "such as `30s`. Default: 30s, or the first backoff.",
    "cozeconsumer.status.ackPending": "Messages delivered and not yet acknowledged",
}


@pytest.mark.parametrize("field, says", EXPLAINED.items())
def test_explain_tells_unit_effect_default_and_whether_it_changes(
    kubectl: Any, field: str, says: str
) -> None:
    assert says in " ".join(kubectl("explain", field).split())


@pytest.mark.parametrize("kind", names.PLURALS)
def test_a_field_of_the_spec_says_whether_it_can_be_changed(kind: str) -> None:
    silent = [
        str(field)
        for field in fields(kind)
        if len(field.path) == 1
        and not any(
            words in field.schema["description"]
            for words in ("an be changed", "an't be changed", "an't be undone", "an't be added")
        )
    ]
    assert silent == []


@pytest.mark.parametrize(
    "spec, field",
    [
        ({"subject": "orders.>"}, "spec.subject"),
        ({"maxage": "1h"}, "spec.maxage"),
        ({"sources": [{"name": "a", "filterSubjects": ["b"]}]}, "spec.sources[0].filterSubjects"),
    ],
)
def test_an_unknown_field_is_refused_by_name(
    kubectl: Any, spec: dict[str, Any], field: str
) -> None:
    body = json.dumps(resource(names.STREAM_KIND, spec, "typo"))
    said = kubectl("apply", "--filename=-", input=body, check=False)
    assert f'strict decoding error: unknown field "{field}"' in said
    assert "NotFound" in kubectl("get", "cozestream", "typo", check=False)
