"""A suspended connection: nothing is changed through it, by whoever's resource; drift is told."""

from connections.isolation.estate import CONNECTION, SECRET, STREAM, Estate, connected, to
from coze_nats.core.conditions import condition
from support.tenant import Tenant


def suspend(host: Tenant, estate: Estate, guest: Tenant, *, suspended: bool) -> None:
    reference = {"secretKeyRef": {"name": SECRET, "key": "token"}}
    host.apply(
        CONNECTION,
        "events",
        servers=[estate.red.url],
        auth={"token": reference},
        allowedNamespaces=[guest.namespace],
        suspend=suspended,
    )


async def test_a_suspended_connection_changes_nothing_and_tells_what_it_would(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red, guest.namespace)
    guest.stream("held", connection=to(host), maxMsgs=5)
    guest.stream("ending", connection=to(host))
    guest.stream("calm", connection=to(host))
    for name in ("held", "ending", "calm"):
        await guest.ready(STREAM, name)
    epoch = host.get(CONNECTION, "events")["status"]["server"]
    suspend(host, watched, guest, suspended=True)
    guest.stream("held", connection=to(host), maxMsgs=7)
    guest.stream("new", connection=to(host))
    for name, would in (("held", "maxMsgs 5 → 7"), ("new", "create stream new")):
        said = await guest.held(STREAM, name, "Suspended")
        assert f"CozeConnection {host.namespace}/events is suspended" in said
        assert would in said
    guest.delete(STREAM, "ending")
    message = await guest.stalled(STREAM, "ending", "Suspended")
    assert "delete stream ending" in message
    await guest.ready(STREAM, "calm")
    status = await host.reports(CONNECTION, "events", "Ready", "Connected")
    assert "nothing is changed through it" in (condition(status, "Ready") or {})["message"]
    assert status["server"] == epoch
    held = await watched.red.stream("held")
    assert held is not None
    assert held.config["max_msgs"] == 5
    assert await watched.red.stream("new") is None
    assert await watched.red.stream("ending") is not None
    suspend(host, watched, guest, suspended=False)
    await guest.ready(STREAM, "held")
    await guest.ready(STREAM, "new")
    await guest.gone(STREAM, "ending")


async def test_a_resource_is_released_while_its_connection_is_suspended(
    estate: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, estate.red, guest.namespace)
    guest.stream("released", connection=to(host))
    await guest.ready(STREAM, "released")
    suspend(host, estate, guest, suspended=True)
    guest.delete(STREAM, "released")
    assert "release=true" in await guest.stalled(STREAM, "released", "Suspended")
    guest.annotate(STREAM, "released", release="true")
    await guest.gone(STREAM, "released")
    assert await estate.red.stream("released") is not None
