"""What users do before and during a fault, and whether all of it came about in the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from coze_nats.core import names
from coze_nats.core.live import LiveStream
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.gateway import Gateway
from faults import record
from faults.audit import per_resource
from faults.site import Site
from support.connections import gateway_to
from support.declaring import Declaring, is_ready, pairs
from support.eventually import eventually_async

Json = Mapping[str, Any]

CHANGED = "changed meanwhile"
HICCUPS = 2


class Work:
    """The resources of one namespace: declared, changed and deleted.

    Attributes:
        declared: what must be there in the end, streams before their consumers.
        deleted: what must be gone.
        changed: whose streams must have another description.
    """

    def __init__(self, site: Site, declaring: Declaring, **spec: Any) -> None:
        """`spec` is what all streams have in common."""
        self.site = site
        self.declaring = declaring
        self.declared: list[Json] = []
        self.deleted: list[Json] = []
        self.changed: list[Json] = []
        self._spec = spec

    async def declare(self, count: int) -> None:
        """Declare so many more resources: streams, each with a consumer."""
        before = len(self.declared) + len(self.deleted)
        more = pairs(self.declaring, before + count, **self._spec)[before:]
        self.declared += more
        await self.declaring.create(more)

    async def go_on(self, count: int) -> None:
        """As users do all the time: declare so many, change as many, and delete as many."""
        first, second = self.declared[:count], self.declared[count : 2 * count]
        await self.declare(count)
        await self.change(second)
        await self.delete(first)

    async def change(self, resources: list[Json]) -> None:
        """Change the streams among these."""
        streams = [found for found in resources if found["kind"] == names.STREAM_KIND]
        self.changed += streams
        await self.declaring.change(streams, {"description": CHANGED})

    async def delete(self, resources: list[Json]) -> None:
        self.declared = [found for found in self.declared if found not in resources]
        self.deleted += resources
        await self.declaring.delete(resources)

    async def healed(self, within: float = 60) -> float:
        """Wait until all is as declared, in Kubernetes and in JetStream; returns the seconds."""
        start = time.monotonic()
        await self.eventually(self.is_done, "every resource Ready, or gone", within)
        seconds = time.monotonic() - start
        async with gateway_to(*self._urls()) as jetstream:
            await self._check(jetstream)
        return seconds

    async def healed_in_jetstream(self, within: float = 60) -> float:
        """As `healed`, when the statuses may still tell of the time before the fault."""
        start = time.monotonic()
        async with gateway_to(*self._urls()) as jetstream:

            async def is_back() -> bool:
                streams = (await jetstream.streams()).found
                listed = [await jetstream.consumers(name) for name in streams]
                count = len(streams) + sum(len(each.found) for each in listed)
                changed = {name for name, stream in streams.items() if _is_changed(stream)}
                return count == len(self.declared) and changed == self._names_changed()

            await self.eventually(is_back, "everything that was declared", within)
        return time.monotonic() - start + await self.healed(within)

    async def eventually(
        self, look: Callable[[], Awaitable[bool]], what: str, within: float = 60
    ) -> None:
        """Wait until something is so; fail with what isn't Ready."""
        try:
            await eventually_async(look, within, what)
        except AssertionError as error:
            raise AssertionError(
                f"{error}; not Ready: {await self.declaring.not_ready()}"
            ) from error

    def told(self, reason: str) -> list[str]:
        """The messages of the events of this reason."""
        return [
            found["message"]
            for found in self.site.cluster.events(self.declaring.namespace)
            if found["reason"] == reason
        ]

    def survived(
        self, fault: str, *, stayed_up: str, retried: str, heal_seconds: float, bound: int
    ) -> None:
        """Put the fault on record; fails when a resource cost more writes than `bound`.

        And then some: a busy machine adds a write that timed out, or an outage that lasted so long
        that it had to be told of.
        """
        writes = self.site.cluster.audit.writes(self.declaring.namespace)
        ((about, most),) = per_resource(writes).most_common(1)
        assert most <= bound + HICCUPS, [written for written in writes if written.about == about]
        record.keep(
            record.Survived(
                fault=fault,
                stayed_up=stayed_up,
                retried=retried,
                objects=len(self.declared) + len(self.deleted),
                heal_seconds=round(heal_seconds, 2),
                writes=len(writes),
                most_writes=most,
                bound=bound,
            )
        )

    def _urls(self) -> tuple[str, ...]:
        return tuple(self.site.nats.url.split(","))

    async def is_done(self) -> bool:
        """Whether each resource that is declared says Ready, and no other is left."""
        start = time.monotonic()
        there = await self.declaring.all(names.TOPOLOGY_KINDS)
        if _keys(there) == _keys(self.declared) and all(map(is_ready, there)):
            return True
        # Thousands take the API server's time, which the operator needs.
        await asyncio.sleep(4 * (time.monotonic() - start))
        return False

    def _names_changed(self) -> set[str]:
        """Of the streams that are there in the end, which differ from how they were declared."""
        named = {found["metadata"]["name"] for found in self.declared}
        return {found["metadata"]["name"] for found in self.changed} & named

    async def _check(self, jetstream: Gateway) -> None:
        """Nothing is lost, nothing is left over, nobody else's name is on it."""
        streams = (await jetstream.streams()).found
        named = {found["metadata"]["name"] for found in self.declared}
        assert streams.keys() == named
        changed = self._names_changed()
        for name, stream in streams.items():
            assert owner_of(stream).endswith(f"/{self.declaring.namespace}/{name}")
            assert _is_changed(stream) == (name in changed)
            assert set((await jetstream.consumers(name)).found) == {name}


def _is_changed(stream: LiveStream) -> bool:
    return bool(stream.config.get("description") == CHANGED)


def _keys(resources: Iterable[Json]) -> set[tuple[str, str]]:
    return {(found["kind"], found["metadata"]["name"]) for found in resources}
