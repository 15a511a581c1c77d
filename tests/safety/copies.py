"""Whether who copies from a stream can go on: a copy waits for what comes after what it has."""

from contextlib import suppress

from safety import tables
from safety.outsider import Outsider
from safety.world import World
from safety.writes import Violation
from support.eventually import eventually_async

ORIGIN = tables.STREAM_NAMES[0]


async def copied_all(outsider: Outsider) -> None:
    """Give a copy time to get what its origin has; one that lost it comes back in a while only."""

    async def is_done() -> bool:
        copied, last = await outsider.copied(tables.COPY), await outsider.last_sequence(ORIGIN)
        return copied is None or last is None or copied >= last

    with suppress(AssertionError):
        await eventually_async(is_done, within=0.5)


async def judge_copies(world: World) -> None:
    """Hold the copy against its origin; raises Violation.

    An origin that somebody else made anew begins at 1, and nobody can help that; another cluster's
    operator knows of none that was there before.
    """
    copied = await world.outsider.copied(tables.COPY)
    if copied is None or ORIGIN in world.made_by_others or len(world.operators) > 1:
        return
    last = await world.outsider.last_sequence(ORIGIN)
    if last is not None and last < copied:
        raise Violation(
            "who copies can go on",
            f"{tables.COPY} has {ORIGIN} up to sequence {copied}, which is at {last} now",
        )
