"""Turns what is heard of resources into reconciles, and done deletions into released finalizers."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Protocol

from coze_nats import logs, metrics
from coze_nats.backoff import spread
from coze_nats.controller.cache import Cache
from coze_nats.controller.duty import Duty
from coze_nats.controller.queue import KeyedQueue, Lane
from coze_nats.core import names
from coze_nats.core.errors import Failure, NotLeading
from coze_nats.core.references import consumers_of
from coze_nats.core.resource import Key, Resource
from coze_nats.reconcile import Next

log = logging.getLogger(__name__)

_JITTER = 0.1
"""Resources with the same interval don't come at the same moment."""

AddFinalizer = Callable[[Resource, tuple[str, ...]], Awaitable[Resource | None]]
"""Put the operator's finalizer on a resource, given the finalizers that it has.

Returns the resource as it is then, None when it is gone.
"""

ReleaseFinalizer = Callable[[Resource, tuple[str, ...]], Awaitable[None]]
"""Take the operator's finalizer off a resource, given all its finalizers."""


class Reconciler(Protocol):
    """What works on the resources: `router.Router`."""

    async def reconcile(self, key: Key) -> Next:
        """Make JetStream match one resource; a Failure that escapes is retried with backoff."""

    async def warm_up(self, connection: Resource) -> Next:
        """Keep what a connection needs ready, and write nothing: another operator leads."""

    def lane_of(self, key: Key) -> Lane:
        """The lane of the queue that the resource has to keep to."""

    def listed(self, resource: Resource) -> None:
        """A resource that was there before the operator looks settled by its status."""

    def changed(self, connection: Resource) -> None:
        """A CozeConnection may declare something else than before."""

    def gone(self, connection: Resource) -> None:
        """A CozeConnection doesn't exist any more."""


