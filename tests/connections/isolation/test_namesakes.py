"""Two connections of one name are two connections, in two namespaces and one after the other."""

from collections.abc import Callable

from connections.isolation.estate import (
    CONNECTION,
    CONSUMER,
    STREAM,
    Estate,
    connect,
    connected,
    put_secret,
)
from support.tenant import Tenant

HERE = {"name": "events"}


async def test_two_connections_of_one_name_in_two_namespaces_never_mix(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    """Everything has the same name: connection, Secret, stream and consumer."""
    for tenant, system in ((host, watched.red), (guest, watched.blue)):
        await connected(tenant, system)
        tenant.stream("twin", connection=HERE, subjects=[f"twin.{tenant.namespace}"])
        tenant.consumer("reader", streamRef={"name": "twin"})
    for tenant, system in ((host, watched.red), (guest, watched.blue)):
        await tenant.ready(STREAM, "twin")
        await tenant.ready(CONSUMER, "reader")
        assert await system.owner("twin") == f"{tenant.namespace}/twin"
        found = await system.stream("twin")
        assert found
        assert found.config["subjects"] == [f"twin.{tenant.namespace}"]
    assert await watched.own.heard_of("twin") == []
    await watched.crash()
    watched.operator.start()
    host.delete(CONSUMER, "reader")
    host.delete(STREAM, "twin")
    await host.gone(STREAM, "twin")
    assert await watched.red.stream("twin") is None
    assert await watched.blue.owner("twin") == f"{guest.namespace}/twin"
    await guest.ready(STREAM, "twin")


async def test_a_secret_of_another_namespace_is_never_used(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red)
    connect(guest, watched.red)
    guest.stream("borrowed", connection=HERE)
    message = await guest.stalled(CONNECTION, "events", "SecretNotFound")
    assert "auth.token: there is no Secret nats in this namespace" in message
    await guest.reports(STREAM, "borrowed", "Reconciling", "ConnectionNotReady")
    assert await watched.red.heard_of("borrowed") == []


async def test_a_connection_that_is_created_again_with_other_content_is_another_one(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red, guest.namespace)
    reference = {"name": "events", "namespace": host.namespace}
    guest.stream("moved", connection=reference)
    await guest.ready(STREAM, "moved")
    before = await watched.red.stream("moved")
    host.delete(CONNECTION, "events")
    await host.gone(CONNECTION, "events")
    await guest.stalled(STREAM, "moved", "ConnectionNotAllowed")
    put_secret(host, watched.blue.token)
    connect(host, watched.blue)
    await host.reports(CONNECTION, "events", "Ready", "Connected")
    await guest.stalled(STREAM, "moved", "ConnectionNotAllowed")
    assert await watched.blue.heard_of("moved") == []
    connect(host, watched.blue, guest.namespace)
    await guest.ready(STREAM, "moved")
    assert await watched.blue.owner("moved") == f"{guest.namespace}/moved"
    assert await watched.red.stream("moved") == before
    guest.delete(STREAM, "moved")
    await guest.gone(STREAM, "moved")
    assert await watched.blue.stream("moved") is None
    assert await watched.red.stream("moved") == before


async def test_a_connection_that_is_edited_to_another_system_leaves_the_first_one_alone(
    watched: Estate, host: Tenant
) -> None:
    await connected(host, watched.red)
    host.stream("edited", connection=HERE)
    await host.ready(STREAM, "edited")
    before = await watched.red.stream("edited")
    put_secret(host, watched.blue.token)
    connect(host, watched.blue)
    await host.event("edited", "DataLossDetected")
    await host.ready(STREAM, "edited")
    assert await watched.blue.owner("edited") == f"{host.namespace}/edited"
    assert await watched.red.stream("edited") == before


async def test_a_missing_connection_is_not_replaced_by_one_elsewhere_or_by_the_operators_own(
    watched: Estate, host: Tenant, tenant_of: Callable[[str], Tenant]
) -> None:
    other = tenant_of("other")
    await connected(other, watched.red, "*")
    host.stream("homeless", connection=HERE)
    host.consumer("homeless-reader", streamName="homeless", connection=HERE)
    for kind, name in ((STREAM, "homeless"), (CONSUMER, "homeless-reader")):
        await host.reports(kind, name, "Reconciling", "ConnectionNotFound")
    for system in watched.systems:
        assert await system.heard_of("homeless") == []
    await connected(host, watched.blue)
    await host.ready(STREAM, "homeless")
    assert await watched.blue.owner("homeless") == f"{host.namespace}/homeless"
