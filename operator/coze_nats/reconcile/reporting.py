"""The last step of a reconcile: one status write, if it is worth one, and the events.

What a status says is computed in `coze_nats.core.conditions`; here it is decided whether to write.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, Protocol

from coze_nats import metrics
from coze_nats.core.conditions import (
    Health,
    Outcome,
    is_true,
    next_status,
    turns,
    was_as_declared,
)
from coze_nats.core.costs import Verdict, counted
from coze_nats.core.desired import Desired, Target
from coze_nats.core.errors import StatusRefused, Transient
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.movement import Difference, difference
from coze_nats.core.names import EventReason, Reason
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Action, Plan
from coze_nats.core.policies import in_force
from coze_nats.core.positions import has_moved, position
from coze_nats.core.references import as_status
from coze_nats.core.remembered import is_drift
from coze_nats.core.resource import Key, Resource
from coze_nats.core.steps import Note, Replacement
from coze_nats.ports import Kubernetes, Resources
from coze_nats.reconcile.refused import RefusedStatuses

log = logging.getLogger(__name__)

COUNTERS_EVERY = 60.0
"""Seconds between writes of a status in which only counters changed."""

FIRST_AFTER = 10.0
"""The same where a stream that was told to be empty holds something, lest somebody deletes it."""


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

    def __init__(
        self,
        resources: Resources,
        kubernetes: Kubernetes,
        clock: Clock,
        default_policies: Mapping[str, str] | None = None,
        forbidden_policies: Collection[tuple[str, str]] = (),
    ) -> None:
        self._default_policies = default_policies or {}
        self._forbidden_policies = forbidden_policies
        self._resources = resources
        self._kubernetes = kubernetes
        self._clock = clock
        self._started = clock.monotonic()
        self._written: dict[Key, float] = {}
        self._refused = RefusedStatuses()

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
        resource = self._as_written(resource)
        status = self._next_status(resource, desired, outcome)
        for item in news:
            self.emit(resource, item)
        await self.publish(resource, status, outcome)

    async def publish(self, resource: Resource, status: dict[str, Any], outcome: Outcome) -> None:
        """Write a status if it is worth it, with an event when the resource stalls or recovers.

        Raises:
            Failure: the apiserver didn't take it.
        """
        if not self._is_worth_writing(resource, status):
            return
        await self._write(resource, status)
        self._tell_of_turns(resource, status, outcome)

    def _tell_of_turns(
        self, resource: Resource, status: Mapping[str, Any], outcome: Outcome
    ) -> None:
        """Post what became of the resource: once, however long it lasts."""
        for reason, message in outcome.warnings.items():
            if not is_true(resource.status, reason):
                self.emit(resource, News("Warning", reason, message))
        match turns(resource.status, status["conditions"]):
            case "stalled":
                log.warning("Stalled, %s: %s", outcome.reason, outcome.message)
                if str(outcome.reason) not in outcome.warnings:
                    self._kubernetes.emit(resource, "Warning", str(outcome.reason), outcome.message)
            case "recovered":
                self.emit(resource, News("Normal", EventReason.RECOVERED, outcome.message))

    def would_change(self, resource: Resource, desired: Desired, outcome: Outcome) -> bool:
        """Whether a report of this outcome would write."""
        status = self._next_status(resource, desired, outcome)
        return self._is_worth_writing(resource, status)

    async def note(self, resource: Resource, replacement: Replacement) -> None:
        """Write down in status that the resource's object is about to be replaced.

        Raises:
            Failure: it isn't written, so nothing must be deleted: the apiserver didn't take it, or
                there is no such resource any more.
        """
        found: dict[str, object] = {"created": replacement.created}
        if replacement.start:
            found["startSequence"] = replacement.start
        message = "what NATS can't change in place is being deleted and created anew as declared"
        outcome = Outcome(Health.RECONCILING, Reason.REPLACING, message, observed=False)
        status = self._next_status(resource, None, outcome)
        if not await self._write(resource, {**status, "replacing": found}):
            raise Transient(f"{resource.key} is gone, so nothing is replaced")

    async def note_loss(
        self,
        resource: Resource,
        desired: Desired,
        last_seen: Mapping[str, Any],
        news: list[News],
    ) -> None:
        """Tell that the resource's stream was lost, before another one is made in its place.

        Args:
            last_seen: see Outcome.

        Raises:
            Failure: it isn't written, so nothing must be made.
        """
        message = f"{desired.target} was lost, and is being created anew as declared"
        outcome = Outcome(Health.RECONCILING, Reason.REPLACING, message, observed=False)
        outcome = replace(outcome, lost=True, last_seen=last_seen)
        status = self._next_status(resource, None, outcome)
        for item in news:
            self.emit(resource, item)
        news.clear()
        if not await self._write(resource, status):
            raise Transient(f"{resource.key} is gone, so nothing is made")

    def _as_written(self, resource: Resource) -> Resource:
        """The resource with the status written last, which may have been a step of its plan."""
        current = self._resources.get(resource.key)
        if current is None or current.uid != resource.uid:
            return resource
        return resource.with_status(current.status)

    def _next_status(
        self, resource: Resource, desired: Desired | None, outcome: Outcome
    ) -> dict[str, Any]:
        declared = resource.spec.get("policies")
        policies = in_force(
            resource.key.kind, declared, self._default_policies, self._forbidden_policies
        )
        status = next_status(resource, desired, outcome, self._clock.time_ns(), policies)
        connection = self._resources.connection_of(resource)
        return status | (as_status(connection) if connection else {})

    def emit(self, resource: Resource, news: News) -> None:
        """Post an event; a warning stands in the log, too."""
        if news.type == "Warning":
            log.warning("%s: %s", news.reason, news.message)
        self._kubernetes.emit(resource, news.type, str(news.reason), news.message)

    def written_ago(self, key: Key) -> float:
        """Seconds since the resource's status was last written by this process."""
        return self._clock.monotonic() - self._written.get(key, float("-inf"))

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        self._written.pop(key, None)
        self._refused.forget(key)

    def _is_worth_writing(self, resource: Resource, status: Mapping[str, Any]) -> bool:
        found = difference(self._refused.offered(resource), status)
        if found is not Difference.COUNTERS:
            return found is Difference.REAL
        since = self._clock.monotonic() - self._written.get(resource.key, self._started)
        is_first = bool(status.get("messages")) and not resource.status.get("messages")
        return since >= (FIRST_AFTER if is_first else COUNTERS_EVERY)

    async def _write(self, resource: Resource, status: dict[str, Any]) -> bool:
        """Write a status; returns whether the resource is there to hold it."""
        try:
            version = await self._kubernetes.apply_status(resource, status)
            self._refused.forget(resource.key)
        except StatusRefused as refusal:
            status, told = self._refused.replaced(resource, status, refusal)
            if told:
                self.emit(resource, News("Warning", EventReason.STATUS_REFUSED, told))
            version = await self._kubernetes.apply_status(resource, status)
        self._written[resource.key] = self._clock.monotonic()
        if is_true(status, "Ready"):
            metrics.ready(resource.key, resource.generation)
        current = self._resources.get(resource.key)
        if version and current and current.uid == resource.uid:
            newest = replace(current.with_status(status), resource_version=version)
            self._resources.put(newest)
        return version is not None


