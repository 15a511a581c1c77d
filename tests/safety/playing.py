"""Plays a whole history, and finds the steps of a failing one that matter."""

from dataclasses import dataclass, replace

from coze_nats.ports import JetStream
from safety.copies import copied_all, judge_copies
from safety.history import History
from safety.outsider import Outsider
from safety.rest import judge_rest
from safety.world import World
from safety.writes import Violation


@dataclass(frozen=True, slots=True)
class Stage:
    """One NATS account, for one history after the other."""

    jetstream: JetStream
    outsider: Outsider


async def first_violation(stage: Stage, history: History) -> Violation | None:
    """Play a history on an empty account, to its end or to the first rule that is broken."""
    await stage.outsider.clean()
    world = World(history, stage.jetstream, stage.outsider)
    try:
        for step in history.steps:
            await world.play(step)
        await copied_all(stage.outsider)
        await judge_rest(world, await world.settle(), await stage.jetstream.server())
        await judge_copies(world)
    except Violation as violation:
        return violation
    return None


async def shrunk(stage: Stage, history: History, violation: Violation) -> History:
    """The history with every step left out that the same violation does not need."""
    steps = history.steps
    position = len(steps) - 1
    while position >= 0:
        fewer = steps[:position] + steps[position + 1 :]
        found = await first_violation(stage, replace(history, steps=fewer))
        if found and found.rule == violation.rule:
            steps = fewer
            position = min(position, len(steps))
        position -= 1
    return replace(history, steps=steps)
