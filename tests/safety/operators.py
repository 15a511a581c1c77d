"""One operator of a history: a real reconciler on watched ports, and its cluster's resources."""

from collections.abc import Iterable, Mapping

from coze_nats.controller.cache import Cache
from coze_nats.core import names
from coze_nats.core.errors import Failure
from coze_nats.core.names import EventReason
from coze_nats.core.ownership import Live
from coze_nats.core.resource import Key, Resource
from coze_nats.ports import JetStream
from coze_nats.reconcile import Brake, Context, Reconciler, Reporter, Rules
from safety.cluster import Cluster
from safety.judging import Judging
from safety.ledger import Ledger
from safety.outsider import Outsider
from safety.steps import Fault
from safety.watched import (
    Interruption,
    Reconciling,
    WatchedJetStream,
    WatchedKubernetes,
    current,
)
from safety.writes import Violation
from support.faults import Died
from support.lives import Connected, LeapingClock


class Operator:
    """An operator with its cluster; it may die, and then another process goes on."""

    def __init__(
        self,
        cluster_id: str,
        defaults: Mapping[str, str],
        jetstream: JetStream,
        outsider: Outsider,
        clock: LeapingClock,
    ) -> None:
        self.cluster = Cluster(cluster_id, defaults)
        self.ledger = Ledger(self.cluster, outsider.identity.of)
        self.cache = Cache()
        self._judging = Judging(self.cluster, self.ledger, jetstream, outsider, lambda: self.cache)
        self._real = jetstream
        self._outsider = outsider
        self._clock = clock
        self._running: set[Key] = set()
        self._again: list[Key] = []
        self.start()

    def start(self) -> None:
        """A process starts, with nothing in its memory but what is stored."""
        self.cache = Cache()
        for resource in self.cluster.resources:
            self.cache.put(resource)
        cluster, judging = self.cluster, self._judging
        kubernetes = WatchedKubernetes(cluster.kubernetes, judging.status)
        context = Context(
            resources=self.cache,
            jetstream=WatchedJetStream(self._real, judging.write),
            reporter=Reporter(self.cache, kubernetes, self._clock, cluster.defaults),
            clock=self._clock,
            rules=Rules(cluster_id=cluster.id, default_policies=cluster.defaults),
            brake=Brake(0),
        )
        self._reconciler = Reconciler(context, Connected())

    def hear(self, key: Key) -> None:
        """The watch tells of a change."""
        self.cache.put(self.cluster.kubernetes.resources[key])

    @property
    def counts(self) -> tuple[int, int, int]:
        """Writes that JetStream took, statuses that were written, and events."""
        kubernetes = self.cluster.kubernetes
        return self._judging.writes, kubernetes.writes, len(kubernetes.events)

    async def work(self, keys: Iterable[Key]) -> None:
        """Reconcile these resources, and all that are woken by it."""
        ready = list(dict.fromkeys(keys))
        while ready:
            ready += [key for key in await self.reconcile(ready.pop(0)) if key not in ready]

    async def reconcile(
        self,
        key: Key,
        fault: Fault | None = None,
        interruption: Interruption | None = None,
        interrupted_at: int = 0,
    ) -> tuple[Key, ...]:
        """Reconcile one resource; returns who is woken by it."""
        resource = self.cache.get(key)
        if resource is None:
            return ()
        if key in self._running:
            # Never twice at once, says the queue; it is run again afterwards.
            self._again.append(key)
            return ()
        self._running.add(key)
        token = current.set(Reconciling(resource, fault, interrupted_at, interruption))
        try:
            outcome = await self._reconciler.reconcile(key)
        except Died:
            self.start()
            return ()
        except Failure:
            # The apiserver didn't take a status: the queue tries again.
            return ()
        except Violation:
            raise
        except Exception as bug:
            raise Violation("fails in foreseen ways only", f"{key}: {bug!r}") from bug
        finally:
            current.reset(token)
            self._running.remove(key)
        again, self._again = tuple(self._again), []
        woken = await self._gone(resource) if outcome.finalized else ()
        return again + outcome.wake + woken

    async def _gone(self, resource: Resource) -> tuple[Key, ...]:
        known = self.ledger.known(resource)
        for target, found in (await self._outsider.snapshot()).objects():
            is_told = self.cluster.tells_of(target, EventReason.RELEASED, EventReason.RETAINED)
            is_left = found.created == known and self.ledger.owns(resource, found)
            if is_left and not is_told:
                raise Violation("what stays behind is told of", f"{target} of {resource.key}")
        await self.cluster.kubernetes.release_finalizer(resource)
        self.cache.remove(resource.key)
        if resource.key.kind != names.STREAM_KIND:
            return ()
        self.ledger.gone(resource)
        return self.cache.consumers_of(resource.key.namespace, resource.key.name)

    async def unsettled(self) -> list[Key]:
        """The resources that a resync would find, and those that are to be deleted."""
        found = []
        for resource in self.cache:
            target = self._reconciler.target(resource)
            if target is None:
                continue
            stream = await self._real.stream(target.stream)
            live: Live | None = stream if target.consumer is None else None
            if stream and target.consumer:
                live = await self._real.consumer(target.stream, target.consumer)
            if not self._reconciler.is_settled(resource, live, stream) or resource.deleting:
                found.append(resource.key)
        return found
