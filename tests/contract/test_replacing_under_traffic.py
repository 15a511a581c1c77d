"""Streams that are made anew while messages come: nobody is told that something lost is stored.

And who copies from them goes on. On every version, with the operator's reconciler on a bench.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from controlplane.nats import NatsServer
from coze_nats.core.live import LiveStream
from coze_nats.core.resource import Key
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.bench import Bench
from support.clock import WallClock
from support.connections import PatientGateway
from support.eventually import eventually_async

ORDERS: dict[str, Any] = {"subjects": ["orders.>"], "retention": "interest"}
ANEW = {"replacement": "Recreate"}
BETWEEN_MESSAGES = 0.005

EVERY = ("2.10.26", "2.11.11", "2.12.8", "2.14.6", "2.15.1")
FOR_LONG = tuple(
    pytest.param(version, marks=() if version == EVERY[-1] else pytest.mark.slow)
    for version in EVERY
)


@dataclass(slots=True)
class Ground:
    """A server, an operator's reconciler, and an application that publishes and works."""

    server: NatsServer
    jetstream: Gateway
    client: Client
    bench: Bench
    stored: dict[int, int] = field(default_factory=dict)
    is_over: bool = False
    received: set[int] = field(default_factory=set)

    async def publish(self) -> None:
        """Publish numbers until it is over; those that are acknowledged are `stored`."""
        number = 0
        while not self.is_over:
            number += 1
            with suppress(NatsError, TimeoutError):
                reply = await self.client.request("orders.a", str(number).encode(), timeout=1)
                self.stored[number] = json.loads(reply.data)["seq"]
            await asyncio.sleep(BETWEEN_MESSAGES)

    async def work(self) -> None:
        """Receive and acknowledge until it is over."""
        while not self.is_over:
            with suppress(NatsError, TimeoutError):
                await self.receive()

    async def receive(self) -> None:
        message = await self.client.request(
            "$JS.API.CONSUMER.MSG.NEXT.orders.reader",
            b'{"batch": 1, "expires": 50000000}',
            timeout=1,
            old_style=True,
        )
        if message.headers and "Status" in message.headers:
            return
        self.received.add(int(message.data))
        await self.client.publish(message.reply, b"+ACK")

    async def settle(self, *keys: Key) -> None:
        """Reconcile until all are Ready, as the operator would with its retries."""

        async def are_ready() -> bool:
            for key in keys:
                await self.bench.reconcile(key)
            return all(self.bench.ready(key)[0] == "True" for key in keys)

        await eventually_async(are_ready, within=30)

    async def stream(self, name: str = "orders") -> LiveStream:
        found = await self.jetstream.stream(name)
        assert found is not None
        return found


async def ground_on(server: NatsServer) -> AsyncIterator[Ground]:
    connection = Connection(ConnectionOptions(servers=(server.url,), request_timeout=10))
    await connection.start()
    await connection.wait_connected()
    gateway = PatientGateway(connection)
    for name in (await gateway.streams()).found:
        await gateway.delete_stream(name)
    client = await nats.connect(server.url)
    yield Ground(server, gateway, client, Bench(gateway, clock=WallClock()))
    await client.close()
    await connection.close()


@pytest.fixture(params=EVERY)
async def ground(
    request: pytest.FixtureRequest, run_server: Callable[..., NatsServer]
) -> AsyncIterator[Ground]:
    async for found in ground_on(run_server(request.param)):
        yield found


@pytest.fixture(params=FOR_LONG)
async def ground_for_long(
    request: pytest.FixtureRequest, run_server: Callable[..., NatsServer]
) -> AsyncIterator[Ground]:
    async for found in ground_on(run_server(request.param)):
        yield found


@pytest.fixture
async def traffic(ground: Ground) -> AsyncIterator[Callable[[], None]]:
    """Begin to publish and to work."""
    tasks: list[asyncio.Task[None]] = []
    yield lambda: tasks.extend(map(asyncio.ensure_future, (ground.publish(), ground.work())))
    ground.is_over = True
    await asyncio.gather(*tasks)


async def have_passed(ground: Ground, count: int) -> None:
    """Wait until so many more messages have been stored and received."""
    before = len(ground.stored)

    async def is_over() -> bool:
        await asyncio.sleep(0)
        return len(ground.stored) >= before + count

    await eventually_async(is_over, within=60)


async def all_are_received(ground: Ground, since: int = 0) -> None:
    """Wait until what was acknowledged from a sequence on has been received."""
    due = {number for number, sequence in ground.stored.items() if sequence >= since}

    async def are_here() -> bool:
        return due <= ground.received

    with suppress(AssertionError):
        await eventually_async(are_here, within=15)
    assert sorted(due - ground.received) == []


