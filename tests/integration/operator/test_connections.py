"""Connections: what is declared on one reaches its NATS system, and no other."""

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from controlplane.nats import NatsServer
from coze_nats.core import names
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions

STREAM, CONSUMER, CONNECTION = names.STREAM_KIND, names.CONSUMER_KIND, names.CONNECTION_KIND
TOKEN = "an-example-token"
WITH_TOKEN = f'authorization {{ token: "{TOKEN}" }}'


@pytest.fixture(scope="module")
def system() -> Any:
    """A second NATS system, which asks for a token."""
    with NatsServer("2.14.6", config=WITH_TOKEN) as server:
        yield server


@pytest.fixture
async def there(system: NatsServer) -> AsyncIterator[Gateway]:
    """JetStream of the second system."""
    options = ConnectionOptions(servers=(system.url,), token=TOKEN, request_timeout=10)
    connection = Connection(options)
    await connection.start()
    await connection.wait_connected()
    yield Gateway(connection)
    await connection.close()


def secret(tenant: Any, **values: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "nats", "namespace": tenant.namespace},
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()},
    }


def connect(tenant: Any, system: NatsServer, **spec: Any) -> None:
    login = {"token": {"secretKeyRef": {"name": "nats", "key": "token"}}}
    tenant.apply(CONNECTION, "events", **{"servers": [system.url], "auth": login, **spec})


async def test_what_names_a_connection_is_made_there_and_nowhere_else(
    tenant: Any, system: NatsServer, there: Gateway, jetstream: Gateway
) -> None:
    tenant.client.create(secret(tenant, token=f"{TOKEN}\n"))
    connect(tenant, system)
    tenant.stream("orders", subjects=["orders"], connection={"name": "events"})
    tenant.consumer("reader", streamRef={"name": "orders"})
    found = await tenant.reports(CONNECTION, "events", "Ready", "Connected")
    assert found["server"] == {"version": "2.14.6", "apiLevel": 4}
    assert found["account"]["streams"]["used"] >= 0
    for kind, name in ((STREAM, "orders"), (CONSUMER, "reader")):
        status = await tenant.ready(kind, name)
        assert status["connection"] == {"namespace": tenant.namespace, "name": "events"}
    made = await there.stream("orders")
    assert made
    assert owner_of(made).endswith(f"/{tenant.namespace}/orders")
    assert await there.consumer("orders", "reader")
    assert await jetstream.stream("orders") is None


async def test_without_its_secret_a_connection_says_so_and_nothing_is_sent(
    tenant: Any, system: NatsServer
) -> None:
    connect(tenant, system)
    tenant.stream("waiting", subjects=["waiting"], connection={"name": "events"})
    message = await tenant.stalled(CONNECTION, "events", "SecretNotFound")
    assert "auth.token: there is no Secret nats" in message
    await tenant.reports(STREAM, "waiting", "Reconciling", "ConnectionNotReady")
    tenant.client.create(secret(tenant, other="x"))
    await tenant.stalled(CONNECTION, "events", "SecretKeyMissing")
    tenant.client.replace(secret(tenant, token="wrong"))
    message = await tenant.stalled(CONNECTION, "events", "AuthenticationFailed")
    assert "wrong" not in message
    tenant.client.replace(secret(tenant, token=TOKEN))
    await tenant.reports(CONNECTION, "events", "Ready", "Connected", within=40)
    await tenant.ready(STREAM, "waiting")


async def test_a_session_goes_on_without_the_secret_that_it_was_opened_with(
    tenant: Any, system: NatsServer, there: Gateway
) -> None:
    tenant.client.create(secret(tenant, token=TOKEN))
    connect(tenant, system)
    tenant.stream("kept", subjects=["kept"], connection={"name": "events"})
    await tenant.ready(STREAM, "kept")
    tenant.client.delete(secret(tenant))
    message = await tenant.stalled(CONNECTION, "events", "SecretNotFound")
    assert "the session that was opened before goes on" in message
    tenant.stream("kept", subjects=["kept", "kept.too"], connection={"name": "events"})
    await tenant.ready(STREAM, "kept")
    found = await there.stream("kept")
    assert found
    assert found.config["subjects"] == ["kept", "kept.too"]


async def test_another_namespace_needs_a_grant_and_loses_it_with_the_grant(
    tenant: Any, system: NatsServer, there: Gateway, new_tenant: Callable[[str], Any]
) -> None:
    guest = new_tenant(f"{tenant.namespace}-guest")
    reference = {"name": "events", "namespace": tenant.namespace}
    tenant.client.create(secret(tenant, token=TOKEN))
    guest.stream("shared", subjects=["shared"], connection=reference)
    before = await guest.stalled(STREAM, "shared", "ConnectionNotAllowed")
    connect(tenant, system)
    await tenant.reports(CONNECTION, "events", "Ready", "Connected")
    assert await guest.stalled(STREAM, "shared", "ConnectionNotAllowed") == before
    assert await there.stream("shared") is None
    connect(tenant, system, allowedNamespaces=[guest.namespace])
    await guest.ready(STREAM, "shared")
    assert await there.stream("shared")
    connect(tenant, system)
    await guest.stalled(STREAM, "shared", "ConnectionNotAllowed")
    guest.delete(STREAM, "shared")
    message = await guest.stalled(STREAM, "shared", "ConnectionNotAllowed")
    assert "jetstream.coze.dev/release=true" in message
    assert await there.stream("shared")
    guest.annotate(STREAM, "shared", release="true")
    await guest.gone(STREAM, "shared")
    assert await there.stream("shared")


async def test_a_connection_that_is_deleted_stays_until_its_namespace_needs_it_no_more(
    tenant: Any, system: NatsServer, there: Gateway
) -> None:
    tenant.client.create(secret(tenant, token=TOKEN))
    connect(tenant, system)
    tenant.stream("last", subjects=["last"], connection={"name": "events"})
    await tenant.ready(STREAM, "last")
    tenant.delete(CONNECTION, "events")
    tenant.client.delete(secret(tenant))
    status = await tenant.reports(CONNECTION, "events", "Reconciling", "InUse")
    assert "CozeStream" in status["conditions"][0]["message"]
    tenant.delete(STREAM, "last")
    await tenant.gone(STREAM, "last")
    await tenant.gone(CONNECTION, "events")
    assert await there.stream("last") is None
