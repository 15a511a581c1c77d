"""Links: who may use which, who is told when one comes or goes, and what is compared."""

import asyncio

import pytest

from coze_nats.controller.links import Link
from coze_nats.core.login import Login
from coze_nats.core.names import Reason
from coze_nats.core.references import Obstacle
from coze_nats.core.resource import Key
from fakes.endpoint import FakeEndpoint
from support.switchboard import PLATFORM, SHOP, Switchboard
from support.until import until


def of(board: Switchboard, key: Key) -> Link | Reason | None:
    """What the links say of a resource: its link, why it has none, or None."""
    found = board.links.of(board.kubernetes.resources[key])
    return found.reason if isinstance(found, Obstacle) else found


async def own(board: Switchboard) -> FakeEndpoint:
    """The operator's own connection, open."""
    endpoint = FakeEndpoint(Login(servers=("nats://own:4222",)))
    await board.links.open(None, "", endpoint)
    endpoint.accept()
    return endpoint


# --- who may use which ----------------------------------------------------------------------------


async def test_a_resource_works_with_the_connection_that_it_names(board: Switchboard) -> None:
    await own(board)
    hub = board.connection()
    await board.connected(hub)
    assert of(board, board.stream()) is board.links[hub]
    assert of(board, board.consumer()) is board.links[hub]
    assert of(board, board.stream("mine", of="")) is board.links[None]
    assert board.links[hub] is not board.links[None]


