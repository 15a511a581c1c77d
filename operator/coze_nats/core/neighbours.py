"""What a resource can reach of others' streams, and whose streams are others'."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from coze_nats.core.holders import Subjects
from coze_nats.core.live import Config, LiveStream
from coze_nats.core.ownership import owner_of
from coze_nats.core.reach import captured, copied, published
from coze_nats.core.references import EVERY_NAMESPACE
from coze_nats.core.resource import Resource

_REACHING = ("republish", "mirror", "sources", "deliverSubject", "deliver_subject")


def may_reach_others(spec: Mapping[str, Any]) -> bool:
    """Whether an object so declared, or configured, publishes or copies."""
    return any(spec.get(field) for field in _REACHING)


class Reached(NamedTuple):
    """What objects reach that may be others'.

    Attributes:
        subjects: on which they publish, or hear what is sent.
        streams: names of the account's streams that they copy.
    """

    subjects: tuple[str, ...]
    streams: tuple[str, ...]

    @classmethod
    def by(cls, configs: Iterable[Config], domain: str) -> Self:
        """What objects with these configs (wire) reach besides what a stream takes."""
        reaching = [config for config in configs if may_reach_others(config)]
        heard = (
            each for config in reaching for each in captured(config) if each.field != "subjects"
        )
        subjects = (*(each for config in reaching for each in published(config)), *heard)
        copies = (each.value for config in reaching for each in copied(config, domain))
        return cls(
            tuple(dict.fromkeys(each.subject for each in subjects)), tuple(dict.fromkeys(copies))
        )


class Marked:
    """Streams in JetStream that bear an owner's mark, by their names and by what they take."""

    def __init__(self) -> None:
        self._streams: dict[str, LiveStream] = {}
        self._subjects: Subjects[str] = Subjects()

    def learn(self, streams: Iterable[LiveStream]) -> None:
        """Know these, and no others."""
        self._streams, self._subjects = {}, Subjects()
        for stream in streams:
            self.note(stream)

    def note(self, stream: LiveStream) -> None:
        """Know this one as it is now."""
        if known := self._streams.pop(stream.name, None):
            for subject in _taken(known):
                self._subjects.remove(subject, known.name)
        if owner_of(stream):
            self._streams[stream.name] = stream
            for subject in _taken(stream):
                self._subjects.add(subject, stream.name)

    def reached(self, what: Reached) -> Iterator[LiveStream]:
        """Those that are copied, and those that take what is published."""
        named = [name for name in what.streams if name in self._streams]
        for subject in what.subjects:
            named.extend(self._subjects.meeting(subject))
        yield from (self._streams[name] for name in dict.fromkeys(named))


def shares(stream: Resource, namespace: str) -> bool:
    """Whether a CozeStream lets another namespace copy, consume and publish into its stream."""
    allowed = stream.spec.get("allowedNamespaces") or ()
    return namespace in allowed or EVERY_NAMESPACE in allowed


def subjects_of(stream: Resource) -> tuple[str, ...]:
    """What a CozeStream's stream takes, as its status tells."""
    effective = stream.status.get("effective") or {}
    return tuple(effective.get("subjects") or ())


def _taken(stream: LiveStream) -> frozenset[str]:
    return frozenset(stream.config.get("subjects") or ())
