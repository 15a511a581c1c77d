"""The last step of a reconcile: one status write, if it is worth one, and the events.

What a status says is computed in `coze_nats.core.conditions`; here it is decided whether to write.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, Protocol

from coze_nats.core.conditions import (
    Difference,
    Outcome,
    difference,
    is_true,
    next_status,
    turns,
)
from coze_nats.core.desired import Desired, Target
from coze_nats.core.live import LiveStream
from coze_nats.core.losses import counted
from coze_nats.core.names import EventReason
from coze_nats.core.plan import Action, Plan
from coze_nats.core.resource import Key, Resource
from coze_nats.ports import Kubernetes, Resources

log = logging.getLogger(__name__)

COUNTERS_EVERY = 60.0
"""Seconds between writes of a status in which only counters changed."""


class Clock(Protocol):
    """The standard module `time`, or a test's own."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""

    def monotonic(self) -> float:
        """Seconds on a clock that only goes forward."""


class News(NamedTuple):
    """Something that happened which nobody asked for: an event.

    What was asked for and done is told by status alone, so that it costs no further write.
    """

    type: Literal["Normal", "Warning"]
    reason: EventReason
    message: str


class Reporter:
    """Writes status and events of resources, and remembers when it did."""

    def __init__(self, resources: Resources, kubernetes: Kubernetes, clock: Clock) -> None:
        self._resources = resources
        self._kubernetes = kubernetes
        self._clock = clock
        self._started = clock.monotonic()
        self._written: dict[Key, float] = {}

    async def report(
        self,
        resource: Resource,
        desired: Desired | None,
        outcome: Outcome,
        news: Sequence[News] = (),
    ) -> None:
        """Tell how a reconcile ended.

        Raises:
            Failure: the apiserver didn't take the status.
        """
        status = next_status(resource, desired, outcome, self._clock.time_ns())
        for item in news:
            self.emit(resource, item)
        if not self._is_worth_writing(resource, status):
            return
        await self._write(resource, status)
        match turns(resource.status, status["conditions"]):
            case "stalled":
                log.warning("Stalled, %s: %s", outcome.reason, outcome.message)
                self._kubernetes.emit(resource, "Warning", str(outcome.reason), outcome.message)
            case "recovered":
                self.emit(resource, News("Normal", EventReason.RECOVERED, outcome.message))

    def would_change(self, resource: Resource, desired: Desired, outcome: Outcome) -> bool:
        """Whether a report of this outcome would write."""
        status = next_status(resource, desired, outcome, self._clock.time_ns())
        return self._is_worth_writing(resource, status)

    def emit(self, resource: Resource, news: News) -> None:
        """Post an event."""
        self._kubernetes.emit(resource, news.type, str(news.reason), news.message)

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._written.pop(key, None)

    def _is_worth_writing(self, resource: Resource, status: Mapping[str, Any]) -> bool:
        found = difference(resource.status, status)
        if found is not Difference.COUNTERS:
            return found is Difference.REAL
        since = self._clock.monotonic() - self._written.get(resource.key, self._started)
        return since >= COUNTERS_EVERY

    async def _write(self, resource: Resource, status: dict[str, Any]) -> None:
        version = await self._kubernetes.apply_status(resource, status)
        self._written[resource.key] = self._clock.monotonic()
        current = self._resources.get(resource.key)
        if version and current and current.uid == resource.uid:
            newest = replace(current.with_status(status), resource_version=version)
            self._resources.put(newest)


def news_of(resource: Resource, target: Target, done: Plan) -> list[News]:
    """What a plan that was carried out did without being asked."""
    before = resource.status
    if done.action is Action.ADOPT:
        message = f"{target} existed as declared, without an owner, and is managed now"
        return [News("Normal", EventReason.ADOPTED, message)]
    if done.action is Action.CREATE and before.get("created"):
        lost = "its messages are lost" if target.consumer is None else "it starts anew"
        message = f"{target} had vanished from JetStream and was created again; {lost}"
        return [News("Warning", EventReason.RECREATED, message)]
    same_spec = before.get("observedGeneration") == resource.generation
    if done.action is Action.UPDATE and same_spec and is_true(before, "Ready"):
        what = "; ".join(map(str, done.changes)) or "its owner or its pause"
        return [News("Normal", EventReason.DRIFT_CORRECTED, f"put right in JetStream: {what}")]
    return []


def news_of_release(target: Target, live: LiveStream) -> News:
    """That a stream was kept because it holds messages, and how to delete it."""
    return News(
        "Warning",
        EventReason.RETAINED,
        f"{target} holds {counted(live.messages, 'message')} and is kept in JetStream, without "
        f"an owner; to delete it with its messages: nats stream rm {target.stream}",
    )
