"""A namespace is deleted, by a real namespace controller: its content goes in any order.

Here and not in tests/integration because the controller manager is built when it is used first,
which takes minutes.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import pytest

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.gateway import Gateway
from support import crds
from support.connections import gateway_to
from support.eventually import eventually

# Slow: kube-controller-manager is built on first use.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
KINDS = ",".join(names.PLURALS.values())
ACCOUNT = ("coze-nats-system", "coze-nats-operator")
STREAMS: Mapping[str, Mapping[str, Any]] = {
    "empty": {},
    "full": {},
    "spent": {"policies": {"deletion": "Delete"}},
    "kept": {"policies": {"deletion": "Retain"}},
    "wanted": {"retention": "interest"},
}
FULL = ("full", "spent", "kept", "wanted")


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[KubernetesAPI]:
    with KubernetesAPI(controllers=("namespace-controller",)) as api:
        crds.install(api)
        api.kubectl("apply", "-k", ROOT / "manifests" / "install")
        yield api


@dataclass(slots=True)
class Namespace:
    """A namespace with streams, each with a consumer; those of FULL hold a message."""

    name: str
    kubernetes: KubernetesAPI
    nats: NatsServer

    async def fill(self) -> None:
        self.kubernetes.kubectl("create", "namespace", self.name)
        resources = [self._resource(STREAM, name, spec) for name, spec in STREAMS.items()]
        resources += [
            self._resource(CONSUMER, name, {"streamRef": {"name": name}}) for name in STREAMS
        ]
        content = {"apiVersion": "v1", "kind": "List", "items": resources}
        self.kubernetes.kubectl("apply", "-f", "-", input=json.dumps(content))
        ready = ("--for=condition=Ready", "--timeout=180s", "--all")
        self.kubernetes.kubectl("wait", "-n", self.name, *ready, KINDS)
        client = await nats.connect(self.nats.url)
        for name in FULL:
            await client.jetstream().publish(name, b"precious")
        await client.close()

    def _resource(self, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.name}
        api = names.API_VERSION
        return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": dict(spec)}

    def delete(self) -> None:
        self.kubernetes.kubectl("delete", "namespace", self.name, "--wait=false")

    def await_end(self) -> None:
        """The namespace is gone, with all that was in it."""
        eventually(lambda: not self._found("namespace", self.name), 120, "the namespace's end")

    def left(self) -> list[Any]:
        """The resources that are still there."""
        content = self._found("-n", self.name, KINDS)
        return list(content["items"]) if content else []

    def release(self) -> None:
        """As the conditions tell to."""
        release = f"{names.RELEASE_ANNOTATION}=true"
        self.kubernetes.kubectl("annotate", "-n", self.name, KINDS, "--all", release)

    def _found(self, *what: str) -> Any:
        answer = self.kubernetes.kubectl("get", "-o", "json", "--ignore-not-found", *what)
        return json.loads(answer.stdout) if answer.stdout else None


@pytest.fixture
async def namespace(
    request: pytest.FixtureRequest, kubernetes: KubernetesAPI
) -> AsyncIterator[Namespace]:
    """One for each test, with an operator and a NATS server of its own."""
    name = request.node.name.replace("_", "-").removeprefix("test-")[:40].strip("-")
    with NatsServer() as server:
        kubeconfig = kubernetes.service_account_kubeconfig(*ACCOUNT)
        arguments = (f"--namespace={name}", "--resync-interval=2s")
        with OperatorProcess(kubeconfig, server.url, arguments=arguments):
            found = Namespace(name, kubernetes, server)
            await found.fill()
            yield found


async def is_as_the_policies_say(jetstream: Gateway) -> None:
    streams = (await jetstream.streams()).found
    left = {name: stream.messages for name, stream in streams.items()}
    assert left == {"full": 1, "kept": 1, "wanted": 1}
    for name, stream in streams.items():
        assert owner_of(stream) == ""
        consumers = (await jetstream.consumers(name)).found
        # Only an interest stream keeps its messages for a consumer.
        assert set(consumers) == ({name} if name == "wanted" else set())
        assert not any(owner_of(consumer) for consumer in consumers.values())


async def test_everything_goes_by_its_policy(namespace: Namespace) -> None:
    namespace.delete()
    namespace.await_end()
    async with gateway_to(namespace.nats.url) as jetstream:
        await is_as_the_policies_say(jetstream)


async def test_it_waits_for_nats_and_then_goes_by_itself(namespace: Namespace) -> None:
    namespace.nats.halt()
    namespace.delete()
    eventually(lambda: all_say_how_to_be_released(namespace.left()), 60, "the conditions")
    assert len(namespace.left()) == 2 * len(STREAMS)
    namespace.nats.start()
    namespace.await_end()
    async with gateway_to(namespace.nats.url) as jetstream:
        await is_as_the_policies_say(jetstream)


async def test_released_it_goes_without_nats_which_keeps_everything(namespace: Namespace) -> None:
    namespace.nats.halt()
    namespace.delete()
    eventually(lambda: all_say_how_to_be_released(namespace.left()), 60, "the conditions")
    namespace.release()
    namespace.await_end()
    namespace.nats.start()
    async with gateway_to(namespace.nats.url) as jetstream:
        streams = (await jetstream.streams()).found
        assert set(streams) == set(STREAMS)
        for name in streams:
            assert set((await jetstream.consumers(name)).found) == {name}


def all_say_how_to_be_released(left: list[Any]) -> bool:
    """Whether no finalizer is without a condition that says how to get rid of it."""
    messages = [
        condition["message"]
        for resource in left
        for condition in resource.get("status", {}).get("conditions", ())
        if condition["type"] == "Ready" and condition["status"] == "False"
    ]
    return len(messages) == len(left) and all(
        f"{names.RELEASE_ANNOTATION}=true" in message for message in messages
    )
