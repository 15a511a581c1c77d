"""Hands each resource to what works for its connection; who can't use one is told so."""

from coze_nats import metrics
from coze_nats.controller.cache import Cache
from coze_nats.controller.connecting import Connecting
from coze_nats.controller.links import Link, Links
from coze_nats.controller.queue import Lane
from coze_nats.core import names
from coze_nats.core.references import Obstacle
from coze_nats.core.remembered import says
from coze_nats.core.resource import Key, Resource
from coze_nats.reconcile import Next, Reporter, deletion_waits, news_of_untouched


class Router:
    """Implements what the controller wants of a reconciler, for all connections."""

    def __init__(
        self, cache: Cache, links: Links, connecting: Connecting, reporter: Reporter
    ) -> None:
        self._cache = cache
        self._links = links
        self._connecting = connecting
        self._reporter = reporter

    def lane_of(self, key: Key) -> Lane:
        """What a resource may have to wait for: those of its own NATS system, and no others."""
        resource = self._cache.get(key)
        if resource is None or key.kind == names.CONNECTION_KIND:
            return key
        return self._cache.connection_of(resource)

    async def reconcile(self, key: Key) -> Next:
        """Reconcile one resource of any kind; a Failure that escapes is retried with backoff."""
        resource = self._cache.get(key)
        if resource is None:
            return Next()
        if key.kind == names.CONNECTION_KIND:
            return await self._connecting.reconcile(resource)
        link = self._links.of(resource)
        if isinstance(link, Link):
            return await link.reconciler.reconcile(key)
        if link is None:
            # Whoever finds out has it reconciled again.
            connection = self._cache.connection_of(resource)
            rests = connection and self._links.is_resting(connection)
            return Next(wake=(connection,) if connection and rests else ())
        return await self._blocked(resource, link)

    async def warm_up(self, connection: Resource) -> Next:
        """Keep the session of a connection open, and write nothing: another operator leads."""
        return await self._connecting.warm_up(connection)

    def listed(self, resource: Resource) -> None:
        """A listed resource looks settled: have it compared with JetStream."""
        link = self._links[self._cache.connection_of(resource)]
        if link:
            link.resync.request()

    def changed(self, resource: Resource) -> None:
        """A CozeConnection may declare something else than before."""
        self._connecting.changed(resource)

    def gone(self, resource: Resource) -> None:
        """The CozeConnection doesn't exist any more."""
        self._connecting.gone(resource.key)

    async def _blocked(self, resource: Resource, obstacle: Obstacle) -> Next:
        outcome = obstacle.outcome
        if not resource.deleting:
            is_news = not says(resource, obstacle.reason)
            await self._reporter.report(resource, None, outcome)
            # Its consumers share its connection, and may not have known which that is.
            return Next(wake=self._consumers_of(resource) if is_news else ())
        waits = not (resource.released or obstacle.is_final)
        if waits and _may_have_been_made(resource):
            await self._reporter.report(resource, None, deletion_waits(outcome))
            return Next()
        if _was_asked_for(resource) and (target := self._cache.target_of(resource)):
            by_hand = "released by annotation"
            why = "its CozeStream and connection are gone" if obstacle.is_final else by_hand
            self._reporter.emit(resource, news_of_untouched(target, why))
        metrics.not_held(resource.key)
        self._reporter.forget(resource.key)
        return Next(finalized=True)

    def _consumers_of(self, resource: Resource) -> tuple[Key, ...]:
        if resource.key.kind != names.STREAM_KIND:
            return ()
        return self._cache.consumers_of(resource.key.namespace, resource.key.name)


def _may_have_been_made(resource: Resource) -> bool:
    """Whether a resource that is being deleted may stand for something in JetStream.

    It doesn't when its status says so from before the deletion, which is a generation of its own:
    what was written since is no proof, as nobody could look.
    """
    status, generation = resource.status, resource.generation
    return _was_asked_for(resource) or status.get("observedGeneration", generation) == generation


def _was_asked_for(resource: Resource) -> bool:
    """Whether JetStream has, or was asked to create, what the resource stands for."""
    return "created" in resource.status or "creating" in resource.status
