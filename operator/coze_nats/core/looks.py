"""What a plan has to see besides its object: looks at JetStream as values, and what they found.

A plan that lacks one says so (`Plan.looks`) and can't be carried out; whoever makes plans takes the
looks and plans again. What was not looked at can't be taken for nothing: asking for it raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import Config, Listing, LiveConsumer, LiveStream


@dataclass(frozen=True, slots=True)
class StreamLook:
    """A stream: LiveStream, or None when there is none."""

    stream: str


@dataclass(frozen=True, slots=True)
class ConsumersLook:
    """The consumers of a stream: Listing[LiveConsumer]."""

    stream: str


@dataclass(frozen=True, slots=True)
class MessagesLook:
    """How many messages a stream holds on each subject that matches one of these patterns."""

    stream: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RivalsLook:
    """Which other streams store any of these subjects: a sentence for a person, "" for none."""

    stream: str
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReturningLook:
    """The consumers that resources bring back when a stream is made anew: name → Returning.

    Attributes:
        was_lost: somebody else took the former stream away, and its consumers with it.
    """

    stream: str
    was_lost: bool


@dataclass(frozen=True, slots=True)
class CopiesLook:
    """The streams of the account that copy from a stream: their names, sorted."""

    origin: str


Look = StreamLook | ConsumersLook | MessagesLook | RivalsLook | ReturningLook | CopiesLook


@dataclass(frozen=True, slots=True)
class Returning:
    """A consumer that its resource brings back when the stream is made anew.

    Attributes:
        owner: the resource, as the consumer's metadata has it.
        incarnation: the consumer that the resource owned when it was last seen.
        config: what it is created with.
    """

    owner: str
    incarnation: Incarnation | None
    config: Config


class NotSeen(Exception):
    """A plan can't be made without this look."""

    def __init__(self, look: Look) -> None:
        super().__init__(f"nobody has taken the {look}")
        self.look = look


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found by looking. Every question raises NotSeen when nobody has looked."""

    found: Mapping[Look, Any] = field(default_factory=dict)

    def stream(self, name: str) -> LiveStream | None:
        stream: LiveStream | None = self._found(StreamLook(name))
        return stream

    def consumers(self, stream: str) -> Listing[LiveConsumer]:
        consumers: Listing[LiveConsumer] = self._found(ConsumersLook(stream))
        return consumers

    def messages_on(self, stream: str, patterns: tuple[str, ...]) -> Mapping[str, int]:
        messages: Mapping[str, int] = self._found(MessagesLook(stream, patterns))
        return messages

    def rivals(self, stream: str, subjects: tuple[str, ...]) -> str:
        rivals: str = self._found(RivalsLook(stream, subjects))
        return rivals

    def returning(self, stream: str, *, was_lost: bool) -> Mapping[str, Returning]:
        returning: Mapping[str, Returning] = self._found(ReturningLook(stream, was_lost))
        return returning

    def copies(self, origin: str) -> tuple[str, ...]:
        copies: tuple[str, ...] = self._found(CopiesLook(origin))
        return copies

    def _found(self, look: Look) -> Any:
        if look not in self.found:
            raise NotSeen(look)
        return self.found[look]
