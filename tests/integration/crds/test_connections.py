"""A CozeConnection as a whole: all of it, applied again and again, shared, and never echoed."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from coze_nats.core.api.connection import ConnectionSpec
from support.rules import CONNECTION, CONSUMER, SECRET, STREAM, USER
from support.schema import ITEM, Spec, fields, resource, whole

NAMESPACE = "connection-tests"
IN_A_CONFIG_MAP = {"configMapKeyRef": {"name": "authority", "key": "ca.crt"}}
WHOLE: tuple[Spec, ...] = (
    {
        "servers": ["nats://a.example.com:4222", "tls://b.example.com", "c.example.com:4223"],
        "auth": {"userPassword": USER},
        "tls": {
            "ca": IN_A_CONFIG_MAP,
            "certificate": {"secretName": "operator"},
            "serverName": "nats.example.com",
            "handshakeFirst": True,
        },
        "domain": "hub",
        "requestTimeout": "1m",
        "allowedNamespaces": ["shop", "reports"],
        "grants": [
            {
                "namespaces": ["shop"],
                "streams": ["shop-*"],
                "subjects": ["shop.>"],
                "sourcesFrom": ["catalog", "*"],
                "publishTo": ["out.shop.*"],
                "maxBytes": "10Gi",
            }
        ],
        "suspend": True,
    },
    {
        "servers": ["tls://a.example.com"],
        "auth": {"jwt": SECRET, "nkey": SECRET},
        "tls": {"ca": SECRET},
        "apiPrefix": "$JS.hub.API",
        "allowedNamespaces": ["*"],
    },
    {"servers": ["nats://a.example.com"], "auth": {"token": SECRET}},
    {"servers": ["nats://a.example.com"], "auth": {"creds": SECRET}, "allowedNamespaces": []},
)
"""Together they have every field."""


@pytest.fixture(scope="module")
def kubectl(apiserver: KubernetesAPI) -> Iterator[Any]:
    def run(*words: str, body: Mapping[str, Any] | None = None, check: bool = True) -> str:
        options: dict[str, Any] = {"input": json.dumps(body)} if body else {}
        completed = apiserver.kubectl(f"--namespace={NAMESPACE}", *words, check=check, **options)
        return completed.stdout + completed.stderr

    run("create", "namespace", NAMESPACE)
    yield run
    run("delete", ",".join(names.PLURALS.values()), "--all")


def _paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of everything in a spec, as `support.schema` writes it."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _paths(member, (*path, name))
    if isinstance(value, list):
        for member in value:
            yield from _paths(member, (*path, ITEM))


def test_the_whole_specs_have_every_field() -> None:
    had = {path for spec in WHOLE for path in _paths(spec)}
    assert {field.path for field in fields(CONNECTION)} == had


@pytest.mark.parametrize("spec", WHOLE)
def test_every_field_is_stored_as_it_is_declared(resources: Any, spec: Spec) -> None:
    stored = resources.create(resource(CONNECTION, spec))
    try:
        assert stored.accepted, stored.message
        assert stored.document["spec"] == spec
    finally:
        resources.delete(resource(CONNECTION, spec))


@pytest.mark.parametrize("spec", WHOLE)
def test_the_operator_reads_what_the_apiserver_stores(spec: Spec) -> None:
    read = ConnectionSpec.model_validate(spec)
    assert read.model_dump(by_alias=True, exclude_none=True, mode="json") == spec


# --- applied again, and by several ----------------------------------------------------------------


def _apply(kubectl: Any, kind: str, spec: Spec, name: str, manager: str = "kubectl") -> str:
    words = ("apply", "--server-side", f"--field-manager={manager}", "--filename=-")
    return str(kubectl(*words, body=resource(kind, spec, name)))


def _stored(kubectl: Any, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", kind, name, "--output=json"))
    return found


@pytest.mark.parametrize(
    "kind, spec",
    [
        *((CONNECTION, spec) for spec in WHOLE),
        (STREAM, {"connection": {"name": "events", "namespace": "platform"}}),
        (CONSUMER, {"streamName": "orders", "connection": {"name": "events"}}),
    ],
)
def test_what_is_applied_again_is_not_written_again(kubectl: Any, kind: str, spec: Spec) -> None:
    _apply(kubectl, kind, spec, "again")
    # Without an operator, the second time stores the status that a new resource is given.
    _apply(kubectl, kind, spec, "again")
    before = _stored(kubectl, kind, "again")
    _apply(kubectl, kind, spec, "again")
    after = _stored(kubectl, kind, "again")
    assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
    assert before["metadata"]["generation"] == 1
    assert after["spec"] == spec
    kubectl("delete", kind, "again")


def test_a_way_to_log_in_is_changed_by_applying_another(kubectl: Any) -> None:
    servers = ["nats://a.example.com"]
    _apply(kubectl, CONNECTION, {"servers": servers, "auth": {"token": SECRET}}, "changed")
    _apply(kubectl, CONNECTION, {"servers": servers, "auth": {"creds": SECRET}}, "changed")
    assert _stored(kubectl, CONNECTION, "changed")["spec"]["auth"] == {"creds": SECRET}
    _apply(kubectl, CONNECTION, {"servers": servers}, "changed")
    assert "auth" not in _stored(kubectl, CONNECTION, "changed")["spec"]


def test_two_who_log_in_in_two_ways_are_told_so(kubectl: Any) -> None:
    """A second manager adds its way, and can't take the first one's."""
    servers = ["nats://a.example.com"]
    _apply(kubectl, CONNECTION, {"servers": servers, "auth": {"token": SECRET}}, "shared")
    body = resource(CONNECTION, {"servers": servers, "auth": {"creds": SECRET}}, "shared")
    words = ("apply", "--server-side", "--field-manager=other", "--filename=-")
    said = kubectl(*words, body=body, check=False)
    assert "spec.auth: Invalid value" in said
    assert "log in in exactly one way" in said
    assert _stored(kubectl, CONNECTION, "shared")["spec"]["auth"] == {"token": SECRET}


def test_who_writes_the_status_can_not_write_the_spec(kubectl: Any) -> None:
    _apply(kubectl, CONNECTION, {"servers": ["nats://a.example.com"]}, "reported")
    patch = {
        "spec": {"servers": ["nats://evil.example.com"]},
        "status": {"server": {"version": "2.14.6"}, "secret": "unknown"},
    }
    words = ("patch", CONNECTION, "reported", "--subresource=status", "--type=merge")
    kubectl(*words, f"--patch={json.dumps(patch)}")
    stored = _stored(kubectl, CONNECTION, "reported")
    assert stored["spec"] == {"servers": ["nats://a.example.com"]}
    assert stored["status"] == {"observedGeneration": -1, "server": {"version": "2.14.6"}}


# --- what is refused ------------------------------------------------------------------------------

IN_THE_OPEN = "pa55word-that-must-not-be-shown"


@pytest.mark.parametrize(
    "spec, field",
    [
        ({"servers": [f"nats://user:{IN_THE_OPEN}@host:4222"]}, "spec.servers[0]"),
        ({"servers": [f"nats://{IN_THE_OPEN}@host:4222"]}, "spec.servers[0]"),
        ({"servers": [f"nats://{IN_THE_OPEN}@{'a' * 300}"]}, "spec.servers[0]"),
        ({"servers": f"nats://{IN_THE_OPEN}@host"}, "spec.servers"),
        ({"auth": IN_THE_OPEN}, "spec.auth"),
        ({"auth": {"token": IN_THE_OPEN}}, "spec.auth.token"),
        ({"auth": {"nkey": {"secretKeyRef": IN_THE_OPEN}}}, "spec.auth.nkey.secretKeyRef"),
        ({"auth": {"userPassword": {"password": IN_THE_OPEN}}}, "spec.auth.userPassword.password"),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_shown(
    resources: Any, spec: Spec, field: str
) -> None:
    verdict = resources.create(resource(CONNECTION, spec), dry_run=True)
    assert not verdict.accepted
    assert f"{field}: " in verdict.message
    assert IN_THE_OPEN not in json.dumps(verdict.document)


@pytest.mark.parametrize(
    "spec, missing",
    [
        ({"servers": None}, "spec.servers: Required value"),
        ({"auth": {"token": {}}}, "spec.auth.token.secretKeyRef: Required value"),
        (
            {"auth": {"token": {"secretKeyRef": {"name": "a"}}}},
            "spec.auth.token.secretKeyRef.key: Required value",
        ),
        (
            {"auth": {"token": {"secretKeyRef": {"key": "a"}}}},
            "spec.auth.token.secretKeyRef.name: Required value",
        ),
        (
            {"auth": {"userPassword": {"username": SECRET}}},
            "spec.auth.userPassword.password: Required value",
        ),
        (
            {"auth": {"userPassword": {"password": SECRET}}},
            "spec.auth.userPassword.username: Required value",
        ),
        ({"tls": {"certificate": {}}}, "spec.tls.certificate.secretName: Required value"),
    ],
)
def test_what_must_be_named_is_asked_for(resources: Any, spec: Spec, missing: str) -> None:
    verdict = resources.create(resource(CONNECTION, spec), dry_run=True)
    assert missing in verdict.message


@pytest.mark.parametrize("kind", [STREAM, CONSUMER])
def test_a_reference_names_a_connection(resources: Any, kind: str) -> None:
    body = resource(kind, {"connection": {"namespace": "platform"}})
    verdict = resources.create(body, dry_run=True)
    assert "spec.connection.name: Required value" in verdict.message


def test_no_secret_has_a_place_in_the_schema() -> None:
    """A value could only be text; all texts of auth and tls are names and keys of objects."""
    texts = {
        field.path[-1]
        for field in fields(CONNECTION)
        if field.path[0] in ("auth", "tls") and field.schema["type"] == "string"
    }
    assert texts == {"name", "key", "secretName", "serverName"}
    assert not whole(CONNECTION).get("x-kubernetes-preserve-unknown-fields")
