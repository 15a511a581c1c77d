"""One comparison of a connection's resources with JetStream, by listing, never one by one.

It decides nothing but who is reconciled; differences are looked at again by the reconciler.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from coze_nats import metrics
from coze_nats.controller.queue import KeyedQueue
from coze_nats.controller.unseen import Unseen
from coze_nats.core.desired import Target
from coze_nats.core.errors import Denied, Failure, NotFound
from coze_nats.core.live import Listing, LiveConsumer, LiveStream
from coze_nats.core.resource import Key, Resource
from coze_nats.ports import JetStream

log = logging.getLogger(__name__)

Item = TypeVar("Item")

_LISTINGS_AT_ONCE = 8
_ITEMS_AT_ONCE = 100

Named = list[tuple[Resource, str]]
"""Resources with the names that their streams, or consumers, have in JetStream."""

Users = Callable[[], Iterable[Resource]]
"""The resources that use the connection, as of now."""


class Judge(Protocol):
    """What `coze_nats.reconcile` offers to a comparison."""

    async def learn(self) -> None:
        """Find out what has to be known of the server; raises its Failure."""

    def saw(self, streams: Iterable[LiveStream]) -> None:
        """These are all streams of the account."""

    def is_settled(
        self,
        resource: Resource,
        live: LiveStream | LiveConsumer | None,
        stream: LiveStream | None = None,
    ) -> bool:
        """Whether reconciling the resource now would do nothing, given what JetStream has."""

    def target(self, resource: Resource) -> Target | None:
        """Names in JetStream, or None when the spec doesn't tell."""


@dataclass(slots=True)
class Gaps:
    """What a comparison that succeeded as a whole did not get to see.

    Attributes:
        keys: resources that the lists told nothing of.
        trouble: why consumers could not be listed, if they could not.
        denied: what the user may not list: "STREAM.LIST" or "CONSUMER.LIST"; "" for nothing.
    """

    keys: list[Key] = field(default_factory=list)
    trouble: str = ""
    denied: str = ""


class Comparison:
    """Enqueues the resources that are not settled.

    Args:
        unseen: is told whom a comparison has seen as soon as it has.
        figures: where it is told what the lists say of streams and consumers.
    """

    def __init__(
        self,
        queue: KeyedQueue,
        judge: Judge,
        users: Users,
        jetstream: JetStream,
        unseen: Unseen,
        figures: metrics.Figures,
    ) -> None:
        self._queue = queue
        self._judge = judge
        self._users = users
        self._jetstream = jetstream
        self._unseen = unseen
        self._figures = figures

    async def compare(self) -> Gaps:
        """Compare everything once; raises the Failure of JetStream."""
        with self._figures.round():
            await self._judge.learn()
            return await self._compare()

    async def _compare(self) -> Gaps:
        gaps = Gaps()
        streams: Named = []
        consumers: dict[str, Named] = defaultdict(list)
        async for resource in _unhurried(self._users()):
            if target := self._judge.target(resource):
                stream, consumer = target
                if consumer is None:
                    streams.append((resource, stream))
                else:
                    consumers[stream].append((resource, consumer))
        listing = await self._jetstream.streams()
        self._judge.saw(listing.found.values())
        await self._enqueue_unsettled(gaps, streams, listing)
        for stream in consumers.keys() & listing.missing:
            gaps.keys += _keys(consumers[stream])
        slots = asyncio.Semaphore(_LISTINGS_AT_ONCE)

        async def compare(stream: str) -> None:
            async with slots:
                await self._compare_consumers(gaps, stream, consumers[stream], listing)

        await asyncio.gather(*map(compare, consumers.keys() - listing.missing))
        return gaps

    async def _compare_consumers(
        self, gaps: Gaps, stream: str, resources: Named, streams: Listing[LiveStream]
    ) -> None:
        """Compare those on one stream; when they can't be listed, that stops nobody else."""
        try:
            found = await self._consumers(stream, exists=stream in streams.found)
        except Failure as failure:
            log.warning("Comparing the consumers of stream %s is put off: %s", stream, failure)
            gaps.keys += _keys(resources)
            if isinstance(failure, Denied):
                gaps.denied = "CONSUMER.LIST"
                return
            gaps.trouble = f"the consumers of stream {stream} can't be listed: {failure}"
            self._unseen.release()
            return
        await self._enqueue_unsettled(gaps, resources, found, streams.found.get(stream))

    async def _consumers(self, stream: str, *, exists: bool) -> Listing[LiveConsumer]:
        if exists:
            with suppress(NotFound):
                return await self._jetstream.consumers(stream)
        return Listing({})

    async def _enqueue_unsettled(
        self,
        gaps: Gaps,
        resources: Named,
        listing: Listing[LiveStream] | Listing[LiveConsumer],
        stream: LiveStream | None = None,
    ) -> None:
        async for resource, name in _unhurried(resources):
            self._figures.saw(resource, name, listing, stream)
            if name in listing.missing:
                gaps.keys.append(resource.key)
                continue
            self._unseen.saw(resource.key)
            # Who is being worked on, or about to be, knows better than a list from before.
            if self._queue.is_active(resource.key):
                continue
            if not self._judge.is_settled(resource, listing.found.get(name), stream):
                self._queue.add(resource.key)


def _keys(resources: Named) -> list[Key]:
    return [resource.key for resource, _ in resources]


async def _unhurried(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, with a pause now and then for everybody else on the event loop."""
    for number, item in enumerate(items):
        if number % _ITEMS_AT_ONCE == 0:
            await asyncio.sleep(0)
        yield item
