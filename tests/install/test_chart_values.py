"""Values: what is refused and in which words, and that schema, defaults and table agree."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from coze_nats.core.policies import ALLOWED
from support.helm import CHART, Helm, HelmError

SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))

LOGINS: list[dict[str, Any]] = [
    {"auth": {"token": "t"}},
    {"creds": {"secretName": "c"}},
    {"nkey": {"secretName": "n"}},
]
"""Ways to log in that stand at different places; each excludes the others."""

REFUSED: list[tuple[Any, str]] = [
    ({"replica": 2}, "additional properties 'replica' not allowed"),
    ({"replicas": "two"}, "at '/replicas': got string, want integer"),
    ({"image": {"tags": "1"}}, "at '/image': additional properties 'tags' not allowed"),
    ({"image": {"digest": "sha256:12"}}, "at '/image/digest': 'sha256:12' does not match"),
    ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy': value must be one of"),
    ({"crds": {"install": True}}, "at '/crds': additional properties 'install' not allowed"),
    ({"watchNamespaces": "shop"}, "at '/watchNamespaces': got string, want array"),
    ({"watchNamespaces": ["Shop"]}, "at '/watchNamespaces/0': 'Shop' does not match"),
    ({"watchNamespaces": ["a", "a"]}, "at '/watchNamespaces': items at 0 and 1 are equal"),
    ({"resyncInterval": "a minute"}, "at '/resyncInterval': 'a minute' does not match"),
    ({"policies": {"deletion": "Keep"}}, "at '/policies/deletion': value must be one of"),
    ({"policies": {"delete": "Retain"}}, "additional properties 'delete' not allowed"),
    ({"log": {"level": "verbose"}}, "at '/log/level': value must be one of 'debug', 'info'"),
    ({"connection": {"servers": "nats://a"}}, "at '/connection/servers': got string, want array"),
    ({"connection": {"servers": ["a,b"]}}, "at '/connection/servers/0': 'a,b' does not match"),
    ({"connection": {"servers": ["nats.nats:4222"]}}, "at '/connection/servers/0'"),
    ({"connection": {"servers": ["http://a:4222"]}}, "at '/connection/servers/0'"),
    (
        {"connection": {"domain": "hub", "apiPrefix": "JS.hub.API"}},
        "connection: name domain or apiPrefix, not both",
    ),
    (
        {"connection": {"tls": {"ca": {"secretName": "a", "configMapName": "b"}}}},
        "connection.tls.ca: name secretName or configMapName, not both",
    ),
    *(
        ({"connection": one | other}, "exclude each other: keep one way to log in")
        for one, other in itertools.combinations(LOGINS, 2)
    ),
    (
        {"connection": {"auth": {"token": "t", "username": "u", "password": "p"}}},
        "connection: auth.token and auth.username exclude each other",
    ),
    (
        {"connection": {"auth": {"username": "u"}}},
        "connection.auth: username and password go together",
    ),
    ({"extraArgs": ["dry-run"]}, "at '/extraArgs/0': 'dry-run' does not match"),
    *(
        ({"extraArgs": [f"--{flag}=x"]}, "extraArgs: set ")
        for flag in ("health-port", "lease-name", "namespace", "shard")
    ),
    ({"extraPodSpec": {"containers": []}}, "invalid propertyName 'containers'"),
    ({"connection": {"user": "me"}}, "at '/connection': additional properties 'user' not allowed"),
    ({"connection": {"auth": {"password": 7}}}, "at '/connection/auth/password': got number"),
    ({"connection": {"streamReplicas": 7}}, "at '/connection/streamReplicas'"),
    ({"connection": {"tls": {"insecure": True}}}, "additional properties 'insecure' not allowed"),
    ({"healthPort": 70000}, "at '/healthPort': maximum: got 70,000, want 65,535"),
    ({"podLabels": {"tier": 1}}, "at '/podLabels/tier': got number, want string"),
    ({"tolerations": {"operator": "Exists"}}, "at '/tolerations': got object, want array"),
    ({"affinity": {"podAffinty": {}}}, "additional properties 'podAffinty' not allowed"),
    ({"extraEnv": [{"value": "UTC"}]}, "at '/extraEnv/0': missing property 'name'"),
    ({"metrics": {"renderMode": "maybe"}}, "at '/metrics/renderMode': value must be one of"),
    ({"metrics": {"serviceMonitor": True}}, "at '/metrics/serviceMonitor': got boolean"),
    ({"streams": {"Orders": {}}}, "at '': invalid propertyName 'Orders'"),
    ({"streams": {"orders": {"subjects": []}}}, "additional properties 'subjects' not allowed"),
    ({"consumers": {"billing": {"spec": []}}}, "at '/consumers/billing/spec': got array"),
    (
        {"podDisruptionBudget": {"enabled": True, "minAvailable": 1, "maxUnavailable": 1}},
        "podDisruptionBudget: name minAvailable or maxUnavailable, not both",
    ),
    ({"leaderElection": {"leaseDuration": 15}}, "at '/leaderElection/leaseDuration': got number"),
    ({"shards": 0}, "at '/shards': minimum: got 0, want 1"),
    (
        {"replicas": 2, "leaderElection": {"enabled": False}},
        "replicas: without leaderElection.enabled there may be one operator at a time",
    ),
    (
        {"shards": 2, "leaderElection": {"enabled": False}},
        "shards: more than one needs leaderElection.enabled: true",
    ),
    (
        {"metrics": {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}},
        "metrics.serviceMonitor needs metrics.service.enabled: true",
    ),
]


def paths(values: Mapping[str, Any], parent: str = "") -> Iterator[str]:
    """Every path of a mapping, down to what is empty or no mapping."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from paths(value, f"{parent}{name}.")
        else:
            yield f"{parent}{name}"


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    found: Mapping[str, Any] = (
        SCHEMA["$defs"][reference.rpartition("/")[2]] if reference else schema
    )
    return found


