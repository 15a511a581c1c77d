"""What becomes of the object of a resource that is being deleted: kept, and why, or at what cost.

By default nothing goes that somebody may use: an application must not notice that its stream or
consumer is declared no more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from coze_nats.core import bounds, configs, fences
from coze_nats.core.desired import Target
from coze_nats.core.kinds.consumer.costs import lost_with
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.ownership import Live, is_ours
from coze_nats.core.plan import Action, Plan, Situation
from coze_nats.core.positions import gone_with, has_moved, position
from coze_nats.core.steps import Delete


@dataclass(frozen=True, slots=True)
class Company:
    """What is tied to an object that would be deleted; looked at only then.

    Attributes:
        stream: that a consumer is on.
        consumers: of a stream, by name.
        strangers: names of those among them that no resource stands for, or that nothing is known
            of.
        copies: names of the streams that copy from a stream; what can't be told has words instead.
    """

    stream: LiveStream | None = None
    consumers: Mapping[str, LiveConsumer] = field(default_factory=dict)
    strangers: Collection[str] = ()
    copies: Collection[str] = ()


def plan_deletion(
    target: Target, live: Live | None, situation: Situation, company: Company | None = None
) -> Plan:
    """What to do with the object; what isn't ours stays.

    Args:
        company: None: nothing is tied to the object.
    """
    if live is None or not is_ours(live, situation.owner, situation.incarnation):
        return Plan(Action.NOTHING)
    company = company or Company()
    at_stake, uses = _at_stake(live, company), _uses(live, company)
    policy = situation.policies.deletion
    harmless = fences.disarmed(target, live, situation.fences, situation.server.api_level)
    release = configs.released(target, live, harmless)
    if policy == "Retain":
        return Plan(Action.RELEASE, release, at_stake=at_stake)
    if policy == "Delete":
        return Plan(Action.DELETE, (Delete(target),), at_stake=at_stake, why=_costs(live, company))
    if situation.adopted:
        uses = ("it was there before its resource", *uses)
    if at_stake or uses:
        return Plan(Action.RELEASE, release, at_stake=at_stake, why=uses)
    return Plan(Action.DELETE, (Delete(target),))


def _at_stake(live: Live, company: Company) -> int:
    if isinstance(live, LiveStream):
        return live.messages
    return lost_with(live, company.stream) if company.stream else 0


def _uses(live: Live, company: Company) -> tuple[str, ...]:
    """Why it must be taken for something that somebody uses."""
    if isinstance(live, LiveConsumer):
        attached = ("a client is attached to it",) if _is_attached(live) else ()
        return (*attached, f"it is {position(live)}") if has_moved(live) else attached
    used = [
        name
        for name, consumer in sorted(company.consumers.items())
        if name in company.strangers or _is_attached(consumer) or has_moved(consumer)
    ]
    used += sorted(set(company.strangers) - company.consumers.keys())
    uses = (f"it has consumers in use: {bounds.listed(used)}",) if used else ()
    return (*uses, *_starved(company))


def _starved(company: Company) -> tuple[str, ...]:
    """Who waits for what comes after the stream's last sequence, and so misses the next one's."""
    if not company.copies:
        return ()
    names_ = bounds.listed(sorted(company.copies))
    return (f"what copies from it would miss messages of one made anew: {names_}",)


def _is_attached(consumer: LiveConsumer) -> bool:
    return bool(consumer.is_bound or consumer.waiting)


def _costs(live: Live, company: Company) -> tuple[str, ...]:
    """The positions that go with it."""
    if isinstance(live, LiveConsumer):
        return (f"it was {position(live)}",) if _is_attached(live) or has_moved(live) else ()
    return (*gone_with(company.consumers, company.strangers), *_starved(company))
