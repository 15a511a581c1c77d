"""Who is deleted while its connection is gone ends or waits, and touches no other system."""

from connections.isolation.estate import (
    CONNECTION,
    CONSUMER,
    STREAM,
    Estate,
    connect,
    connected,
    put_secret,
    secret,
    to,
)
from coze_nats.core.conditions import condition
from support.eventually import eventually_async
from support.tenant import Tenant

HERE = {"name": "events"}
RELEASE = "jetstream.coze.dev/release=true"


async def test_a_connection_in_use_stays_until_its_namespace_is_done_with_it(
    watched: Estate, host: Tenant
) -> None:
    await connected(host, watched.red)
    host.stream("first", connection=HERE)
    host.consumer("first-reader", streamRef={"name": "first"})
    await host.ready(CONSUMER, "first-reader")
    host.delete(CONNECTION, "events")
    status = await host.reports(CONNECTION, "events", "Reconciling", "InUse")
    message = (condition(status, "Ready") or {})["message"]
    assert f"CozeStream {host.namespace}/first" in message
    assert f"CozeConsumer {host.namespace}/first-reader" in message
    host.stream("first", connection=HERE, maxMsgs=7)
    await host.ready(STREAM, "first")
    host.delete(STREAM, "first")
    await host.gone(STREAM, "first")
    assert await watched.red.stream("first") is None
    assert host.get(CONNECTION, "events")
    host.delete(CONSUMER, "first-reader")
    await host.gone(CONSUMER, "first-reader")
    await host.gone(CONNECTION, "events")


async def test_users_elsewhere_do_not_hold_a_connection(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red, guest.namespace)
    guest.stream("left", connection=to(host))
    await guest.ready(STREAM, "left")
    before = await watched.red.stream("left")
    host.delete(CONNECTION, "events")
    await host.gone(CONNECTION, "events")
    await guest.stalled(STREAM, "left", "ConnectionNotAllowed")
    guest.delete(STREAM, "left")
    message = await guest.stalled(STREAM, "left", "ConnectionNotAllowed")
    assert RELEASE in message
    guest.annotate(STREAM, "left", release="true")
    await guest.gone(STREAM, "left")
    assert await watched.red.stream("left") == before


