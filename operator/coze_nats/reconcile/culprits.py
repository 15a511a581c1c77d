"""Who stands in the way: the streams and consumers that a refusal is about, by name."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import chain, islice
from typing import NamedTuple

from coze_nats.core import bounds, names
from coze_nats.core.desired import Desired
from coze_nats.core.errors import Denied, Failure, Rejected, SubjectOverlap
from coze_nats.core.live import Listing, LiveStream
from coze_nats.core.ownership import owner_of
from coze_nats.core.subjects import Subjects, filters_of
from coze_nats.ports import JetStream
from coze_nats.reconcile.blocked import ANY

WORK_QUEUE_ERRORS = frozenset({10099, 10100})
"""`err_code`s for a consumer whose filter overlaps another one's on a work queue."""


_LOOKED_AT = 2_000
"""Names of streams that are compared with one that doesn't exist: each comparison takes time."""


def missing_stream(name: str, there: Collection[str], may_use: Callable[[str], bool]) -> str:
    """That a stream which a `streamName` names doesn't exist, and which one may be meant.

    Args:
        there: names of the streams that there were of late.
        may_use: whether the consumer may be on that stream, so that no other is named.
    """
    length = len(name)
    alike = (other for other in there if abs(len(other) - length) <= length // 2)
    folded = {other.casefold(): other for other in islice(alike, _LOOKED_AT)}
    close = (folded[found] for found in get_close_matches(name.casefold(), folded, 3))
    meant = next(filter(may_use, close), "")
    guess = f"; did you mean {meant}" if meant else ""
    return (
        f"streamName: there is no stream {name} in JetStream{guess}: have it made, or "
        f"{names.ANOTHER_STREAM_NAME}"
    )


class Culprits(NamedTuple):
    """A refusal in words, with the names of the streams whose change may end it."""

    message: str
    streams: frozenset[str]


async def named(jetstream: JetStream, desired: Desired, failure: Failure, message: str) -> Culprits:
    """The message with the names of whoever stands in the way, if they may be asked for."""
    own = frozenset({desired.target.stream})
    anybody = own | {ANY}
    try:
        if isinstance(failure, SubjectOverlap):
            taken = await _overlapping_streams(jetstream, desired)
            return Culprits(taken.message or f"subjects: {failure}", taken.streams or anybody)
        if isinstance(failure, Rejected) and failure.err_code in WORK_QUEUE_ERRORS:
            message += await rivals_on_work_queue(jetstream, desired)
    except Denied as denied:
        message = f"{message}; what it is that stands in the way can't be told: {denied}"
        return Culprits(message, anybody)
    return Culprits(message, own)


async def _overlapping_streams(jetstream: JetStream, desired: Desired) -> Culprits:
    """The first of the stream's subjects that others store."""
    stream = desired.target.stream
    subjects = desired.declared.get("subjects") or (stream,)
    return await subjects_taken(jetstream, stream, subjects)


async def subjects_taken(jetstream: JetStream, stream: str, subjects: Iterable[str]) -> Culprits:
    """The first of a stream's subjects that others store, who they are, and who owns them."""
    asked = tuple(subjects)
    if len(asked) > bounds.ITEMS:
        # One list has fewer pages than there would be questions.
        with suppress(Denied):
            return _taken_in(await jetstream.streams(), stream, asked)
    for subject in asked:
        others = set(await jetstream.streams_on(subject)) - {stream}
        if others:
            first = sorted(others)[: bounds.ITEMS]
            found = [(name, await jetstream.stream(name)) for name in first]
            return _taken(subject, found, others)
    return Culprits("", frozenset())


def _taken_in(streams: Listing[LiveStream], stream: str, subjects: Sequence[str]) -> Culprits:
    """The same for the streams of a list."""
    others = {name: live for name, live in streams.found.items() if name != stream}
    stored = {name: live.config.get("subjects") or () for name, live in others.items()}
    all_stored = Subjects(chain.from_iterable(stored.values()))
    for subject in filter(all_stored.meet, subjects):
        one = Subjects((subject,))
        these = {name for name, taken in stored.items() if any(map(one.meet, taken))}
        first = sorted(these)[: bounds.ITEMS]
        return _taken(subject, [(name, others[name]) for name in first], these)
    return Culprits("", frozenset())


def _taken(
    subject: str, first: Sequence[tuple[str, LiveStream | None]], others: Collection[str]
) -> Culprits:
    whose = ", ".join(_with_owner(name, live) for name, live in first)
    more = f" and {len(others) - len(first)} more" if len(others) > len(first) else ""
    message = (
        f"subjects: {subject} overlaps with the subjects of stream {whose}{more}, and "
        "a message can be stored by one stream only: change one of the two"
    )
    return Culprits(message, frozenset(others))


def _with_owner(name: str, stream: LiveStream | None) -> str:
    owner = owner_of(stream) if stream else ""
    return f"{name} (owned by {owner})" if owner else name


async def rivals_on_work_queue(jetstream: JetStream, desired: Desired) -> str:
    """The consumers whose filters overlap this one's, for the end of a message; "" for none."""
    mine = Subjects(filters_of(desired.declared))
    found = [
        f"{name} ({bounds.listed(filters_of(consumer.config))})"
        for name, consumer in sorted(
            (await jetstream.consumers(desired.target.stream)).found.items()
        )
        if name != desired.target.consumer and any(map(mine.meet, filters_of(consumer.config)))
    ]
    return f"; it overlaps with consumer {bounds.listed(found)}" if found else ""
