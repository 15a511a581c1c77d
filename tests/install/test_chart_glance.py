"""What a person sees: `kubectl get coze -A` at a glance, and the story that `describe` tells."""

import json
import re
from collections.abc import Iterator
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from support.eventually import eventually

NAMESPACE = "glance"


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with NatsServer() as running:
        yield running


@pytest.fixture(scope="module")
def cluster(apiserver: KubernetesAPI, server: NatsServer) -> Iterator[KubernetesAPI]:
    """The API server, with an operator that works for one namespace of it."""
    apiserver.kubectl("create", "namespace", NAMESPACE)
    flags = ("--resync-interval=1s", f"--namespace={NAMESPACE}")
    with OperatorProcess(apiserver.kubeconfig, server.url, arguments=flags):
        yield apiserver
        # An operator of another module would find them without their server.
        for kind in (names.CONSUMER_KIND, names.STREAM_KIND, names.CONNECTION_KIND):
            apiserver.kubectl(
                "delete", names.PLURALS[kind], "--all", "-n", NAMESPACE, "--timeout=180s"
            )


def apply(cluster: KubernetesAPI, kind: str, name: str, spec: dict[str, Any]) -> None:
    metadata = {"name": name, "namespace": NAMESPACE}
    document = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    cluster.kubectl("apply", "-f", "-", input=json.dumps(document))


def wait(cluster: KubernetesAPI, name: str, condition: str) -> None:
    words = (f"--for=condition={condition}", "--timeout=180s", name, "-n", NAMESPACE)
    cluster.kubectl("wait", *words)


def events(cluster: KubernetesAPI, name: str) -> list[str]:
    """The reasons in the events that `kubectl describe` shows of a resource."""
    shown = cluster.kubectl("describe", name, "-n", NAMESPACE).stdout.partition("\nEvents:")[2]
    return re.findall(r"^  (?:Normal|Warning)  +(\w+)", shown, re.MULTILINE)


@pytest.fixture
async def jetstream(server: NatsServer) -> Any:
    connection = await nats.connect(server.url)
    yield connection.jetstream()
    await connection.close()


def test_kubectl_get_coze_shows_all_kinds_with_what_matters_first(
    cluster: KubernetesAPI, server: NatsServer
) -> None:
    apply(cluster, names.CONNECTION_KIND, "events", {"servers": [server.url]})
    apply(cluster, names.STREAM_KIND, "orders", {"connection": {"name": "events"}})
    apply(cluster, names.CONSUMER_KIND, "billing", {"streamRef": {"name": "orders"}})
    apply(cluster, names.STREAM_KIND, "refused", {"replicas": 3})
    for name in ("cozeconnection/events", "cozestream/orders", "cozeconsumer/billing"):
        wait(cluster, name, "Ready")
    wait(cluster, "cozestream/refused", "Stalled")
    tables = cluster.kubectl("get", "coze", "-A").stdout.strip().split("\n\n")
    heads = [table.splitlines()[0].split() for table in tables]
    assert [head[:4] for head in heads] == [["NAMESPACE", "NAME", "READY", "REASON"]] * 3
    assert max(len(line) for table in tables for line in table.splitlines()) <= 132
    rows = {
        row[1].partition("/")[2]: row[2:4]
        for row in (line.split() for table in tables for line in table.splitlines()[1:])
    }
    assert rows == {
        "events": ["True", "Connected"],
        "orders": ["True", "Converged"],
        "billing": ["True", "Converged"],
        "refused": ["False", "RejectedByServer"],
    }


async def test_kubectl_describe_tells_the_story_of_a_stream_in_its_events(
    cluster: KubernetesAPI, jetstream: JetStreamContext
) -> None:
    name = "cozestream/story"
    apply(cluster, names.STREAM_KIND, "story", {"replicas": 3})
    wait(cluster, name, "Stalled")
    apply(cluster, names.STREAM_KIND, "story", {"replicas": 1})
    wait(cluster, name, "Ready")
    await jetstream.delete_stream("story")
    eventually(lambda: "Recreated" in events(cluster, name), 20, "the stream's return")
    await jetstream.publish("story", b"kept")
    # Kubernetes orders events by whole seconds.
    story = {"RejectedByServer", "Recovered", "DataLossDetected", "Recreated"}
    assert set(events(cluster, name)) == story
    cluster.kubectl("delete", name, "-n", NAMESPACE, "--timeout=180s")
    after = cluster.kubectl("events", "--for", name, "-n", NAMESPACE).stdout
    assert "stream story holds 1 message and is kept in JetStream" in after
