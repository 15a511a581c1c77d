"""The router: each resource to its connection's reconciler, or told why it can't be."""

import pytest

from coze_nats.core import names
from coze_nats.core.errors import OutcomeUnknown
from coze_nats.core.login import Login
from coze_nats.core.resource import Key
from coze_nats.reconcile import Next
from fakes.endpoint import FakeEndpoint
from support.switchboard import PLATFORM, SHOP, Switchboard
from support.until import until

NOBODY = Key(names.STREAM_KIND, SHOP, "nobody")


# --- lanes ----------------------------------------------------------------------------------------


async def test_a_resource_keeps_to_its_systems_lane_and_a_connection_to_its_own(
    board: Switchboard,
) -> None:
    hub = board.connection()
    assert board.router.lane_of(board.stream()) == hub
    assert board.router.lane_of(board.consumer()) == hub
    assert board.router.lane_of(board.stream("mine", of="")) is None
    assert board.router.lane_of(hub) == hub
    assert board.router.lane_of(NOBODY) == NOBODY


# --- working --------------------------------------------------------------------------------------


async def test_what_is_gone_needs_nothing(board: Switchboard) -> None:
    assert await board.router.reconcile(NOBODY) == Next()


async def test_a_resource_is_made_in_its_own_system_and_in_no_other(board: Switchboard) -> None:
    own = FakeEndpoint(Login(servers=("nats://own:4222",)))
    await board.links.open(None, "", own)
    own.accept()
    hub, edge = board.connection(), board.connection("edge")
    await board.connected(hub)
    await board.connected(edge)
    at_hub, at_edge = board.endpoints
    orders, reader = board.stream(), board.consumer()
    following = await board.reconcile(orders)
    assert following.wake == (reader,)
    await board.reconcile(reader)
    assert board.ready(orders) == board.ready(reader) == "Converged"
    assert board.status(orders)["connection"] == {"namespace": PLATFORM, "name": "hub"}
    assert await at_hub.jetstream.consumer("orders", "reader")
    assert await at_edge.jetstream.stream("orders") is None
    assert await own.jetstream.stream("orders") is None


async def test_who_cant_be_placed_yet_is_left_in_peace(board: Switchboard) -> None:
    board.connection()
    orders = board.stream()
    assert await board.reconcile(orders) == Next()
    assert board.status(orders) == {}


@pytest.mark.parametrize(
    "namespace, reason", [(PLATFORM, "ConnectionNotFound"), (SHOP, "ConnectionNotAllowed")]
)
async def test_who_cant_use_its_connection_says_so_once(
    board: Switchboard, namespace: str, reason: str
) -> None:
    orders = board.stream(namespace=namespace)
    for _ in range(2):
        assert await board.reconcile(orders) == Next()
        assert board.ready(orders) == reason
    assert board.kubernetes.writes == 1


async def test_a_stream_that_is_held_up_tells_its_consumers(board: Switchboard) -> None:
    reader = board.consumer()
    await board.reconcile(reader)
    assert board.ready(reader) == "WaitingForStream"
    orders = board.stream()
    assert await board.reconcile(orders) == Next(wake=(reader,))
    await board.reconcile(reader)
    assert board.ready(reader) == "ConnectionNotFound"
    assert await board.reconcile(orders) == Next(), "it is nothing new"


async def test_a_resource_that_lost_its_grant_keeps_what_its_status_knows(
    board: Switchboard,
) -> None:
    hub = board.connection(allowedNamespaces=[SHOP])
    await board.connected(hub)
    orders = board.stream(namespace=SHOP)
    await board.reconcile(orders)
    made = board.status(orders)["created"]
    calls = len(board.endpoint.jetstream.calls)
    board.connection(allowedNamespaces=[])
    await board.reconcile(orders)
    assert board.ready(orders) == "ConnectionNotAllowed"
    assert board.status(orders)["created"] == made
    assert len(board.endpoint.jetstream.calls) == calls, "nothing was asked for"


# --- deletions that can't be done -----------------------------------------------------------------


