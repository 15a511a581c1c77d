"""That an object is known again: on every version, over restarts, upgrades, leaders and disks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
import pytest
from nats.errors import NoRespondersError

from controlplane.nats import NatsCluster, NatsServer
from coze_nats.core.errors import OutcomeUnknown, Transient, Unavailable
from coze_nats.core.incarnation import Incarnation, keeps_created
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.jetstream.gateway import Gateway
from fakes.kubernetes import FakeKubernetes
from support.bench import Bench
from support.connections import gateway_to
from support.snapshots import restored, saved
from support.traffic import Traffic

VERSIONS = ("2.10.26", "2.11.11", "2.12.8", "2.14.6", "2.15.1")

Object = LiveStream | LiveConsumer

STREAMS: dict[str, dict[str, Any]] = {
    "full": {},
    "fresh": {},
    "limited": {"max_msgs": 2},
    "emptied": {"retention": "workqueue"},
    "shortlived": {"max_age": 100_000_000, "duplicate_window": 100_000_000},
}
READER = {"durable_name": "reader", "name": "reader", "ack_policy": "explicit"}


@dataclass
class Site:
    """Streams of several kinds with a consumer each, and all that was ever known of them."""

    gateway: Gateway
    traffic: Traffic
    known: dict[str, list[Incarnation]] = field(default_factory=dict)

    async def fill(self, **config: Any) -> None:
        for name, special in STREAMS.items():
            subjects = [] if name == "fresh" else [name] * 3
            await self._create({"name": name, **special, **config})
            await self.gateway.create_consumer(name, READER)
            await self.publish(*subjects)
            await self.traffic.receive(name, "reader", *[True for _ in subjects])

    async def _create(self, config: dict[str, Any]) -> None:
        """Create a stream; one request may stay unanswered where a cluster has just formed."""
        try:
            await self.gateway.create_stream(config)
        except OutcomeUnknown:
            await self.gateway.create_stream(config)

    async def publish(self, *subjects: str) -> None:
        """Publish, as soon as the stream of each subject is led."""
        async with asyncio.timeout(60):
            for subject in subjects:
                while True:
                    try:
                        await self.traffic.publish(subject)
                        break
                    except NoRespondersError:
                        continue

    async def update(self) -> None:
        """Change every stream a little."""
        for name in STREAMS:
            live = await self.gateway.stream(name)
            assert live
            config = dict(live.config)
            config["max_consumers"] = -1
            config["description"] = config.get("description", "") + "x"
            await self.gateway.update_stream(config)

    async def seen(self) -> dict[str, Object]:
        """All streams and consumers, once every one of them is led."""
        async with asyncio.timeout(60):
            while True:
                found: dict[str, Object | None] = {}
                try:
                    for name in STREAMS:
                        found[name] = await self.gateway.stream(name)
                        found[f"{name}.reader"] = await self.gateway.consumer(name, "reader")
                except (OutcomeUnknown, Transient, Unavailable):
                    continue
                if not any(live and live.raft.is_leaderless for live in found.values()):
                    return {name: live for name, live in found.items() if live}

    async def lost(self) -> set[str]:
        """What doesn't go on from all that was known; what is found is known from then on."""
        found = await self.seen()
        server = await self.gateway.server()
        lost = {
            name
            for name, known in self.known.items()
            if name not in found or not all(each.goes_on(found[name]) for each in known)
        }
        for name, live in found.items():
            status = {
                "created": live.created,
                "createdIsKept": keeps_created(server, live),
                "lastSequence": getattr(live, "last_sequence", 0),
                **Incarnation.of(live).as_status(),
            }
            known = Incarnation.from_status(status)
            assert known
            self.known.setdefault(name, []).append(known)
        return lost


@asynccontextmanager
async def at(*urls: str, known: dict[str, list[Incarnation]] | None = None) -> AsyncIterator[Site]:
    async with gateway_to(*urls) as gateway:
        client = await nats.connect(list(urls), connect_timeout=10)
        try:
            yield Site(gateway, Traffic(client), {} if known is None else known)
        finally:
            await client.close()


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_updated_between_restarts_goes_on(
    version: str, run_server: Callable[..., NatsServer]
) -> None:
    server = run_server(version)
    async with at(server.url) as site:
        await site.fill()
        assert await site.lost() == set()
        known = site.known
    for _ in range(3):
        server.restart()
        async with at(server.url, known=known) as site:
            await site.update()
            assert await site.lost() == set()
            await site.publish("full", "limited")
            await site.gateway.create_stream({"name": "idem"})
            await site.gateway.create_stream({"name": "idem"})


