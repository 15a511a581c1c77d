"""The end of a resource: its object is deleted, let go or left alone, by its policy."""

import logging
from functools import partial

from coze_nats import metrics
from coze_nats.core import names
from coze_nats.core.desired import Target
from coze_nats.core.errors import NotFound
from coze_nats.core.live import LiveStream, Server
from coze_nats.core.names import Reason
from coze_nats.core.plan import Action, Refusal, described, plan_deletion
from coze_nats.core.resource import Resource
from coze_nats.reconcile.context import Context
from coze_nats.reconcile.performing import observe, perform
from coze_nats.reconcile.reporting import news_of_release, news_of_untouched

log = logging.getLogger(__name__)


class Remover:
    """Does what a deleted resource leaves to do in JetStream."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def remove(self, resource: Resource, target: Target) -> Refusal | None:
        try:
            live = await observe(self._context.jetstream, target)
        except NotFound:
            return None
        situation = self._context.situation(resource, self._context.server or Server("", 0))
        todo = plan_deletion(
            target, live, situation.owner, situation.incarnation, situation.policies
        )
        if todo.action is Action.NOTHING:
            return None
        if self._context.rules.dry_run:
            would = described(todo, target)
            self._context.reporter.emit(
                resource, news_of_untouched(target, f"dry run, without it: {would}")
            )
            return None
        now = self._context.clock.monotonic()
        loses = todo.action is Action.DELETE and isinstance(live, LiveStream) and live.messages
        brake = self._context.brake
        if loses and not resource.confirmed and not brake.lets_pass(now):
            return Refusal(
                Reason.MASS_DELETION,
                f"more than {brake.most} streams with messages were to be deleted within a "
                f"minute, so {target} waits for a yes: annotate this resource with "
                f"{names.CONFIRM_DELETION_ANNOTATION}=true to delete it with its messages, or with "
                f"{names.RELEASE_ANNOTATION}=true to keep the stream",
            )
        await perform(
            self._context.jetstream, todo.steps, partial(self._context.reporter.note, resource)
        )
        self._context.last_change = now
        log.info("%s", described(todo, target))
        metrics.carried_out(resource.key, todo.action.value)
        if todo.action is Action.RELEASE and live:
            self._context.reporter.emit(resource, news_of_release(target, live))
        return None
