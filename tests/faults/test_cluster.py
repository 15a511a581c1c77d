"""Three nats-servers with replicated streams lose their leader, or their majority."""

import asyncio
from collections.abc import Iterator

import pytest

from controlplane.nats import NatsCluster
from faults.conftest import Begin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COUNT, MORE = 40, 10


@pytest.fixture
def nats_cluster() -> Iterator[NatsCluster]:
    with NatsCluster() as cluster:
        yield cluster


async def test_the_meta_leader_is_lost(begin: Begin, nats_cluster: NatsCluster) -> None:
    """Another node leads on; what had no answer meanwhile is asked again."""
    work = await begin(COUNT, nats=nats_cluster, replicas=3)
    leader = nats_cluster.await_leader()
    going_on = asyncio.create_task(work.go_on(MORE))
    await asyncio.to_thread(leader.kill)
    await going_on
    seconds = await work.healed(within=120)
    await asyncio.to_thread(leader.start)
    await asyncio.to_thread(nats_cluster.await_leader)
    work.survived(
        "meta leader killed, three nodes",
        stayed_up="the operator; two nodes",
        retried="the connection, to another node; what had no answer within 30 s",
        heal_seconds=seconds,
        bound=5,
    )


async def test_there_is_no_quorum(begin: Begin, nats_cluster: NatsCluster) -> None:
    """Nothing can be changed or even be found out; nothing is concluded from that."""
    work = await begin(COUNT, nats=nats_cluster, replicas=3)
    first, second, _ = nats_cluster.nodes
    await asyncio.to_thread(first.kill)
    await asyncio.to_thread(second.kill)
    await work.go_on(MORE)
    await asyncio.sleep(20)  # the fault itself: longer than time-outs, and than what is not told
    assert work.site.operator.probe("/healthz")[0] == 200
    first.launch()
    second.launch()
    await asyncio.to_thread(nats_cluster.await_leader)
    work.survived(
        "no quorum for 20 s: two of three nodes killed",
        stayed_up="the operator; one node",
        retried="what had no answer, with backoff up to 60 s",
        heal_seconds=await work.healed(within=150),
        bound=6,
    )
