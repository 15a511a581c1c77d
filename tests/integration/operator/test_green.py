"""Green is true: while hands meddle at random, no resource says Ready of what is not so for long.

The bounds are those of docs/reliability.md, for a machine that has nothing else to do.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import nats
import pytest

from controlplane.nats import NatsCluster, NatsServer
from coze_nats.core import names
from coze_nats.jetstream.gateway import Gateway
from support.connections import gateway_to
from support.eventually import PATIENCE, eventually_async
from support.green import KINDS, Reader, says_ready
from support.tenant import Tenant

log = logging.getLogger(__name__)

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
RESYNC = 5.0
"""Seconds between comparisons; with jitter, and the time that they take."""

DELETED, EDITED, AWAY, OTHERWISE = 1.0, 2.0, 15.0, 1.2 * RESYNC + 1
PAIRS = 4


class Hands:
    """Does one thing at a time, at random: behind the operator's back, or as its users."""

    def __init__(
        self, seed: int, world: Any, tenant: Tenant, jetstream: Gateway, reader: Reader
    ) -> None:
        self._random = random.Random(seed)
        self._world = world
        self._tenant = tenant
        self._jetstream = jetstream
        self._reader = reader
        self._number = 0
        self.replicas = 3 if isinstance(world.nats, NatsCluster) else 1

    def declare(self, number: int) -> None:
        """Declare a stream and its consumer anew, as anybody might."""
        self._number += 1
        policies = {"missing": self._random.choice(("Recreate", "Recreate", "Hold"))}
        self._tenant.stream(
            f"s{number}",
            subjects=[f"s{number}"],
            storage="memory",
            replicas=self.replicas,
            description=f"declared {self._number}",
            maxMsgs=1000 + self._number,
            suspend=self._random.random() < 0.2,
            policies=policies | {"dataLoss": "Allow", "deletion": "Delete"},
        )
        self._tenant.consumer(
            f"c{number}",
            streamRef={"name": f"s{number}"},
            description=f"declared {self._number}",
            policies={"deletion": "Delete"},
        )

    async def act(self) -> None:
        number = self._random.randrange(PAIRS)
        stream, consumer = f"s{number}", f"c{number}"
        hands: tuple[Callable[[int, str, str], Awaitable[None]], ...] = (
            *(self._delete_stream, self._delete_consumer, self._edit_stream),
            *(self._edit_consumer, self._change, self._undeclare),
        )
        what = self._random.choice(hands)
        with contextlib.suppress(Exception):
            # What isn't there, or isn't reached, can't be meddled with.
            await what(number, stream, consumer)

    async def _delete_stream(self, _: int, stream: str, consumer: str) -> None:
        self._reader.did("a stream deleted", DELETED, stream, consumer)
        await self._jetstream.delete_stream(stream)

    async def _delete_consumer(self, _: int, stream: str, consumer: str) -> None:
        self._reader.did("a consumer deleted", DELETED, consumer)
        await self._jetstream.delete_consumer(stream, consumer)

    async def _edit_stream(self, _: int, stream: str, consumer: str) -> None:
        found = await self._jetstream.stream(stream)
        if found:
            self._reader.did("a stream edited", EDITED, stream)
            await self._jetstream.update_stream({**found.config, "description": "edited"})

    async def _edit_consumer(self, _: int, stream: str, consumer: str) -> None:
        found = await self._jetstream.consumer(stream, consumer)
        if found:
            self._reader.did("a consumer edited", OTHERWISE, consumer)
            await self._jetstream.update_consumer(stream, {**found.config, "description": "edited"})

    async def _change(self, number: int, stream: str, consumer: str) -> None:
        self.declare(number)

    async def _undeclare(self, number: int, stream: str, consumer: str) -> None:
        self._reader.did("a resource deleted", DELETED, stream, consumer)
        self._tenant.delete(STREAM, stream)
        await self._tenant.gone(STREAM, stream)
        self._tenant.delete(CONSUMER, consumer)
        await self._tenant.gone(CONSUMER, consumer)
        self.declare(number)

    async def restart_nats(self, *, wipe: bool = False) -> None:
        self._reader.did("NATS restarted", AWAY)
        await asyncio.to_thread(self._world.nats.restart, wipe=wipe)
        self._reader.did("NATS was restarted", AWAY)

    async def restart_operator(self) -> None:
        self._reader.did("the operator killed", OTHERWISE)
        await asyncio.to_thread(self._world.operator.kill)
        await asyncio.to_thread(self._world.operator.start)
        self._reader.did("the operator started", OTHERWISE)

    async def stop_a_node(self) -> None:
        """Have a node of the cluster go and come back."""
        node: NatsServer = self._random.choice(self._world.nats.nodes)
        self._reader.did("a node away", AWAY)
        await asyncio.to_thread(node.halt)
        await asyncio.sleep(3)  # the outage itself is what is played
        await asyncio.to_thread(node.restart)
        self._reader.did("a node back", AWAY)


