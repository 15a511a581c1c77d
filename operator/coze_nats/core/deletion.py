"""What becomes of the object of a resource that is being deleted: kept, and why, or at what cost.

By default nothing goes that somebody may use: an application must not notice that its stream or
consumer is declared no more.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from coze_nats.core import configs, fences, names
from coze_nats.core.costs import counted
from coze_nats.core.desired import Target
from coze_nats.core.kinds.consumer.costs import lost_with
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.ownership import Live, is_ours
from coze_nats.core.plan import Action, Plan, Situation
from coze_nats.core.steps import Delete

_MOST_NAMED = 8
_RELATIVE_STARTS = frozenset({"new", "last", "last_per_subject"})
"""`deliver_policy` of a consumer that would start elsewhere if it were made anew later."""


@dataclass(frozen=True, slots=True)
class Company:
    """What is tied to an object that would be deleted; looked at only then.

    Attributes:
        stream: that a consumer is on.
        consumers: of a stream, by name.
        strangers: names of those among them that no resource stands for, or that nothing is known
            of.
    """

    stream: LiveStream | None = None
    consumers: Mapping[str, LiveConsumer] = field(default_factory=dict)
    strangers: Collection[str] = ()


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


def has_moved(consumer: LiveConsumer) -> bool:
    """Whether a consumer that is made anew would not be where this one is."""
    noted = names.START_METADATA in (consumer.config.get("metadata") or {})
    is_relative = consumer.config.get("deliver_policy") in _RELATIVE_STARTS
    return bool(consumer.deliveries or noted or (is_relative and consumer.pending))


def position(consumer: LiveConsumer) -> str:
    """Where a consumer stands, for a person."""
    stands = "before its first acknowledgement"
    if consumer.acknowledged is not None:
        stands = f"done up to sequence {consumer.acknowledged:,}"
    return (
        f"{stands}, with "
        f"{counted(consumer.pending, 'message')} to be delivered and {consumer.ack_pending:,} not "
        "acknowledged"
    )


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
    return (f"it has consumers in use: {_listed(used)}",) if used else ()


def _is_attached(consumer: LiveConsumer) -> bool:
    return bool(consumer.is_bound or consumer.waiting)


def _costs(live: Live, company: Company) -> tuple[str, ...]:
    """The positions that go with it."""
    if isinstance(live, LiveConsumer):
        return (f"it was {position(live)}",) if _is_attached(live) or has_moved(live) else ()
    lost = [
        f"{name} ({position(consumer)})"
        for name, consumer in sorted(company.consumers.items())
        if has_moved(consumer) or name in company.strangers
    ]
    return (f"its consumers went with it: {_listed(lost)}",) if lost else ()


def _listed(names_: list[str]) -> str:
    more = f" and {len(names_) - _MOST_NAMED:,} more" if len(names_) > _MOST_NAMED else ""
    return ", ".join(names_[:_MOST_NAMED]) + more
