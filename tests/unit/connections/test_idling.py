"""A connection that nobody uses costs next to nothing, and nobody keeps more than there may be."""

from coze_nats.controller.connecting import IMPATIENT, LOOK_EVERY
from coze_nats.controller.idling import IDLE_AFTER, LOOK_AGAIN, LOOK_FOR
from coze_nats.core.resource import Key
from coze_nats.reconcile import Next
from support.switchboard import PLATFORM, Switchboard
from support.until import until


async def rested(board: Switchboard, key: Key) -> None:
    """Connect, and let the time pass after which a connection rests."""
    await board.connected(key)
    await board.later(key, IDLE_AFTER)


async def test_a_connection_that_nobody_uses_rests_after_a_while(board: Switchboard) -> None:
    hub = board.connection()
    await rested(board, hub)
    assert board.ready(hub) == "Idle"
    assert board.links[hub] is None
    await until(lambda: board.endpoint.is_closed)
    reads, writes = len(board.documents.reads), board.kubernetes.writes
    for _ in range(10):
        assert await board.later(hub, LOOK_EVERY) == Next()
    assert (len(board.documents.reads), board.kubernetes.writes) == (reads, writes)
    assert board.status(hub)["server"]["version"] == "2.14.6"


async def test_it_is_opened_as_soon_as_somebody_uses_it(board: Switchboard) -> None:
    hub = board.connection()
    await rested(board, hub)
    orders = board.stream()
    assert await board.reconcile(orders) == Next(wake=(hub,))
    assert await board.reconcile(hub) == Next(after=IMPATIENT)
    assert len(board.endpoints) == 2
    board.endpoint.accept()
    await board.reconcile(hub)
    assert board.ready(hub) == "Connected"
    await board.later(hub, 10 * IDLE_AFTER)
    assert board.ready(hub) == "Connected"
    assert board.links[hub] is not None


async def test_it_rests_again_after_its_last_user(board: Switchboard) -> None:
    hub, orders = board.connection(), board.stream()
    await rested(board, hub)
    assert board.links[hub] is not None
    board.vanish(orders)
    await board.later(hub, IDLE_AFTER - 1)
    assert board.links[hub] is not None
    await board.later(hub, 1)
    assert board.ready(hub) == "Idle"


async def test_who_asks_for_a_look_or_changes_it_has_it_tried(board: Switchboard) -> None:
    hub = board.connection()
    await rested(board, hub)
    board.request_look(hub, "now")
    await board.reconcile(hub)
    board.endpoint.accept()
    await board.reconcile(hub)
    assert board.ready(hub) == "Connected"
    await board.later(hub, IDLE_AFTER)
    assert board.ready(hub) == "Idle"
    board.connection(requestTimeout="3s")
    await board.reconcile(hub)
    assert board.links[hub] is not None


async def test_one_that_does_not_work_is_tried_now_and_then(board: Switchboard) -> None:
    hub = board.connection()
    await board.reconcile(hub)
    assert board.ready(hub) == "SecretNotFound"
    assert await board.later(hub, IDLE_AFTER) == Next(after=LOOK_AGAIN)
    reads = len(board.documents.reads)
    assert await board.later(hub, 1) == Next(after=LOOK_AGAIN - 1)
    assert board.ready(hub) == "SecretNotFound"
    assert len(board.documents.reads) == reads
    await board.later(hub, LOOK_AGAIN - 1)
    assert len(board.documents.reads) == reads + 1
    board.documents.write(PLATFORM, "login", token="first")
    await board.later(hub, LOOK_EVERY)
    board.endpoint.accept()
    await board.reconcile(hub)
    assert board.ready(hub) == "Connected"
    assert await board.later(hub, LOOK_FOR) == Next()
    assert board.ready(hub) == "Idle"


async def test_an_operator_that_starts_leaves_it_at_rest(board: Switchboard) -> None:
    hub = board.connection()
    await rested(board, hub)
    later = Switchboard(board.kubernetes)
    assert await later.reconcile(hub) == Next()
    assert later.endpoints == []
    assert later.ready(hub) == "Idle"
    assert await later.reconcile(later.stream()) == Next(wake=(hub,))


async def test_who_stands_by_keeps_no_session_for_nobody(board: Switchboard) -> None:
    hub = board.connection()
    await rested(board, hub)
    connection = board.cache.get(hub)
    assert connection
    standby = Switchboard(board.kubernetes)
    standby.documents.write(PLATFORM, "login", token="first")
    assert await standby.router.warm_up(connection) == Next(after=LOOK_EVERY)
    assert standby.endpoints == []
    standby.stream()
    await standby.router.warm_up(connection)
    assert len(standby.endpoints) == 1
    await standby.links.stop(0)


async def test_one_that_goes_is_forgotten(board: Switchboard) -> None:
    hub = board.connection()
    await rested(board, hub)
    board.delete(hub)
    assert (await board.reconcile(hub)).finalized
    assert not board.links.is_resting(hub)


async def test_above_the_limit_a_connection_says_so_and_opens_nothing() -> None:
    board = Switchboard(most=2)
    names = ("first", "second", "third")
    hubs = [board.connection(name) for name in names]
    for name, hub in zip(names, hubs, strict=True):
        board.documents.write(PLATFORM, "login", token="t")
        board.stream(f"of-{name}", of=name)
        await board.reconcile(hub)
    assert len(board.endpoints) == 2
    last = hubs[-1]
    assert board.ready(last) == "TooManyConnections"
    assert "keeps 2 connections (--max-connections)" in board.message(last)
    connection = board.cache.get(last)
    assert connection
    assert await board.router.warm_up(connection) == Next(after=LOOK_EVERY)
    assert len(board.endpoints) == 2
    board.vanish(hubs[0])
    await board.later(last, LOOK_EVERY)
    assert len(board.endpoints) == 3
    await board.links.stop(0)
