"""The consumers for which an interest stream keeps messages, and that no resource manages."""

from coze_nats.core import names
from coze_nats.core.errors import Denied
from coze_nats.core.intent import target_of
from coze_nats.core.live import LiveStream
from coze_nats.core.ownership import Live
from coze_nats.core.resource import Key, Resource
from coze_nats.reconcile.context import Context


async def unmanaged_consumers(
    context: Context, resource: Resource, live: Live | None
) -> tuple[str, ...]:
    """The names of a stream's, sorted; they are looked for only if there are more than managed."""
    if not isinstance(live, LiveStream) or live.config.get("retention") != "interest":
        return ()
    if live.consumers <= _managed(context, live.name):
        return ()
    try:
        listing = await context.jetstream.consumers(live.name)
    except Denied:
        return known_as_unmanaged(resource)
    managed = context.owned_among(live.name, listing.found) - _leaving(context, live.name)
    durable = (name for name, each in listing.found.items() if each.config.get("durable_name"))
    return tuple(sorted(set(durable) - managed))


def known_as_unmanaged(stream: Resource) -> tuple[str, ...]:
    """The consumers that a stream's status names."""
    return tuple(stream.status.get("unmanagedConsumers") or ())


def concerned_stream(context: Context, consumer: Resource, *, is_gone: bool) -> tuple[Key, ...]:
    """The CozeStream whose status has to name a consumer from now on, or no longer."""
    stream = context.stream_of(consumer)
    target = target_of(consumer, stream)
    if stream is None or target is None:
        return ()
    keeps = (stream.status.get("effective") or {}).get("retention") == "interest"
    is_named = target.consumer in known_as_unmanaged(stream)
    return (stream.key,) if (keeps and is_gone) or is_named else ()


def _managed(context: Context, stream: str) -> int:
    """How many consumers of a stream resources know as theirs."""
    found = _consumers(context, stream)
    return sum(bool(each.status.get("created")) and not each.deleting for each in found)


def _leaving(context: Context, stream: str) -> set[str]:
    """The consumers of a stream whose resources are about to go."""
    return {
        str(each.status.get("consumer")) for each in _consumers(context, stream) if each.deleting
    }


def _consumers(context: Context, stream: str) -> list[Resource]:
    users = context.resources.on_stream(context.connection, stream)
    return [user for user in users if user.key.kind == names.CONSUMER_KIND]
