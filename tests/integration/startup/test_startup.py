"""What the operator needs to start, and what it does while that isn't there or goes away."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from controlplane import ports
from controlplane.errors import ControlPlaneError
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.app import FORBIDDEN_SECONDS
from coze_nats.core import names
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support import crds
from support.eventually import eventually, eventually_async

RESYNC_SECONDS = 1
NAMESPACED_RIGHTS = f"""
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: operator, namespace: ours}}
rules:
  - apiGroups: [{names.GROUP}]
    resources: [cozestreams, cozeconsumers, cozeconnections]
    verbs: [list, watch, patch]
  - apiGroups: [{names.GROUP}]
    resources: [cozestreams/status, cozeconsumers/status, cozeconnections/status]
    verbs: [patch]
  - apiGroups: [""]
    resources: [events]
    verbs: [create]
"""


class Cluster:
    """An API server of the test's own, so that it may be without CRDs, or restarted."""

    def __init__(self, api: KubernetesAPI) -> None:
        self.api = api

    def install_crds(self) -> None:
        crds.install(self.api)

    def declare(self, name: str, namespace: str = "default") -> None:
        self.api.kubectl(
            *("apply", "-f", "-"),
            input=f"""
                apiVersion: {names.API_VERSION}
                kind: {names.STREAM_KIND}
                metadata: {{name: {name}, namespace: {namespace}}}
                spec: {{subjects: [{name}]}}
            """,
        )

    def await_ready(self, name: str, namespace: str = "default") -> None:
        self.api.kubectl(
            *("wait", "--for=condition=Ready", "--timeout=180s"),
            *(f"cozestream/{name}", f"--namespace={namespace}"),
        )

    def finalizers(self, name: str, namespace: str = "default") -> str:
        return self.api.kubectl(
            *("get", "cozestream", name, f"--namespace={namespace}"),
            "-o=jsonpath={.metadata.finalizers}",
        ).stdout


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """An API server that most tests share."""
    with KubernetesAPI() as api:
        found = Cluster(api)
        found.install_crds()
        yield found


@pytest.fixture
def bare() -> Iterator[Cluster]:
    """An API server without the CRDs."""
    with KubernetesAPI() as api:
        yield Cluster(api)


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


Run = Callable[..., OperatorProcess]


@pytest.fixture
def run(cluster: Cluster, nats: NatsServer) -> Iterator[Run]:
    """Start an operator, as administrator unless told otherwise; it ends with the test."""
    with ExitStack() as running:

        def start(
            *arguments: str, kubeconfig: Path | None = None, until_ready: bool = True
        ) -> OperatorProcess:
            operator = OperatorProcess(
                kubeconfig or cluster.api.kubeconfig,
                nats.url,
                arguments=(f"--resync-interval={RESYNC_SECONDS}s", *arguments),
            )
            running.callback(operator.remove)
            return operator.start(until_ready=until_ready)

        yield start


def test_it_waits_for_the_crds_and_says_so(bare: Cluster, run: Run) -> None:
    operator = run(kubeconfig=bare.api.kubeconfig, until_ready=False)
    reason = "CRDs of CozeConnection, CozeConsumer, CozeStream: install them"
    eventually(lambda: reason in operator.probe("/readyz")[1], 20, "the reason")
    assert operator.probe("/readyz")[0] == 503
    assert operator.probe("/healthz")[0] == 200
    bare.install_crds()
    eventually(lambda: operator.probe("/readyz")[0] == 200, 30, "readiness")
    assert operator.stop() == 0


def test_crds_that_are_taken_away_are_waited_for_again(cluster: Cluster, run: Run) -> None:
    operator = run()
    cluster.api.kubectl("delete", "crd", f"cozeconsumers.{names.GROUP}", "--timeout=180s")
    eventually(lambda: "CRD is not installed" in operator.probe("/readyz")[1], 20, "the reason")
    assert "cozestreams" not in operator.probe("/readyz")[1], "the other kind is watched on"
    cluster.install_crds()
    eventually(lambda: operator.probe("/readyz")[0] == 200, 60, "readiness")
    assert operator.stop() == 0


def test_it_ends_with_an_error_when_it_cannot_know_which_cluster_this_is(
    cluster: Cluster, nats: NatsServer
) -> None:
    cluster.api.kubectl("create", "serviceaccount", "nobody")
    kubeconfig = cluster.api.service_account_kubeconfig("default", "nobody")
    operator = OperatorProcess(kubeconfig, nats.url)
    # It may already have ended when it is asked how it is.
    with suppress(ControlPlaneError):
        operator.start(until_ready=False)
    eventually(lambda: not operator.running, FORBIDDEN_SECONDS + 40, "its end")
    assert 'resourceNames: ["kube-system"]' in operator.log
    assert "--cluster-id" in operator.log
    assert operator.stop() == 1
    operator.remove()


def test_a_right_that_comes_late_is_waited_for(cluster: Cluster, run: Run) -> None:
    """An API server refuses for a moment, after its own start, what it will grant."""
    kubectl = cluster.api.kubectl
    kubectl("create", "serviceaccount", "late")
    kubeconfig = cluster.api.service_account_kubeconfig("default", "late")
    operator = run(kubeconfig=kubeconfig, until_ready=False)
    eventually(lambda: "the right to read namespace" in operator.log, 20, "its waiting")
    kubectl("create", "clusterrole", "late", "--verb=get", "--resource=namespaces")
    kubectl(
        "create",
        "clusterrolebinding",
        "late",
        "--clusterrole=late",
        "--serviceaccount=default:late",
    )
    eventually(lambda: "Cluster id: " in operator.log, 30, "its start")
    assert operator.running


