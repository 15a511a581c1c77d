"""An operator's life without its process: a reconciler with an empty memory, on what is stored.

What outlives it are the resources in a Kubernetes (the fake one) and JetStream (a real one). Time
passes by leaps between rounds, so that nothing has to be waited for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from coze_nats.controller.cache import Cache
from coze_nats.core.errors import Failure
from coze_nats.core.resource import Key
from coze_nats.ports import JetStream
from coze_nats.reconcile import Brake, Context, Next, Reconciler, Reporter, Rules
from fakes.kubernetes import FakeKubernetes
from support.faults import Died, Fate, Mortal

ROUNDS = 20
LEAP = 30.0
"""Seconds that pass between two rounds."""


@dataclass(slots=True)
class LeapingClock:
    """The time of day, and a monotonic clock that only goes by leaps."""

    now: float = 1000.0

    def time_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return self.now


class Connected:
    """A session that never ends."""

    is_connected = True
    away_since: float | None = None
    last_error = ""
    epoch = 1


@dataclass(slots=True)
class Life:
    """One process of an operator, from its start until everything is at rest, or until it dies.

    Attributes:
        order: in which order a round goes through the resources.
    """

    kubernetes: FakeKubernetes
    jetstream: JetStream
    rules: Rules
    fate: Fate = field(default_factory=Fate)
    order: Callable[[list[Key]], list[Key]] = sorted

    async def survives(self) -> bool:
        """Live until all is at rest; False when it died."""
        clock = LeapingClock()
        cache = Cache()
        for resource in self.kubernetes.resources.values():
            cache.put(resource)
        mortal = Mortal(self.kubernetes, self.fate, frozenset({"apply_status"}))
        context = Context(
            resources=cache,
            jetstream=Mortal(self.jetstream, self.fate),
            reporter=Reporter(cache, mortal, clock, self.rules.default_policies),
            clock=clock,
            rules=self.rules,
            brake=Brake(0),
        )
        reconciler = Reconciler(context, Connected())
        try:
            for _ in range(ROUNDS):
                if not await self._round(reconciler, cache):
                    return True
                clock.now += LEAP
        except Died:
            return False
        raise AssertionError(f"not at rest after {ROUNDS} rounds: {self.fate.made[-20:]}")

    async def _round(self, reconciler: Reconciler, cache: Cache) -> bool:
        """Reconcile every resource once; returns whether anything is worth a further round."""
        changes, writes = len(self.fate.changes), self.kubernetes.writes
        outcomes = [
            await self._reconcile(reconciler, cache, key)
            for key in self.order([resource.key for resource in cache])
        ]
        is_quiet = (changes, writes) == (len(self.fate.changes), self.kubernetes.writes)
        return not is_quiet or any(each.backoff or each.after is not None for each in outcomes)

    async def _reconcile(self, reconciler: Reconciler, cache: Cache, key: Key) -> Next:
        """As the controller does it."""
        resource = cache.get(key)
        assert resource
        try:
            outcome = await reconciler.reconcile(key)
            if outcome.finalized:
                release = self.kubernetes.release_finalizer
                await self.fate.call("release_finalizer", lambda: release(resource))
                cache.remove(key)
        except Failure:
            return Next(backoff=True)
        return outcome
