"""A CozeConnection in place of the operator's own, and policies that count for no resource."""

from connections.tenants.account import STREAM
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from support.connections import gateway_to
from support.resources import Resources
from support.tenant import Tenant

OPERATOR = ("coze-nats-system", "coze-nats-operator")


async def test_resources_that_name_no_connection_use_the_default_one_and_its_grants(
    kubernetes: KubernetesAPI,
) -> None:
    resources = Resources(kubernetes)
    home, shop = (Tenant(f"default-{name}", resources) for name in ("home", "shop"))
    for tenant in (home, shop):
        resources.create_namespace(tenant.namespace)
    with (
        NatsServer() as own,
        NatsServer() as server,
        OperatorProcess(
            kubernetes.service_account_kubeconfig(*OPERATOR),
            own.url,
            arguments=(
                *(f"--namespace={tenant.namespace}" for tenant in (home, shop)),
                f"--default-connection={home.namespace}/events",
                "--forbid-policy=adoption=Always",
                "--resync-interval=2s",
            ),
        ),
    ):
        shop.stream("early", subjects=["shop.early"], storage="memory")
        message = await shop.stalled(STREAM, "early", "ConnectionNotAllowed")
        assert f"no CozeConnection events in namespace {home.namespace}" in message
        home.apply(
            names.CONNECTION_KIND,
            "events",
            servers=[server.url],
            allowedNamespaces=[shop.namespace],
            grants=[{"namespaces": [shop.namespace], "subjects": ["shop.>"]}],
        )
        status = await shop.ready(STREAM, "early")
        assert status["connection"] == {"namespace": home.namespace, "name": "events"}
        shop.stream("wide", subjects=["else"], storage="memory")
        await shop.stalled(STREAM, "wide", "NotGranted")
        async with gateway_to(server.url) as gateway:
            assert await gateway.stream("early") is not None
            await gateway.create_stream(
                {"name": "there", "subjects": ["shop.there"], "storage": "memory", "max_msgs": 5}
            )
        async with gateway_to(own.url) as gateway:
            assert (await gateway.streams()).found == {}
        shop.stream(
            "there", subjects=["shop.there"], storage="memory", policies={"adoption": "Always"}
        )
        await shop.stalled(STREAM, "there", "NotIdentical")
        assert shop.status(STREAM, "there")["policies"]["adoption"] == "IfIdentical"
        assert (await shop.ready(STREAM, "early"))["connection"]["name"] == "events"
    resources.close()


async def test_a_connection_does_not_lead_to_the_operators_own_machine(
    kubernetes: KubernetesAPI,
) -> None:
    resources = Resources(kubernetes)
    tenant = Tenant("local-addresses", resources)
    resources.create_namespace(tenant.namespace)
    with (
        NatsServer() as server,
        OperatorProcess(
            kubernetes.service_account_kubeconfig(*OPERATOR),
            server.url,
            arguments=(f"--namespace={tenant.namespace}",),
            environment={"COZE_NATS_ALLOW_LOCAL_SERVERS": "false"},
        ),
    ):
        tenant.apply(names.CONNECTION_KIND, "inside", servers=[server.url])
        message = await tenant.stalled(names.CONNECTION_KIND, "inside", "AddressNotAllowed")
        assert "nothing was sent" in message
        tenant.stream("own", subjects=["own"], storage="memory")
        await tenant.ready(STREAM, "own")
    resources.close()
