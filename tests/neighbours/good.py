"""A good tenant: declares, changes and deletes a little, all the time, and looks at what comes."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import nats

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from coze_nats.core import names
from coze_nats.core.ownership import owner_of
from faults.audit import Audit, per_resource
from support.connections import gateway_to
from support.declaring import Declaring, is_ready
from support.eventually import eventually_async
from support.specs import comparable

STREAM, CONSUMER, CONNECTION = names.STREAM_KIND, names.CONSUMER_KIND, names.CONNECTION_KIND
KINDS = (STREAM, CONSUMER, CONNECTION)
KEPT = 3
"""Rounds of which what was declared stays."""

MESSAGES = 100
POLL_SECONDS = 0.02
PATIENCE = 180.0
"""Seconds: for what never comes about, however busy the machine is."""

Json = Mapping[str, Any]


class GoodTenant:
    """A namespace on the operator's own connection, and on connections of its own.

    Attributes:
        shared: seconds from applied to Ready, of a stream and its consumer on the operator's own
            connection, one of each round.
        own: the same of a stream with a connection of its own, which is opened for it.
    """

    def __init__(self, declaring: Declaring, nats: NatsServer) -> None:
        self.declaring = declaring
        self.shared: list[float] = []
        self.own: list[float] = []
        self._nats = nats
        self._rounds: list[list[dict[str, Any]]] = []

    async def settle_in(self) -> None:
        """Declare a stream, and publish into it."""
        stream = self._stream("orders")
        await self.declaring.create([stream])
        await self._ready([stream])
        async with await nats.connect(self._nats.url) as client:
            for number in range(MESSAGES):
                await client.jetstream().publish("good.orders", str(number).encode())

    async def act(self) -> None:
        """One round: declare, change a stream, and delete what is of the rounds before the last."""
        shared, own = self._round(len(self._rounds))
        self._rounds.append([*own, *shared])
        await asyncio.gather(self._applied(shared, self.shared), self._applied(own, self.own))
        await self.declaring.change(shared[:1], {"description": "changed"})
        await self._ready(shared)
        for old in self._rounds[-KEPT - 1 : -KEPT]:
            await self.declaring.delete(reversed(old))

    async def data(self) -> dict[str, Any]:
        """Its streams and consumers in JetStream, and how many messages they hold, when at rest."""
        wanted = {_key(resource) for declared in self._rounds[-KEPT:] for resource in declared}
        wanted.add((STREAM, "orders"))
        await eventually_async(lambda: self._is_left(wanted), what="what is left of its rounds")
        found = {}
        async with gateway_to(self._nats.url) as jetstream:
            for name, stream in (await jetstream.streams()).found.items():
                if f"/{self.declaring.namespace}/" in owner_of(stream):
                    consumers = (await jetstream.consumers(name)).found
                    configs = [stream.config, *(each.config for each in consumers.values())]
                    found[name] = ([*map(_plain, configs)], stream.messages)
        return found

    async def _is_left(self, wanted: set[tuple[str, str]]) -> bool:
        there = await self.declaring.all(KINDS)
        return set(map(_key, there)) == wanted and all(map(is_ready, there))

    def writes(self, audit: Audit) -> Counter[tuple[str, str]]:
        """How often the operator wrote to each of its resources."""
        return per_resource(audit.writes(self.declaring.namespace))

    def events(self, api: KubernetesAPI) -> set[tuple[str, str, str]]:
        """Kind, name and reason of the events that it got."""
        listed = api.kubectl("get", "events", "-n", self.declaring.namespace, "-o", "json").stdout
        return {
            (about["kind"], about["name"], item["reason"])
            for item in json.loads(listed)["items"]
            for about in [item["involvedObject"]]
        }

    def _round(self, number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What is declared on the operator's own connection, and on one for this round."""
        name, of_own = f"n{number:03}", f"own-n{number:03}"
        consumer = {"streamRef": {"name": name}}
        connection = {"servers": [f"nats://localhost:{self._nats.port}"]}
        return (
            [self._stream(name), self.declaring.resource(CONSUMER, name, consumer)],
            [
                self.declaring.resource(CONNECTION, of_own, connection),
                self._stream(of_own, connection={"name": of_own}),
            ],
        )

    def _stream(self, name: str, **spec: Any) -> dict[str, Any]:
        spec = {"subjects": [f"good.{name}"], "storage": "memory", **spec}
        return self.declaring.resource(STREAM, name, spec)

    async def _applied(self, resources: list[dict[str, Any]], seconds: list[float]) -> None:
        """Declare, and add the seconds until all of it is Ready."""
        start = time.monotonic()
        await self.declaring.create(resources)
        await self._ready(resources)
        seconds.append(time.monotonic() - start)

    async def _ready(self, resources: Iterable[Json]) -> None:
        async with asyncio.timeout(PATIENCE):
            for resource in resources:
                await self._is_ready(resource)

    async def _is_ready(self, resource: Json) -> None:
        while True:
            if is_ready(await self.declaring.get(resource)):
                break
            await asyncio.sleep(POLL_SECONDS)


def _key(resource: Json) -> tuple[str, str]:
    return resource["kind"], resource["metadata"]["name"]


def _plain(config: Json) -> dict[str, Any]:
    """A configuration without its owner."""
    metadata = {k: v for k, v in config.get("metadata", {}).items() if k != names.OWNER_METADATA}
    return comparable({**config, "metadata": metadata})