class Controller:
    """Keeps the cache, decides what is enqueued, and puts the finalizer on and off.

    A resource is reconciled only once it bears the finalizer, so that nothing is made in JetStream
    which a deletion could leave behind.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        cache: Cache,
        add_finalizer: AddFinalizer,
        release_finalizer: ReleaseFinalizer,
        duty: Duty,
        *,
        concurrency: int = 32,
    ) -> None:
        self._reconciler = reconciler
        self._cache = cache
        self._add_finalizer = add_finalizer
        self._release_finalizer = release_finalizer
        self._duty = duty
        self.queue = KeyedQueue(
            self._reconcile,
            lane_of=reconciler.lane_of,
            admits=duty.admits,
            concurrency=concurrency,
        )
        # By uid, of resources that wait for ours to be put on or taken off.
        self._finalizers: dict[str, tuple[str, ...]] = {}
        self._adding: set[str] = set()
        self._released: set[str] = set()

    def observe(self, event: str | None, body: Mapping[str, Any]) -> None:
        """Take in what the apiserver says of a resource.

        `event` is ADDED, MODIFIED, DELETED, or None for a resource found by listing. One of these
        that looks settled by its status is left to the next resync, which asks JetStream about many
        resources at once.
        """
        resource = Resource.from_body(body)
        if event == "DELETED":
            self._gone(resource)
            return
        known = self._cache.get(resource.key)
        if not self._cache.put(self._duty.pared(resource)):
            return
        if resource.deleting or not resource.finalized:
            self._finalizers[resource.uid] = tuple(body["metadata"].get("finalizers") or ())
        else:
            self._finalizers.pop(resource.uid, None)
        if known and self._is_no_news(known, resource):
            return
        if resource.is_let_go:
            self._wake_connection_of(resource)
        if resource.key.kind == names.CONNECTION_KIND:
            # Its own reconcile may be waiting for an answer of the former system.
            self._reconciler.changed(resource)
        if event is None and known is None and _looks_settled(resource):
            self._reconciler.listed(resource)
        else:
            if event is not None and _is_new_spec(known, resource):
                metrics.declared(resource.key, resource.generation)
            self.queue.add(resource.key)
        if resource.key.kind == names.STREAM_KIND and self._concerns_consumers(
            event, known, resource
        ):
            self._enqueue_consumers(resource.key)

    def take_over(self) -> None:
        """Begin to act, also on all that was heard of before."""
        self._duty.begun.set()
        for resource in self._cache:
            if not _looks_settled(resource):
                self.queue.add(resource.key)

    def resume_deletions(self) -> None:
        """Go on with deletions that nobody is at, should there be any."""
        for resource in self._cache:
            key = resource.key
            if resource.deleting and not self.queue.is_known(key):
                self.queue.add(key)

    def sweep(self, known_before: Mapping[Key, str], existing_uids: Collection[str]) -> None:
        """Forget the resources, given by key and uid, that vanished while nobody was watching."""
        for key, uid in known_before.items():
            resource = self._cache.get(key)
            if resource and resource.uid == uid and uid not in existing_uids:
                self._gone(resource)

    def _concerns_consumers(
        self, event: str | None, known: Resource | None, stream: Resource
    ) -> bool:
        """Whether a CozeStream tells whose its consumers are, or whose they may be, unlike before.

        Those that are listed at the start are compared, all at once.
        """
        if known is None and self._duty.is_divided:
            return True
        return event is not None and consumers_of(known) != consumers_of(stream)

    def _is_no_news(self, known: Resource, resource: Resource) -> bool:
        """Whether nothing changed, or only by our own write, which is being followed up."""
        if resource.uid in self._adding:
            known = replace(known, finalized=True)
        return known.revision == resource.revision

    def _gone(self, resource: Resource) -> None:
        self._finalizers.pop(resource.uid, None)
        self._released.discard(resource.uid)
        known = self._cache.get(resource.key)
        if known and known.uid != resource.uid:
            return
        self._wake_connection_of(resource)
        self._cache.remove(resource.key)
        self.queue.discard(resource.key)
        metrics.forget(resource.key)
        if resource.key.kind == names.CONNECTION_KIND:
            self._reconciler.gone(resource)
        if resource.key.kind == names.STREAM_KIND:
            self._enqueue_consumers(resource.key)

    def _wake_connection_of(self, user: Resource) -> None:
        """Have its connection looked at, if that waits for its users to be deleted itself."""
        connection = self._cache.connection_of(user)
        if connection and (used := self._cache.get(connection)) and used.deleting:
            self.queue.add(connection)

    def _enqueue_consumers(self, stream: Key) -> None:
        for consumer in self._cache.consumers_of(stream.namespace, stream.name):
            self.queue.add(consumer)

    async def _reconcile(self, key: Key) -> Next:
        with metrics.Reconcile(key.kind) as reconcile:
            outcome = await self._attempt(key)
            reconcile.result = _result(outcome)
            return outcome

    async def _attempt(self, key: Key) -> Next:
        resource = self._cache.get(key)
        if resource is None or resource.uid in self._released or not self._duty.admits(key):
            return Next()
        with logs.about(key):
            try:
                if not self._duty.begun.is_set():
                    return await self._reconciler.warm_up(resource)
                if not await self._finalized(resource):
                    return Next()
                outcome = await self._reconciler.reconcile(key)
                if outcome.finalized:
                    await self._release(resource)
                elif resource.resync_interval and outcome == Next(wake=outcome.wake):
                    outcome = replace(outcome, after=spread(resource.resync_interval, _JITTER))
            except NotLeading as failure:
                # Who has lost the lead for good ends. It may also have been for a moment, and then
                # nobody else is going to do it.
                log.info("Put off: %s", failure)
                return Next(backoff=True)
            except Failure as failure:
                log.warning("Not done, trying again: %s", failure)
                return Next(backoff=True)
            return outcome

    async def _finalized(self, resource: Resource) -> bool:
        """Whether the resource bears the finalizer, now if not before."""
        if resource.finalized or resource.deleting:
            return resource.finalized
        self._adding.add(resource.uid)
        try:
            found = await self._add_finalizer(resource, self._finalizers.get(resource.uid, ()))
        finally:
            self._adding.discard(resource.uid)
        if found is not None:
            self._cache.put(found)
        known = self._cache.get(resource.key)
        return known is not None and known.finalized

    async def _release(self, resource: Resource) -> None:
        await self._release_finalizer(resource, self._finalizers.get(resource.uid, ()))
        self._released.add(resource.uid)


def _result(outcome: Next) -> str:
    """How a reconcile ended, as metrics tell it."""
    if outcome.backoff:
        return metrics.Reconcile.RETRY
    if outcome.finalized:
        return "finalized"
    return "waiting" if outcome.parked or outcome.after is not None else "done"


def _is_new_spec(known: Resource | None, resource: Resource) -> bool:
    return known is None or known.uid != resource.uid or known.generation != resource.generation


def _looks_settled(resource: Resource) -> bool:
    return (
        resource.key.kind != names.CONNECTION_KIND
        and resource.finalized
        and not resource.deleting
        and not resource.resync_interval
        and resource.status.get("observedGeneration") == resource.generation
    )