def objects(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object of the schema that names its properties, by its path."""
    schema = resolved(schema)
    if "properties" in schema:
        yield path, schema
        for name, inner in schema["properties"].items():
            yield from objects(inner, f"{path}.{name}".lstrip("."))


@pytest.mark.parametrize(
    "values, words", REFUSED, ids=[json.dumps(values)[:60] for values, _ in REFUSED]
)
def test_a_wrong_value_is_refused_with_its_place(offline: Helm, values: Any, words: str) -> None:
    with pytest.raises(HelmError, match=re.escape(words)):
        offline.render(values)


def test_an_object_that_names_its_properties_has_no_others() -> None:
    found = dict(objects(SCHEMA))
    assert len(found) > 30
    open_ones = [path for path, schema in found.items() if schema["additionalProperties"]]
    assert open_ones == ["global"], "Helm's own has further ones for other charts"


def test_schema_and_defaults_have_the_same_values() -> None:
    for path, schema in objects(SCHEMA):
        if path.startswith("metrics.prometheusRule.alerts"):
            continue
        default: Any = VALUES
        for name in filter(None, path.split(".")):
            default = default[name]
        # Helm's own, and what Kubernetes knows and needs no default.
        extra = {"enabled"} if not path else set()
        extra |= {"initialDelaySeconds", "successThreshold"} if path.endswith("Probe") else set()
        extra |= {"claims"} if path == "resources" else set()
        if default:
            assert set(schema["properties"]) - extra == set(default), path


def test_a_policy_can_have_each_value_that_the_operator_knows_or_none() -> None:
    known = {name: {""} for kind in ALLOWED.values() for name in kind}
    for kind in ALLOWED.values():
        for name, values in kind.items():
            known[name] |= set(values)
    properties = SCHEMA["properties"]["policies"]["properties"]
    assert {name: set(schema["enum"]) for name, schema in properties.items()} == known


def test_every_value_stands_in_the_table() -> None:
    table = (CHART / "README.md").read_text("utf-8")
    documented = re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE)
    assert len(documented) == len(set(documented))
    for path in paths(VALUES):
        assert any(f"{path}.".startswith(f"{row}.") for row in documented), path
