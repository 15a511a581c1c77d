"""Three servers with TLS, whose users log in by JWT: replicas, placement, and nodes that go."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from connections.systems import Identities
from controlplane import ports
from controlplane.nats import NatsCluster, NatsServer
from coze_nats.core.errors import (
    AlreadyExists,
    CapacityExceeded,
    OutcomeUnknown,
    Transient,
    Unavailable,
)
from coze_nats.core.live import LiveStream
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from support.connections import connected
from support.eventually import eventually_async
from support.until import until

AGAIN = (OutcomeUnknown, Transient, Unavailable, CapacityExceeded)
"""What a cluster answers while it looks for a leader; the operator's queue tries again, too."""


@asynccontextmanager
async def connected_to(
    cluster: NatsCluster, identities: Identities, **more: Any
) -> AsyncIterator[Connection]:
    options = {
        "ca": identities.authority.certificate.read_text(),
        "creds": identities.user.creds,
        "request_timeout": 10,
        **more,
    }
    async with connected(*cluster.urls, **options) as connection:
        yield connection


def stream(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "subjects": [f"{name}.>"], "storage": "file", **more}


async def updated(gateway: Gateway, config: dict[str, Any]) -> LiveStream:
    """Update a stream as soon as the cluster can."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await gateway.update_stream(config)
            except AGAIN:
                await asyncio.sleep(0.2)


async def replicas_become(gateway: Gateway, name: str, nodes: set[str]) -> None:
    """Wait until a stream is led, and is on these nodes."""

    async def look() -> bool:
        found = await gateway.stream(name)
        assert found
        return bool(found.raft.leader) and {found.raft.leader, *found.raft.replicas} == nodes

    await eventually_async(look, 60)


async def test_replicas_go_from_one_to_three_and_back(
    cluster: NatsCluster, identities: Identities
) -> None:
    everywhere = {node.name for node in cluster.nodes}
    async with connected_to(cluster, identities) as connection:
        assert connection.cluster == cluster.name
        gateway = Gateway(connection)
        created = await gateway.create_stream(stream("orders"))
        consumer = {"durable_name": "work", "ack_policy": "explicit"}
        await gateway.create_consumer("orders", consumer)
        await updated(gateway, {**created.config, "num_replicas": 3})
        await replicas_become(gateway, "orders", everywhere)
        await updated(gateway, {**created.config, "num_replicas": 1})

        async def is_alone() -> bool:
            found = await gateway.stream("orders")
            assert found
            return bool(found.raft.leader) and not found.raft.replicas

        await eventually_async(is_alone, 60)
        found = await gateway.stream("orders")
        assert found
        assert found.created == created.created
        assert await gateway.consumer("orders", "work")
        await gateway.delete_stream("orders")


async def test_placement_by_tag_and_cluster_is_followed(
    cluster: NatsCluster, identities: Identities
) -> None:
    async with connected_to(cluster, identities) as connection:
        gateway = Gateway(connection)
        for number, node in enumerate(cluster.nodes):
            placement = {"cluster": cluster.name, "tags": [f"node:{number}"]}
            placed = await gateway.create_stream(stream("placed", placement=placement))
            assert placed.raft.leader == node.name
            await gateway.delete_stream("placed")
        for impossible in ({"cluster": "nowhere"}, {"tags": ["node:9"]}):
            with pytest.raises(CapacityExceeded):
                await gateway.create_stream(stream("placed", placement=impossible))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_death_of_the_meta_leader_during_creations_makes_nothing_twice(
    cluster: NatsCluster, identities: Identities
) -> None:
    names = [f"s{number}" for number in range(50)]
    async with connected_to(cluster, identities) as connection:
        gateway = Gateway(connection)
        leader = await asyncio.to_thread(cluster.await_leader)
        made: dict[str, str] = {}

        async def create(name: str) -> None:
            """Create a stream as the operator would: look again after every doubt."""
            while name not in made:
                try:
                    found = await gateway.stream(name)
                    found = found or await gateway.create_stream(stream(name, num_replicas=3))
                    made[name] = found.created
                except (*AGAIN, AlreadyExists):
                    await asyncio.sleep(0.2)

        async with asyncio.timeout(200):
            creating = asyncio.gather(*map(create, names))
            await until(lambda: made, within=60)
            await asyncio.to_thread(leader.kill)
            assert len(made) < len(names)
            await creating
        await asyncio.to_thread(leader.restart)
        await asyncio.to_thread(cluster.await_leader)

        async def all_listed() -> bool:
            try:
                listing = await gateway.streams()
            except AGAIN:
                return False
            # Not even while a node is away is a stream read as gone.
            assert listing.found.keys() | listing.missing == set(names)
            return not listing.missing

        await eventually_async(all_listed, 60)
        listing = await gateway.streams()
        assert {name: found.created for name, found in listing.found.items()} == made
        await asyncio.gather(*map(gateway.delete_stream, names))


async def test_a_node_in_lame_duck_mode_is_left_without_losing_a_request(
    cluster: NatsCluster, identities: Identities
) -> None:
    leader = await asyncio.to_thread(cluster.await_leader)
    leaving = next(node for node in cluster.nodes if node is not leader)
    first = [leaving.url, *(node.url for node in cluster.nodes if node is not leaving)]
    answered = 0
    ending = False
    options = {
        "ca": identities.authority.certificate.read_text(),
        "creds": identities.user.creds,
        "request_timeout": 10,
    }
    async with connected(*first, **options) as connection:
        gateway = Gateway(connection)

        async def ask() -> None:
            nonlocal answered
            while not ending:
                await gateway.account()
                answered += 1

        asking = [asyncio.create_task(ask()) for _ in range(16)]
        await until(lambda: answered > 100)
        assert connection.address == leaving.url
        assert leaving.process
        leaving.process.send_signal(signal.SIGUSR2)
        await until(lambda: connection.epoch == 2)
        assert connection.address != leaving.url
        before = answered
        await until(lambda: answered > before + 100)
        ending = True
        # None of them has failed.
        await asyncio.gather(*asking)
    await asyncio.to_thread(leaving.kill)
    await asyncio.to_thread(leaving.restart)
    await asyncio.to_thread(cluster.await_leader)


@pytest.mark.slow
async def test_credentials_go_to_no_server_but_those_that_are_named(
    cluster: NatsCluster, identities: Identities
) -> None:
    named, *others = cluster.nodes
    options = {
        "ca": identities.authority.certificate.read_text(),
        "creds": identities.user.creds,
    }
    async with connected(named.url, **options) as connection:
        before = [node.monitor("/varz")["total_connections"] for node in others]
        await asyncio.to_thread(named.kill)
        # Several attempts, with others in the cluster that advertise themselves.
        await until(lambda: connection.last_error == f"{named.url}: connection refused")
        await asyncio.to_thread(named.restart)
        await until(lambda: connection.is_connected, within=30)
        assert [node.monitor("/varz")["total_connections"] for node in others] == before
    await asyncio.to_thread(cluster.await_leader)


async def test_creations_in_a_cluster_are_few_at_once_and_other_requests_are_not_held_up() -> None:
    config = f'cluster {{ name: "coze", listen: "127.0.0.1:{ports.free()}" }}\njetstream: disabled'
    with NatsServer("2.14.6", config=config) as server:
        responder = Client()
        await responder.connect(server.url)
        waiting: dict[str, Msg] = {}

        async def keep(message: Msg) -> None:
            waiting[message.subject.removeprefix("$JS.API.")] = message

        await responder.subscribe("$JS.API.>", cb=keep)
        await responder.flush()
        async with connected(server.url) as connection:
            gateway = Gateway(connection)
            creating = [
                asyncio.create_task(gateway.create_stream({"name": f"s{number}"}))
                for number in range(20)
            ]
            asked = asyncio.create_task(gateway.account())
            await until(lambda: "INFO" in waiting)
            assert len(waiting) == 1 + 6
            refusal = json.dumps({"error": {"err_code": 10025, "description": "no"}}).encode()
            while not all(task.done() for task in creating):
                for subject in list(waiting):
                    assert len(waiting) <= 1 + 6
                    await waiting.pop(subject).respond(refusal)
                await asyncio.sleep(0)
            await asyncio.gather(asked, *creating, return_exceptions=True)
        await responder.close()