async def test_what_is_acknowledged_to_a_publisher_outlives_six_replacements_of_its_stream(
    ground: Ground, traffic: Callable[[], None]
) -> None:
    orders = ground.bench.stream(**ORDERS, storage="memory", policies=ANEW)
    reader = ground.bench.consumer()
    await ground.settle(orders, reader)
    traffic()
    created = {(await ground.stream()).created}
    for storage in ("file", "memory") * 3:
        await have_passed(ground, 30)
        ground.bench.stream(**ORDERS, storage=storage, policies=ANEW)
        await ground.settle(orders, reader)
        found = await ground.stream()
        assert found.config["storage"] == storage
        assert found.config["subjects"] == ["orders.>"]
        created.add(found.created)
    await have_passed(ground, 30)
    assert len(created) == 7
    await all_are_received(ground)
    assert sorted(ground.stored.values()) == sorted(set(ground.stored.values()))


@pytest.mark.parametrize("start", ["new", "last"])
async def test_a_consumer_of_new_messages_misses_none_of_those_that_the_new_stream_stores(
    ground: Ground, traffic: Callable[[], None], start: str
) -> None:
    allow = {**ANEW, "dataLoss": "Allow"}
    limits = {**ORDERS, "retention": "limits"}
    orders = ground.bench.stream(**limits, storage="memory", policies=allow)
    reader = ground.bench.consumer(deliverPolicy=start)
    await ground.settle(orders, reader)
    traffic()
    await have_passed(ground, 30)
    ground.bench.stream(**limits, storage="file", policies=allow)
    await ground.settle(orders, reader)
    await have_passed(ground, 30)
    await all_are_received(ground, since=(await ground.stream()).first_sequence)


async def test_a_stream_that_vanished_takes_nothing_in_before_its_consumers_are_back(
    ground: Ground, traffic: Callable[[], None]
) -> None:
    orders = ground.bench.stream(**ORDERS)
    reader = ground.bench.consumer()
    await ground.settle(orders, reader)
    traffic()
    await have_passed(ground, 30)
    known = (await ground.stream()).last_sequence
    await ground.jetstream.delete_stream("orders")
    await ground.settle(orders, reader)
    await have_passed(ground, 30)
    assert (await ground.stream()).last_sequence > 1_000_000
    await all_are_received(ground, since=known + 1_000)


# --- copies ---------------------------------------------------------------------------------------

ORIGIN: dict[str, Any] = {"subjects": ["orders.>"]}


async def publish(ground: Ground, count: int) -> int:
    """Store messages; returns the sequence of the first."""
    sequences = []
    for _ in range(count):
        reply = await ground.client.request("orders.a", b"x", timeout=10)
        sequences.append(json.loads(reply.data)["seq"])
    return int(sequences[0])


async def copies_hold(ground: Ground, count: int) -> None:
    async def do() -> bool:
        found = [(await ground.stream(name)).messages for name in ("mirror", "sourced")]
        return found == [count, count]

    await eventually_async(do, within=60)


async def copied(ground: Ground, **more: Any) -> Key:
    """An origin with ten messages that a mirror and a sourced stream have."""
    origin = ground.bench.stream(**ORIGIN, **more, policies={**ANEW, "dataLoss": "Allow"})
    mirror = ground.bench.stream("mirror", mirror={"name": "orders"})
    sourced = ground.bench.stream("sourced", sources=[{"name": "orders"}])
    await ground.settle(origin, mirror, sourced)
    await publish(ground, 10)
    await copies_hold(ground, 10)
    await ground.bench.reconcile(origin)
    return origin


async def test_copies_go_on_after_their_origin_was_replaced(ground_for_long: Ground) -> None:
    ground = ground_for_long
    origin = await copied(ground, storage="memory")
    ground.bench.stream(**ORIGIN, storage="file", policies={**ANEW, "dataLoss": "Allow"})
    await ground.settle(origin)
    assert await publish(ground, 10) > 10
    await copies_hold(ground, 20)


@pytest.mark.parametrize("more", [{}, {"firstSequence": 5}], ids=["", "with a first sequence"])
async def test_copies_go_on_after_their_origin_vanished(
    ground_for_long: Ground, more: dict[str, Any]
) -> None:
    ground = ground_for_long
    origin = await copied(ground, **more)
    await ground.jetstream.delete_stream("orders")
    await ground.settle(origin)
    assert await publish(ground, 10) > 1_000_000
    await copies_hold(ground, 20)


@pytest.mark.parametrize("more", [{}, {"first_seq": 5}], ids=["", "with a first sequence"])
async def test_a_stream_that_goes_on_looks_as_declared_and_keeps_its_sequences_over_restarts(
    ground: Ground, more: dict[str, Any]
) -> None:
    """An application that creates it as it is declared finds it so; nobody has published yet."""
    declared = {"firstSequence": 5} if more else {}
    origin = ground.bench.stream(**ORIGIN, **declared)
    await ground.settle(origin)
    first = await publish(ground, 3)
    await ground.bench.reconcile(origin)
    await ground.jetstream.delete_stream("orders")
    await ground.settle(origin)
    found = await ground.stream()
    assert found.config.get("first_seq") == more.get("first_seq")
    await ground.jetstream.create_stream(found.config)

    ground.server.kill()
    ground.server.restart()
    ground.server.restart()

    async def is_back() -> int:
        with suppress(NatsError, TimeoutError):
            return await publish(ground, 1)
        return 0

    next_ = await eventually_async(is_back, within=30)
    assert next_ == found.last_sequence + 1 > first + 1_000_000 - 5
