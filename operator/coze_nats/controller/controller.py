"""Turns what is heard of resources into reconciles, and done deletions into released finalizers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from coze_nats import logs
from coze_nats.controller.cache import Cache
from coze_nats.controller.queue import Clock, KeyedQueue
from coze_nats.core import names
from coze_nats.core.errors import Failure
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.resource import Key, Resource
from coze_nats.reconcile import Next

log = logging.getLogger(__name__)

KOPFS_TURN = 30.0
"""Seconds that Kopf has for taking a finalizer off; afterwards it won't any more."""

Target = tuple[str, str | None]
"""Names in JetStream: of a stream and, for a consumer, of the consumer."""

ReleaseFinalizer = Callable[[Resource, tuple[str, ...]], Awaitable[None]]
"""Take the operator's finalizer off a resource, given all its finalizers."""


class Reconciler(Protocol):
    """What `coze_nats.reconcile` offers to the controller and the resync."""

    async def reconcile(self, key: Key) -> Next:
        """Make JetStream match one resource; a Failure that escapes is retried with backoff."""

    def is_settled(
        self,
        resource: Resource,
        live: LiveStream | LiveConsumer | None,
        stream: LiveStream | None = None,
    ) -> bool:
        """Whether reconciling the resource now would do nothing, given what JetStream has."""

    def target(self, resource: Resource) -> Target | None:
        """Names in JetStream, or None when the spec doesn't tell."""


class Controller:
    """Keeps the cache, decides what is enqueued, and finalizes deleted resources.

    A resource is reconciled only once it bears the finalizer, so that nothing is made in JetStream
    which a deletion could leave behind.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        cache: Cache,
        release_finalizer: ReleaseFinalizer,
        *,
        concurrency: int = 32,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or asyncio.get_running_loop()
        self._reconciler = reconciler
        self._cache = cache
        self._release_finalizer = release_finalizer
        self.queue = KeyedQueue(self._reconcile, concurrency=concurrency, clock=self._clock)
        self._finalizers: dict[str, tuple[str, ...]] = {}
        # By uid: for which Kopf's handler is waiting, and when it was told to go ahead.
        self._awaited: set[str] = set()
        self._finalized: dict[str, float] = {}

    def observe(self, event: str | None, body: Mapping[str, Any]) -> bool:
        """Take in what the apiserver says of a resource.

        `event` is ADDED, MODIFIED, DELETED, or None for a resource found by listing. Returns False
        for a listed resource that looks settled by its status: it is left to the next resync, which
        asks JetStream about many resources at once.
        """
        resource = Resource.from_body(body)
        if event == "DELETED":
            self._gone(resource)
            return True
        known = self._cache.get(resource.key)
        if not self._cache.put(resource):
            return True
        if resource.deleting:
            self._finalizers[resource.uid] = tuple(body["metadata"].get("finalizers") or ())
        if known and known.revision == resource.revision:
            return True
        if resource.deleting and resource.finalized:
            # Kopf calls `finalize` in a moment. Begun now, the deletion could be done before, and
            # both would take the finalizer off.
            self.queue.discard(resource.key)
            return True
        if event is None and known is None and _looks_settled(resource):
            return False
        self.queue.add(resource.key)
        return True

    async def finalize(self, key: Key, uid: str) -> bool:
        """Whether JetStream's side of a deleted resource is done, after trying now.

        False when that has to wait; the controller then takes the finalizer off itself, later.
        """
        if self.queue.is_waiting(key):
            return False
        self._awaited.add(uid)
        try:
            self.queue.add(key)
            await self.queue.at_rest(key)
        finally:
            self._awaited.discard(uid)
        return uid in self._finalized

    def unstick_deletions(self) -> None:
        """Go on with deletions that nobody is at: those that Kopf was told of and dropped."""
        long_ago = self._clock.time() - KOPFS_TURN
        for resource in self._cache:
            if not resource.deleting or not resource.finalized:
                continue
            if self._finalized.get(resource.uid, long_ago) <= long_ago:
                self._finalized.pop(resource.uid, None)
                if not self.queue.is_waiting(resource.key):
                    self.queue.add(resource.key)

    def sweep(self, known_before: Mapping[Key, str], existing_uids: frozenset[str]) -> None:
        """Forget the resources, given by key and uid, that vanished while nobody was watching."""
        for key, uid in known_before.items():
            resource = self._cache.get(key)
            if resource and resource.uid == uid and uid not in existing_uids:
                self._gone(resource)

    def _gone(self, resource: Resource) -> None:
        self._finalized.pop(resource.uid, None)
        self._finalizers.pop(resource.uid, None)
        known = self._cache.get(resource.key)
        if known and known.uid != resource.uid:
            return
        self._cache.remove(resource.key)
        self.queue.discard(resource.key)
        if resource.key.kind == names.STREAM_KIND:
            for consumer in self._cache.consumers_of(resource.key.namespace, resource.key.name):
                self.queue.add(consumer)

    async def _reconcile(self, key: Key) -> Next:
        resource = self._cache.get(key)
        if resource is None or not resource.finalized or resource.uid in self._finalized:
            return Next()
        with logs.about(key):
            try:
                outcome = await self._reconciler.reconcile(key)
                if outcome.finalized:
                    await self._finish(resource)
            except Failure as failure:
                log.warning("Not done, trying again: %s", failure)
                return Next(backoff=True)
            return outcome

    async def _finish(self, resource: Resource) -> None:
        if resource.uid in self._awaited:
            self._finalized[resource.uid] = self._clock.time()
        else:
            # Kopf isn't waiting any more, and only an event would make it ask again. Instead of a
            # write that makes one, this is the write that Kopf would do then.
            await self._release_finalizer(resource, self._finalizers.get(resource.uid, ()))


def _looks_settled(resource: Resource) -> bool:
    return (
        resource.finalized
        and not resource.deleting
        and resource.status.get("observedGeneration") == resource.generation
    )
