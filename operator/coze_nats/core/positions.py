"""Where consumers stand, and what it costs when that is lost: in words, for events."""

from collections.abc import Collection, Mapping

from coze_nats.core import bounds, names
from coze_nats.core.costs import counted
from coze_nats.core.live import LiveConsumer

_RELATIVE_STARTS = frozenset({"new", "last", "last_per_subject"})
"""`deliver_policy` of a consumer that would start elsewhere if it were made anew later."""


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


def gone_with(
    consumers: Mapping[str, LiveConsumer], others: Collection[str] = ()
) -> tuple[str, ...]:
    """The positions that go with a stream, in one sentence, if there are some.

    Args:
        others: names of those that are told of wherever they stand.
    """
    lost = [
        f"{name} ({position(consumer)})"
        for name, consumer in sorted(consumers.items())
        if has_moved(consumer) or name in others
    ]
    return (f"its consumers went with it: {bounds.listed(lost)}",) if lost else ()
