"""The loop, once for every kind: gather, decide, act, report.

Decisions are `coze_nats.core`'s; the world is reached through `coze_nats.ports` only. When a key is
reconciled again is the queue's business: a reconcile says it with a `Next`.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from coze_nats import metrics
from coze_nats.core import names
from coze_nats.core.conditions import Health, Outcome, is_true
from coze_nats.core.desired import Desired, InvalidField, Target
from coze_nats.core.errors import Failure, NotFound, NotLeading, OutcomeUnknown, Unavailable
from coze_nats.core.intent import Waiting, intent, target_of
from coze_nats.core.judgement import judged
from coze_nats.core.live import LiveStream
from coze_nats.core.names import EventReason, Reason
from coze_nats.core.ownership import Live, owner_of
from coze_nats.core.plan import Action, has_vanished, plan
from coze_nats.core.progress import as_far_as_it_is
from coze_nats.core.references import stream_key
from coze_nats.core.remembered import is_observed, says
from coze_nats.core.resource import Key, Resource
from coze_nats.ports import Session
from coze_nats.reconcile import culprits
from coze_nats.reconcile.context import (
    Context,
    concerns_consumers,
    converged,
    deletion_waits,
    identified,
    refused,
)
from coze_nats.reconcile.converging import Converger
from coze_nats.reconcile.removing import Busy, Remover
from coze_nats.reconcile.reporting import News
from coze_nats.reconcile.strangers import concerned_stream, known_as_unmanaged
from coze_nats.reconcile.waiting import Waits

log = logging.getLogger(__name__)

AWAY_GRACE = 15.0
"""Seconds that NATS may be away before a resource's status says so."""

YOUNG = 120.0
"""Seconds for which a stream that was created is looked at more often."""

SECOND_LOOK = 1.0
"""Seconds after which what NATS refused for the first time is tried once more."""

BRAKE_INTERVAL = 60.0
"""Seconds after which a deletion that waits for a yes is looked at again."""

BUSY_INTERVAL = 1.0
"""Seconds after which a deletion is looked at again that depends on others which are under way."""

HICCUPS = 2
"""How many passing failures in a row are nobody's business yet."""


@dataclass(frozen=True, slots=True)
class Next:
    """What the queue does with a key after its reconcile.

    Attributes:
        after: look again after so many seconds; None: not before something happens.
        backoff: look again after the key's own exponential backoff (resets with a Next without it).
        parked: look again when NATS is back.
        finalized: the resource is being deleted and nothing of it is left to do in JetStream.
        wake: other keys that something changed for.
    """

    after: float | None = None
    backoff: bool = False
    parked: bool = False
    finalized: bool = False
    wake: tuple[Key, ...] = ()