async def lost(board: Switchboard) -> Key:
    """A stream that was made, and whose connection is gone."""
    hub = board.connection()
    await board.connected(hub)
    orders = board.stream()
    await board.reconcile(orders)
    board.vanish(hub)
    return orders


async def test_the_deletion_of_what_was_made_waits_and_tells_the_way_out(
    board: Switchboard,
) -> None:
    orders = await lost(board)
    board.delete(orders)
    assert await board.reconcile(orders) == Next()
    assert board.ready(orders) == "ConnectionNotFound"
    assert board.message(orders).startswith("deletion waits: connection: there is no")
    assert f"{names.RELEASE_ANNOTATION}=true" in board.message(orders)
    assert orders in board.kubernetes.resources


async def test_a_deletion_that_waited_is_done_when_its_connection_is_back(
    board: Switchboard,
) -> None:
    orders = await lost(board)
    board.delete(orders)
    await board.reconcile(orders)
    hub = board.connection()
    await board.connected(hub)
    assert (await board.reconcile(orders)).finalized


async def test_a_released_resource_goes_and_its_stream_stays(board: Switchboard) -> None:
    orders = await lost(board)
    board.delete(orders)
    board.release(orders)
    assert await board.reconcile(orders) == Next(finalized=True)
    assert board.kubernetes.reasons(orders)[-1] == "Released"
    assert "delete_stream" not in board.endpoint.jetstream.calls


async def test_a_released_consumer_names_what_is_left(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    orders, reader = board.stream(), board.consumer()
    await board.reconcile(orders)
    await board.reconcile(reader)
    board.vanish(hub)
    board.delete(reader)
    board.release(reader)
    assert await board.reconcile(reader) == Next(finalized=True)
    (event,) = [each for each in board.kubernetes.events if each.key == reader]
    assert "consumer reader" in event.message


async def test_the_deletion_of_what_was_never_made_ends(board: Switchboard) -> None:
    orders = board.stream(namespace=SHOP)
    await board.reconcile(orders)
    assert board.ready(orders) == "ConnectionNotAllowed"
    board.delete(orders)
    assert await board.reconcile(orders) == Next(finalized=True)
    assert board.kubernetes.reasons(orders) == ["ConnectionNotAllowed"]


async def test_the_deletion_of_what_was_asked_for_and_not_answered_waits(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    orders = board.stream()
    board.endpoint.jetstream.refusals["create_stream"] = OutcomeUnknown("no answer in 30 s")
    await board.reconcile(orders)
    assert board.status(orders)["creating"] is True
    board.vanish(hub)
    await board.reconcile(orders)
    assert board.ready(orders) == "ConnectionNotFound"
    board.delete(orders)
    assert await board.reconcile(orders) == Next()
    assert "deletion waits" in board.message(orders)
    board.release(orders)
    assert await board.reconcile(orders) == Next(finalized=True)
    assert "Released" in board.kubernetes.reasons(orders)


async def test_the_deletion_of_what_nothing_is_known_of_waits(board: Switchboard) -> None:
    orders = board.stream(namespace=SHOP)
    board.delete(orders)
    for _ in range(3):
        assert await board.reconcile(orders) == Next()
        assert "deletion waits" in board.message(orders)
    board.release(orders)
    assert await board.reconcile(orders) == Next(finalized=True)


# --- events ---------------------------------------------------------------------------------------


async def test_what_looks_settled_is_compared_with_its_own_system(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    jetstream = board.endpoint.jetstream
    await until(lambda: "streams" in jetstream.calls)
    board.router.listed(board.kubernetes.resources[board.stream()])
    await until(lambda: jetstream.calls.count("streams") == 2)


async def test_what_looks_settled_and_has_no_link_waits_for_one(board: Switchboard) -> None:
    board.router.listed(board.kubernetes.resources[board.stream()])
    assert board.compared == []
    assert board.news() == set()


async def test_a_connection_that_is_gone_is_closed(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.router.gone(board.kubernetes.resources[hub])
    assert board.links[hub] is None
