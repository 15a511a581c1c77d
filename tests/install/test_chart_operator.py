"""The operator as the chart deploys it: its arguments, variables and rights, on real servers."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest

from controlplane.audit import AuditLog
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from support import deployed
from support.eventually import eventually
from support.helm import CHART, Helm, HelmError

NAMESPACE = "coze-nats-system"
RELEASE = "coze-nats-operator"
SAMPLES = CHART.parents[1] / "manifests" / "samples"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
LOGIN = "authorization { users = [{ user: coze, password: s3cret }] }"


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """What the cluster was asked for, and by whom."""
    return AuditLog(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="module")
def cluster(audit: AuditLog) -> Iterator[KubernetesAPI]:
    with KubernetesAPI(arguments=audit.flags()) as api:
        yield api


@pytest.fixture(scope="module")
def helm(cluster: KubernetesAPI, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tmp_path_factory.mktemp("helm"), cluster)


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    """A server that asks for a user and a password."""
    with NatsServer(config=LOGIN) as server:
        yield server


@contextmanager
def released(
    cluster: KubernetesAPI, helm: Helm, nats: NatsServer, **values: Any
) -> Iterator[OperatorProcess]:
    """The chart, installed, and the operator that its Deployment describes."""
    with helm.installed(NAMESPACE, wishes(nats, **values)), running(cluster) as process:
        yield process


@contextmanager
def running(cluster: KubernetesAPI) -> Iterator[OperatorProcess]:
    """The operator that the Deployment describes now."""
    deployment = deployed.found(cluster, "deployment", RELEASE, "-n", NAMESPACE)
    process = deployed.operator(cluster, deployment)
    try:
        yield process.start()
    finally:
        # Shown by pytest when the test failed.
        logging.getLogger("operator").warning("%s", process.log[-4000:])
        process.remove()


def wishes(nats: NatsServer, **values: Any) -> dict[str, Any]:
    """The values of a release that uses this server."""
    auth = {"username": "coze", "password": "s3cret"}
    return {
        "resyncInterval": "2s",
        "connection": {"servers": [nats.url], "auth": auth},
        **values,
    }


def wait(cluster: KubernetesAPI, *words: str, condition: str = "Ready") -> None:
    cluster.kubectl("wait", f"--for=condition={condition}", "--timeout=180s", *words)


def remove(cluster: KubernetesAPI, namespace: str) -> None:
    """Delete what is declared in a namespace while the operator runs; it must go away."""
    kinds = ",".join(names.PLURALS[kind] for kind in names.TOPOLOGY_KINDS)
    cluster.kubectl("delete", kinds, "--all", "-n", namespace, "--timeout=180s")


def test_the_deployed_operator_makes_the_samples_real_within_its_rights(
    cluster: KubernetesAPI, helm: Helm, nats: NatsServer, audit: AuditLog
) -> None:
    with released(cluster, helm, nats):
        place = ("-n", "samples")
        cluster.kubectl("create", "namespace", "samples")
        cluster.kubectl("apply", *place, "-f", SAMPLES, "-f", SAMPLES / "coze-studio")
        wait(cluster, *place, "--all", "cozestreams,cozeconsumers")
        remove(cluster, "samples")
    requests = audit.requests(OPERATOR)
    assert {request.verb for request in requests} >= {"list", "watch", "patch"}
    assert [request for request in requests if request.code == HTTPStatus.FORBIDDEN] == []


@contextmanager
def kubelet(cluster: KubernetesAPI, name: str) -> Iterator[None]:
    """Runs the pod of that name once it is there, and tells the API server how it ended."""

    def run() -> None:
        pod = eventually(
            lambda: deployed.found(cluster, "pod", name, "-n", NAMESPACE), 60, f"pod {name}"
        )
        phase = "Failed"
        try:
            completed = deployed.carried_out(cluster, pod)
            logging.getLogger("pod").warning("%s%s", completed.stdout, completed.stderr)
            phase = "Failed" if completed.returncode else "Succeeded"
        finally:
            words = ("pod", name, "-n", NAMESPACE, "--subresource=status", "--type=merge")
            cluster.kubectl("patch", *words, "-p", json.dumps({"status": {"phase": phase}}))

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run)
        yield
        running.result()


@pytest.mark.parametrize(
    "namespaces",
    [
        pytest.param([], id="everywhere"),
        pytest.param(["default"], id="one namespace", marks=pytest.mark.slow),
    ],
)
def test_helm_test_creates_a_stream_waits_for_it_and_deletes_it(
    cluster: KubernetesAPI, helm: Helm, nats: NatsServer, namespaces: list[str]
) -> None:
    with (
        released(cluster, helm, nats, watchNamespaces=namespaces) as process,
        kubelet(cluster, "coze-nats-operator-test"),
    ):
        told = helm("test", RELEASE, f"--namespace={NAMESPACE}", "--timeout=180s")
        assert "Phase:          Succeeded" in told
        assert "coze-nats-operator-test" in process.log
    for kind in ("pod", "role", "serviceaccount", "cozestream"):
        assert not deployed.found(cluster, kind, "coze-nats-operator-test", "-n", NAMESPACE)


@pytest.mark.slow
def test_helm_test_can_use_a_declared_connection_where_the_operator_has_none(
    cluster: KubernetesAPI, helm: Helm, nats: NatsServer
) -> None:
    def key(name: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": "login", "key": name}}

    login = {"username": key("user"), "password": key("password")}
    connection = {
        "apiVersion": names.API_VERSION,
        "kind": names.CONNECTION_KIND,
        "metadata": {"name": "declared", "namespace": NAMESPACE},
        "spec": {"servers": [nats.url], "auth": {"userPassword": login}},
    }
    keys = ("--from-literal=user=coze", "--from-literal=password=s3cret")
    values = {"connection": {}, "test": {"connection": "declared"}}
    with released(cluster, helm, nats, **values), kubelet(cluster, "coze-nats-operator-test"):
        cluster.kubectl("create", "secret", "generic", "login", "-n", NAMESPACE, *keys)
        cluster.kubectl("apply", "-f", "-", input=json.dumps(connection))
        told = helm("test", RELEASE, f"--namespace={NAMESPACE}", "--timeout=180s")
        assert "Phase:          Succeeded" in told
        words = ("cozeconnection", "declared", "-n", NAMESPACE, "--timeout=180s")
        cluster.kubectl("delete", *words)


@pytest.mark.slow
def test_helm_test_fails_and_says_why_when_a_stream_does_not_become_ready(
    cluster: KubernetesAPI, helm: Helm, nats: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"dryRun": True, "test": {"timeoutSeconds": 3}}
    with (
        released(cluster, helm, nats, **values),
        kubelet(cluster, "coze-nats-operator-test"),
        pytest.raises(HelmError, match="pod coze-nats-operator-test failed"),
    ):
        helm("test", RELEASE, f"--namespace={NAMESPACE}", "--timeout=180s")
    assert "reason: DryRun" in caplog.text
    assert not deployed.found(cluster, "cozestream", "coze-nats-operator-test", "-n", NAMESPACE)


def test_for_one_namespace_the_operator_touches_and_asks_for_nothing_else(
    cluster: KubernetesAPI, helm: Helm, nats: NatsServer, audit: AuditLog
) -> None:
    for namespace in ("shop", "other"):
        cluster.kubectl("create", "namespace", namespace)
    stream = (
        "{apiVersion: jetstream.coze.dev/v1alpha1, kind: CozeStream, metadata: {name: %s}, "
        "spec: {}}"
    )
    values = {"watchNamespaces": ["shop"], "clusterId": "blue"}
    before = len(audit.requests(OPERATOR))
    with released(cluster, helm, nats, **values):
        cluster.kubectl("apply", "-n", "other", "-f", "-", input=stream % "theirs")
        cluster.kubectl("apply", "-n", "shop", "-f", "-", input=stream % "ours")
        wait(cluster, "-n", "shop", "cozestream/ours")
        theirs = deployed.found(cluster, "cozestream", "theirs", "-n", "other")
        assert "conditions" not in theirs.get("status", {})
        assert "finalizers" not in theirs["metadata"]
        remove(cluster, "shop")
    requests = audit.requests(OPERATOR)[before:]
    elsewhere = [item for item in requests if item.resource and item.namespace != "shop"]
    assert {(item.namespace, item.resource) for item in elsewhere} == {(NAMESPACE, "leases")}
    assert [request for request in requests if request.code == HTTPStatus.FORBIDDEN] == []


@pytest.mark.slow
def test_an_upgrade_of_the_release_leaves_streams_and_resources_as_they_are(
    cluster: KubernetesAPI, helm: Helm, nats: NatsServer
) -> None:
    cluster.kubectl("create", "namespace", "upgraded")
    place = ("-n", "upgraded")

    def resources() -> list[dict[str, Any]]:
        return list(deployed.found(cluster, "cozestreams,cozeconsumers", *place)["items"])

    with helm.installed(NAMESPACE, wishes(nats)):
        with running(cluster):
            cluster.kubectl("apply", *place, "-f", SAMPLES / "coze-studio")
            wait(cluster, *place, "--all", "cozestreams,cozeconsumers")
            before = resources()
        assert len(before) == 6
        newer = wishes(nats, image={"tag": "next"}, policies={"deletion": "Retain"})
        helm("upgrade", RELEASE, CHART, f"--namespace={NAMESPACE}", values=newer)
        with running(cluster):
            cluster.kubectl("apply", *place, "-f", SAMPLES / "work-queue.yaml")
            wait(cluster, *place, "--all", "cozestreams,cozeconsumers")
            after = {item["metadata"]["uid"]: item for item in resources()}
            for item in before:
                same = after[item["metadata"]["uid"]]
                assert same["spec"] == item["spec"]
                assert same["status"]["created"] == item["status"]["created"]
            remove(cluster, "upgraded")
