"""Who takes over an object that is nobody's, when several resources would."""

from dataclasses import replace

from coze_nats.core.desired import Desired
from coze_nats.core.intent import target_of
from coze_nats.core.live import Server
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Action, Plan, Situation, owns
from coze_nats.core.remembered import was_in_vain
from coze_nats.core.resource import Resource
from coze_nats.reconcile.context import Context
from coze_nats.reconcile.looking import planned


def takes_over(todo: Plan, live: Live, situation: Situation) -> bool:
    """Whether the plan takes an object over that is nobody's, in place or by creating it anew."""
    return todo.action in (Action.ADOPT, Action.REPLACE) and not owns(live, situation)


async def first_to_take_over(
    context: Context, resource: Resource, desired: Desired, live: Live
) -> str:
    """The owner to be, if another resource would take the object over too and comes first.

    Who comes first is told by namespace and name, so it is the same at every look. Who has tried in
    vain claims nothing.
    """
    for other in sorted(context.resources.namesakes_of(resource), key=lambda item: item.key):
        if other.key >= resource.key or other.deleting or other.spec.get("suspend"):
            continue
        if not context.may_use(other) or was_in_vain(other):
            continue
        if target_of(other, context.stream_of(other)) != desired.target:
            continue
        wanted = context.intent(other)
        situation = context.situation(other, context.server or Server("", 0))
        if not isinstance(wanted, Desired):
            continue
        wanted = replace(wanted, inherited=desired.inherited)
        _, todo = await planned(context.jetstream, wanted, live, situation)
        if takes_over(todo, live, situation):
            return context.owner(other.key)
    return ""
