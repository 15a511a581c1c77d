"""What was declared before it was refused: it is told, left, and released without its danger."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from connections.tenants.account import STREAM, Account
from connections.tenants.conftest import INSTALL
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from support import crds
from support.connections import gateway_to
from support.eventually import eventually, eventually_async
from support.resources import Resources
from support.tenant import Tenant

CLUSTER = "before"
PURGING = {"src": "orders.*", "dest": "$JS.API.STREAM.PURGE.victim"}
SPEC: dict[str, Any] = {
    "sources": [{"name": "orders"}],
    "storage": "memory",
    "republish": {"source": PURGING["src"], "destination": PURGING["dest"]},
    "policies": {"deletion": "Retain"},
}


def without_rules(document: Any) -> Any:
    """A CRD as it was before there were such rules."""
    if isinstance(document, list):
        return [without_rules(item) for item in document]
    if not isinstance(document, dict):
        return document
    kept = {k: v for k, v in document.items() if k != "x-kubernetes-validations"}
    return {key: without_rules(value) for key, value in kept.items()}


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[KubernetesAPI]:
    with KubernetesAPI() as api:
        api.kubectl("apply", "-k", INSTALL)
        crds.await_served(api)
        for path in (crds.ROOT / "crds").glob("*.yaml"):
            document = without_rules(yaml.safe_load(path.read_text(encoding="utf-8")))
            api.kubectl("replace", "--filename=-", input=json.dumps(document))
        resources = Resources(api)
        refused_once = Tenant("default", resources).resource(STREAM, "copy", SPEC)
        eventually(
            lambda: resources.create(refused_once, dry_run=True).accepted, 60, "the former CRDs"
        )
        resources.close()
        yield api


@pytest.mark.slow
@pytest.mark.parametrize("version", ["2.10.26", "2.15.1"])
async def test_what_exists_is_told_left_and_released_without_its_danger(
    kubernetes: KubernetesAPI, version: str
) -> None:
    resources = Resources(kubernetes)
    namespace = f"before-{version.replace('.', '-')}"
    resources.create_namespace(namespace)
    tenant = Tenant(namespace, resources)
    with NatsServer(version) as server:
        account = Account(server, kubernetes, tenant, tenant)
        async with gateway_to(server.url) as gateway:
            for name in ("orders", "victim"):
                await gateway.create_stream(
                    {"name": name, "subjects": [f"{name}.*"], "storage": "memory"}
                )
            owner = {names.OWNER_METADATA: f"{CLUSTER}/{namespace}/copy"}
            await gateway.create_stream(
                {
                    "name": "copy",
                    "sources": [{"name": "orders"}],
                    "storage": "memory",
                    "republish": PURGING,
                    "metadata": owner,
                }
            )
        tenant.stream("copy", **SPEC)
        kubeconfig = kubernetes.service_account_kubeconfig("coze-nats-system", "coze-nats-operator")
        arguments = (f"--namespace={namespace}", f"--cluster-id={CLUSTER}", "--resync-interval=2s")
        with OperatorProcess(kubeconfig, server.url, arguments=arguments):
            message = await tenant.stalled(STREAM, "copy", "ForbiddenSubject")
            assert "stream copy does so already in JetStream (republish.destination" in message
            before = (await account.streams())["copy"]
            assert before[0]["republish"]["dest"] == PURGING["dest"]
            tenant.delete(STREAM, "copy")
            await tenant.gone(STREAM, "copy")
            kept = (await account.streams())["copy"]
            assert "republish" not in kept[0]
            assert kept[1:] == before[1:]
            await account.publish("victim.a", "orders.a", count=3)

            async def copied() -> bool:
                return bool((await account.streams())["copy"][1] == 3)

            await eventually_async(copied, 30, "the copy that goes on")
            assert (await account.streams())["victim"][1] == 3
    resources.close()
