"""Steps → calls to JetStream. What steps are taken is a Plan's matter."""

import asyncio
from collections.abc import Awaitable, Callable

from coze_nats.core.desired import Target
from coze_nats.core.errors import NotFound, Rejected, Transient
from coze_nats.core.live import LiveStream
from coze_nats.core.ownership import Live
from coze_nats.core.progress import is_incomplete
from coze_nats.core.steps import Create, Delete, Fence, Note, Pause, Replacement, Step, Update
from coze_nats.ports import JetStream

_LOOKS = 5
_BETWEEN_LOOKS = 0.05
"""Seconds. What a fenced stream holds may be on its way to be acknowledged; publishers wait."""

_LOOKS_AT_REPLICAS = 4
_BETWEEN_LOOKS_AT_REPLICAS = 0.1
"""Seconds, and each time as many more."""


async def observe(jetstream: JetStream, target: Target) -> Live | None:
    """What JetStream has now; NotFound when it is a consumer and its stream does not exist."""
    if target.consumer is None:
        return await jetstream.stream(target.stream)
    return await jetstream.consumer(target.stream, target.consumer)


async def once_replicated(jetstream: JetStream, target: Target, live: Live) -> Live:
    """What an object that was just made or changed is like a moment later, if it has replicas.

    The server answers before they are there, and nobody needs to hear of that moment.
    """
    for number in range(_LOOKS_AT_REPLICAS):
        if not is_incomplete(live):
            break
        await asyncio.sleep(number * _BETWEEN_LOOKS_AT_REPLICAS)
        live = await observe(jetstream, target) or live
    return live


async def perform(
    jetstream: JetStream,
    steps: tuple[Step, ...],
    note: Callable[[Replacement], Awaitable[None]],
) -> Live | None:
    """Take the steps in order; returns what the object is afterwards, None when it is deleted.

    Args:
        note: writes a replacement down where a crash can't lose it.
    """
    live: Live | None = None
    for step in steps:
        if isinstance(step, Note):
            await note(step.replacement)
            continue
        try:
            live = await _take(jetstream, step)
        except Rejected as refusal:
            if step.target != steps[-1].target:
                refusal.description = f"{step.target}: {refusal.description}"
            raise
    return live


async def _take(
    jetstream: JetStream, step: Create | Update | Pause | Fence | Delete
) -> Live | None:
    stream, consumer = step.target
    match step:
        case Create(config=config):
            if consumer is None:
                return await jetstream.create_stream(config)
            return await jetstream.create_consumer(stream, config)
        case Update(config=config):
            if consumer is None:
                return await jetstream.update_stream(config)
            return await jetstream.update_consumer(stream, config)
        case Pause(until=until):
            await jetstream.pause_consumer(stream, str(consumer), until)
            return await observe(jetstream, step.target)
        case Fence():
            return await _fence(jetstream, step)
        case Delete():
            if consumer is None:
                await jetstream.delete_stream(stream)
            else:
                await jetstream.delete_consumer(stream, consumer)
            return None


async def _fence(jetstream: JetStream, fence: Fence) -> LiveStream:
    """Let nothing more in; raises Transient if more came in before than may go with the stream.

    What the server had taken from the network before is stored afterwards, so two looks agree
    before that counts.
    """
    before = await jetstream.update_stream(fence.config)
    for _ in range(_LOOKS):
        found = await jetstream.stream(fence.target.stream)
        if found is None:
            raise NotFound(f"{fence.target} went while it was being replaced", NotFound.STREAM)
        is_still = found.last_sequence == before.last_sequence
        fits = fence.most is None or found.messages <= fence.most
        if is_still and fits and not 0 < fence.below <= found.last_sequence:
            return found
        before = found
        await asyncio.sleep(_BETWEEN_LOOKS)
    await jetstream.update_stream(fence.former)
    raise Transient(
        f"{fence.target} was to be replaced, but messages came in; it takes them in again, and is "
        "replaced when it holds none"
    )
