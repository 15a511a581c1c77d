"""A reconciler on a bench: resources as an apiserver stores them, a JetStream, and a clock.

Nothing happens by itself: a test says what is reconciled, and when. What is written into a status
must be in the CRD.
"""

from collections.abc import Mapping
from typing import Any

from coze_nats.controller.cache import Cache
from coze_nats.core import names
from coze_nats.core.conditions import condition
from coze_nats.core.resource import Key
from coze_nats.ports import JetStream
from coze_nats.reconcile import Brake, Context, Next, Reconciler, Reporter, Rules
from fakes.kubernetes import Event, FakeKubernetes
from support import schema
from support.clock import StandingClock

NAMESPACE = "coze"
CLUSTER = "here"
ROUNDS = 12
"""How often a resource may be reconciled until it is at rest."""


class Connected:
    """A session that lasts, unless a test ends it."""

    def __init__(self) -> None:
        self.is_connected = True
        self.away_since: float | None = None
        self.last_error = ""
        self.epoch = 1


class Bench:
    """One operator's reconciler; `restart` empties its memory.

    Attributes:
        kubernetes: what is stored; several benches may share it.
        last: what the last reconcile said is next.
    """

    def __init__(
        self,
        jetstream: JetStream,
        *,
        clock: StandingClock | None = None,
        kubernetes: FakeKubernetes | None = None,
        most_deletions: int = 0,
        **rules: Any,
    ) -> None:
        self.most_deletions = most_deletions
        self.jetstream = jetstream
        self.clock = clock or StandingClock()
        self.kubernetes = kubernetes or FakeKubernetes()
        self.rules = Rules(**{"cluster_id": CLUSTER, **rules})
        self.session = Connected()
        self.cache = Cache()
        self.last = Next()
        self.restart()

    def restart(self) -> None:
        """End the operator, and start another one that knows only what is stored."""
        self.cache = Cache()
        self.context = Context(
            resources=self.cache,
            jetstream=self.jetstream,
            reporter=Reporter(self.cache, self.kubernetes, self.clock, self.rules.default_policies),
            clock=self.clock,
            rules=self.rules,
            brake=Brake(self.most_deletions),
        )
        self.reconciler = Reconciler(self.context, self.session)

    # --- what users do ----------------------------------------------------------------------------

    def stream(self, resource: str = "orders", /, **spec: Any) -> Key:
        """Declare a CozeStream."""
        return self.kubernetes.apply(names.STREAM_KIND, NAMESPACE, resource, spec)

    def consumer(self, resource: str = "reader", /, of: str = "orders", **spec: Any) -> Key:
        """Declare a CozeConsumer of a CozeStream, unless `streamName` names a stream."""
        stream = {} if "streamName" in spec else {"streamRef": {"name": of}}
        return self.kubernetes.apply(names.CONSUMER_KIND, NAMESPACE, resource, {**stream, **spec})

    # --- what the operator does -------------------------------------------------------------------

    def hear(self) -> None:
        """Take in what is stored, as from watch events."""
        for resource in tuple(self.cache):
            if resource.key not in self.kubernetes.resources:
                self.cache.remove(resource.key)
        for resource in self.kubernetes.resources.values():
            self.cache.put(resource)

    async def reconcile(self, key: Key) -> Next:
        """Reconcile once, and let a deleted resource go if that is its outcome."""
        self.hear()
        resource = self.cache.get(key)
        self.last = await self.reconciler.reconcile(key)
        if self.last.finalized and resource:
            await self.kubernetes.release_finalizer(resource)
        elif key in self.kubernetes.resources:
            known = schema.whole(key.kind)["properties"]["status"]
            assert list(schema.strangers(known, self.status(key), "status")) == []
        self.hear()
        return self.last

    async def settle(self, *keys: Key) -> None:
        """Reconcile these and whom they wake, again and again until none wants to be."""
        waiting = await self.settle_for_now(*keys)
        assert not waiting, [(str(key), self.ready(key)) for key in waiting]

    async def settle_for_now(self, *keys: Key) -> list[Key]:
        """As `settle`, a number of times at most; returns who still wants to be reconciled."""
        waiting = list(keys)
        for _ in range(ROUNDS * max(len(keys), 1)):
            if not waiting:
                break
            key = waiting.pop(0)
            following = await self.reconcile(key)
            waiting += [other for other in following.wake if other not in waiting]
            if following.backoff:
                waiting.append(key)
        return waiting

    # --- what is to be seen -----------------------------------------------------------------------

    def status(self, key: Key) -> Mapping[str, Any]:
        return self.kubernetes.status(key)

    def ready(self, key: Key) -> tuple[str, str]:
        """Whether it is Ready, "True" or "False", and the reason."""
        found = condition(self.status(key), "Ready") or {}
        return found.get("status", ""), found.get("reason", "")

    def message(self, key: Key) -> str:
        found = condition(self.status(key), "Ready") or {}
        return str(found.get("message", ""))

    def events(self, key: Key) -> list[Event]:
        """The events about a resource since the last look."""
        found = [event for event in self.kubernetes.events if event.key == key]
        self.kubernetes.events = [each for each in self.kubernetes.events if each.key != key]
        return found

    def owner(self, key: Key) -> str:
        return f"{self.rules.cluster_id}/{key.namespace}/{key.name}"
