"""Our kinds as users meet them in kubectl: explain, get, short names, selectors, strictness."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from support import crds
from support.schema import fields, resource

STREAM, CONSUMER, CONNECTION = names.STREAM_KIND, names.CONSUMER_KIND, names.CONNECTION_KIND
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


CONNECTION_STATUS = {
    "server": {"version": "2.14.6", "apiLevel": 4, "cluster": "east"},
    "account": {
        "streams": {"used": 4, "limit": 100},
        "consumers": {"used": 7},
        "storage": {"used": 4096, "limit": 1073741824},
        "memory": {"used": 0},
    },
}


@pytest.fixture(scope="module")
def kubectl(apiserver: KubernetesAPI) -> Iterator[Any]:
    """Run kubectl in a namespace with one resource of each kind that reports itself Ready."""

    def run(*words: str, **options: Any) -> str:
        completed = apiserver.kubectl(f"--namespace={NAMESPACE}", *words, **options)
        return completed.stdout + completed.stderr

    run("create", "namespace", NAMESPACE)
    declared = {
        "cozeconnection": (resource(CONNECTION, {}, "events"), CONNECTION_STATUS),
        "cozestream": (
            resource(STREAM, {"name": "ORDERS", "connection": {"name": "events"}}, "orders"),
            STREAM_STATUS,
        ),
        "cozeconsumer": (
            resource(CONSUMER, {"streamRef": {"name": "orders"}}, "workers"),
            CONSUMER_STATUS,
        ),
    }
    for kind, (body, status) in declared.items():
        run("apply", "--filename=-", input=json.dumps(body))
        name = body["metadata"]["name"]
        seen = {"observedGeneration": 1, "conditions": [_ready()]}
        patch = json.dumps({"status": {**status, **seen}})
        run("patch", kind, name, "--subresource=status", "--type=merge", f"--patch={patch}")
    yield run
    run("delete", ",".join(names.PLURALS.values()), "--all")


def _ready() -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": "True",
        "reason": "Converged",
        "message": "as declared",
        "lastTransitionTime": "2026-01-31T12:00:00Z",
    }


def _table(text: str, name: str) -> dict[str, str]:
    """One row of kubectl get, by its headings; a cell may be empty."""
    lines = text.splitlines()
    (row,) = (line for line in lines if line.startswith(f"{name} "))
    headings = list(re.finditer(r"\S+(?: \S+)*", lines[0]))
    ends = [heading.start() for heading in headings[1:]] + [len(row)]
    return {
        heading[0]: row[heading.start() : end].strip()
        for heading, end in zip(headings, ends, strict=True)
    }


def test_the_category_lists_all_kinds(kubectl: Any) -> None:
    listed = kubectl("get", "coze", "--output=name").split()
    assert sorted(listed) == [
        "cozeconnection.jetstream.coze.dev/events",
        "cozeconsumer.jetstream.coze.dev/workers",
        "cozestream.jetstream.coze.dev/orders",
    ]


@pytest.mark.parametrize(
    "short, expected",
    [
        ("cstream", "cozestream"),
        ("cconsumer", "cozeconsumer"),
        ("cconnection", "cozeconnection"),
    ],
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
        "WARNING": "",
    }


def test_a_stream_shows_where_it_stands_when_asked(kubectl: Any) -> None:
    row = _table(kubectl("get", "cozestreams", "--output=wide"), "orders")
    assert (row["REPLICAS"], row["LEADER"], row["BYTES"]) == ("3", "nats-0", "56789")
    assert (row["CONNECTION"], row["MESSAGE"]) == ("events", "as declared")


def test_a_consumer_shows_how_and_where_it_stands(kubectl: Any) -> None:
    row = _table(kubectl("get", "cozeconsumers", "--output=wide"), "workers")
    assert row.pop("AGE")
    assert row == {
        "NAME": "workers",
        "READY": "True",
        "REASON": "Converged",
        "STREAM": "ORDERS",
        "PENDING": "42",
        "WARNING": "",
        "CONSUMER": "WORKERS",
        "CONNECTION": "",
        "REPLICAS": "3",
        "LEADER": "nats-1",
        "ACK PENDING": "7",
        "MESSAGE": "as declared",
    }


def test_a_connection_shows_what_it_is_connected_to_and_what_is_used_there(kubectl: Any) -> None:
    row = _table(kubectl("get", "cozeconnections", "--output=wide"), "events")
    assert row.pop("AGE")
    assert row == {
        "NAME": "events",
        "READY": "True",
        "REASON": "Converged",
        "SERVER": "2.14.6",
        "CLUSTER": "east",
        "STREAMS": "4",
        "CONSUMERS": "7",
        "STORAGE": "4096",
        "MEMORY": "0",
        "MAX-STREAMS": "100",
        "MAX-CONSUMERS": "",
        "MAX-STORAGE": "1073741824",
        "MAX-MEMORY": "",
        "API-LEVEL": "4",
        "MESSAGE": "as declared",
    }


@pytest.mark.parametrize(
    "kind, selector, found",
    [
        ("cozestreams", "spec.name=ORDERS", True),
        ("cozestreams", "spec.name=BILLS", False),
        ("cozestreams", "spec.name!=BILLS,spec.retention!=workqueue,spec.storage!=memory", True),
        ("cozestreams", "spec.connection.name=events,spec.connection.namespace=", True),
        ("cozestreams", "spec.connection.name=", False),
        ("cozeconsumers", "spec.connection.name=", True),
        ("cozeconsumers", "spec.streamRef.name=orders", True),
        ("cozeconsumers", "spec.streamRef.name=bills", False),
        ("cozeconsumers", "spec.name=,spec.streamName=", True),
    ],
)
def test_fields_that_people_look_for_are_selectable(
    apiserver: KubernetesAPI, kubectl: Any, kind: str, selector: str, *, found: bool
) -> None:
    if not crds.fields_are_selectable(apiserver):
        pytest.skip("this Kubernetes ignores selectableFields")
    listed = kubectl("get", kind, f"--field-selector={selector}", "--output=name")
    assert bool(listed.strip()) == found


def test_kubectl_waits_for_ready(kubectl: Any) -> None:
    assert "condition met" in kubectl(
        "wait", "--for=condition=Ready", "cozestream/orders", "--timeout=180s"
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
    "cozestream.spec.connection": "Default: the operator's own connection. Can't be changed.",
    "cozeconnection.spec.requestTimeout": "such as `30s`, from 1s to 5m. Default: 30s.",
    "cozeconnection.spec.tls.serverName": "Default: the host in the URL.",
    "cozeconnection.status.account.storage": "Bytes in files.",
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
    "kind, spec, field",
    [
        (STREAM, {"subject": "orders.>"}, "spec.subject"),
        (STREAM, {"maxage": "1h"}, "spec.maxage"),
        (
            STREAM,
            {"sources": [{"name": "a", "filterSubjects": ["b"]}]},
            "spec.sources[0].filterSubjects",
        ),
        (STREAM, {"connection": {"name": "a", "cluster": "b"}}, "spec.connection.cluster"),
        (CONNECTION, {"server": "nats://host"}, "spec.server"),
        (CONNECTION, {"auth": {"password": "in the open"}}, "spec.auth.password"),
        (CONNECTION, {"tls": {"insecure": True}}, "spec.tls.insecure"),
    ],
)
def test_an_unknown_field_is_refused_by_name(
    kubectl: Any, kind: str, spec: dict[str, Any], field: str
) -> None:
    body = json.dumps(resource(kind, spec, "typo"))
    said = kubectl("apply", "--filename=-", input=body, check=False)
    assert f'strict decoding error: unknown field "{field}"' in said
    assert "NotFound" in kubectl("get", kind, "typo", check=False)