@contextlib.asynccontextmanager
async def reading(world: Any, tenant: Tenant) -> AsyncIterator[Reader]:
    client = await nats.connect(
        world.nats.url.split(","),
        error_cb=_is_expected,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
    )
    reader = Reader(client, tenant, OTHERWISE)
    yield reader
    await client.close()


async def _is_expected(_: Exception) -> None:
    """Servers go away here."""


async def play(
    seed: int, acts: int, big: list[str], world: Any, tenant: Tenant, jetstream: Gateway
) -> None:
    async with reading(world, tenant) as reader:
        hands = Hands(seed, world, tenant, jetstream, reader)
        for number in range(PAIRS):
            hands.declare(number)

        async def all_told() -> bool:
            found = [
                each for kind in KINDS for each in tenant.client.all_of(kind, tenant.namespace)
            ]
            return len(found) == 2 * PAIRS and all("conditions" in r["status"] for r in found)

        await eventually_async(all_told, 60, "a first status of each")
        watching = asyncio.create_task(reader.run())
        for number in range(acts):
            await hands.act()
            await asyncio.sleep(random.Random(seed + number).uniform(0.2, 1.5))
            if number % (acts // (len(big) + 1) + 1) == acts // (len(big) + 1):
                await getattr(hands, big.pop(0))()
        for number in range(PAIRS):
            tenant.stream(f"s{number}", subjects=[f"s{number}"], storage="memory")
            tenant.consumer(f"c{number}", streamRef={"name": f"s{number}"}, description="at last")

        async def all_ready() -> bool:
            found = [
                each for kind in KINDS for each in tenant.client.all_of(kind, tenant.namespace)
            ]
            return len(found) == 2 * PAIRS and all(map(says_ready, found))

        await eventually_async(all_ready, 60, "all to be Ready again")
        await asyncio.sleep(0)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await reader.cycle()
    worst = sorted(reader.lies, key=lambda lie: -lie.seconds)[:5]
    log.info("%d statuses, worst: %s", reader.read, worst)
    assert reader.read > acts
    assert reader.beyond(PATIENCE) == []


@pytest.fixture(scope="module")
def world(run_operator: Callable[..., Any]) -> Any:
    return run_operator("2.14.6", f"--resync-interval={RESYNC:g}s")


async def test_while_hands_meddle_no_status_lies_for_long(
    world: Any, tenant: Tenant, jetstream: Gateway
) -> None:
    await play(1, 10, ["restart_nats"], world, tenant, jetstream)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [2, 3])
async def test_while_hands_meddle_for_long_no_status_lies_for_long(
    world: Any, tenant: Tenant, jetstream: Gateway, seed: int
) -> None:
    big = ["restart_nats", "restart_operator", "restart_nats", "restart_operator"]
    await play(seed, 100, big, world, tenant, jetstream)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_on_three_nodes_no_status_lies_for_long_either(
    run_operator: Callable[..., Any], resources: Any
) -> None:
    with NatsCluster("2.14.6") as cluster:
        world = run_operator(server=cluster)
        tenant = Tenant("three-nodes", resources)
        resources.create_namespace(tenant.namespace)
        async with gateway_to(*cluster.urls) as jetstream:
            big = ["stop_a_node", "stop_a_node", "restart_operator", "stop_a_node"]
            await play(4, 60, big, world, tenant, jetstream)
        for kind in KINDS[::-1]:
            for item in tenant.client.all_of(kind, tenant.namespace):
                tenant.delete(kind, item["metadata"]["name"])
                await tenant.gone(kind, item["metadata"]["name"])
        world.operator.stop()
