"""Records a resource in a given state, as the operator's own code leaves it, for others to judge.

The states stand in `recorded_streams`, `recorded_consumers` and `recorded_connections`. `make
generate` writes them to the test data of Argo CD's health checks, so what is judged there can't
drift from what is written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coze_nats.core import names
from coze_nats.core.conditions import condition, timestamp
from coze_nats.core.errors import Failure
from coze_nats.core.resource import Key, Resource
from fakes.jetstream import FakeJetStream
from support.bench import Bench
from support.clock import StandingClock


class Judged(NamedTuple):
    """How a resource is seen: by Argo CD, by kstatus, by Flux with the examples' expressions."""

    argo: str
    kstatus: str
    flux: str


HEALTHY = Judged("Healthy", "Current", "Current")
WORKING = Judged("Progressing", "InProgress", "InProgress")
STUCK = Judged("Degraded", "Failed", "Failed")
# Whoever waits for what is held waits for ever, so Flux is told to give up at once.
HELD = Judged("Suspended", "InProgress", "Failed")
# Of what is being deleted; Argo CD calls it all progressing, and doesn't ask the script.
LEAVING = Judged("Degraded", "Terminating", "Failed")
GOING = Judged("Progressing", "Terminating", "InProgress")


class Stage:
    """A bench with a JetStream in memory; both by one clock, which always starts at the same time.

    Attributes:
        bench: see `support.bench`.
        jetstream: see `fakes.jetstream`.
    """

    def __init__(
        self,
        version: str = "2.14.6",
        storage: int = -1,
        jetstream: type[FakeJetStream] = FakeJetStream,
        **rules: Any,
    ) -> None:
        clock = StandingClock()
        self.jetstream = jetstream(version, clock=clock.time_ns, max_storage=storage)
        self.bench = Bench(self.jetstream, clock=clock, **rules)

    async def stream(self, **spec: Any) -> Key:
        """A CozeStream, declared and reconciled until it is at rest."""
        key = self.bench.stream("orders", **spec)
        await self.bench.settle(key)
        return key

    async def consumer(self, **spec: Any) -> Key:
        """A CozeConsumer, likewise, of a CozeStream that is there."""
        key = self.bench.consumer("reader", **spec)
        await self.bench.settle(await self.stream(), key)
        return key

    async def once(self, key: Key, *faults: Failure) -> Key:
        """Reconcile once, or once for each failure that NATS answers with."""
        for _ in faults or (None,):
            self.jetstream.faults.extend(faults[:1])
            await self.bench.reconcile(key)
        return key


Play = Callable[[Stage], Awaitable[Key]]
"""Brings a resource into a state, and returns it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A state of a resource.

    Attributes:
        name: of the file that it is recorded in.
        says: Argo CD's message, where it is not the one of the condition Ready.
        setting: what the stage is like.
    """

    kind: str
    name: str
    judged: Judged
    play: Play
    says: str = ""
    setting: Mapping[str, Any] = field(default_factory=dict)

    def recorded(self) -> dict[str, Any]:
        """The resource as the API server would serve it."""
        return asyncio.run(self._recorded())

    async def _recorded(self) -> dict[str, Any]:
        stage = Stage(**self.setting)
        key = await self.play(stage)
        return _body(stage.bench.kubernetes.resources[key], stage.bench.clock)

    def message(self, body: Mapping[str, Any]) -> str:
        """What Argo CD shall show beside the health of this body."""
        return self.says or str((condition(body["status"], "Ready") or {})["message"])


def _body(resource: Resource, clock: StandingClock) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": resource.key.name,
        "namespace": resource.key.namespace,
        "generation": resource.generation,
        "finalizers": [names.FINALIZER],
    }
    if resource.deleting:
        metadata["deletionTimestamp"] = timestamp(clock.time_ns())
    return {
        "apiVersion": names.API_VERSION,
        "kind": resource.key.kind,
        "metadata": metadata,
        "spec": dict(resource.spec),
        "status": dict(resource.status or names.UNSEEN),
    }
