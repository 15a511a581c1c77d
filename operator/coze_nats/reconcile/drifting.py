"""What somebody else did to the object of a resource, told by its status and its plan."""

from coze_nats import metrics
from coze_nats.core.codec import format_duration
from coze_nats.core.conditions import is_known_loss
from coze_nats.core.desired import Desired, Target
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Plan, Situation, has_vanished
from coze_nats.core.remembered import is_drift
from coze_nats.core.resource import Resource
from coze_nats.core.steps import Pause
from coze_nats.reconcile.reporting import News, news_of_loss


def is_lost(
    resource: Resource,
    target: Target,
    live: Live | None,
    situation: Situation,
    news: list[News],
    age: str = "",
) -> bool:
    """Whether the resource's stream was taken away; the first time, that is news.

    Args:
        age: how old what is known of its contents is, as the end of a sentence.
    """
    lost = has_vanished(live, situation) and target.consumer is None
    if lost and not is_known_loss(resource.status):
        known = situation.last_known and f"{situation.last_known}{age}"
        news.append(news_of_loss(target, known, is_gone=live is None))
    return lost


def undone(desired: Desired, live: Live | None, would: str) -> str:
    """What to say of an object that somebody keeps changing back, or deleting."""
    if live is not None:
        return (
            f"somebody keeps changing back what is declared ({would}): find who writes to "
            f"{desired.target} and stop it, or declare what it wants"
        )
    unused = desired.declared.get("inactive_threshold")
    if desired.target.consumer is not None and unused:
        return (
            f"{desired.target} keeps vanishing, and is left alone for a while: NATS itself deletes "
            f"it when no client has used it for {format_duration(unused)} (inactiveThreshold): "
            "raise that or leave it out, or find who else deletes it"
        )
    return (
        f"somebody keeps deleting {desired.target}, so it is left alone for a while: find who does "
        "and stop it, or delete this resource"
    )


def drifted_fields(
    resource: Resource, todo: Plan, live: Live | None, situation: Situation
) -> tuple[str, ...]:
    """The fields that somebody else changed, as metrics tell them."""
    if has_vanished(live, situation):
        return (metrics.EXISTENCE,)
    if not is_drift(resource, todo, live):
        return ()
    fields = tuple(change.name for change in todo.changes)
    if any(isinstance(step, Pause) for step in todo.steps):
        fields += ("pauseUntil",)
    return fields
