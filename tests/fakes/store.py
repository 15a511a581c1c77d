"""What a stream in memory holds: messages, and how far its consumers are; judges no configuration.

A message has a sequence, a subject, a size and an age, nothing else; acknowledgements come one by
one and nothing is delivered twice.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from coze_nats.core.codec import instant_ns
from coze_nats.core.errors import from_api_error
from coze_nats.core.live import LiveConsumer, LiveStream

Json = dict[str, Any]

OVERHEAD = 30
"""Bytes that are counted for a message besides its subject and payload."""


@dataclass(frozen=True, slots=True)
class Message:
    sequence: int
    subject: str
    size: int
    time_ns: int


@dataclass(slots=True)
class StoredConsumer:
    """A consumer and how far it is.

    Attributes:
        delivered: sequence of the newest message that was delivered, or that lies before the start.
        deliveries: how many messages were delivered.
        waiting: how many requests wait for messages.
        unacknowledged: sequences that were delivered and are not acknowledged.
    """

    config: Json
    created: str
    delivered: int = 0
    deliveries: int = 0
    waiting: int = 0
    unacknowledged: set[int] = field(default_factory=set)
    floor: int = 0

    def wants(self, message: Message) -> bool:
        return message.sequence > self.delivered and matches_any(message.subject, self.filters)

    def needs(self, message: Message) -> bool:
        """Whether it is to be delivered yet, or acknowledged."""
        return message.sequence in self.unacknowledged or self.wants(message)

    @property
    def filters(self) -> list[str]:
        one = self.config.get("filter_subject")
        return self.config.get("filter_subjects") or [one or ">"]

    def deliver(self, messages: list[Message], acknowledged: tuple[bool, ...]) -> list[int]:
        """Deliver as many messages, each acknowledged or not; returns their sequences."""
        found = [each.sequence for each in messages if self.wants(each)][: len(acknowledged)]
        wants_no_acks = self.config["ack_policy"] == "none"
        for sequence, is_acknowledged in zip(found, acknowledged, strict=False):
            self.delivered = sequence
            self.deliveries += 1
            if not is_acknowledged and not wants_no_acks:
                self.unacknowledged.add(sequence)
            self._raise_floor(found)
        return found

    def _raise_floor(self, sequences: Iterable[int]) -> None:
        below = min(self.unacknowledged, default=self.delivered + 1)
        done = [each for each in sequences if each < below and each <= self.delivered]
        self.floor = max([self.floor, *done])


@dataclass(slots=True)
class StoredStream:
    config: Json
    created: str
    messages: list[Message] = field(default_factory=list)
    consumers: dict[str, StoredConsumer] = field(default_factory=dict)
    last_sequence: int = 0

    def publish(self, subject: str, size: int, now: int) -> None:
        self.last_sequence += 1
        self.messages.append(Message(self.last_sequence, subject, size, now))
        self.enforce(now)
        self.keep_needed()

    def join(self, config: Json, created: str) -> StoredConsumer:
        """Add a consumer, at the position that its configuration says."""
        before = self._before_start(config)
        made = StoredConsumer(config, created, delivered=before, floor=before)
        self.consumers[config["name"]] = made
        return made

    def refuse_rivals(self, config: Json) -> None:
        """Refuse a consumer on a work queue whose messages another one gets already."""
        mine = StoredConsumer(config, "").filters
        if self.consumers and mine == [">"]:
            raise from_api_error(10099, "multiple non-filtered consumers not allowed")
        theirs = [pattern for each in self.consumers.values() for pattern in each.filters]
        if any(overlap(a.split("."), b.split(".")) for a in mine for b in theirs):
            raise from_api_error(10100, "filtered consumer not unique on workqueue stream")

    def leave(self, name: str) -> None:
        """Remove a consumer; with interest retention what only it needed goes with it."""
        if self.consumers.pop(name, None):
            self.keep_needed()

    def keep_needed(self) -> None:
        """Drop what interest or work queue retention doesn't keep any longer."""
        consumers = tuple(self.consumers.values())
        if self.config["retention"] == "interest":
            self.messages = [m for m in self.messages if any(c.needs(m) for c in consumers)]
        if self.config["retention"] == "workqueue":
            self.messages = [
                m
                for m in self.messages
                if not any(matches_any(m.subject, c.filters) for c in consumers)
                or any(c.needs(m) for c in consumers)
            ]

    def messages_on(self, pattern: str) -> dict[str, int]:
        """How many messages there are on each subject that matches."""
        return Counter(
            each.subject for each in self.messages if matches_any(each.subject, [pattern])
        )

    def enforce(self, now: int) -> None:
        """Drop what is over the limits."""
        config, messages = self.config, self.messages
        if config["max_age"]:
            oldest = now - config["max_age"]
            messages = [each for each in messages if each.time_ns > oldest]
        if config["discard"] == "old":
            while _exceeds(config["max_msgs"], len(messages)) or _exceeds(
                config["max_bytes"], size_of(messages)
            ):
                messages = messages[1:]
        counts = Counter(each.subject for each in messages)
        kept = []
        for each in messages:
            if _exceeds(config["max_msgs_per_subject"], counts[each.subject]):
                counts[each.subject] -= 1
            else:
                kept.append(each)
        self.messages = kept

    def live(self, config: Json, first_time: str, as_of: str) -> LiveStream:
        return LiveStream(
            config=config,
            created=self.created,
            messages=len(self.messages),
            bytes=size_of(self.messages),
            first_time=first_time,
            first_sequence=self.messages[0].sequence if self.messages else self.last_sequence + 1,
            last_sequence=self.last_sequence,
            subjects=len({each.subject for each in self.messages}),
            consumers=len(self.consumers),
            as_of=as_of,
        )

    def live_consumer(self, found: StoredConsumer, config: Json, as_of: str) -> LiveConsumer:
        until = config.get("pause_until")
        return LiveConsumer(
            config=config,
            created=found.created,
            stream=self.config["name"],
            pending=sum(found.wants(each) for each in self.messages),
            ack_pending=len(found.unacknowledged),
            waiting=found.waiting,
            deliveries=found.deliveries,
            paused=until is not None and instant_ns(until) > instant_ns(as_of),
            acknowledged=found.floor,
            as_of=as_of,
        )

    def _before_start(self, config: Json) -> int:
        match config["deliver_policy"]:
            case "by_start_sequence":
                start: int = config["opt_start_seq"]
                return start - 1
            case "new":
                return self.last_sequence
            case "last" if self.messages:
                return self.messages[-1].sequence - 1
            case _:
                return 0


def _exceeds(limit: int, count: int) -> bool:
    return 0 < limit < count


def size_of(messages: list[Message]) -> int:
    return sum(OVERHEAD + len(each.subject) + each.size for each in messages)


def overlap(one: list[str], other: list[str]) -> bool:
    """Whether a subject could match both patterns."""
    if not one or not other:
        return not one and not other
    if ">" in (one[0], other[0]):
        return True
    return (one[0] == other[0] or "*" in (one[0], other[0])) and overlap(one[1:], other[1:])


def matches_any(subject: str, patterns: Iterable[str]) -> bool:
    return any(overlap(subject.split("."), pattern.split(".")) for pattern in patterns)
