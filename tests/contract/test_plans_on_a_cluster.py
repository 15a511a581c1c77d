"""What takes several servers: replicas, alone and together with placement."""

import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from controlplane.nats import NatsCluster
from coze_nats.core.desired import Desired
from coze_nats.core.errors import Rejected, Transient
from coze_nats.core.live import LiveStream
from coze_nats.core.plan import Action
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.connections import PatientGateway
from support.convergence import apply, consumer, planned, stream
from support.eventually import eventually_async

_names = (f"work-{number}" for number in itertools.count())
TAGS = 'server_tags: ["ssd", "east"]'


@pytest.fixture(scope="module", params=["2.10.26", "2.15.1"])
def cluster(request: pytest.FixtureRequest) -> Iterator[NatsCluster]:
    """The oldest and the newest version; each node has all the tags."""
    with NatsCluster(request.param, config=TAGS) as cluster:
        yield cluster


@pytest.fixture
async def clustered(cluster: NatsCluster) -> AsyncIterator[Gateway]:
    options = ConnectionOptions(servers=(cluster.nodes[0].url,), request_timeout=20)
    connection = Connection(options)
    await connection.start()
    await connection.wait_connected()
    yield PatientGateway(connection)
    await connection.close()


@pytest.fixture
def name() -> str:
    """The name of a stream that is this test's alone; it stays, for a move may go on for long."""
    return next(_names)


async def settle(jetstream: Gateway, desired: Desired) -> LiveStream:
    """Apply a spec as often as it takes: while replicas move, a cluster refuses further changes."""

    async def is_settled() -> bool:
        try:
            return (await apply(jetstream, desired)).plan.action is Action.NOTHING
        except Transient:
            return False

    await eventually_async(is_settled)
    live = await jetstream.stream(desired.target.stream)
    assert live is not None
    return live


@pytest.mark.parametrize("before, after", [(1, 3), (3, 1), (3, None), (None, 3)])
async def test_the_replicas_of_a_stream_are_set_changed_and_removed(
    clustered: Gateway, name: str, before: int | None, after: int | None
) -> None:
    await apply(clustered, stream(name, {"replicas": before}))
    found = await apply(clustered, stream(name, {"replicas": after}))
    assert found.plan.action is Action.UPDATE
    assert found.left == ()
    assert found.live is not None
    assert found.live.config["num_replicas"] == (after or 1)


@pytest.mark.parametrize("before, after", [(1, 3), (3, 1), (3, None), (None, 1)])
async def test_the_replicas_of_a_consumer_are_set_changed_and_removed(
    clustered: Gateway, name: str, before: int | None, after: int | None
) -> None:
    await apply(clustered, stream(name, {"replicas": 3}))
    await apply(clustered, consumer(name, "reader", {"replicas": before}))
    found = await apply(clustered, consumer(name, "reader", {"replicas": after}))
    assert found.plan.action is Action.UPDATE
    assert found.left == ()
    assert found.live is not None
    assert found.live.config["num_replicas"] == (after or 0)


@pytest.mark.parametrize(
    "before, after",
    [
        ({}, {"replicas": 3, "placement": {"tags": ["ssd"]}, "maxMsgs": 5}),
        ({"replicas": 3, "placement": {"tags": ["ssd"]}}, {"placement": {"tags": ["east"]}}),
        ({"replicas": 3, "placement": {"tags": ["ssd"]}}, {}),
        ({"placement": {"tags": ["ssd"]}}, {"replicas": 3}),
    ],
)
async def test_replicas_and_placement_are_changed_together(
    clustered: Gateway, name: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await settle(clustered, stream(name, before))
    assert len((await planned(clustered, stream(name, after))).steps) == 2
    config = (await settle(clustered, stream(name, after))).config
    assert config["num_replicas"] == after.get("replicas", 1)
    assert config.get("placement") == after.get("placement")
    assert config["max_msgs"] == after.get("maxMsgs", -1)


async def test_the_cluster_itself_would_refuse_both_at_once(clustered: Gateway, name: str) -> None:
    made = await settle(clustered, stream(name, {}))
    both = {"num_replicas": 3, "placement": {"tags": ["ssd"]}}
    with pytest.raises(Rejected) as caught:
        await clustered.update_stream({**made.config, **both})
    assert caught.value.err_code == 10123