def test_rights_in_its_namespaces_and_a_cluster_id_are_enough(cluster: Cluster, run: Run) -> None:
    kubectl = cluster.api.kubectl
    kubectl("create", "namespace", "ours")
    kubectl("create", "namespace", "theirs")
    kubectl("create", "serviceaccount", "operator", "--namespace=ours")
    kubectl("apply", "-f", "-", input=NAMESPACED_RIGHTS)
    kubectl(
        *("create", "rolebinding", "operator", "--namespace=ours"),
        *("--role=operator", "--serviceaccount=ours:operator"),
    )
    kubeconfig = cluster.api.service_account_kubeconfig("ours", "operator")
    run("--namespace=ours", "--cluster-id=blue", kubeconfig=kubeconfig)
    cluster.declare("theirs", "theirs")
    cluster.declare("ours", "ours")
    cluster.await_ready("ours", "ours")
    assert cluster.finalizers("theirs", "theirs") == ""
    kubectl("delete", "cozestream", "ours", "--namespace=ours", "--timeout=180s")


def test_it_writes_its_finalizer_and_the_status_and_nothing_else(
    cluster: Cluster, run: Run
) -> None:
    run()
    cluster.declare("orders")
    cluster.await_ready("orders")
    shown = cluster.api.kubectl("get", "cozestream", "orders", "-o=json", "--show-managed-fields")
    resource = json.loads(shown.stdout)
    assert resource["metadata"]["finalizers"] == [names.FINALIZER]
    assert list(resource["metadata"]["annotations"]) == [
        "kubectl.kubernetes.io/last-applied-configuration"
    ]
    ours = {
        (entry["operation"], entry.get("subresource", ""), *entry["fieldsV1"])
        for entry in resource["metadata"]["managedFields"]
        if entry["manager"] != "kubectl-client-side-apply"
    }
    assert ours == {("Update", "", "f:metadata"), ("Apply", "status", "f:status")}
    [finalizers] = [
        entry["fieldsV1"]["f:metadata"]
        for entry in resource["metadata"]["managedFields"]
        if entry["manager"] == names.FIELD_MANAGER and entry["operation"] == "Update"
    ]
    assert list(finalizers) == ["f:finalizers"]
    cluster.api.kubectl("delete", "cozestream", "orders", "--timeout=180s")


def test_an_api_server_that_is_away_at_the_start_is_told_and_awaited(
    cluster: Cluster, run: Run, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "kubeconfig"
    here = cluster.api.kubeconfig.read_text()
    elsewhere.write_text(here.replace(str(cluster.api.port), str(ports.free())))
    operator = run(kubeconfig=elsewhere, until_ready=False)
    eventually(lambda: "doesn't answer" in operator.probe("/readyz")[1], 20, "the reason")
    assert "Waiting for the Kubernetes API server" in operator.log
    assert operator.stop() == 0


def test_a_health_port_that_is_taken_is_named(cluster: Cluster, nats: NatsServer) -> None:
    operator = OperatorProcess(cluster.api.kubeconfig, nats.url)
    with socket.create_server((ports.LOOPBACK, operator.health_port)) as taken:
        taken.listen()
        with pytest.raises(ControlPlaneError, match=r"--health-port: .*address already in use"):
            operator.start(until_ready=False)
    operator.remove()


def test_further_signals_do_not_disturb_the_end(run: Run) -> None:
    operator = run()
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        os.kill(operator.pid, signal_)
    assert operator.stop() == 0
    assert "Traceback" not in operator.log
    assert operator.log.rstrip().endswith("Stopped")


async def test_what_vanished_while_nobody_watched_is_forgotten(
    cluster: Cluster, nats: NatsServer, run: Run
) -> None:
    operator = run()
    for name in ("vanishing", "staying"):
        cluster.declare(name)
        cluster.await_ready(name)
    # A stopped operator can't watch, and a restarted API server doesn't remember.
    os.kill(operator.pid, signal.SIGSTOP)
    try:
        cluster.api.restart()
        patch = '{"metadata": {"finalizers": null}}'
        cluster.api.kubectl("patch", "cozestream", "vanishing", "--type=merge", f"--patch={patch}")
        cluster.api.kubectl("delete", "cozestream", "vanishing", "--timeout=180s")
    finally:
        os.kill(operator.pid, signal.SIGCONT)
    eventually(lambda: operator.probe("/readyz")[0] == 200, 60, "watching again")

    connection = Connection(ConnectionOptions(servers=(nats.url,)))
    await connection.start()
    await connection.wait_connected()
    gateway = Gateway(connection)

    async def stays_away() -> bool:
        for name in ("vanishing", "staying"):
            await gateway.delete_stream(name)
        await eventually_async(lambda: gateway.stream("staying"), 20)
        return "vanishing" not in (await gateway.streams()).found

    try:
        await eventually_async(stays_away, 30, "the end of vanishing")
        assert await stays_away()
    finally:
        await connection.close()