def news_of(resource: Resource, target: Target, done: Plan, before: Live | None) -> list[News]:
    """What a plan that was carried out did without being asked, and what it cost."""
    if done.action is Action.REPLACE:
        return [_news_of_replacement(target, done, before)]
    return [*_news_of_action(resource, target, done, before), *_news_of_costs(target, done)]


def _news_of_replacement(target: Target, done: Plan, before: Live | None) -> News:
    what = "; ".join(str(change) for change in done.changes)
    held = before.messages if isinstance(before, LiveStream) else 0
    gone = f" with {counted(held, 'message')}" if held else ""
    message = f"{target} was deleted{gone} and created anew, as policies.replacement allows: {what}"
    is_kept = any(isinstance(step, Note) and step.replacement.start for step in done.steps)
    if isinstance(before, LiveConsumer) and has_moved(before) and not is_kept:
        message = f"{message}; its position was lost: it was {position(before)}"
        return News("Warning", EventReason.REPLACED, message)
    if done.why:
        message = f"{message}; {'; '.join(done.why)}"
    return News("Warning" if held or done.why else "Normal", EventReason.REPLACED, message)


def _news_of_action(
    resource: Resource, target: Target, done: Plan, live: Live | None
) -> list[News]:
    before = resource.status
    if done.action is Action.ADOPT:
        changed = f", and was changed: {'; '.join(map(str, done.changes))}" if done.changes else ""
        message = f"{target} existed, without an owner, and is managed now{changed}"
        return [News("Normal", EventReason.ADOPTED, message)]
    if done.action is Action.TAKE_OVER:
        changed = f", and was changed: {'; '.join(map(str, done.changes))}" if done.changes else ""
        message = f"{target} was {done.former}'s and is this resource's now{changed}"
        return [News("Normal", EventReason.TAKEN_OVER, message)]
    if done.action is Action.CREATE and before.get("created") and "replacing" not in before:
        lost = "empty" if target.consumer is None else "and starts anew"
        message = f"{target} had vanished from JetStream and was created again, {lost}"
        return [News("Warning", EventReason.RECREATED, message)]
    if was_as_declared(before) and is_drift(resource, done, live):
        what = "; ".join(map(str, done.changes)) or "its pause"
        return [News("Normal", EventReason.DRIFT_CORRECTED, f"put right in JetStream: {what}")]
    return []


