"""What one namespace can still do to another one on a shared account, as docs/security.md says.

The rest of that list is in test_tenants.py: names and subjects of nobody, and streams of nobody.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from connections.site import auth, secret
from connections.tenants.account import CONSUMER, MESSAGES, STREAM, Account
from connections.tenants.trying import open_shop
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from coze_nats.core.names import OWNER_METADATA
from support.connections import gateway_to
from support.eventually import eventually, eventually_async
from support.impostors import impostor
from support.resources import Resources
from support.tenant import Tenant

SECURITY = Path(__file__).resolve().parents[3] / "docs" / "security.md"
INFO = {"server_id": "X", "version": "2.14.6", "max_payload": 1 << 20, "auth_required": True}
SMALL = """
accounts { small { jetstream: { max_streams: 2 }, users: [ { user: all, password: all } ] } }
no_auth_user: all
"""


async def test_refusals_name_the_resource_and_the_namespace_that_are_in_the_way(
    account: Account,
) -> None:
    await open_shop(account)
    republish = {"source": "give.*", "destination": "orders.{{wildcard(1)}}"}
    named: dict[str, tuple[str, dict[str, Any]]] = {
        "taken-name": ("OwnedByAnother", {"name": "ORDERS", "subjects": ["mine"]}),
        "taken-subject": ("SubjectOverlap", {"subjects": ["orders.more"]}),
        "copying": ("NotGranted", {"mirror": {"name": "ORDERS"}}),
        "giving": ("NotGranted", {"subjects": ["give.*"], "republish": republish}),
    }
    for name, (_, spec) in named.items():
        account.other.stream(name, storage="memory", **spec)
    account.other.consumer("reading", streamName="ORDERS")
    owner = f"{account.shop.namespace}/orders"
    for name, (reason, _) in named.items():
        assert owner in await account.other.stalled(STREAM, name, reason)
    assert owner in await account.other.stalled(CONSUMER, "reading", "StreamIsManaged")
    for name in named:
        account.other.delete(STREAM, name)
        await account.other.gone(STREAM, name)


async def test_a_stream_with_the_mark_of_another_cluster_is_out_of_reach(account: Account) -> None:
    mark = f"another-cluster/{account.other.namespace}/x"
    config = {"name": "MARKED", "subjects": ["marked.>"], "storage": "memory"}
    async with gateway_to(account.server.url) as gateway:
        await gateway.create_stream({**config, "metadata": {OWNER_METADATA: mark}})
        await account.publish("marked.a", count=MESSAGES)
    before = await account.streams()
    republish = {"source": "into.*", "destination": "marked.{{wildcard(1)}}"}
    account.other.stream("m-copy", mirror={"name": "MARKED"}, storage="memory")
    account.other.stream("m-source", sources=[{"name": "MARKED"}], storage="memory")
    account.other.stream("m-into", subjects=["into.*"], storage="memory", republish=republish)
    account.other.consumer("m-reader", streamName="MARKED")
    for name in ("m-copy", "m-source", "m-into"):
        message = await account.other.stalled(STREAM, name, "NotGranted")
        assert f"stream MARKED, which {mark} owns (cluster/namespace/name)" in message
    await account.other.stalled(CONSUMER, "m-reader", "StreamIsManaged")
    assert await account.streams() == before


async def test_a_stream_of_another_cluster_that_comes_later_is_told(account: Account) -> None:
    republish = {"source": "soon.*", "destination": "marked-later.{{wildcard(1)}}"}
    account.other.stream("soon", subjects=["soon.*"], storage="memory", republish=republish)
    await account.other.ready(STREAM, "soon")
    config = {"name": "LATER", "subjects": ["marked-later.>"], "storage": "memory"}
    async with gateway_to(account.server.url) as gateway:
        mark = {OWNER_METADATA: "another-cluster/shop/later"}
        await gateway.create_stream({**config, "metadata": mark})
    message = await account.other.stalled(STREAM, "soon", "NotGranted")
    assert "stream soon does so already in JetStream" in message


async def test_one_namespace_can_use_up_the_accounts_streams(kubernetes: KubernetesAPI) -> None:
    resources = Resources(kubernetes)
    shop, other = (Tenant(f"room-{name}", resources) for name in ("shop", "other"))
    for tenant in (shop, other):
        resources.create_namespace(tenant.namespace)
    kubeconfig = kubernetes.service_account_kubeconfig("coze-nats-system", "coze-nats-operator")
    arguments = tuple(f"--namespace={tenant.namespace}" for tenant in (shop, other))
    with (
        NatsServer(config=SMALL) as server,
        OperatorProcess(kubeconfig, server.url, arguments=arguments),
    ):
        for name in ("a", "b"):
            other.stream(name, storage="memory")
            await other.ready(STREAM, name)
        shop.stream("c", storage="memory")
        await shop.reports(STREAM, "c", "Reconciling", "InsufficientCapacity")
    resources.close()


def quota() -> dict[str, Any]:
    """The example in docs/security.md."""
    text = SECURITY.read_text(encoding="utf-8")
    [example] = [part for part in text.split("```") if "kind: ResourceQuota" in part]
    found: dict[str, Any] = yaml.safe_load(example.removeprefix("yaml"))
    return found


def test_a_resource_quota_limits_how_many_resources_a_namespace_has(
    kubernetes: KubernetesAPI,
) -> None:
    most = {"cozestreams": 20, "cozeconsumers": 50, "cozeconnections": 2}
    hard = quota()["spec"]["hard"]
    assert hard == {f"count/{kind}.{names.GROUP}": str(n) for kind, n in most.items()}
    resources = Resources(kubernetes)
    tenant = Tenant("limited", resources)
    resources.create_namespace(tenant.namespace)
    within = f"--namespace={tenant.namespace}"
    kubernetes.kubectl("apply", within, "--filename=-", input=json.dumps(quota()))
    # As kube-controller-manager counts an empty namespace; from then on the API server counts.
    counted = {"status": {"hard": hard, "used": dict.fromkeys(hard, "0")}}
    kubernetes.kubectl(
        *("patch", "resourcequota", "nats", within, "--subresource=status", "--type=merge"),
        f"--patch={json.dumps(counted)}",
    )
    servers = ["nats://nats.example.com:4222"]

    def is_refused() -> bool:
        """The API server hears of the quota a moment later."""
        third = tenant.resource(names.CONNECTION_KIND, "third", {"servers": servers})
        verdict = resources.create(third, dry_run=True)
        return not verdict.accepted and "exceeded quota: nats" in verdict.message

    for name in ("a", "b"):
        tenant.apply(names.CONNECTION_KIND, name, servers=servers)
    eventually(is_refused, 30, "the quota")
    tenant.stream("orders")
    resources.close()


async def test_secrets_of_ones_own_namespace_go_where_a_connection_says(
    account: Account,
) -> None:
    account.other.client.create(secret(account.other.namespace, "login", {"token": "my-secret"}))
    async with impostor(f"INFO {json.dumps(INFO)}\r\n".encode()) as listener:
        account.other.apply(
            names.CONNECTION_KIND,
            "listening",
            servers=[f"nats://127.0.0.1:{listener.port}"],
            auth=auth("login", {"token": "my-secret"}),
        )

        async def is_sent() -> bool:
            return b"my-secret" in listener.received

        await eventually_async(is_sent, 30, "the Secret")
        account.other.delete(names.CONNECTION_KIND, "listening")
