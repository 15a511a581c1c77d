"""Takes the looks that a plan asks for, and plans again."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from coze_nats.core.desired import Desired
from coze_nats.core.live import Config, LiveStream
from coze_nats.core.looks import (
    ConsumersLook,
    CopiesLook,
    Look,
    MessagesLook,
    Returning,
    ReturningLook,
    RivalsLook,
    Seen,
    StreamLook,
)
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Plan, Situation, plan
from coze_nats.ports import JetStream
from coze_nats.reconcile.blocked import ANY
from coze_nats.reconcile.culprits import subjects_taken

Resources = Callable[[bool], Mapping[str, Returning]]
"""Whether the stream was lost → the consumers that resources bring back: see ReturningLook."""


async def planned(
    jetstream: JetStream,
    desired: Desired,
    live: Live | None,
    situation: Situation,
    resources: Resources = lambda _: {},
) -> tuple[Situation, Plan]:
    """A plan that lacks no look, and the situation with all that was seen for it."""
    todo = plan(desired, live, situation)
    while todo.looks:
        found = {look: await _found(jetstream, resources, look) for look in todo.looks}
        situation = replace(situation, seen=Seen({**situation.seen.found, **found}))
        todo = plan(desired, live, situation)
    return situation, todo


async def _found(jetstream: JetStream, resources: Resources, look: Look) -> Any:
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
            return (await subjects_taken(jetstream, stream, subjects)).message
        case ReturningLook(was_lost=was_lost):
            return resources(was_lost)
        case CopiesLook(origin):
            return await copies_of(jetstream, origin)


async def copies_of(jetstream: JetStream, origin: str) -> tuple[str, ...]:
    """The streams of the account that copy from a stream: their names, sorted."""
    streams = (await jetstream.streams()).found
    return tuple(sorted(name for name, each in streams.items() if origin in origins(each)))


def depends_on(desired: Desired, seen: Seen, reason: Reason) -> set[str]:
    """The streams by whose change, or one on them, a plan made with these looks may be another."""
    found = {desired.target.stream, *_origins(desired.declared)}
    if reason is Reason.NOT_GRANTED:
        found.add(ANY)
    for look in seen.found:
        match look:
            case RivalsLook():
                found.add(ANY)
            case CopiesLook(origin):
                found.add(origin)
            case _:
                found.add(look.stream)
    return found


def origins(stream: LiveStream) -> set[str]:
    """The names of the account's own streams that a stream copies from."""
    return _origins(stream.config)


def _origins(config: Config) -> set[str]:
    copied = [config.get("mirror") or {}, *(config.get("sources") or ())]
    return {item["name"] for item in copied if item and not (item.get("external") or {}).get("api")}
