"""Filters of replicated consumers, edited in place: what servers forget, and that plans know it.

Every case is made by hand first where the plan holds it: what is held must be a loss.
"""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import nats
import pytest

from controlplane.nats import NatsCluster
from coze_nats.core.errors import CapacityExceeded, OutcomeUnknown, Transient
from coze_nats.core.live import LiveConsumer
from coze_nats.core.names import Reason
from coze_nats.core.plan import Action
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.bench import Bench
from support.connections import PatientGateway
from support.convergence import apply, consumer, planned, stream
from support.eventually import eventually_async
from support.traffic import Traffic

pytestmark = pytest.mark.slow

Spec = dict[str, Any]
VERSIONS = ("2.10.26", "2.11.11", "2.12.8", "2.15.1")
MENDED = (2, 12, 4)
_names = (f"orders-{number}" for number in itertools.count())


@pytest.fixture(scope="module", params=VERSIONS)
def cluster(request: pytest.FixtureRequest) -> Iterator[NatsCluster]:
    with NatsCluster(request.param) as cluster:
        yield cluster


@pytest.fixture
async def jetstream(cluster: NatsCluster) -> AsyncIterator[Gateway]:
    connection = Connection(ConnectionOptions(servers=tuple(cluster.urls), request_timeout=5))
    await connection.start()
    await connection.wait_connected()
    yield PatientGateway(connection)
    await connection.close()


@pytest.fixture
async def traffic(cluster: NatsCluster) -> AsyncIterator[Traffic]:
    client = await nats.connect(cluster.nodes[0].url)
    yield Traffic(client)
    await client.close()


@pytest.fixture
def name() -> str:
    return next(_names)


async def reader(jetstream: Gateway, name: str) -> LiveConsumer:
    """The consumer, once it has a leader."""

    async def is_led() -> LiveConsumer | None:
        # While a leader is elected, nobody answers.
        with suppress(Transient, OutcomeUnknown):
            found = await jetstream.consumer(name, "reader")
            return found if found and found.raft.leader else None
        return None

    found = await eventually_async(is_led)
    assert found is not None
    return found


async def change_leader(jetstream: Gateway, name: str) -> None:
    before = (await reader(jetstream, name)).raft.leader
    await jetstream._connection.request(f"$JS.API.CONSUMER.LEADER.STEPDOWN.{name}.reader", b"")

    async def is_another() -> bool:
        return (await reader(jetstream, name)).raft.leader != before

    await eventually_async(is_another)


async def set_up(jetstream: Gateway, name: str, retention: str, filters: Spec) -> None:
    spec = {"subjects": [f"{name}.*"], "retention": retention, "replicas": 3}

    async def is_made() -> bool:
        # A cluster that has just formed may not have all of its peers for a while.
        with suppress(CapacityExceeded, Transient, OutcomeUnknown):
            await apply(jetstream, stream(name, spec))
            await apply(jetstream, consumer(name, "reader", filters))
            return True
        return False

    await eventually_async(is_made)


async def waiting(jetstream: Gateway, name: str) -> int:
    return (await reader(jetstream, name)).pending


async def expect_delivery(traffic: Traffic, jetstream: Gateway, name: str) -> None:
    """What is published comes to the consumer."""
    before = await waiting(jetstream, name)
    await traffic.publish(*[f"{name}.b"] * 3)

    async def has_come() -> bool:
        return await waiting(jetstream, name) == before + 3

    await eventually_async(has_come)


def filters(name: str, *subjects: str) -> Spec:
    return {"filterSubjects": [f"{name}.{each}" for each in subjects]} if subjects else {}


@pytest.mark.parametrize("retention", ["interest", "limits", "workqueue"])
@pytest.mark.parametrize("after", [("b",), ("a", "b"), ()], ids=["another", "more", "none"])
async def test_a_filter_is_changed_in_place_only_where_the_server_goes_on_knowing_it(
    jetstream: Gateway, traffic: Traffic, name: str, retention: str, after: tuple[str, ...]
) -> None:
    await set_up(jetstream, name, retention, filters(name, "a"))
    server = await jetstream.server()
    desired = consumer(name, "reader", filters(name, *after))
    plan = await planned(jetstream, desired)
    is_held = server.release < MENDED or not after
    if is_held:
        assert plan.refusal is not None
        assert plan.refusal.reason is Reason.IMMUTABLE_FIELD
        assert f"on nats-server {server.version}, " in plan.refusal.message
        live = await reader(jetstream, name)
        config = {k: v for k, v in live.config.items() if k != "filter_subjects"}
        await jetstream.update_consumer(name, {**config, **dict(desired.declared)})
    else:
        assert plan.action is Action.UPDATE
        await apply(jetstream, desired)
    await change_leader(jetstream, name)
    if is_held:
        await traffic.publish(*[f"{name}.b"] * 3)
        assert await waiting(jetstream, name) == 0
    else:
        await expect_delivery(traffic, jetstream, name)


async def test_all_subjects_is_a_filter_that_can_take_the_place_of_another(
    jetstream: Gateway, traffic: Traffic, name: str
) -> None:
    if (await jetstream.server()).release < MENDED:
        pytest.skip("no filter can be changed there")
    await set_up(jetstream, name, "interest", filters(name, "a"))
    found = await apply(jetstream, consumer(name, "reader", {"filterSubject": ">"}))
    assert found.plan.action is Action.UPDATE
    await change_leader(jetstream, name)
    await expect_delivery(traffic, jetstream, name)


async def test_a_consumer_is_created_anew_with_another_filter_where_that_is_allowed(
    jetstream: Gateway, traffic: Traffic, name: str
) -> None:
    bench = Bench(jetstream)
    orders = bench.stream("orders", name=name, subjects=[f"{name}.*"], replicas=3)
    key = bench.consumer(of="orders", **filters(name, "a"))
    await bench.settle(orders, key)
    await traffic.publish(f"{name}.a", f"{name}.b")
    bench.consumer(of="orders", **filters(name, "b"), policies={"replacement": "Recreate"})
    await bench.settle(key)
    assert bench.ready(key) == ("True", "Converged")
    await change_leader(jetstream, name)
    await expect_delivery(traffic, jetstream, name)


async def test_a_consumer_with_one_replica_keeps_its_filter(
    jetstream: Gateway, traffic: Traffic, name: str
) -> None:
    spec = {"subjects": [f"{name}.*"], "replicas": 3}
    await apply(jetstream, stream(name, spec))
    await apply(jetstream, consumer(name, "reader", {**filters(name, "a"), "replicas": 1}))
    found = await apply(jetstream, consumer(name, "reader", {**filters(name, "b"), "replicas": 1}))
    assert found.plan.action is Action.UPDATE
    await expect_delivery(traffic, jetstream, name)
