"""Steps → calls to JetStream. What steps are taken is a Plan's matter."""

from collections.abc import Awaitable, Callable

from coze_nats.core.desired import Target
from coze_nats.core.ownership import Live
from coze_nats.core.steps import Create, Delete, Note, Pause, Replacement, Step, Update
from coze_nats.ports import JetStream


async def observe(jetstream: JetStream, target: Target) -> Live | None:
    """What JetStream has now; NotFound when it is a consumer and its stream does not exist."""
    if target.consumer is None:
        return await jetstream.stream(target.stream)
    return await jetstream.consumer(target.stream, target.consumer)


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
        else:
            live = await _take(jetstream, step)
    return live


async def _take(jetstream: JetStream, step: Create | Update | Pause | Delete) -> Live | None:
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
        case Delete():
            if consumer is None:
                await jetstream.delete_stream(stream)
            else:
                await jetstream.delete_consumer(stream, consumer)
            return None
