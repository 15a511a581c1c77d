"""A CozeStream with its CozeConsumer, and what became of each message that the stream took."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

Spec = dict[str, Any]


@dataclass(slots=True)
class Messages:
    """The messages of one stream, by their numbers.

    Attributes:
        acknowledged: whose publisher was told that they are stored.
        handled: what a worker got.
        removed: what a hand or a declared deletion removed, or could have.
    """

    acknowledged: set[int] = field(default_factory=set)
    handled: set[int] = field(default_factory=set)
    removed: set[int] = field(default_factory=set)
    _last: int = 0

    def next(self) -> int:
        """A number that none has had."""
        self._last += 1
        return self._last

    @property
    def open(self) -> set[int]:
        """What must still be there."""
        return self.acknowledged - self.handled - self.removed

    def remove_all(self) -> None:
        """Somebody is about to remove all that is there now."""
        self.removed |= self.open


@dataclass(eq=False, slots=True)
class Feed:
    """A stream and its consumer, as they are declared now.

    Attributes:
        account: the NATS account that they are in.
        stream: the spec of the CozeStream, `consumer` that of the CozeConsumer.
        lock: held by who publishes, works, or lends a hand: a message that is stored while a
            hand removes everything would be counted on the wrong side.
        is_ending: its resources are being deleted.
        is_risky: something is declared that NATS can't change in place.
    """

    name: str
    namespace: str
    account: str
    stream: Spec
    consumer: Spec
    consumer_name: str
    messages: Messages = field(default_factory=Messages)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_ending: bool = False
    is_risky: bool = False

    @property
    def deletes(self) -> bool:
        """Whether the stream goes with its resource, whatever it holds."""
        return bool(self.stream["policies"]["deletion"] == "Delete")


@dataclass(slots=True)
class Book:
    """What became of all messages of all feeds.

    Attributes:
        kept: what was still in a stream when its feed was closed.
    """

    feeds: int = 0
    acknowledged: int = 0
    handled: int = 0
    removed: int = 0
    kept: int = 0

    def close(self, feed: Feed, left: set[int]) -> None:
        """A feed has come to its end; these messages are left in its stream."""
        messages = feed.messages
        self.feeds += 1
        self.acknowledged += len(messages.acknowledged)
        self.handled += len(messages.acknowledged & messages.handled)
        self.removed += len((messages.acknowledged & messages.removed) - messages.handled)
        self.kept += len(messages.open & left)