async def test_who_may_not_use_a_connection_does_not_hold_it(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    """Not even one that had been allowed, and waits to be deleted."""
    await connected(host, watched.red, guest.namespace)
    guest.stream("banned", connection=to(host))
    await guest.ready(STREAM, "banned")
    connect(host, watched.red)
    await guest.stalled(STREAM, "banned", "ConnectionNotAllowed")
    guest.delete(STREAM, "banned")
    await guest.stalled(STREAM, "banned", "ConnectionNotAllowed")
    host.delete(CONNECTION, "events")
    await host.gone(CONNECTION, "events")
    assert await watched.red.owner("banned") == f"{guest.namespace}/banned"


async def test_who_is_elsewhere_and_being_deleted_is_deleted_first(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red, guest.namespace)
    guest.stream("leaving", connection=to(host))
    await guest.ready(STREAM, "leaving")
    guest.delete(STREAM, "leaving")
    host.delete(CONNECTION, "events")
    await guest.gone(STREAM, "leaving")
    await host.gone(CONNECTION, "events")
    assert await watched.red.stream("leaving") is None


async def test_a_deletion_waits_for_a_connection_that_was_released_and_touches_no_namesake(
    watched: Estate, host: Tenant
) -> None:
    """In the operator's own system there is a stream of that name, with that very owner."""
    await connected(host, watched.red)
    host.stream("orphan", connection=HERE)
    await host.ready(STREAM, "orphan")
    before = await watched.red.stream("orphan")
    assert before
    await watched.own.create("orphan", metadata=before.config["metadata"])
    namesake = await watched.own.stream("orphan")
    heard = await watched.own.heard_of("orphan")
    host.delete(CONNECTION, "events")
    await host.reports(CONNECTION, "events", "Reconciling", "InUse")
    host.annotate(CONNECTION, "events", release="true")
    await host.gone(CONNECTION, "events")
    host.delete(STREAM, "orphan")
    status = await host.reports(STREAM, "orphan", "Reconciling", "ConnectionNotFound")
    assert RELEASE in (condition(status, "Ready") or {})["message"]
    assert [item for item in await watched.own.heard_of("orphan") if "DELETE" in item] == []
    host.annotate(STREAM, "orphan", release="true")
    await host.gone(STREAM, "orphan")
    assert await watched.red.stream("orphan") == before
    assert await watched.own.stream("orphan") == namesake
    assert heard


async def test_a_deletion_goes_on_when_the_connection_comes_back(
    watched: Estate, host: Tenant
) -> None:
    await connected(host, watched.red)
    host.stream("patient", connection=HERE)
    await host.ready(STREAM, "patient")
    host.delete(CONNECTION, "events")
    host.annotate(CONNECTION, "events", release="true")
    await host.gone(CONNECTION, "events")
    host.delete(STREAM, "patient")
    await host.reports(STREAM, "patient", "Reconciling", "ConnectionNotFound")
    assert await watched.red.stream("patient")
    connect(host, watched.red)
    await host.gone(STREAM, "patient")
    assert await watched.red.stream("patient") is None


async def test_a_deletion_waits_for_a_secret_that_is_gone(watched: Estate, host: Tenant) -> None:
    await connected(host, watched.red)
    host.stream("locked", connection=HERE)
    await host.ready(STREAM, "locked")
    host.client.delete(secret(host, ""))
    await watched.crash()
    watched.operator.start()
    await host.stalled(CONNECTION, "events", "SecretNotFound")
    host.delete(STREAM, "locked")
    status = await host.reports(STREAM, "locked", "Reconciling", "ConnectionNotReady")
    assert RELEASE in (condition(status, "Ready") or {})["message"]
    assert await watched.red.stream("locked")
    put_secret(host, watched.red.token)
    await host.gone(STREAM, "locked")
    assert await watched.red.stream("locked") is None


async def test_what_was_never_made_goes_without_its_connection(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    """Nothing of it can be anywhere, so nothing has to be waited for."""
    await connected(host, watched.red)
    guest.stream("never", connection=to(host))
    await guest.stalled(STREAM, "never", "ConnectionNotAllowed")
    guest.delete(STREAM, "never")
    await guest.gone(STREAM, "never")
    host.stream("nowhere", connection={"name": "missing"})
    await host.reports(STREAM, "nowhere", "Reconciling", "ConnectionNotFound")
    host.delete(STREAM, "nowhere")
    await host.gone(STREAM, "nowhere")


async def test_a_whole_namespace_that_is_deleted_in_any_order_comes_to_its_end(
    watched: Estate, host: Tenant
) -> None:
    """As a namespace's deletion does: the Secret first, and everything else at once."""
    await connected(host, watched.red)
    host.stream("content", connection=HERE)
    host.consumer("content-reader", streamRef={"name": "content"})
    await host.ready(CONSUMER, "content-reader")
    host.client.delete(secret(host, ""))
    host.delete(CONNECTION, "events")
    host.delete(STREAM, "content")
    host.delete(CONSUMER, "content-reader")

    async def is_empty() -> bool:
        return not any(
            host.client.all_of(kind, host.namespace) for kind in (STREAM, CONSUMER, CONNECTION)
        )

    await eventually_async(is_empty, 30, "an empty namespace")
    assert await watched.red.stream("content") is None


FOREIGN = "example.com/keep"


async def test_somebody_elses_finalizer_on_a_users_resource_holds_no_connection(
    estate: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, estate.red, guest.namespace)
    kept = guest.resource(STREAM, "kept", {"connection": to(host)})
    kept["metadata"]["finalizers"] = [FOREIGN]
    assert guest.client.create(kept).accepted
    await guest.ready(STREAM, "kept")
    guest.delete(STREAM, "kept")

    async def let_go() -> bool:
        return bool(guest.get(STREAM, "kept")["metadata"]["finalizers"] == [FOREIGN])

    await eventually_async(let_go, 60, "the operator's finalizer to go")
    host.delete(CONNECTION, "events")
    await host.gone(CONNECTION, "events")
    assert guest.client.release(kept).accepted
    await guest.gone(STREAM, "kept")


async def test_a_connection_goes_as_soon_as_the_operator_is_done_with_its_last_user(
    estate: Estate, host: Tenant
) -> None:
    await connected(host, estate.red)
    kept = host.resource(STREAM, "kept-here", {"connection": HERE})
    kept["metadata"]["finalizers"] = [FOREIGN]
    assert host.client.create(kept).accepted
    await host.ready(STREAM, "kept-here")
    host.delete(CONNECTION, "events")
    await host.reports(CONNECTION, "events", "Reconciling", "InUse")
    host.delete(STREAM, "kept-here")
    await host.gone(CONNECTION, "events")
    assert host.get(STREAM, "kept-here")
    assert host.client.release(kept).accepted