def _news_of_costs(target: Target, done: Plan) -> list[News]:
    """What a change in place did to messages, so that nobody finds out by missing them."""
    reasons = {
        Verdict.LOSES_DATA: EventReason.MESSAGES_DISCARDED,
        Verdict.IN_PLACE: EventReason.SUBJECTS_REMOVED,
    }
    return [
        News("Warning", reasons[change.verdict], f"{target}: {change}: {change.why}")
        for change in done.changes
        if change.is_costly
    ]


def news_of_loss(target: Target, last_known: str, *, is_gone: bool) -> News:
    """That a stream vanished, or is another one, behind the operator's back."""
    what = "vanished from JetStream" if is_gone else "was replaced in JetStream by another one"
    return News(
        "Warning",
        EventReason.DATA_LOSS_DETECTED,
        f"{target} {what}, and not by the operator; it was last seen with "
        f"{last_known or 'unknown contents'}",
    )


def news_of_move(resource: Resource, target: Target) -> list[News]:
    """That a consumer's stream is another one now, and the consumer on the former one stays."""
    former = resource.status.get("stream", target.stream)
    if target.consumer is None or former == target.stream:
        return []
    left = Target(former, resource.status.get("consumer", target.consumer))
    return [news_of_untouched(left, f"streamRef means stream {target.stream} now")]


def news_of_untouched(target: Target, why: str) -> News:
    """That a resource went and nothing was done in JetStream."""
    return News("Normal", EventReason.RELEASED, f"{target} is left as it is in JetStream: {why}")


def news_of_deletion(target: Target, done: Plan) -> list[News]:
    """What became of the object of a deleted resource, unless it went at no cost."""
    if done.action is Action.RELEASE:
        return [_news_of_release(target, done)]
    if not done.why:
        return []
    gone = f" with {counted(done.at_stake, 'message')}" if done.at_stake else ""
    message = f"{target} was deleted{gone}, as policies.deletion is Delete: {'; '.join(done.why)}"
    return [News("Warning", EventReason.POSITION_LOST, message)]


def _news_of_release(target: Target, done: Plan) -> News:
    """That an object was kept, why, and how to delete it."""
    why = "; ".join(done.why)
    if target.consumer is not None:
        return _news_of_released_consumer(target, done.at_stake, why)
    holds = f" holds {counted(done.at_stake, 'message')} and" if done.at_stake else ""
    return News(
        "Warning" if done.at_stake else "Normal",
        EventReason.RETAINED,
        f"{target}{holds} is kept in JetStream, without an owner{': ' if why else ''}{why}; to "
        f"delete it with its messages: nats stream rm {target.stream}",
    )


def _news_of_released_consumer(target: Target, at_stake: int, why: str) -> News:
    command = f"nats consumer rm {target.stream} {target.consumer}"
    kept = f"{target} is kept in JetStream, without an owner{': ' if why else ''}{why}"
    if not at_stake:
        return News("Normal", EventReason.RETAINED, f"{kept}; to delete it: {command}")
    return News(
        "Warning",
        EventReason.RETAINED,
        f"{kept}{'; ' if why else ': '}stream {target.stream} has interest retention, and up to "
        f"{counted(at_stake, 'message')} would go with the consumer; to delete it with them: "
        f"{command}, or policies.deletion: Delete beforehand",
    )
