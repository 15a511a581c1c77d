"""What a reconcile does with one object, without resources, status and queue: to test plans."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coze_nats.core.api.consumer import ConsumerSpec
from coze_nats.core.api.stream import StreamSpec
from coze_nats.core.desired import Desired, desired_consumer, desired_stream
from coze_nats.core.diff import FieldChange
from coze_nats.core.errors import Transient
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Plan, Situation
from coze_nats.core.steps import Replacement
from coze_nats.ports import JetStream
from coze_nats.reconcile import looking
from coze_nats.reconcile.performing import observe, perform

OWNER = "here/coze/resource"
"""Another resource of the namespace that `Bench` declares in."""


def stream(name: str, spec: Mapping[str, Any]) -> Desired:
    """What a CozeStream of that name desires."""
    return desired_stream(name, StreamSpec.model_validate(spec), default_replicas=None)


def consumer(stream_name: str, name: str, spec: Mapping[str, Any]) -> Desired:
    """What a CozeConsumer of that name desires."""
    parsed = ConsumerSpec.model_validate({**spec, "streamName": stream_name})
    return desired_consumer(name, parsed, stream_name)


async def not_noted(replacement: Replacement) -> None:
    """There is no status here to write a replacement down in."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a spec.

    Attributes:
        plan: what was planned; its steps have been taken.
        before: what JetStream had.
        live: what JetStream has afterwards.
        left: the declared fields that are still not as declared; must be empty unless refused.
    """

    plan: Plan
    before: Live | None
    live: Live | None
    left: tuple[FieldChange, ...]


async def planned(jetstream: JetStream, desired: Desired, owner: str = OWNER) -> Plan:
    """The plan for what JetStream has now."""
    live = await observe(jetstream, desired.target)
    situation = Situation(owner, await jetstream.server())
    _, found = await looking.planned(jetstream, desired, live, situation)
    return found


async def apply(jetstream: JetStream, desired: Desired, attempts: int = 5) -> Applied:
    """Plan, act, and plan again; what fails for a moment only is tried again."""
    before = await observe(jetstream, desired.target)
    found = await planned(jetstream, desired)
    try:
        await perform(jetstream, found.steps, not_noted)
    except Transient:
        if not attempts:
            raise
        return await apply(jetstream, desired, attempts - 1)
    again = await planned(jetstream, desired)
    left = tuple(change for change in again.changes if change.declared)
    return Applied(found, before, await observe(jetstream, desired.target), left)
