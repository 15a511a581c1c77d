"""Everything that JetStream holds at one moment, message by message."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coze_nats.core.desired import Target

OWNER = "coze.dev/owner"


@dataclass(frozen=True, slots=True)
class Object:
    """A stream or a consumer: raw configuration and incarnation."""

    config: Mapping[str, Any]
    created: str

    @property
    def owner(self) -> str:
        return str((self.config.get("metadata") or {}).get(OWNER, ""))


@dataclass(frozen=True, slots=True)
class ConsumerFound(Object):
    """A consumer.

    Attributes:
        delivered: sequence of the last message that it delivered, or where it began before that.
        open: those that were delivered and not acknowledged.
        done: the last one that was acknowledged; 0 for none.
        attached: whether an application waits for messages.
    """

    delivered: int
    open: frozenset[int]
    done: int
    attached: bool


@dataclass(frozen=True, slots=True)
class StreamFound(Object):
    """A stream, with the sequences of the messages that it holds, on so many subjects.

    Attributes:
        last: the sequence of the last message that it ever had.
    """

    messages: frozenset[int]
    last: int
    subjects: int
    bytes: int
    consumers: Mapping[str, ConsumerFound]

    @property
    def is_copy(self) -> bool:
        """Whether messages come by themselves."""
        return bool(self.config.get("mirror") or self.config.get("sources"))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All streams by name."""

    streams: Mapping[str, StreamFound]

    def get(self, target: Target) -> StreamFound | ConsumerFound | None:
        stream = self.streams.get(target.stream)
        if target.consumer is None or stream is None:
            return stream
        return stream.consumers.get(target.consumer)

    def objects(self) -> Iterator[tuple[Target, StreamFound | ConsumerFound]]:
        for name, stream in self.streams.items():
            yield Target(name), stream
            for consumer, found in stream.consumers.items():
                yield Target(name, consumer), found


def changed(before: Snapshot, after: Snapshot) -> list[Target]:
    """The objects that appeared, went, became others, or have another configuration."""
    one, other = dict(before.objects()), dict(after.objects())
    return sorted(
        (target for target in {*one, *other} if not _same(one.get(target), other.get(target))),
        key=str,
    )


def _same(one: Object | None, other: Object | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.created, one.config) == (other.created, other.config)


def lost(before: Snapshot, after: Snapshot) -> dict[str, frozenset[int]]:
    """By stream, the messages that were there before and aren't any more."""
    found = {}
    for name, stream in before.streams.items():
        now = after.streams.get(name)
        left = now.messages if now and now.created == stream.created else frozenset()
        if gone := stream.messages - left:
            found[name] = gone
    return found
