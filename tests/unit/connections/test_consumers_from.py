"""Consumers of a CozeStream in another namespace: who may, by whose connection, and how it ends."""

import pytest

from coze_nats.controller.links import Link
from coze_nats.core.names import Reason
from coze_nats.core.references import Obstacle
from coze_nats.core.resource import Key
from support.switchboard import PLATFORM, SHOP, Switchboard


def of(board: Switchboard, key: Key) -> Link | Reason | None:
    """What the links say of a resource: its link, why it has none, or None."""
    found = board.links.of(board.kubernetes.resources[key])
    return found.reason if isinstance(found, Obstacle) else found


@pytest.fixture
async def hub(board: Switchboard) -> Key:
    """A connection that allows nobody else."""
    hub = board.connection()
    await board.connected(hub)
    return hub


async def test_a_consumer_elsewhere_uses_the_connection_of_its_stream_by_the_streams_right(
    board: Switchboard, hub: Key
) -> None:
    reader = board.consumer(namespace=SHOP, at=PLATFORM)
    board.stream()
    assert of(board, reader) is Reason.STREAM_IS_MANAGED
    board.stream(consumersFrom=["other"])
    assert of(board, reader) is Reason.STREAM_IS_MANAGED
    board.stream(consumersFrom=[SHOP])
    assert of(board, reader) is board.links[hub]
    board.stream(consumersFrom=["*"])
    assert of(board, reader) is board.links[hub]


async def test_what_keeps_a_stream_from_its_connection_is_its_own_namespaces_affair(
    board: Switchboard, hub: Key
) -> None:
    reader = board.consumer(namespace=SHOP, at=PLATFORM)
    board.stream(of="secret-hub", consumersFrom=[SHOP])
    found = board.links.of(board.kubernetes.resources[reader])
    assert isinstance(found, Obstacle)
    assert found.reason is Reason.WAITING_FOR_STREAM
    assert "secret-hub" not in found.message


async def test_nobody_is_refused_before_everything_was_listed(board: Switchboard, hub: Key) -> None:
    reader = board.consumer(namespace=SHOP, at=PLATFORM)
    board.filled.clear()
    assert of(board, reader) is None
    board.filled.set()
    assert of(board, reader) is Reason.STREAM_IS_MANAGED


async def test_a_deletion_waits_for_a_grant_and_not_for_a_stream_that_is_gone(
    board: Switchboard, hub: Key
) -> None:
    orders = board.stream(consumersFrom=[SHOP])
    reader = board.consumer(namespace=SHOP, at=PLATFORM)
    await board.reconcile(orders)
    await board.reconcile(reader)
    assert board.ready(reader) == "Converged"
    board.stream()
    board.delete(reader)
    await board.reconcile(reader)
    assert board.ready(reader) == "StreamIsManaged"
    assert "release=true" in board.message(reader)
    board.vanish(orders)
    await board.reconcile(reader)
    assert reader not in board.kubernetes.resources


async def test_a_consumer_elsewhere_holds_up_the_end_of_a_connection_only_while_it_ends(
    board: Switchboard, hub: Key
) -> None:
    orders = board.stream(consumersFrom=[SHOP])
    reader = board.consumer(namespace=SHOP, at=PLATFORM)
    await board.reconcile(orders)
    await board.reconcile(reader)
    assert board.ready(reader) == "Converged"
    board.vanish(orders)
    board.delete(reader)
    board.delete(hub)
    await board.reconcile(hub)
    assert board.ready(hub) == "InUse"
    await board.reconcile(reader)
    await board.reconcile(hub)
    assert hub not in board.kubernetes.resources


async def test_who_may_not_consume_has_no_need_of_the_connection(board: Switchboard) -> None:
    hub = board.connection(allowedNamespaces=["other"])
    await board.connected(hub)
    orders = board.stream(namespace="other", consumersFrom=[SHOP])
    reader = board.consumer(namespace=SHOP, at="other")
    await board.reconcile(orders)
    await board.reconcile(reader)
    assert board.ready(reader) == "Converged"
    board.stream(namespace="other")
    board.delete(reader)
    board.delete(hub)
    await board.reconcile(hub)
    assert hub not in board.kubernetes.resources


async def test_a_consumer_whose_stream_and_connection_are_gone_is_not_stuck(
    board: Switchboard, hub: Key
) -> None:
    orders = board.stream(consumersFrom=[SHOP])
    reader = board.consumer(namespace=SHOP, at=PLATFORM)
    await board.reconcile(orders)
    await board.reconcile(reader)
    assert board.ready(reader) == "Converged"
    board.vanish(orders)
    board.vanish(hub)
    await board.reconcile(reader)
    assert board.ready(reader) == "StreamIsManaged"
    board.delete(reader)
    await board.reconcile(reader)
    assert reader not in board.kubernetes.resources
    (event,) = [each for each in board.kubernetes.events if each.reason == "Released"]
    assert event.message.endswith("its CozeStream and connection are gone")