@pytest.mark.slow
async def test_what_is_on_a_server_that_is_upgraded_in_place_goes_on(
    run_server: Callable[..., NatsServer],
) -> None:
    server = run_server(VERSIONS[0])
    async with at(server.url) as site:
        await site.fill()
        assert await site.lost() == set()
        known = site.known
    for version in VERSIONS:
        for _ in range(2):
            server.halt()
            server.version = version
            server.start()
            async with at(server.url, known=known) as site:
                assert await site.lost() == set()
                await site.update()
                await site.publish("full", "limited", "emptied", "shortlived")


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_deleted_and_made_again_by_hand_does_not_go_on(
    version: str, run_server: Callable[..., NatsServer]
) -> None:
    server = run_server(version)
    async with at(server.url) as site:
        await site.fill()
        assert await site.lost() == set()
        for name, special in STREAMS.items():
            await site.gateway.delete_stream(name)
            await site.gateway.create_stream({"name": name, **special})
        lost = {name for name in await site.lost() if "." not in name}
        # An empty one that was never used is told from the next only where `created` tells.
        told = {"fresh"} if (await site.gateway.server()).api_level >= 4 else set()
        assert lost == set(STREAMS) - {"fresh"} | told


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_restart_after_an_update_is_no_loss_and_no_reason_to_write(
    version: str, run_server: Callable[..., NatsServer]
) -> None:
    server, kubernetes, before = run_server(version), FakeKubernetes(), 0
    for number in range(4):
        async with at(server.url) as site:
            bench = Bench(site.gateway, kubernetes=kubernetes)
            hold = {"missing": "Hold"}
            orders = bench.stream(description="first", policies=hold)
            reader = bench.consumer(policies=hold)
            await bench.settle(orders, reader)
            writes = kubernetes.writes
            await bench.settle(orders, reader)
            assert bench.ready(orders) == bench.ready(reader) == ("True", "Converged")
            assert kubernetes.writes == writes
            assert number == 0 or writes == before
            bench.stream(description=f"changed {number}", policies=hold)
            await bench.settle(orders)
            bench.stream(description="first", policies=hold)
            await bench.settle(orders)
            before = kubernetes.writes
            await site.publish("orders")
        server.restart()
    assert kubernetes.reasons() == []


@pytest.mark.parametrize("was_seen", [False, True], ids=["unseen", "seen gone"])
@pytest.mark.parametrize("version", ["2.12.8", "2.14.6", "2.15.1"])
async def test_a_stream_that_is_restored_from_a_snapshot_goes_on_with_its_consumers(
    version: str, was_seen: bool, run_server: Callable[..., NatsServer]
) -> None:
    """On 2.15 a restored consumer has another time of creation: held, it is taken for another."""
    hold = {"missing": "Hold"}
    server = run_server(version)
    async with at(server.url) as site:
        client = await nats.connect(server.url)
        bench = Bench(site.gateway)
        orders = bench.stream(policies=hold)
        reader = bench.consumer(policies={} if version == "2.15.1" else hold)
        await bench.settle(orders, reader)
        await site.publish(*["orders"] * 10)
        await site.traffic.receive("orders", "reader", *[True] * 4)
        bench.clock.advance(3600)
        await bench.settle(orders, reader)
        backup = await saved(client, "orders")
        await site.gateway.delete_stream("orders")
        if was_seen:
            await bench.settle(orders, reader)
            assert bench.ready(orders) == ("False", "Missing")
        await restored(client, backup)
        await client.close()
        bench.restart()
        await bench.settle(orders, reader)
        assert bench.ready(orders) == bench.ready(reader) == ("True", "Converged")
        lost = ["DataLossDetected", "Missing", "Recovered"] if was_seen else []
        assert bench.kubernetes.reasons(orders) == lost
        received = await site.traffic.receive("orders", "reader", *[True] * 10)
        assert [message.sequence for message in received] == [5, 6, 7, 8, 9, 10]


async def test_one_that_has_more_than_the_former_one_had_does_not_go_on(
    jetstream: Gateway, nats_server: NatsServer
) -> None:
    async with at(nats_server.url) as site:
        await jetstream.create_stream({"name": "full"})
        await site.publish("full", "full")
        before = await jetstream.stream("full")
        await jetstream.delete_stream("full")
        await jetstream.create_stream({"name": "full"})
        await site.publish(*["full"] * 5)
        now = await jetstream.stream("full")
    assert before
    assert now
    assert not Incarnation.of(before).goes_on(now)


@pytest.fixture
def run_cluster() -> Iterator[Callable[[str], NatsCluster]]:
    clusters: list[NatsCluster] = []

    def run(version: str) -> NatsCluster:
        clusters.append(NatsCluster(version))
        return clusters[-1].start()

    yield run
    for cluster in clusters:
        cluster.stop()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("replicas", [1, 3])
async def test_what_is_in_a_cluster_goes_on_over_moves_and_restarts(
    version: str, replicas: int, run_cluster: Callable[[str], NatsCluster]
) -> None:
    cluster = run_cluster(version)
    async with at(*cluster.urls) as site:
        await site.fill(num_replicas=replicas)
        assert await site.lost() == set()
        await site.update()
        known = site.known
    cluster.restart()
    async with at(*cluster.urls, known=known) as site:
        assert await site.lost() == set()
        await site.update()
        await site.publish("full", "limited")
    for node in cluster.nodes:
        node.restart()
        cluster.await_leader()
        async with at(*cluster.urls, known=known) as site:
            assert await site.lost() == set()
            await site.update()


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_stream_whose_only_node_lost_its_disk_does_not_go_on(
    version: str, run_cluster: Callable[[str], NatsCluster]
) -> None:
    cluster = run_cluster(version)
    async with at(*cluster.urls) as site:
        await site.fill(placement={"tags": ["node:1"]})
        assert await site.lost() == set()
        known = site.known
    cluster.nodes[1].restart(wipe=True)
    cluster.await_leader()
    async with at(*cluster.urls, known=known) as site:
        lost = {name for name in await site.lost() if "." not in name}
    assert lost == set(STREAMS) - {"fresh"}


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 3])
async def test_what_is_in_a_cluster_that_is_upgraded_node_by_node_goes_on(
    replicas: int, run_cluster: Callable[[str], NatsCluster]
) -> None:
    cluster = run_cluster(VERSIONS[0])
    async with at(*cluster.urls) as site:
        await site.fill(num_replicas=replicas)
        assert await site.lost() == set()
        known = site.known
    for version in VERSIONS[1:]:
        for node in cluster.nodes:
            node.halt()
            node.version = version
            node.start()
            cluster.await_leader()
            async with at(*cluster.urls, known=known) as site:
                assert await site.lost() == set()
                await site.update()
                await site.publish("full", "limited", "shortlived")
