"""Decide and act: from what a resource desires to what JetStream has, or why not."""

import logging
from dataclasses import replace
from functools import partial

from coze_nats import metrics
from coze_nats.core.capacity import shortage
from coze_nats.core.conditions import Health, Outcome
from coze_nats.core.configs import pausing
from coze_nats.core.desired import Desired, Target
from coze_nats.core.errors import (
    AlreadyExists,
    CapacityExceeded,
    NotFound,
    OutcomeUnknown,
    Rejected,
)
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.names import Reason
from coze_nats.core.neighbours import may_reach_others
from coze_nats.core.ownership import Live, is_ours
from coze_nats.core.plan import (
    Action,
    Plan,
    Situation,
    described,
    has_vanished,
    hides_loss,
    is_adopted,
    owns,
    plan,
    stays_known,
)
from coze_nats.core.progress import as_far_as_it_is
from coze_nats.core.references import stream_key
from coze_nats.core.remembered import is_drift, was_told
from coze_nats.core.resource import Resource
from coze_nats.core.steps import Create
from coze_nats.ports import Session
from coze_nats.reconcile.attempts import Attempt, Attempts
from coze_nats.reconcile.contests import Contests
from coze_nats.reconcile.context import (
    Context,
    converged,
    held,
    identified,
    refused,
    without_effect,
)
from coze_nats.reconcile.drifting import drifted_fields, is_lost, undone
from coze_nats.reconcile.looking import depends_on, planned
from coze_nats.reconcile.performing import observe, once_replicated, perform
from coze_nats.reconcile.reporting import News, news_of, news_of_move
from coze_nats.reconcile.returning import returning
from coze_nats.reconcile.strangers import unmanaged_consumers
from coze_nats.reconcile.taking_over import first_to_take_over, takes_over

log = logging.getLogger(__name__)


