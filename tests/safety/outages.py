"""Histories beside each other on one NATS system, whose servers restart, change and lose disks.

Each history has an account of its own, so that what happens to the servers happens to all of them
at the same moment, between two of their steps.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Literal

import nats
from nats.aio.client import Client

from controlplane.nats import NatsCluster, NatsServer
from coze_nats.core.desired import Target
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from safety.history import History
from safety.outsider import Outsider
from safety.rest import judge_rest
from safety.snapshot import StreamFound
from safety.steps import ForeignDelete, Interrupted
from safety.world import World
from safety.writes import Violation
from support.connections import PatientGateway
from support.eventually import eventually_async

Kind = Literal["restart", "kill", "upgrade", "wipe"]


@dataclass(frozen=True, slots=True)
class Outage:
    """What happens to the servers.

    Attributes:
        version: that the servers have afterwards; "" for the one that they had.
        node: number of the only node of a cluster that it happens to; None: all, or the only one.
    """

    kind: Kind
    version: str = ""
    node: int | None = None

    def __str__(self) -> str:
        where = "" if self.node is None else f" node {self.node}"
        return f"{self.kind}{where} {self.version}".rstrip()


def accounts(count: int) -> str:
    """Configuration of so many accounts, each with a user of its name."""
    found = (
        f"h{number} {{ jetstream: enabled, users: [{{user: h{number}, password: h{number}}}] }}"
        for number in range(count)
    )
    return "\n".join(["accounts {", *found, "}"])


class Line:
    """Implements `coze_nats.ports.JetStream` by a gateway that is another one after an outage."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self.gateway, name)


@dataclass(slots=True)
class Play:
    """One history, as far as it has been played."""

    seed: int
    account: str
    history: History
    outsider: Outsider
    line: Line
    world: World
    position: int = 0

    async def go_on(self, steps: int) -> None:
        """Play so many more steps, and come to rest."""
        for step in self.history.steps[self.position : self.position + steps]:
            await self.world.play(step)
            self.position += 1
            if isinstance(step, ForeignDelete | Interrupted):
                await self.world.look()
        server = await self.line.gateway.server()
        await judge_rest(self.world, await self.world.settle(), server)


class Theatre:
    """Plays histories on one system, and lets outages happen between their acts."""

    def __init__(self, system: NatsServer | NatsCluster) -> None:
        self._system = system
        self._open = AsyncExitStack()
        self._plays: list[Play] = []
        self.told = ""

    async def begin(self, histories: dict[int, History]) -> None:
        """Connect to one account for each history, given by its seed."""
        for number, (seed, history) in enumerate(histories.items()):
            account = f"h{number}"
            gateway, client = await self._connected(account)
            outsider, line = Outsider(client), Line(gateway)
            outsider.identity.is_vague = True
            world = World(history, line, outsider)
            self._plays.append(Play(seed, account, history, outsider, line, world))

    async def act(self, steps: int) -> None:
        """Play so many steps of each history; raises Violation, with its seed and its steps."""
        for play in self._plays:
            try:
                await play.go_on(steps)
            except Violation as violation:
                raise Violation(
                    violation.rule,
                    f"SEED={play.seed}: {violation}\n\nafter step {play.position}, and{self.told}"
                    f"\n\nof\n{play.history}",
                ) from violation

    async def suffer(self, outage: Outage) -> None:
        """Let something happen to the servers; operators and applications connect again."""
        self.told += f" {outage},"
        before = [await play.outsider.snapshot() for play in self._plays]
        emptied = [await self._on_node(play, outage) for play in self._plays]
        await self.close()
        self._happens(outage)
        for play, known, lost in zip(self._plays, before, emptied, strict=True):
            play.line.gateway, client = await self._connected(play.account)
            play.outsider.reconnected(client)
            await self._are_led(play, known.streams)
            now = await play.outsider.snapshot()
            play.world.servers_were_away(known, now, lost)

    async def close(self) -> None:
        """Close all connections."""
        await self._open.aclose()

    @property
    def _nodes(self) -> Sequence[NatsServer]:
        return self._system.nodes if isinstance(self._system, NatsCluster) else [self._system]

    def _happens(self, outage: Outage) -> None:
        numbers = range(len(self._nodes)) if outage.node is None else [outage.node]
        for number in numbers:
            node = self._nodes[number]
            if outage.kind == "kill":
                node.kill()
            elif node.running:
                node.halt()
            node.version = outage.version or node.version
            node.restart(wipe=outage.kind == "wipe")
            if isinstance(self._system, NatsCluster):
                self._system.await_leader()

    async def _on_node(self, play: Play, outage: Outage) -> frozenset[str]:
        """The streams, by name, that are on a node of a cluster, and will lose what they have."""
        if outage.node is None:
            return frozenset()
        found = (await play.line.gateway.streams()).found
        node, is_wiped = self._nodes[outage.node].name, outage.kind == "wipe"
        return frozenset(
            name
            for name, live in found.items()
            if live.raft.leader == node and (is_wiped or live.config["storage"] == "memory")
        )

    async def _are_led(self, play: Play, streams: Mapping[str, StreamFound]) -> None:
        """Wait until all streams of a cluster, and their consumers, answer."""
        if not isinstance(self._system, NatsCluster):
            return

        async def are() -> bool:
            for name, stream in streams.items():
                for consumer in (None, *stream.consumers):
                    if not await play.outsider.answers(Target(name, consumer)):
                        return False
            return True

        await eventually_async(are, within=60)

    async def _connected(self, account: str) -> tuple[Gateway, Client]:
        urls = tuple(node.url for node in self._nodes)
        options = ConnectionOptions(servers=urls, user=account, password=account)
        connection = Connection(options)
        await connection.start()
        self._open.push_async_callback(connection.close)
        async with asyncio.timeout(60):
            await connection.wait_connected()
        client = await nats.connect(list(urls), connect_timeout=10, user=account, password=account)
        self._open.push_async_callback(client.close)
        return PatientGateway(connection), client
