"""Takes the looks that a plan asks for, and plans again."""

from dataclasses import replace
from typing import Any

from coze_nats.core.desired import Desired
from coze_nats.core.looks import ConsumersLook, Look, MessagesLook, RivalsLook, Seen, StreamLook
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Plan, Situation, plan
from coze_nats.ports import JetStream
from coze_nats.reconcile.culprits import subjects_taken


async def planned(
    jetstream: JetStream, desired: Desired, live: Live | None, situation: Situation
) -> tuple[Situation, Plan]:
    """A plan that lacks no look, and the situation with all that was seen for it."""
    todo = plan(desired, live, situation)
    while todo.looks:
        found = {look: await _found(jetstream, look) for look in todo.looks}
        situation = replace(situation, seen=Seen({**situation.seen.found, **found}))
        todo = plan(desired, live, situation)
    return situation, todo


async def _found(jetstream: JetStream, look: Look) -> Any:
    match look:
        case StreamLook(stream):
            return await jetstream.stream(stream)
        case ConsumersLook(stream):
            return await jetstream.consumers(stream)
        case MessagesLook(stream, patterns):
            found: dict[str, int] = {}
            for pattern in patterns:
                found |= await jetstream.messages_on(stream, pattern)
            return found
        case RivalsLook(stream, subjects):
            return await subjects_taken(jetstream, stream, subjects)
