"""The operator has exactly the rights it needs: without any one of them something fails."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from controlplane.errors import ControlPlaneError
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from coze_nats.core.conditions import is_true
from support.eventually import eventually

ACCOUNT = ("coze-nats-system", "coze-nats-operator")
ROLE = "coze-nats-operator"
NAMESPACE = "rights"

Role = dict[str, Any]


def rights(role: Role) -> list[tuple[int, str, str]]:
    """Every right of a role: index of its rule, resource, verb."""
    return [
        (index, resource, verb)
        for index, rule in enumerate(role["rules"])
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def without(role: Role, index: int, resource: str, verb: str) -> Role:
    """The role without one right."""
    rule = role["rules"][index]
    others = [{**rule, "resources": [r for r in rule["resources"] if r != resource]}]
    same = [{**rule, "resources": [resource], "verbs": [v for v in rule["verbs"] if v != verb]}]
    kept = [item for item in others + same if item["resources"] and item["verbs"]]
    rules = [item for number, item in enumerate(role["rules"]) if number != index]
    return {**role, "rules": rules + kept}


@pytest.fixture(scope="module")
def role(installed: KubernetesAPI) -> Iterator[Role]:
    found: Role = json.loads(installed.kubectl("get", "clusterrole", ROLE, "-o", "json").stdout)
    del found["metadata"]["resourceVersion"]
    yield found
    installed.kubectl("replace", "-f", "-", input=json.dumps(found))


@contextmanager
def operator_with(kubernetes: KubernetesAPI, nats: NatsServer) -> Iterator[OperatorProcess]:
    process = OperatorProcess(
        kubernetes.service_account_kubeconfig(*ACCOUNT),
        nats.url,
        arguments=("--resync-interval=1s", f"--namespace={NAMESPACE}"),
    )
    try:
        yield process
    finally:
        process.remove()


def works(kubernetes: KubernetesAPI, resources: Any, within: float) -> bool:
    """Whether an operator does its whole job: create, tell a refusal by an event, delete."""
    with NatsServer() as nats, operator_with(kubernetes, nats) as process:
        try:
            process.start(until_ready=False)
        except ControlPlaneError:
            return False
        wanted = [
            _resource(names.STREAM_KIND, "right", {}),
            _resource(names.CONSUMER_KIND, "right", {"streamRef": {"name": "right"}}),
            _resource(names.STREAM_KIND, "refused", {"replicas": 3}),
        ]
        try:
            return _does_all(resources, wanted, within)
        finally:
            for resource in wanted:
                resources.delete(resource)
                resources.release(resource)
            kubernetes.kubectl("-n", NAMESPACE, "delete", "events", "--all")


def _does_all(resources: Any, wanted: list[dict[str, Any]], within: float) -> bool:
    def is_ready(resource: dict[str, Any]) -> bool:
        return is_true(resources.get(resource).document.get("status") or {}, "Ready")

    def told() -> bool:
        return any(e["reason"] == "RejectedByServer" for e in resources.events(NAMESPACE))

    for resource in wanted:
        assert resources.create(resource).accepted
    stages: list[Callable[[], bool]] = [
        lambda: all(is_ready(resource) for resource in wanted[:2]),
        told,
    ]
    try:
        for stage in stages:
            eventually(stage, within)
        for resource in wanted:
            resources.delete(resource)
        eventually(lambda: not any(resources.get(r).accepted for r in wanted), within)
    except AssertionError:
        return False
    return True


def _resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_right_is_needed_and_none_is_missing(
    installed: KubernetesAPI, resources: Any, role: Role
) -> None:
    resources.create_namespace(NAMESPACE)
    assert works(installed, resources, within=15)
    needless = []
    for right in rights(role):
        installed.kubectl("replace", "-f", "-", input=json.dumps(without(role, *right)))
        if works(installed, resources, within=4):
            needless.append(right)
    assert needless == []
