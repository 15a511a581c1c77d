"""The end of a resource: its object is deleted, let go or left alone, by its policy."""

import logging
from dataclasses import replace
from functools import partial

from coze_nats import metrics
from coze_nats.core import names
from coze_nats.core.blocking import Refusal
from coze_nats.core.conditions import condition
from coze_nats.core.deletion import Company, plan_deletion
from coze_nats.core.desired import Target
from coze_nats.core.errors import Denied, Failure, NotFound, NotLeading, OutcomeUnknown
from coze_nats.core.fences import disarmed, is_dangerous
from coze_nats.core.live import LiveStream, Server
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live, is_ours
from coze_nats.core.plan import Action, Plan, Situation, described
from coze_nats.core.resource import Resource
from coze_nats.core.steps import Update
from coze_nats.reconcile.brake import Answer
from coze_nats.reconcile.context import Context
from coze_nats.reconcile.looking import copies_of
from coze_nats.reconcile.performing import observe, perform
from coze_nats.reconcile.reporting import news_of_deletion, news_of_untouched

log = logging.getLogger(__name__)

LATE = 30.0
"""Seconds within which NATS may still do what it was asked for and did not answer."""


class Busy(Exception):
    """It depends on what comes of other deletions of the namespace that are under way."""


class Remover:
    """Does what a deleted resource leaves to do in JetStream."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def remove(self, resource: Resource, target: Target) -> Refusal | None:
        try:
            live = await observe(self._context.jetstream, target)
            situation = self._situation(resource, live)
            todo = await self._planned(target, live, situation)
        except NotFound:
            return None
        if todo.action is Action.NOTHING:
            if live is None:
                self._expect_no_more(resource, target)
            return None
        if self._context.rules.dry_run:
            would = described(todo, target)
            self._context.reporter.emit(
                resource, news_of_untouched(target, f"dry run, without it: {would}")
            )
            return None
        if self._context.is_suspended:
            return Refusal(
                Reason.SUSPENDED,
                f"deletion waits, as {self._context.connection} is suspended; without this: "
                f"{described(todo, target)}. To let the resource go and leave JetStream as it is, "
                f"annotate it with {names.RELEASE_ANNOTATION}=true",
            )
        now = self._context.clock.monotonic()
        refusal = self._held_back(resource, target, todo, now)
        if refusal:
            return refusal
        await self._carried_out(resource, todo)
        self._context.changes.append(now)
        self._context.blocked.changed(target.stream)
        log.info("%s", described(todo, target))
        metrics.carried_out(resource.key, todo.action.value)
        for news in news_of_deletion(target, todo):
            self._context.reporter.emit(resource, news)
        return None

    def _situation(self, resource: Resource, live: Live | None) -> Situation:
        server = self._context.server or Server("", 0)
        found = self._context.situation(resource, server, live=live)
        if resource.handed_over_to:
            # It stays for whom it is handed to, wherever that one is.
            return replace(found, policies=replace(found.policies, deletion="Retain"))
        return found

    async def let_go(self, resource: Resource, target: Target) -> None:
        """Leave the object as it is, but for what it is known to reach and must not.

        A NATS that is away is not waited for.
        """
        why = "released by annotation"
        ready = condition(resource.status, "Ready") or {}
        try:
            if ready.get("reason") in (Reason.FORBIDDEN_SUBJECT, Reason.NOT_GRANTED):
                why += await self._disarmed(resource, target)
        except NotLeading:
            raise
        except Failure as failure:
            why += f"; what it must not reach is still there, as NATS says: {failure}"
        self._context.reporter.emit(resource, news_of_untouched(target, why))

    async def _disarmed(self, resource: Resource, target: Target) -> str:
        """Take from our own object what it must not reach; returns words for that."""
        live = await observe(self._context.jetstream, target)
        situation = self._situation(resource, live)
        if live is None or not is_ours(live, situation.owner, situation.incarnation):
            return ""
        may_change = not (self._context.rules.dry_run or self._context.is_suspended)
        if not may_change or not is_dangerous(live, situation.fences):
            return ""
        config = disarmed(target, live, situation.fences, situation.server.api_level)
        note = partial(self._context.reporter.note, resource)
        await perform(self._context.jetstream, (Update(target, config),), note)
        return ", but for what it must not reach: that was taken off it"

    def _expect_no_more(self, resource: Resource, target: Target) -> None:
        """What was created without an answer may come after a look that did not find it.

        Raises:
            OutcomeUnknown: it may come yet.
        """
        now = self._context.clock.monotonic()
        if resource.status.get("creating"):
            self._context.unanswered.setdefault(resource.uid, now)
        since = self._context.unanswered.get(resource.uid)
        if since is not None and now - since < LATE:
            raise OutcomeUnknown(f"{target} was being created, and may come yet")

    async def _planned(self, target: Target, live: Live | None, situation: Situation) -> Plan:
        """The plan, made with a look at what would go with the object.

        Raises:
            NotFound: a consumer's stream is gone, and the consumer with it.
        """
        todo = plan_deletion(target, live, situation)
        if todo.action is not Action.DELETE or live is None:
            return todo
        if isinstance(live, LiveStream):
            company = await self._company_of_stream(live)
        else:
            stream = await self._context.jetstream.stream(target.stream)
            if stream is None:
                raise NotFound(f"{target.stream} went after its consumer was seen", NotFound.STREAM)
            company = Company(stream=stream)
        return plan_deletion(target, live, situation, company)

    async def _company_of_stream(self, stream: LiveStream) -> Company:
        """The consumers that would go with a stream; those that can't be told of are strangers."""
        copies = await self._copies_of(stream)
        if not stream.consumers:
            return Company(copies=copies)
        try:
            listing = await self._context.jetstream.consumers(stream.name)
        except Denied as denied:
            return Company(strangers=(f"those that can't be listed ({denied})",), copies=copies)
        owned = self._context.owned_among(stream.name, listing.found)
        strangers = (listing.found.keys() - owned) | listing.missing
        return Company(consumers=listing.found, strangers=strangers, copies=copies)

    async def _copies_of(self, stream: LiveStream) -> tuple[str, ...]:
        """Who copies from a stream; of one that never held a message, nobody waits for more."""
        if not stream.last_sequence:
            return ()
        try:
            return await copies_of(self._context.jetstream, stream.name)
        except Denied as denied:
            return (f"streams that can't be listed ({denied})",)

    async def _carried_out(self, resource: Resource, todo: Plan) -> None:
        """Do what is planned, and have the brake count what was deleted."""
        brake, namespace = self._context.brake, resource.key.namespace
        try:
            await perform(
                self._context.jetstream, todo.steps, partial(self._context.reporter.note, resource)
            )
        except OutcomeUnknown:
            brake.deleted(namespace, resource.uid, self._context.clock.monotonic())
            raise
        except BaseException:
            brake.failed(namespace, resource.uid)
            raise
        if todo.action is Action.DELETE and todo.at_stake:
            brake.deleted(namespace, resource.uid, self._context.clock.monotonic())

    def _held_back(
        self, resource: Resource, target: Target, todo: Plan, now: float
    ) -> Refusal | None:
        """Why a deletion that takes messages has to wait for a yes.

        Raises:
            Busy: that depends on deletions which are under way.
        """
        loses = todo.action is Action.DELETE and todo.at_stake
        if not loses or resource.confirmed:
            return None
        brake = self._context.brake
        match brake.asked(resource.key.namespace, resource.uid, now):
            case Answer.PASS:
                return None
            case Answer.WAIT:
                raise Busy
        kind = "stream" if target.consumer is None else "consumer"
        return Refusal(
            Reason.MASS_DELETION,
            f"{brake.most} streams with messages of namespace {resource.key.namespace} were "
            f"deleted within a minute, so {target} waits for a yes: annotate this resource with "
            f"{names.CONFIRM_DELETION_ANNOTATION}=true to delete it with its messages, or with "
            f"{names.RELEASE_ANNOTATION}=true to keep the {kind}",
        )
