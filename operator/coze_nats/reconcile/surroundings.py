"""What a planned change touches besides its object; looked at when it is planned, not before."""

from coze_nats.core.desired import Desired
from coze_nats.core.live import LiveStream
from coze_nats.core.losses import FILTERS
from coze_nats.core.ownership import Live, owner_of
from coze_nats.core.plan import Action, Plan
from coze_nats.core.replacing import Surroundings
from coze_nats.core.subjects import dropped, reaches
from coze_nats.ports import JetStream
from coze_nats.reconcile.culprits import subjects_taken


async def surroundings(
    jetstream: JetStream, desired: Desired, live: Live | None, todo: Plan
) -> Surroundings | None:
    """What the plan has to know before it is carried out; None when it knows enough."""
    if todo.action is Action.REPLACE:
        return await _of_replacement(jetstream, desired, live, todo)
    if desired.target.consumer is not None and _changes_filters(todo):
        stream = await jetstream.stream(desired.target.stream)
        return Surroundings(stream.config) if stream and stream.messages else None
    stores_less = any(change.name == "subjects" for change in todo.changes)
    if stores_less and not todo.refusal and isinstance(live, LiveStream) and live.messages:
        return Surroundings(left_behind=await _left_behind(jetstream, desired, live))
    return None


async def _of_replacement(
    jetstream: JetStream, desired: Desired, live: Live | None, todo: Plan
) -> Surroundings | None:
    """What would go with the object, and who would be in the way of the new one."""
    if isinstance(live, LiveStream):
        stores_others = any(change.name == "subjects" for change in todo.changes)
        return Surroundings(
            unmanaged=await _unmanaged(jetstream, live) if live.consumers else (),
            taken=await subjects_taken(jetstream, desired) if stores_others else "",
        )
    stream = await jetstream.stream(desired.target.stream)
    return Surroundings(stream.config) if stream else None


def _changes_filters(todo: Plan) -> bool:
    return not todo.refusal and any(change.name in FILTERS for change in todo.changes)


async def _unmanaged(jetstream: JetStream, stream: LiveStream) -> tuple[str, ...]:
    """The consumers without an owner; those that didn't answer count as such."""
    listing = await jetstream.consumers(stream.name)
    found = {name for name, consumer in listing.found.items() if not owner_of(consumer)}
    return tuple(sorted(found | listing.missing))


async def _left_behind(
    jetstream: JetStream, desired: Desired, live: LiveStream
) -> tuple[tuple[str, int], ...]:
    """The messages on subjects that the stream is about to store no longer."""
    before, after = live.config.get("subjects") or (), desired.after("subjects") or ()
    found: dict[str, int] = {}
    for pattern in dropped(before, after):
        found |= await jetstream.messages_on(live.name, pattern)
    return tuple(
        sorted((name, count) for name, count in found.items() if not reaches([name], after))
    )
