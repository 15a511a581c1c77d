"""Who stands in the way: the streams and consumers that a refusal is about, by name."""

from collections.abc import Iterable

from coze_nats.core import bounds
from coze_nats.core.desired import Desired
from coze_nats.core.errors import Failure
from coze_nats.core.ownership import owner_of
from coze_nats.core.subjects import Subjects, filters_of
from coze_nats.ports import JetStream

WORK_QUEUE_ERRORS = frozenset({10099, 10100})
"""`err_code`s for a consumer whose filter overlaps another one's on a work queue."""


async def overlapping_streams(jetstream: JetStream, desired: Desired, failure: Failure) -> str:
    """The first of the stream's subjects that others store, or else what the server said."""
    stream = desired.target.stream
    subjects = desired.declared.get("subjects") or (stream,)
    return await subjects_taken(jetstream, stream, subjects) or f"subjects: {failure}"


async def subjects_taken(jetstream: JetStream, stream: str, subjects: Iterable[str]) -> str:
    """The first of a stream's subjects that others store, who they are, and who owns them."""
    for subject in subjects:
        others = set(await jetstream.streams_on(subject)) - {stream}
        if others:
            first = sorted(others)[: bounds.ITEMS]
            named = [await _with_owner(jetstream, name) for name in first]
            more = f" and {len(others) - len(named)} more" if len(others) > len(named) else ""
            return (
                f"subjects: {subject} overlaps with the subjects of stream {', '.join(named)}{more}"
                ", and "
                "a message can be stored by one stream only: change one of the two"
            )
    return ""


async def _with_owner(jetstream: JetStream, name: str) -> str:
    stream = await jetstream.stream(name)
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
