"""Whether an object in JetStream is the one that was known before.

`created` alone doesn't tell. Before 2.14 a standalone server gives an updated stream another
one at a restart, 2.10 and 2.11 move a consumer's by less than a millisecond at each, clusters move
it a little, and a stream whose server lost its disk comes back, empty, with the one it had. But
sequences only ever grow, and a message keeps its time. `created` counts where these leave it open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from coze_nats.core import bounds
from coze_nats.core.codec import InvalidValue, instant_ns
from coze_nats.core.live import LiveConsumer, LiveStream, Server

_SECOND = 1_000_000_000

_KEPT_FROM: Mapping[type[LiveStream | LiveConsumer], int] = {LiveStream: 4, LiveConsumer: 3}
"""The API level from which a standalone server keeps a time of creation: 2.14, consumers' 2.12."""


@dataclass(frozen=True, slots=True)
class Incarnation:
    """What is known of an object from an earlier look, however long ago.

    Attributes:
        created: when it was created, as it was told first.
        last_sequence: of a stream.
        first_sequence: of a stream; None: not known.
        first_time: when the message with the first sequence was stored; "" for none, or not known.
        deliveries: of a consumer.
        created_tells: whether the server that told it keeps what it tells of that.
    """

    created: str
    last_sequence: int = 0
    first_sequence: int | None = None
    first_time: str = ""
    deliveries: int = 0
    created_tells: bool = False

    @classmethod
    def of(cls, live: LiveStream | LiveConsumer) -> Self:
        """What is to be remembered of a live object."""
        if isinstance(live, LiveConsumer):
            return cls(live.created, deliveries=live.deliveries)
        is_told = live.messages and _is_instant(live.first_time)
        first_time = live.first_time if is_told else ""
        return cls(live.created, live.last_sequence, _first(live), first_time)

    @classmethod
    def from_status(cls, status: Mapping[str, Any]) -> Self | None:
        """What a status remembers; None: no object."""
        if not status.get("created"):
            return None
        return cls(
            status["created"],
            status.get("lastSequence", 0),
            status.get("firstSequence"),
            status.get("firstTime", ""),
            status.get("deliveries", 0),
            created_tells=bool(status.get("createdIsKept")),
        )

    def as_status(self) -> dict[str, Any]:
        """How a status remembers the part of it that is not told there for its own sake."""
        found = {
            "firstSequence": min(self.first_sequence or 0, bounds.LARGEST_COUNT),
            "firstTime": self.first_time,
            "deliveries": min(self.deliveries, bounds.LARGEST_COUNT),
        }
        return {key: value for key, value in found.items() if value}

    def goes_on(self, live: LiveStream | LiveConsumer) -> bool:
        """Whether the live object is the known one, with all that the known one had."""
        if isinstance(live, LiveConsumer):
            return self._goes_on_as_consumer(live)
        if live.last_sequence < self.last_sequence:
            return False
        if self.first_sequence is not None:
            first = _first(live)
            if first < self.first_sequence:
                return False
            if first == self.first_sequence and self.last_sequence >= _begins_at(live):
                return not self._starts_later(live)
        return not self._was_created_later(live)

    def _starts_later(self, live: LiveStream) -> bool:
        """Whether the first message is another one than the known one with its sequence."""
        return bool(self.first_time) and _apart(self.first_time, live.first_time) > 0

    def _was_created_later(self, live: LiveStream) -> bool:
        """Whether `created` tells that it is another stream; a message from before disproves it."""
        if live.messages and _apart(live.first_time, live.created) > 0:
            return False
        is_clustered = _is_clustered(live)
        if not (self.created_tells or is_clustered):
            return False
        return _apart(self.created, live.created) > (_SECOND if is_clustered else 0)

    def _goes_on_as_consumer(self, live: LiveConsumer) -> bool:
        """Whether a consumer is the known one.

        A reset takes its sequences back, and so may a crash; neither touches its time of creation.
        A restart of 2.10 or 2.11 moves that a little, and in a cluster by up to ten seconds.
        """
        later = _apart(self.created, live.created)
        if self.created_tells and not _is_clustered(live):
            return later <= 0
        if later <= _SECOND:
            return True
        if self.deliveries:
            return live.deliveries >= self.deliveries
        return later <= 15 * _SECOND


def keeps_created(server: Server, live: LiveStream | LiveConsumer) -> bool:
    """Whether an object's time of creation stays what this server tells, whatever comes.

    What an earlier one told doesn't: an upgrade is a restart, too.
    """
    return server.api_level >= _KEPT_FROM[type(live)]


def _is_clustered(live: LiveStream | LiveConsumer) -> bool:
    return bool(live.raft.leader) or live.raft.is_leaderless


def _first(live: LiveStream) -> int:
    """The first sequence; without messages it is the one that the next message gets.

    A new stream without messages tells 0.
    """
    return live.first_sequence if live.messages else live.last_sequence + 1


def _begins_at(live: LiveStream) -> int:
    """The sequence of the first message that a stream of this configuration ever gets."""
    return max(int(live.config.get("first_seq", 0)), 1)


def _is_instant(text: str) -> bool:
    """Whether it is an RFC 3339 time, as all servers' are that are some."""
    try:
        instant_ns(text)
    except InvalidValue:
        return False
    return True


def _apart(before: str, after: str) -> int:
    """By how many nanoseconds one instant is later than the other; 0 if that can't be told."""
    if before == after:
        return 0
    try:
        return instant_ns(after) - instant_ns(before)
    except InvalidValue:
        return 0