class Reconciler:
    """Brings JetStream to what a resource declares, and its status to what is there."""

    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session
        self._converger = Converger(context, session)
        self._remover = Remover(context)
        self._waits = Waits(context)
        self._failures: dict[Key, int] = {}
        self._away_since: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> Next:
        """Gather, decide, act and report for one resource.

        Raises:
            Failure: the apiserver didn't take the status; everything else is reported there.
        """
        following = await self._reconcile(key)
        blocked = self._context.blocked.due(key)
        return replace(following, wake=(*following.wake, *blocked)) if blocked else following

    async def _reconcile(self, key: Key) -> Next:
        resource = self._context.resources.get(key)
        if resource is None:
            return Next()
        if resource.deleting:
            return await self._finalize(resource)
        try:
            desired = intent(
                resource, self._context.stream_of(resource), self._context.rules.default_replicas
            )
        except InvalidField as error:
            invalid = Outcome(Health.STALLED, Reason.INVALID_SPEC, str(error), observed=False)
            await self._context.reporter.report(resource, None, invalid)
            return Next()
        if isinstance(desired, Waiting):
            return await self._wait(resource, desired)
        news: list[News] = []
        try:
            outcome = await self._converger.converge(resource, desired, news)
        except Failure as failure:
            return await self._retry(resource, desired, failure, news)
        self._forget_failures(key)
        if outcome.health is not Health.STALLED:
            self._context.blocked.forget(key)
        if not is_observed(resource):
            # What it lets others do may be another now, too.
            self._context.blocked.changed(desired.target.stream)
        await self._context.reporter.report(resource, desired, outcome, news)
        dependents = self._dependents(resource) if concerns_consumers(resource, outcome) else ()
        concerned = concerned_stream(self._context, resource, is_gone=False) if outcome.live else ()
        return Next(
            wake=(*dependents, *concerned, *self._context.heirs(resource)),
            backoff=outcome.health is Health.RECONCILING,
            after=self._converger.contests.hold_off(resource, self._context.clock.monotonic())
            or None,
        )

    async def learn(self) -> None:
        """Find out what has to be known of the server; raises its Failure."""
        self._context.server = await self._context.jetstream.server()

    def saw(self, streams: Iterable[LiveStream]) -> None:
        """These are all streams of the account."""
        known = tuple(streams)
        self._context.surroundings.learn(known)
        self._context.streams = tuple(it.name for it in known if not owner_of(it))

    def is_settled(
        self, resource: Resource, live: Live | None, stream: LiveStream | None = None
    ) -> bool:
        """Whether reconciling the resource now would change nothing, given what JetStream has.

        Args:
            live: the object that is the resource's `target`.
            stream: for a consumer, the stream that it is on.
        """
        if resource.deleting or not resource.finalized:
            return True
        if self._context.server is None:
            return False
        self._context.sightings.saw(resource, live, self._context.clock.monotonic())
        try:
            desired = intent(
                resource, self._context.stream_of(resource), self._context.rules.default_replicas
            )
        except InvalidField:
            return says(resource, Reason.INVALID_SPEC)
        if isinstance(desired, Waiting):
            return says(resource, desired.reason)
        if resource.spec.get("streamName") and stream:
            if self._context.managed(resource, stream):
                return says(resource, Reason.STREAM_IS_MANAGED)
            desired = desired.under(stream.config.get("consumer_limits"))
        situation = self._context.situation(resource, self._context.server, live=live)
        todo = plan(desired, live, situation)
        if has_vanished(live, situation):
            return False
        if todo.action is Action.NOTHING:
            found = converged(desired, live, todo, situation)
            found = replace(found, warnings=self._context.warnings(resource, desired, stream))
            found = as_far_as_it_is(found, resource.status, live)
            outcome: Outcome | None = identified(found, live, situation, todo)
        else:
            outcome = self._converger.in_vain(resource, live, todo)
        if outcome is None:
            return False
        unmanaged = known_as_unmanaged(resource)
        outcome = replace(outcome, adopted=situation.adopted, unmanaged=unmanaged)
        return not self._context.reporter.would_change(resource, desired, outcome)

    def has_young_streams(self) -> bool:
        """Whether a stream was created a short while ago: what it holds changes fast."""
        return self._context.clock.monotonic() - self._context.last_creation < YOUNG

    def target(self, resource: Resource) -> Target | None:
        """Which object in JetStream is the resource's, as far as it can be told."""
        return target_of(resource, self._context.stream_of(resource))

    def _dependents(self, resource: Resource) -> tuple[Key, ...]:
        if resource.key.kind != names.STREAM_KIND:
            return ()
        return tuple(
            self._context.resources.consumers_of(resource.key.namespace, resource.key.name)
        )

    async def _finalize(self, resource: Resource) -> Next:
        target = self.target(resource)
        if target is not None and resource.released:
            await self._remover.let_go(resource, target)
        elif target is not None:
            try:
                refusal = await self._remover.remove(resource, target)
            except Busy:
                return Next(after=BUSY_INTERVAL)
            except Failure as failure:
                return await self._retry(resource, None, failure)
            if refusal:
                self._forget_failures(resource.key)
                held = replace(refused(refusal, None), observed=False)
                await self._context.reporter.report(resource, None, held)
                return Next(after=BRAKE_INTERVAL)
        self._forget(resource)
        self._context.last_deletion = self._context.clock.monotonic()
        concerned = concerned_stream(self._context, resource, is_gone=True)
        rivals = self._context.rivals(resource)
        return Next(finalized=True, wake=(*self._dependents(resource), *concerned, *rivals))

    async def _wait(self, resource: Resource, waiting: Waiting) -> Next:
        if pause := self._waits.pause(resource, waiting.reason):
            return Next(after=pause)
        outcome = Outcome(Health.RECONCILING, waiting.reason, waiting.message, observed=False)
        await self._context.reporter.report(resource, None, outcome)
        return Next()

    async def _retry(
        self,
        resource: Resource,
        desired: Desired | None,
        failure: Failure,
        news: list[News] | None = None,
    ) -> Next:
        if isinstance(failure, NotLeading):
            raise failure
        count = self._failures[resource.key] = self._failures.get(resource.key, 0) + 1
        if isinstance(failure, Unavailable):
            away = self._away_for(resource.key)
            if away < AWAY_GRACE:
                return Next(after=AWAY_GRACE - away, parked=True)
        else:
            self._away_since.pop(resource.key, None)
        if isinstance(failure, OutcomeUnknown) and self._is_still_away(resource):
            return Next(parked=True)
        outcome = judged(failure, resource.spec)
        if silent := self._not_yet_told(resource, failure, outcome, count):
            return silent
        # Whoever stands in the way may be about to go, as by the same `kubectl apply`.
        is_first = outcome.health is Health.STALLED and not says(resource, outcome.reason)
        if desired is not None:
            outcome = await self._named(resource, desired, failure, outcome)
        if resource.deleting:
            outcome = deletion_waits(outcome)
        # Once told of is once recorded, or every further attempt would tell of it again.
        lost = any(item.reason is EventReason.DATA_LOSS_DETECTED for item in news or ())
        unanswered = resource.uid in self._context.unanswered
        last_seen = self._context.sightings.figures(resource)
        outcome = replace(outcome, lost=lost, last_seen=last_seen, unanswered=unanswered)
        await self._context.reporter.report(resource, desired, outcome, news or ())
        if isinstance(failure, Unavailable):
            return Next(parked=True)
        if outcome.health is Health.RECONCILING or resource.deleting:
            return Next(backoff=True)
        return Next(after=SECOND_LOOK if is_first else None)

    def _not_yet_told(
        self, resource: Resource, failure: Failure, outcome: Outcome, count: int
    ) -> Next | None:
        """What is next while a failure is nobody's business, as it may pass; None: it is told."""
        # A stream that doesn't change by it wakes the consumer again: not without end.
        wake = self._vanished_stream(resource, failure) if count <= HICCUPS else ()
        if outcome.reason is Reason.WAITING_FOR_STREAM and is_true(resource.status, "Ready"):
            pause = self._waits.pause(resource, outcome.reason)
            return Next(after=pause, wake=wake) if pause else None
        passing = outcome.reason in (Reason.RETRYING, Reason.WAITING_FOR_STREAM)
        if passing and count <= HICCUPS and not isinstance(failure, OutcomeUnknown):
            return Next(backoff=True, wake=wake)
        return None

    async def _named(
        self, resource: Resource, desired: Desired, failure: Failure, outcome: Outcome
    ) -> Outcome:
        """The outcome with the names of whoever stands in the way, whose change is waited for."""
        by_name = bool(resource.spec.get("streamName"))
        if isinstance(failure, NotFound) and failure.stream_is_missing and by_name:
            may_use = partial(self._context.may_consume, resource)
            there = self._context.streams
            message = culprits.missing_stream(desired.target.stream, there, may_use)
            return replace(outcome, message=message)
        found = await culprits.named(self._context.jetstream, desired, failure, outcome.message)
        if outcome.health is Health.STALLED:
            self._context.blocked.are_by(resource.key, found.streams)
        return replace(outcome, message=found.message)

    def _away_for(self, key: Key) -> float:
        """For how many seconds NATS has been away whenever the resource was looked at.

        Sessions that are too short for a look make it no less.
        """
        now = self._context.clock.monotonic()
        since = self._session.away_since
        return now - self._away_since.setdefault(key, now if since is None else since)

    def _is_still_away(self, resource: Resource) -> bool:
        """Whether it is told already that NATS is away, and the session since then is over."""
        is_told = says(resource, Reason.NATS_UNAVAILABLE)
        return is_told and self._session.away_since is not None

    def _vanished_stream(self, resource: Resource, failure: Failure) -> tuple[Key, ...]:
        key = stream_key(resource)
        return (key,) if key and isinstance(failure, NotFound) else ()

    def _forget(self, resource: Resource) -> None:
        metrics.not_held(resource.key)
        self._context.reporter.forget(resource.key)
        self._converger.forget(resource.uid)
        self._context.unanswered.pop(resource.uid, None)
        self._context.sightings.forget(resource.uid)
        self._context.blocked.forget(resource.key)
        self._forget_failures(resource.key)

    def _forget_failures(self, key: Key) -> None:
        self._waits.forget(key)
        self._failures.pop(key, None)
        self._away_since.pop(key, None)
