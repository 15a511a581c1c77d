"""NATS goes, comes back empty, is full, is far away, or keeps its answers to itself."""

import asyncio
from dataclasses import replace

import pytest

from controlplane import ports
from controlplane.nats import NatsServer
from coze_nats.core import names
from faults.conftest import Begin
from faults.work import Work
from support.connections import gateway_to
from support.declaring import Declaring
from support.tcp_proxy import TcpProxy
from support.until import until

COUNT, MORE = 100, 20
FAR = "far"
LIMITED = """
accounts { LIMITED { jetstream { max_mem: 100000000 }, users: [{ user: app, password: app }] } }
no_auth_user: app
"""


async def test_nats_is_absent_at_the_start(begin: Begin) -> None:
    """The operator is alive and says that it isn't ready; all waits, and is told once."""
    work = await begin(0)
    work.site.nats_proxy.refuse()
    work.site.operator.start(until_ready=False)
    await work.declare(COUNT)
    assert work.site.operator.probe("/healthz")[0] == 200
    await until(lambda: work.site.operator.probe("/readyz")[0] == 503)
    work.site.nats_proxy.heal()
    work.survived(
        "NATS absent at the start",
        stayed_up="the operator (alive, not ready); finalizers",
        retried="the connection, 0.2 s to 60 s",
        heal_seconds=await work.healed(),
        bound=2,
    )


@pytest.mark.slow
async def test_nats_restarts_with_its_data(begin: Begin) -> None:
    """What was converged is compared, and not written."""
    work = await begin(COUNT, storage="file")
    work.site.server.halt()
    await work.go_on(MORE)
    work.site.server.start()
    work.survived(
        "NATS restarted with its data",
        stayed_up="the operator (alive, not ready); finalizers",
        retried="the connection; then everything is compared",
        heal_seconds=await work.healed(),
        bound=3,
    )


async def test_nats_comes_back_empty(begin: Begin) -> None:
    """Everything is made again, and told of once."""
    work = await begin(COUNT)
    work.site.server.restart(wipe=True)
    await until(lambda: work.site.operator.probe("/readyz")[0] == 200)
    work.survived(
        "NATS restarted without its data",
        stayed_up="the operator",
        retried="the connection; then everything is made again",
        heal_seconds=await work.healed_in_jetstream(),
        bound=3,
    )


@pytest.mark.slow
async def test_jetstream_is_full(begin: Begin) -> None:
    """What doesn't fit says so, and is made when there is room; what is there isn't touched."""
    with NatsServer(config=LIMITED) as small:
        work = await begin(4, nats=small, maxBytes=40_000_000)
        first = work.declared[:2]
        await work.declare(2)
        late = work.declared[-2]

        async def is_refused() -> bool:
            status = (await work.declaring.get(late)).get("status", {})
            told = {found["reason"] for found in status.get("conditions", ())}
            return names.Reason.INSUFFICIENT_CAPACITY in told

        await work.eventually(is_refused, "the refusal")
        await work.delete(first)
        work.survived(
            "JetStream out of room",
            stayed_up="all that had room",
            retried="what had none, with backoff up to 60 s",
            heal_seconds=await work.healed(within=100),
            bound=4,
        )


@pytest.mark.slow
async def test_answers_get_lost_after_the_commit(begin: Begin) -> None:
    """Whether it was done is unknown, so it is looked at again: nothing is made or told twice."""
    work = await begin(COUNT)
    work.site.nats_proxy.swallow_answers_to(b"$JS.API.STREAM.CREATE.")
    going_on = asyncio.create_task(work.go_on(MORE))
    async with gateway_to(work.site.nats.url) as jetstream:

        async def is_committed() -> bool:
            names = {found["metadata"]["name"] for found in work.declared[COUNT - MORE :]}
            return bool(names & (await jetstream.streams()).found.keys())

        await work.eventually(is_committed, "a stream whose creation nobody was told of")
    await going_on
    # Some more are made in the same way: what is asked first upon each connection comes about.
    await until(lambda: work.site.nats_proxy.accepted > 2, 60)
    work.site.nats_proxy.heal()
    seconds = await work.healed()
    assert not work.told(names.EventReason.ADOPTED)
    work.survived(
        "time-out after the commit: JetStream acts, its answers get lost",
        stayed_up="the operator",
        retried="what had no answer: it looks again",
        heal_seconds=seconds,
        # That its outcome is unknown is told of a change, and that NATS is away of all that waits.
        bound=5,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_partition_from_nats(begin: Begin) -> None:
    """A connection on which nothing comes is given up, and said to be; then all is compared."""
    work = await begin(COUNT)
    work.site.nats_proxy.swallow()
    await work.go_on(MORE)
    await until(lambda: work.site.operator.probe("/readyz")[0] == 503, 90)
    assert work.site.operator.probe("/healthz")[0] == 200
    work.site.nats_proxy.heal()
    work.survived(
        "partition from NATS: the connection stays, no byte passes",
        stayed_up="the operator (alive, not ready); finalizers",
        retried="the connection; then everything is compared",
        heal_seconds=await work.healed(),
        bound=5,
    )


@pytest.mark.slow
async def test_connections_to_nats_are_reset_again_and_again(begin: Begin) -> None:
    """What was in flight has an unknown outcome, and is looked at again."""
    work = await begin(COUNT)
    going_on = asyncio.create_task(work.go_on(MORE))
    for _ in range(10):
        await asyncio.sleep(0.2)
        work.site.nats_proxy.cut()
    await going_on
    work.survived(
        "the connection to NATS reset, ten times in two seconds",
        stayed_up="the operator",
        retried="the connection; what was in flight",
        heal_seconds=await work.healed(),
        # That its outcome is unknown is told of a change, before it is looked at again.
        bound=6,
    )


@pytest.mark.slow
async def test_nats_is_far_away(begin: Begin) -> None:
    """Nothing times out that takes its time."""
    work = await begin(COUNT)
    work.site.nats_proxy.delay(0.5)
    await work.go_on(MORE)
    work.survived(
        "NATS answers a second late",
        stayed_up="everything, slower",
        retried="nothing",
        heal_seconds=await work.healed(),
        bound=3,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_partition_from_one_of_two_systems(begin: Begin) -> None:
    """What is on the other system doesn't notice; what is on this one waits, and is told so."""
    near = await begin(COUNT, also=(FAR,))
    api = near.site.cluster.api
    with NatsServer() as server, TcpProxy(server.port) as proxy:
        async with Declaring(api, FAR) as declaring:
            await declaring.make_namespace()
            connection = {"servers": [f"nats://{ports.LOOPBACK}:{proxy.port}"]}
            await declaring.create([declaring.resource(names.CONNECTION_KIND, FAR, connection)])
            far = Work(replace(near.site, nats=server), declaring, connection={"name": FAR})
            await far.declare(COUNT)
            await far.healed()
            proxy.swallow()
            await far.go_on(MORE)
            await near.go_on(MORE)
            unharmed = await near.healed(within=20)
            assert unharmed < 20, "sooner than a request to the other one is given up"
            assert await far.declaring.not_ready()
            proxy.heal()
            far.survived(
                "partition from one of two NATS systems",
                stayed_up=f"the other system: {2 * MORE} changes in {unharmed:.1f} s",
                retried="the connection; then everything on it is compared",
                heal_seconds=await far.healed(within=90),
                bound=5,
            )
