"""The periodic comparison of a connection's resources with JetStream, by listing, never one by one.

It decides nothing but who is reconciled; differences are looked at again by the reconciler.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol, TypeVar

from coze_nats import metrics
from coze_nats.controller.queue import KeyedQueue, Lane
from coze_nats.core.desired import Target
from coze_nats.core.errors import Failure, NotFound
from coze_nats.core.live import Listing, LiveConsumer, LiveStream
from coze_nats.core.resource import Resource
from coze_nats.ports import JetStream
from coze_nats.reconcile import AWAY_GRACE

log = logging.getLogger(__name__)

Item = TypeVar("Item")

QUIET = 0.5
"""How long there must be no further request before a requested round starts."""

_JITTER = 0.1
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

    def is_settled(
        self,
        resource: Resource,
        live: LiveStream | LiveConsumer | None,
        stream: LiveStream | None = None,
    ) -> bool:
        """Whether reconciling the resource now would do nothing, given what JetStream has."""

    def target(self, resource: Resource) -> Target | None:
        """Names in JetStream, or None when the spec doesn't tell."""


class Resync:
    """Enqueues the resources that are not settled: every `interval` seconds and on request.

    All times are in seconds.

    Attributes:
        trouble: why the last comparison failed; "" when it didn't.

    Args:
        lane: of the queue, in which the connection's resources are.
        figures: where it is told what the lists say of streams and consumers.
    """

    def __init__(  # noqa: PLR0913 - the parts that a comparison works with, and its times
        self,
        queue: KeyedQueue,
        judge: Judge,
        users: Users,
        jetstream: JetStream,
        *,
        interval: float,
        lane: Lane = None,
        figures: metrics.Figures | None = None,
        quiet: float = QUIET,
        grace: float = AWAY_GRACE,
    ) -> None:
        self._queue = queue
        self._judge = judge
        self._users = users
        self._jetstream = jetstream
        self._interval = interval
        self._lane = lane
        self._figures = figures or metrics.Seen(0).of(metrics.OWN_CONNECTION, 0.0)
        self._quiet = quiet
        self._grace = grace
        self.trouble = ""
        self._requested = asyncio.Event()
        self._connected = False
        self._away_timer: asyncio.TimerHandle | None = None

    def request(self) -> None:
        """Have a round soon."""
        self._requested.set()

    def connected(self) -> None:
        """NATS is there: what waited for it goes on, and everything is compared."""
        self._connected = True
        self._cancel_away_timer()
        self._queue.release_parked(self._lane)
        self.request()

    def disconnected(self) -> None:
        """NATS is away: if it stays so, every resource is reconciled once to say so."""
        self._connected = False
        self._cancel_away_timer()
        loop = asyncio.get_running_loop()
        self._away_timer = loop.call_later(self._grace, self._enqueue_all)

    def forget(self) -> None:
        """The connection is given up: nothing more is told of what is behind it."""
        self._figures.forget()

    async def run(self) -> None:
        """Do rounds until cancelled."""
        if not self._connected:
            self.disconnected()
        try:
            while True:
                await self._due()
                try:
                    await self.round()
                    self.trouble = ""
                except Failure as failure:
                    self.trouble = str(failure)
                    log.warning("Comparing with JetStream is put off: %s", failure)
                except Exception:
                    log.exception("Bug: comparing with JetStream failed as nobody thought of")
        finally:
            self._cancel_away_timer()

    async def round(self) -> None:
        """Compare everything once; raises the Failure of JetStream."""
        if self._connected:
            with self._figures.round():
                await self._judge.learn()
                await self._compare()

    async def _due(self) -> None:
        jitter = random.uniform(-_JITTER, _JITTER)  # noqa: S311  spreads load
        try:
            async with asyncio.timeout(self._interval * (1 + jitter)):
                await self._requested.wait()
        except TimeoutError:
            return
        while self._requested.is_set():
            self._requested.clear()
            await asyncio.sleep(self._quiet)

    async def _compare(self) -> None:
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
        await self._enqueue_unsettled(streams, listing)
        slots = asyncio.Semaphore(_LISTINGS_AT_ONCE)

        async def compare(stream: str) -> None:
            async with slots:
                found = await self._consumers(stream, exists=stream in listing.found)
                if found:
                    await self._enqueue_unsettled(
                        consumers[stream], found, listing.found.get(stream)
                    )

        await asyncio.gather(*map(compare, consumers.keys() - listing.missing))

    async def _consumers(self, stream: str, *, exists: bool) -> Listing[LiveConsumer] | None:
        """The stream's consumers; None when they can't be listed, which stops nobody else."""
        none: Listing[LiveConsumer] = Listing({})
        if not exists:
            return none
        try:
            return await self._jetstream.consumers(stream)
        except NotFound:
            return none
        except Failure as failure:
            log.warning("Comparing the consumers of stream %s is put off: %s", stream, failure)
            return None

    async def _enqueue_unsettled(
        self,
        resources: Named,
        listing: Listing[LiveStream] | Listing[LiveConsumer],
        stream: LiveStream | None = None,
    ) -> None:
        async for resource, name in _unhurried(resources):
            self._figures.saw(resource, name, listing, stream)
            # Who is being worked on, or about to be, knows better than a list from before.
            if name in listing.missing or self._queue.is_active(resource.key):
                continue
            if not self._judge.is_settled(resource, listing.found.get(name), stream):
                self._queue.add(resource.key)

    def _enqueue_all(self) -> None:
        for resource in self._users():
            self._queue.add(resource.key)

    def _cancel_away_timer(self) -> None:
        if self._away_timer:
            self._away_timer.cancel()
            self._away_timer = None


async def _unhurried(items: Iterable[Item]) -> AsyncIterator[Item]:
    """The items, with a pause now and then for everybody else on the event loop."""
    for number, item in enumerate(items):
        if number % _ITEMS_AT_ONCE == 0:
            await asyncio.sleep(0)
        yield item
