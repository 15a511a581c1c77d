"""The operator has exactly the rights it needs: without any one of them something fails."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from controlplane.errors import ControlPlaneError
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from coze_nats.core import names
from coze_nats.core.conditions import condition, is_true
from support import deployed
from support.eventually import eventually
from support.helm import Helm
from support.resources import Resources

RELEASE = "coze-nats-operator"
SYSTEM = "coze-nats-system"
TENANT = "tenant"

Json = dict[str, Any]


def resource(kind: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": TENANT}
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def from_key(kind: str, name: str) -> Json:
    return {f"{kind}KeyRef": {"name": name, "key": "value"}}


def work_for_everyone(url: str) -> list[Json]:
    """What takes every right: to be made real, to be refused, to log in with what others keep."""
    token = {"servers": [url], "auth": {"token": from_key("secret", "token")}}
    authority = {"servers": [url], "tls": {"ca": from_key("configMap", "missing")}}
    return [
        resource(names.STREAM_KIND, "right", {}),
        resource(names.CONSUMER_KIND, "right", {"streamRef": {"name": "right"}}),
        resource(names.CONNECTION_KIND, "right", token),
        resource(names.STREAM_KIND, "refused", {"replicas": 3}),
        resource(names.CONNECTION_KIND, "refused", authority),
    ]


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubernetesAPI]:
    with KubernetesAPI() as api:
        api.kubectl("create", "namespace", TENANT)
        api.kubectl("create", "secret", "generic", "token", "-n", TENANT, "--from-literal=value=x")
        yield api


@pytest.fixture(scope="module")
def resources(cluster: KubernetesAPI) -> Iterator[Resources]:
    client = Resources(cluster)
    yield client
    client.close()


def roles(cluster: KubernetesAPI) -> list[Json]:
    """The roles that are bound to the operator."""
    bound = deployed.found(cluster, "clusterrolebindings,rolebindings", "--all-namespaces")
    subject = {"kind": "ServiceAccount", "name": RELEASE, "namespace": SYSTEM}
    return [
        deployed.found(
            cluster,
            f"{item['roleRef']['kind']}/{item['roleRef']['name']}",
            f"--namespace={item['metadata'].get('namespace', 'default')}",
        )
        for item in bound["items"]
        if subject in item.get("subjects", [])
    ]


def rights(role: Json) -> list[tuple[int, str, str]]:
    """Every right of a role: index of its rule, resource, verb."""
    return [
        (index, resource, verb)
        for index, rule in enumerate(role["rules"])
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def without(role: Json, index: int, resource: str, verb: str) -> Json:
    """The role without one right."""
    rule = role["rules"][index]
    others = [{**rule, "resources": [r for r in rule["resources"] if r != resource]}]
    same = [{**rule, "resources": [resource], "verbs": [v for v in rule["verbs"] if v != verb]}]
    kept = [item for item in others + same if item["resources"] and item["verbs"]]
    rules = [item for number, item in enumerate(role["rules"]) if number != index]
    return {**role, "rules": rules + kept}


@contextmanager
def replaced(cluster: KubernetesAPI, role: Json, by: Json) -> Iterator[None]:
    def replace(wanted: Json) -> None:
        metadata = {k: v for k, v in wanted["metadata"].items() if k != "resourceVersion"}
        cluster.kubectl("replace", "-f", "-", input=json.dumps({**wanted, "metadata": metadata}))

    replace(by)
    try:
        yield
    finally:
        replace(role)


def works(cluster: KubernetesAPI, resources: Resources, nats: NatsServer, within: float) -> bool:
    """Whether an operator does its whole job: lead, create, tell of a refusal, delete, let go."""
    lease = ("lease", RELEASE, "-n", SYSTEM)
    cluster.kubectl("delete", *lease, "--ignore-not-found")
    deployment = deployed.found(cluster, "deployment", RELEASE, "-n", SYSTEM)
    process = deployed.operator(cluster, deployment, ["--resync-interval=1s"])
    wanted = work_for_everyone(nats.url)
    try:
        process.start(until_ready=False)
        done = _does_all(resources, wanted, within)
        process.stop()
        return done and not deployed.found(cluster, *lease)["spec"].get("holderIdentity")
    except ControlPlaneError:
        return False
    finally:
        process.remove()
        for item in wanted:
            resources.delete(item)
            resources.release(item)
        cluster.kubectl("-n", TENANT, "delete", "events", "--all")


def _does_all(resources: Resources, wanted: list[Json], within: float) -> bool:
    def status(item: Json) -> Json:
        return dict(resources.get(item).document.get("status") or {})

    def all_report() -> bool:
        good, (stream, connection) = wanted[:3], wanted[3:]
        missing = condition(status(connection), "Ready") or {}
        return (
            all(is_true(status(item), "Ready") for item in good)
            and is_true(status(stream), "Stalled")
            and missing.get("reason") == "SecretNotFound"
        )

    def told() -> bool:
        return any(e["reason"] == "RejectedByServer" for e in resources.events(TENANT))

    for item in wanted:
        assert resources.create(item).accepted
    stages: list[Callable[[], bool]] = [all_report, told]
    try:
        for stage in stages:
            eventually(stage, within)
        for item in wanted:
            resources.delete(item)
        eventually(lambda: not any(resources.get(item).accepted for item in wanted), within)
    except AssertionError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("namespaces", [[], [TENANT]], ids=["everywhere", "one namespace"])
def test_every_right_is_needed_and_none_is_missing(
    cluster: KubernetesAPI, resources: Resources, tmp_path: Any, namespaces: list[str]
) -> None:
    with NatsServer() as nats:
        values = {"watchNamespaces": namespaces, "connection": {"servers": [nats.url]}}
        with Helm(tmp_path, cluster).installed(SYSTEM, values):
            assert works(cluster, resources, nats, within=30)
            needless = []
            for role in roles(cluster):
                for right in rights(role):
                    with replaced(cluster, role, without(role, *right)):
                        if works(cluster, resources, nats, within=5):
                            needless.append((role["metadata"]["name"], *right))
    assert needless == []
