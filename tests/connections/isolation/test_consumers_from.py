"""Consumers live where the applications do: on a stream of another namespace, by its grant."""

from connections.isolation.estate import CONNECTION, CONSUMER, STREAM, Estate, connected
from support.tenant import Tenant

NOT_GRANTED = "StreamIsManaged"


def at(host: Tenant, name: str) -> dict[str, str]:
    """A reference to a CozeStream of the host."""
    return {"name": name, "namespace": host.namespace}


async def test_who_is_not_granted_a_stream_learns_nothing_of_it_and_sends_nothing(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red)
    host.stream("closed", connection={"name": "events"}, consumersFrom=["somebody-else"])
    await host.ready(STREAM, "closed")
    guest.consumer("peeping", streamRef=at(host, "closed"))
    guest.consumer("guessing", streamRef=at(host, "not-there"))
    said = [
        (await guest.stalled(CONSUMER, name, NOT_GRANTED)).replace(f" {stream} ", " … ")
        for name, stream in (("peeping", "closed"), ("guessing", "not-there"))
    ]
    assert said[0] == said[1]
    assert f"have {guest.namespace} added to its consumersFrom" in said[0]
    for system in watched.systems:
        for name in ("peeping", "guessing"):
            assert await system.heard_of(name) == []


async def test_a_granted_consumer_lives_on_the_streams_connection_and_not_on_its_own_right(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    """The guest may not use the connection itself, before or after."""
    await connected(host, watched.red)
    guest.consumer("app", streamRef=at(host, "opened"))
    await guest.stalled(CONSUMER, "app", NOT_GRANTED)
    host.stream("opened", connection={"name": "events"}, consumersFrom=[guest.namespace])
    await guest.ready(CONSUMER, "app")
    assert await watched.red.consumers("opened") == {"app": f"{guest.namespace}/app"}
    guest.stream("own", connection=at(host, "events"))
    await guest.stalled(STREAM, "own", "ConnectionNotAllowed")


async def test_a_withdrawn_grant_stops_new_work_and_keeps_the_consumer(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red)
    host.stream("taken-back", connection={"name": "events"}, consumersFrom=["*"])
    guest.consumer("worker", streamRef=at(host, "taken-back"))
    await guest.ready(CONSUMER, "worker")
    before = await watched.red.consumers("taken-back")
    host.stream("taken-back", connection={"name": "events"})
    await guest.stalled(CONSUMER, "worker", NOT_GRANTED)
    guest.consumer("worker", streamRef=at(host, "taken-back"), maxDeliver=7)
    guest.delete(CONSUMER, "worker")
    message = await guest.stalled(CONSUMER, "worker", NOT_GRANTED)
    assert "jetstream.coze.dev/release=true" in message
    assert await watched.red.consumers("taken-back") == before
    guest.annotate(CONSUMER, "worker", release="true")
    await guest.gone(CONSUMER, "worker")
    assert await watched.red.consumers("taken-back") == before


async def test_the_end_of_the_streams_namespace_leaves_nothing_stuck_in_the_other(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    """As when both are deleted: the stream's namespace first, its connection with it."""
    await connected(host, watched.red)
    host.stream("ending", connection={"name": "events"}, consumersFrom=[guest.namespace])
    guest.consumer("last", streamRef=at(host, "ending"))
    await guest.ready(CONSUMER, "last")
    host.delete(CONNECTION, "events")
    host.delete(STREAM, "ending")
    await host.gone(STREAM, "ending")
    await host.gone(CONNECTION, "events")
    assert await watched.red.stream("ending") is None
    guest.delete(CONSUMER, "last")
    await guest.gone(CONSUMER, "last")