async def test_two_connections_of_one_name_in_two_namespaces_are_two(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    ours, theirs = (
        board.stream(of="", namespace=namespace, connection={"name": "hub"})
        for namespace in (PLATFORM, SHOP)
    )
    assert of(board, ours) is board.links[hub]
    assert of(board, theirs) is Reason.CONNECTION_NOT_FOUND


async def test_without_an_own_connection_one_must_be_named(board: Switchboard) -> None:
    assert of(board, board.stream(of="")) is Reason.CONNECTION_NOT_FOUND
    assert of(board, board.consumer()) is Reason.CONNECTION_NOT_FOUND


async def test_a_consumer_without_its_stream_waits_for_that_and_not_for_a_connection(
    board: Switchboard,
) -> None:
    reader = board.consumer()
    board.filled.clear()
    assert of(board, reader) is None
    board.filled.set()
    assert of(board, reader) is Reason.WAITING_FOR_STREAM


async def test_nothing_is_missing_before_everything_was_listed(board: Switchboard) -> None:
    board.filled.clear()
    orders = board.stream()
    elsewhere = board.stream(namespace=SHOP)
    assert of(board, orders) is None
    assert of(board, elsewhere) is None
    board.links.tell_of_obstacles()
    assert board.news() == set()
    board.filled.set()
    assert of(board, orders) is Reason.CONNECTION_NOT_FOUND
    assert of(board, elsewhere) is Reason.CONNECTION_NOT_ALLOWED
    board.links.tell_of_obstacles()
    assert board.news() == {orders, elsewhere}


async def test_a_connection_that_nobody_has_looked_at_is_not_known_yet(
    board: Switchboard,
) -> None:
    board.connection()
    assert of(board, board.stream()) is None


@pytest.mark.parametrize("exists", [True, False], ids=["there is one", "there is none"])
async def test_who_is_not_allowed_never_learns_whether_there_is_one(
    board: Switchboard, exists: bool
) -> None:
    if exists:
        await board.connected(board.connection(allowedNamespaces=["other"]))
    user = board.stream(namespace=SHOP)
    found = board.links.of(board.kubernetes.resources[user])
    assert isinstance(found, Obstacle)
    assert found.reason is Reason.CONNECTION_NOT_ALLOWED
    assert "there is no CozeConnection hub in namespace platform that" in found.message


@pytest.mark.parametrize("allowed", [SHOP, "*"])
async def test_who_is_allowed_works_with_it(board: Switchboard, allowed: str) -> None:
    hub = board.connection(allowedNamespaces=[allowed])
    await board.connected(hub)
    assert of(board, board.stream(namespace=SHOP)) is board.links[hub]


async def test_the_session_of_a_former_connection_is_never_used_for_another(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    orders = board.stream()
    del board.kubernetes.resources[hub]
    board.connection()
    assert board.links[hub] is not None, "nobody has looked at the new one yet"
    assert of(board, orders) is None


async def test_an_unusable_connection_is_not_ready_and_only_its_namespace_learns_why(
    board: Switchboard,
) -> None:
    hub = board.connection(allowedNamespaces=[SHOP])
    await board.reconcile(hub)
    for user, said in (
        (board.stream(), "hub is not ready (SecretNotFound)"),
        (board.stream(namespace=SHOP), "hub is not ready:"),
    ):
        found = board.links.of(board.kubernetes.resources[user])
        assert isinstance(found, Obstacle)
        assert found.reason is Reason.CONNECTION_NOT_READY
        assert said in found.message


# --- who is told ----------------------------------------------------------------------------------


async def test_users_are_told_why_a_connection_is_unusable_whenever_that_changes(
    board: Switchboard,
) -> None:
    hub = board.connection()
    orders, reader = board.stream(), board.consumer()
    board.stream("mine", of="")
    await board.reconcile(hub)
    assert board.news() == {orders, reader}
    await board.reconcile(hub)
    assert board.news() == set(), "it is the same still"
    board.documents.write(PLATFORM, "login")
    await board.reconcile(hub)
    assert board.news() == {orders, reader}
    await board.reconcile(orders)
    assert "(SecretKeyMissing)" in board.message(orders)


async def test_users_and_the_connection_are_told_when_a_session_comes_and_goes(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.endpoint.end()
    assert board.news() == {hub}
    board.endpoint.accept()
    assert board.news() == {hub}


async def test_users_are_told_when_a_connection_is_gone(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    orders = board.stream()
    board.vanish(hub)
    assert board.news() == {orders}
    assert board.links[hub] is None
    assert of(board, orders) is Reason.CONNECTION_NOT_FOUND


async def test_users_are_told_when_an_unusable_connection_is_gone(board: Switchboard) -> None:
    hub = board.connection()
    await board.reconcile(hub)
    orders = board.stream()
    board.vanish(hub)
    assert board.news() == {orders}
    board.connection()
    assert of(board, orders) is None, "nothing is known of the new one"


async def test_a_connection_that_was_never_opened_can_be_closed(board: Switchboard) -> None:
    hub = board.connection()
    board.links.close(hub)
    assert board.news() == set()


# --- comparing ------------------------------------------------------------------------------------


async def test_a_new_session_has_all_users_compared_and_nobody_elses(board: Switchboard) -> None:
    hub = board.connection(allowedNamespaces=[SHOP])
    orders, mine = board.stream(), board.stream(namespace=SHOP)
    await board.connected(hub)
    await until(lambda: len(board.compared) == 2)
    assert set(board.compared) == {orders, mine}


async def test_nothing_is_compared_before_everything_was_listed_or_by_a_follower(
    board: Switchboard,
) -> None:
    board.filled.clear()
    board.begun.clear()
    hub = board.connection()
    orders = board.stream()
    await board.connected(hub)
    for event in (board.filled, board.begun):
        await _turns()
        assert "streams" not in board.endpoint.jetstream.calls
        event.set()
    await until(lambda: board.compared == [orders])


async def test_who_may_not_use_it_any_more_is_told_and_not_compared(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    orders = board.stream()
    stranger = board.stream(namespace=SHOP)
    assert [each.key for each in board.links.comparable(hub)] == [orders]
    assert board.news() == {stranger}
    await board.reconcile(stranger)
    assert board.ready(stranger) == "ConnectionNotAllowed"
    board.links.comparable(hub)
    assert board.news() == set(), "it says so already"


async def test_a_closed_link_compares_no_more(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    await until(lambda: "streams" in board.endpoint.jetstream.calls)
    former = board.endpoint
    calls = len(former.jetstream.calls)
    board.links.close(hub)
    await until(lambda: former.is_closed)
    assert len(former.jetstream.calls) == calls


# --- the whole ------------------------------------------------------------------------------------


async def test_the_state_of_all_links_is_told(board: Switchboard) -> None:
    await own(board)
    hub = board.connection()
    board.documents.write(PLATFORM, "login", token="first")
    await board.reconcile(hub)
    found = {each.name: each for each in board.links.states()}
    assert len(found) == 2
    assert not found[f"{PLATFORM}/hub"].is_up
    board.endpoint.accept()
    assert {each.is_up for each in board.links.states()} == {True}


async def test_the_end_closes_every_session_also_those_that_were_closing(
    board: Switchboard,
) -> None:
    first = await own(board)
    hub, edge = board.connection(), board.connection("edge")
    await board.connected(hub)
    await board.connected(edge)
    board.vanish(edge)
    await board.links.stop(0)
    assert first.is_closed
    assert all(endpoint.is_closed for endpoint in board.endpoints)
    left = {task.get_name() for task in asyncio.all_tasks() if not task.done()}
    assert not any(name.startswith(("resync", "close")) for name in left), left


async def _turns() -> None:
    """Let everything that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)
