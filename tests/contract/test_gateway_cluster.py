"""What only a cluster does: its nodes go down, and its lists then say less than they seem to."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controlplane.nats import NatsCluster
from coze_nats.core.errors import (
    CapacityExceeded,
    NotFound,
    OutcomeUnknown,
    Transient,
)
from coze_nats.core.live import Listing, LiveStream
from coze_nats.core.progress import is_incomplete
from coze_nats.jetstream.gateway import Gateway
from support.connections import gateway_to
from support.eventually import eventually_async
from support.suspension import resume, suspend

STREAM: dict[str, Any] = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}
CONSUMER: dict[str, Any] = {"name": "worker", "durable_name": "worker", "ack_policy": "explicit"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[NatsCluster]:
    with NatsCluster("2.14.6") as cluster:
        yield cluster


async def test_a_cluster_says_of_a_missing_stream_that_it_is_missing(cluster: NatsCluster) -> None:
    async with gateway_to(*cluster.urls) as gateway:
        calls: list[Callable[[], Any]] = [
            lambda: gateway.consumer("nowhere", "worker"),
            # The cluster itself answers with an empty list.
            lambda: gateway.consumers("nowhere"),
            lambda: gateway.create_consumer("nowhere", CONSUMER),
            lambda: gateway.update_stream({**STREAM, "name": "nowhere"}),
        ]
        for call in calls:
            with pytest.raises(NotFound) as failure:
                await call()
            assert failure.value.stream_is_missing
        assert await gateway.stream("nowhere") is None
        assert (await gateway.streams()).found == {}


async def test_a_cluster_without_room_for_the_replicas_lacks_capacity(
    cluster: NatsCluster,
) -> None:
    async with gateway_to(*cluster.urls) as gateway:
        with pytest.raises(CapacityExceeded) as failure:
            await gateway.create_stream({**STREAM, "num_replicas": 5})
    assert failure.value.err_code == 10005


@pytest.mark.slow
async def test_a_cluster_tells_which_replicas_are_behind(cluster: NatsCluster) -> None:
    async with gateway_to(*cluster.urls) as gateway:
        await gateway.create_stream({"name": "scaled", "subjects": ["scaled"]})
        created = await gateway.update_stream(
            {"name": "scaled", "subjects": ["scaled"], "num_replicas": 3}
        )
        assert is_incomplete(created)

        async def is_whole() -> LiveStream | None:
            found = await gateway.stream("scaled")
            return found if found and not is_incomplete(found) else None

        live = await eventually_async(is_whole, 30, "three current replicas")
        assert live
        assert (live.raft.members, live.raft.behind) == (3, ())
        node = next(node for node in cluster.nodes if node.name in live.raft.replicas)
    survivor = next(each for each in cluster.nodes if each is not node)
    async with gateway_to(survivor.url) as gateway:
        node.halt()

        async def is_told() -> bool:
            found = await gateway.stream("scaled")
            return bool(found and found.raft.behind == (f"{node.name} (offline)",))

        await eventually_async(is_told, 30, "the node to be told offline")
        node.restart()
        await eventually_async(is_whole, 60, "three current replicas again")


async def list_once_led(gateway: Gateway) -> Listing[LiveStream]:
    """List the streams; when the leader went down, the other nodes elect one first."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await gateway.streams()
            except (Transient, OutcomeUnknown):
                await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_streams_on_a_node_that_is_down_are_missing_not_gone_and_not_empty(
    cluster: NatsCluster,
) -> None:
    async with gateway_to(*cluster.urls) as gateway:
        created = [
            await gateway.create_stream({"name": f"s{number}", "subjects": [f"s{number}"]})
            for number in range(3)
        ]
    host = next(node for node in cluster.nodes if node.name == created[0].raft.leader)
    hosted = {stream.name for stream in created if stream.raft.leader == host.name}
    others = {stream.name for stream in created} - hosted

    async def expect_missing(gateway: Gateway) -> None:
        listing = await list_once_led(gateway)
        assert listing.missing == hosted
        assert listing.found.keys() == others

    survivor = next(node for node in cluster.nodes if node is not host)
    async with gateway_to(survivor.url, request_timeout=6) as gateway:
        # Hanging, it lets the others wait for its answer in vain.
        suspend(host)
        await expect_missing(gateway)
        resume(host)
        # Shut down, its streams are listed as missing and, besides, with an empty state.
        host.halt()
        await expect_missing(gateway)
        with pytest.raises(Transient):
            await gateway.stream(min(hosted))