class Converger:
    """Brings one object in JetStream to what its resource desires."""

    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session
        self.contests = Contests()
        self._attempts = Attempts()

    async def converge(self, resource: Resource, desired: Desired, news: list[News]) -> Outcome:
        self._context.server = server = await self._context.jetstream.server()
        made = await self._made(resource, desired, server, news)
        return made or await self._compared(resource, desired, server, news)

    async def _made(
        self, resource: Resource, desired: Desired, server: Server, news: list[News]
    ) -> Outcome | None:
        """What came of creating a consumer without a look; None: it has to be looked at.

        Nobody has reported on the resource yet, so most likely nothing is there. If something is,
        the server refuses to create it, or has what was to be created. Streams are looked at: being
        asked for a stream that it has, a cluster before 2.14.6 notes another time of creation. So
        is what a consumer may reach of others.
        """
        if resource.status or not stream_key(resource) or may_reach_others(resource.spec):
            return None
        situation = self._context.situation(resource, server)
        if situation.policies.ownership == "Record":
            # What is there and equal could be anybody's, as there is no mark to tell it by.
            return None
        todo = plan(desired, None, situation)
        if todo.action is not Action.CREATE:
            return None
        try:
            if await self._decided(resource, desired, None, todo, situation):
                return None
            await self._ensure_own_stream(resource, desired.target)
            live = await self._act(resource, desired, None, todo, news, situation)
        except (AlreadyExists, CapacityExceeded, Rejected):
            return None
        # An older one of this configuration can be paused otherwise, and a racer's be in its place.
        if live is None or not is_ours(live, situation.owner, situation.incarnation):
            return None
        outcome = await self._achieved(resource, desired, live, situation)
        if outcome.health is not Health.READY or pausing(desired, live):
            return None
        outcome = replace(outcome, warnings=self._context.warnings(resource, desired, None))
        outcome = as_far_as_it_is(outcome, resource.status, live, todo)
        return identified(outcome, live, situation, todo)

    async def _compared(
        self, resource: Resource, desired: Desired, server: Server, news: list[News]
    ) -> Outcome:
        """What came of the difference between what is there and what is desired."""
        live, stream = await self._observed(resource, desired.target)
        if live is not None:
            self._context.unanswered.pop(resource.uid, None)
        situation = self._context.situation(resource, server, stream, live)
        if stream and (refusal := self._context.managed(resource, stream)):
            ours = live if live and owns(live, situation) else None
            found = refused(refusal, ours)
            is_told = ours is not None or not stays_known(live, situation)
            self._context.blocked.are_by(resource.key, {stream.name})
            return replace(found, observed=is_told, adopted=situation.adopted)
        if stream:
            desired = desired.under(stream.config.get("consumer_limits"))
        situation, todo = await self._planned(resource, desired, live, situation)
        now = self._context.clock.monotonic()
        age = self._context.sightings.age(resource, now)
        self._context.sightings.saw(resource, live, now)
        lost = is_lost(resource, desired.target, live, situation, news, age)
        drifted = drifted_fields(resource, todo, live, situation)
        situation = replace(situation, adopted=is_adopted(todo.action, live, situation))
        metrics.drift_found(resource.key, drifted)
        outcome = await self._decided(resource, desired, live, todo, situation)
        if outcome is None:
            if live is not None:
                await self._ensure_own_stream(resource, desired.target)
            await self._note_loss(resource, desired, todo, situation, news)
            live = await self._act(resource, desired, live, todo, news, situation)
            metrics.drift_repaired(resource.key, drifted)
            if todo.action is Action.UPDATE and not lost:
                # It may have been replaced between the look and the change.
                lost = is_lost(resource, desired.target, live, situation, news, age)
            outcome = await self._achieved(resource, desired, live, situation)
        else:
            _counted(resource, todo, outcome)
        if outcome.health is Health.READY:
            warnings = self._context.warnings(resource, desired, stream)
            outcome = replace(outcome, warnings=warnings)
            outcome = as_far_as_it_is(outcome, resource.status, live, todo)
        if outcome.observed:
            news.extend(news_of_move(resource, desired.target))
        if todo.refusal:
            streams = depends_on(desired, situation.seen, todo.refusal.reason)
            self._context.blocked.are_by(resource.key, streams)
        outcome = identified(outcome, live, situation, todo)
        last_seen = self._context.sightings.figures(resource)
        unmanaged = await unmanaged_consumers(self._context, resource, outcome.live)
        return replace(
            outcome,
            lost=lost,
            last_seen=last_seen,
            adopted=situation.adopted,
            unmanaged=unmanaged,
        )

    async def _observed(
        self, resource: Resource, target: Target
    ) -> tuple[Live | None, LiveStream | None]:
        """The resource's object and, where no CozeStream stands for it, a consumer's stream."""
        live = await observe(self._context.jetstream, target)
        if resource.spec.get("streamName"):
            return live, await self._context.jetstream.stream(target.stream)
        if live is None:
            await self._ensure_own_stream(resource, target)
        return live, None

    async def _ensure_own_stream(self, resource: Resource, target: Target) -> None:
        """A consumer is made on its CozeStream's stream, and not on one that took its name.

        Nor is it before the CozeStream knows its stream: what became of a consumer can be told only
        by what became of the stream that it was on.

        Raises:
            NotFound: the stream that the CozeStream knows is not there.
        """
        managed = self._context.stream_of(resource)
        if managed is None:
            return
        owner = self._context.owner(managed.key)
        known = Incarnation.from_status(managed.status)
        stream = await self._context.jetstream.stream(target.stream) if known else None
        is_there = stream and known and known.goes_on(stream) and is_ours(stream, owner, known)
        if not is_there:
            raise NotFound(f"{target.stream} is not the one that {owner} knows", NotFound.STREAM)

    async def _planned(
        self, resource: Resource, desired: Desired, live: Live | None, situation: Situation
    ) -> tuple[Situation, Plan]:
        """The plan, and the situation with all that it took to make it."""
        if live:
            claimant = self._context.claimant(resource, live)
            situation = replace(situation, claimant=claimant)
        context = self._context
        back = partial(returning, context, situation.server, resource, desired)
        situation, todo = await planned(context.jetstream, desired, live, situation, back)
        if todo.steps and (configs := context.reaching(resource, live)):
            domain = situation.server.domain
            await context.surroundings.look(context.jetstream, configs, domain)
            fences = context.surroundings.fences(resource, configs, domain)
            situation = replace(situation, fences=fences)
            situation, todo = await planned(context.jetstream, desired, live, situation, back)
        if live and takes_over(todo, live, situation):
            first = await first_to_take_over(self._context, resource, desired, live)
            situation = replace(situation, first=first)
            todo = plan(desired, live, situation)
        return situation, todo

    async def _decided(
        self,
        resource: Resource,
        desired: Desired,
        live: Live | None,
        todo: Plan,
        situation: Situation,
    ) -> Outcome | None:
        """How it stands when nothing is done; None when something is to be done, and may be."""
        ours = live if live and owns(live, situation) else None
        would = described(todo, desired.target)
        is_remembered = stays_known(live, situation)
        if todo.refusal:
            found = refused(todo.refusal, ours)
            if todo.refusal.reason is Reason.NOT_IDENTICAL:
                found = replace(found, nobodys=live)
            return replace(found, observed=not is_remembered, todo=would if todo.changes else "")
        if todo.action is Action.NOTHING:
            self._attempts.forget(resource.uid)
            return converged(desired, live, todo, situation)
        left_so = held(resource, self._context, desired.target, would)
        if left_so:
            return replace(left_so, observed=not is_remembered, live=ours)
        vain = self.in_vain(resource, live, todo)
        if vain:
            return vain
        if contested := self._contested(resource, desired, live, todo, situation):
            return replace(contested, live=ours, todo=would, observed=not is_remembered)
        lacking = await self._shortage(desired, live, todo)
        if lacking:
            return Outcome(
                Health.RECONCILING,
                Reason.INSUFFICIENT_CAPACITY,
                lacking,
                observed=not is_remembered,
                live=ours,
            )
        return None

    def in_vain(self, resource: Resource, live: Live | None, todo: Plan) -> Outcome | None:
        """How it stands when all that is planned was tried without effect; None: it may be done."""
        if live is None or todo.refusal:
            return None
        attempt = Attempt.of(resource, self._context.server, live, todo)
        now, outcome = self._context.clock.monotonic(), without_effect(live, todo)
        if outcome and not self._attempts.knows(resource.uid) and was_told(resource, outcome):
            self._attempts.failed(resource.uid, attempt, now)
        return outcome if self._attempts.is_vain(resource.uid, attempt, now) else None

    def _contested(
        self,
        resource: Resource,
        desired: Desired,
        live: Live | None,
        todo: Plan,
        situation: Situation,
    ) -> Outcome | None:
        """How it stands when somebody keeps undoing what is planned; None when it may be done."""
        now, session = self._context.clock.monotonic(), self._session.epoch if not live else None
        if not self._is_contested(resource, live, todo, situation):
            return None
        if not self.contests.hold_off(resource, now, session):
            return None
        words = undone(desired, live, described(todo, desired.target))
        return Outcome(Health.STALLED, Reason.DRIFT_CONTESTED, words)

    def _is_contested(
        self, resource: Resource, live: Live | None, todo: Plan, situation: Situation
    ) -> bool:
        """Whether the plan puts right what somebody else did."""
        if live is None:
            managed = self._context.stream_of(resource)
            # A consumer goes with its stream.
            went_along = managed is not None and self.contests.is_later(managed, resource)
            return has_vanished(live, situation) and not went_along
        attempt = Attempt.of(resource, self._context.server, live, todo)
        return is_drift(resource, todo, live) or self._attempts.was_undone(resource.uid, attempt)

    async def _shortage(self, desired: Desired, live: Live | None, todo: Plan) -> str:
        """Why a stream has no room; "" when it has, or needs no more than before."""
        if desired.target.consumer is not None or desired.after("max_bytes") <= 0:
            return ""
        reserves = live is None or any(
            change.name in ("maxBytes", "replicas", "storage") for change in todo.changes
        )
        if not reserves or isinstance(live, LiveConsumer):
            return ""
        return shortage(desired, live, await self._context.jetstream.account())

    async def _note_loss(
        self,
        resource: Resource,
        desired: Desired,
        todo: Plan,
        situation: Situation,
        news: list[News],
    ) -> None:
        """Have a loss on record before nothing but that record can tell of it."""
        if hides_loss(todo, situation) and not situation.is_loss_told:
            last_seen = self._context.sightings.figures(resource)
            await self._context.reporter.note_loss(resource, desired, last_seen, news)

    async def _act(
        self,
        resource: Resource,
        desired: Desired,
        before: Live | None,
        todo: Plan,
        news: list[News],
        situation: Situation,
    ) -> Live | None:
        note = partial(self._context.reporter.note, resource)
        try:
            live = await perform(self._context.jetstream, todo.steps, note) or before
            if live is not None:
                live = await once_replicated(self._context.jetstream, desired.target, live)
        except OutcomeUnknown:
            if any(isinstance(step, Create) for step in todo.steps):
                self._context.unanswered[resource.uid] = self._context.clock.monotonic()
            raise
        self._context.unanswered.pop(resource.uid, None)
        self._context.blocked.changed(desired.target.stream)
        log.info("%s", described(todo, desired.target))
        metrics.carried_out(resource.key, todo.action.value)
        now = self._context.clock.monotonic()
        if self._is_contested(resource, before, todo, situation):
            session = None if before else self._session.epoch
            self.contests.corrected(resource, now, session)
        if todo.action is not Action.UPDATE:
            self._context.changes.append(now)
        if isinstance(live, LiveStream) and todo.action in (Action.CREATE, Action.REPLACE):
            self._context.last_creation = now
        news.extend(news_of(resource, desired.target, todo, before))
        return live

    async def _achieved(
        self, resource: Resource, desired: Desired, live: Live | None, situation: Situation
    ) -> Outcome:
        # As the next look will find it.
        known = Incarnation.of(live) if live else None
        situation = replace(situation, incarnation=known, recorded=True)
        situation, todo = await planned(self._context.jetstream, desired, live, situation)
        failure = without_effect(live, todo) if live else None
        if live and failure:
            attempt = Attempt.of(resource, self._context.server, live, todo)
            self._attempts.failed(resource.uid, attempt, self._context.clock.monotonic())
            return failure
        self._attempts.forget(resource.uid)
        if todo.refusal:
            # A stream was opened again whose change is refused, or somebody came in between.
            found = refused(todo.refusal, live)
            return replace(found, todo=described(todo, desired.target) if todo.changes else "")
        return converged(desired, live, todo, situation)

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self.contests.forget(uid)
        self._attempts.forget(uid)


def _counted(resource: Resource, todo: Plan, outcome: Outcome) -> None:
    """Have metrics tell whether the plan waits."""
    if todo.action is Action.NOTHING:
        metrics.not_held(resource.key)
    else:
        metrics.held(resource.key, todo.action.value, str(outcome.reason))
