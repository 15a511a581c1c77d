"""What changes of a stream cost: messages that go, judged by what the stream holds now.

Follows what the servers' stores do on an update: with discard new, message and byte limits remove
nothing; the limit per subject and the age always do; turning on TTLs or schedules, they heed the
headers of what is stored already (nats-server, server/filestore.go and memstore.go).
"""

from dataclasses import replace

from coze_nats.core.codec import InvalidValue, format_duration, instant_ns
from coze_nats.core.desired import Desired
from coze_nats.core.diff import FieldChange, Verdict
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.sources import copied_again
from coze_nats.core.subjects import dropped, filters_of

Subjects = tuple[tuple[str, int], ...]
"""Subjects, each with the number of messages on it."""


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 message", "4,000 messages"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def with_losses(
    changes: tuple[FieldChange, ...],
    desired: Desired,
    live: LiveStream,
    left_behind: Subjects = (),
) -> tuple[FieldChange, ...]:
    """The same changes, those marked that would discard messages which `live` holds.

    A change of subjects discards nothing; it is told which messages it leaves behind.

    Args:
        left_behind: how many messages there are on each subject that is stored no longer.
    """
    if live.messages == 0:
        return changes
    return tuple(
        replace(change, why=_left_behind(left_behind))
        if change.name == "subjects" and left_behind
        else _judged(change, desired, live)
        for change in changes
    )


FILTERS = frozenset({"filterSubject", "filterSubjects"})


def with_lost_interest(
    changes: tuple[FieldChange, ...], desired: Desired, live: LiveConsumer
) -> tuple[FieldChange, ...]:
    """The same changes, narrower filters marked: the consumer is one of an interest stream.

    Such a stream deletes at once what no consumer waits for any more (measured on 2.10 to 2.15).
    """
    lost = dropped(filters_of(live.config), filters_of(desired.declared))
    if not lost:
        return changes
    why = (
        f"could discard what the stream keeps on {', '.join(lost)} for this consumer alone, as its "
        f"retention is interest; {counted(live.pending, 'message')} to be delivered"
    )
    return tuple(
        replace(change, verdict=Verdict.LOSES_DATA, why=why) if change.name in FILTERS else change
        for change in changes
    )


def lost_with(consumer: LiveConsumer, stream: LiveStream) -> int:
    """How many messages could go with a consumer, at most, when it is deleted.

    An interest stream deletes then what no other consumer waits for, and everything if it was the
    last one (nats-server 2.10 to 2.15, `cleanupNoInterestMessages`). Streams of other retention
    lose nothing. Whether others wait for the same is not asked: they may be about to go, too.
    """
    if stream.config.get("retention") != "interest":
        return 0
    # What was delivered as often as it may be is kept for the consumer, and counted nowhere.
    may_have_given_up = consumer.config.get("max_deliver", -1) > 0 and consumer.deliveries > 0
    if stream.consumers <= 1 or may_have_given_up:
        return stream.messages
    return min(consumer.pending + consumer.ack_pending, stream.messages)


def _left_behind(subjects: Subjects, most: int = 3) -> str:
    total = counted(sum(count for _, count in subjects), "message")
    named = ", ".join(subject for subject, _ in subjects[:most])
    more = f" and {len(subjects) - most:,} more" if len(subjects) > most else ""
    return f"leaves {total} on {named}{more} stored, and takes no new ones there"


def _judged(change: FieldChange, desired: Desired, live: LiveStream) -> FieldChange:
    if change.verdict is not Verdict.IN_PLACE:
        return change
    why = _loss(change, desired, live)
    return replace(change, verdict=Verdict.LOSES_DATA, why=why) if why else change


def _loss(  # noqa: PLR0911 - one case per field reads as the table that it is
    change: FieldChange, desired: Desired, live: LiveStream
) -> str:
    match change.name:
        case "maxMsgs":
            return _over_max_msgs(desired, live)
        case "maxBytes":
            return _over_max_bytes(desired, live)
        case "discard":
            return _over_max_msgs(desired, live) or _over_max_bytes(desired, live)
        case "maxMsgsPerSubject":
            return _over_max_msgs_per_subject(change, desired, live)
        case "maxAge":
            return _over_max_age(desired, live)
        case "retention" if desired.after("retention") == "interest":
            return (
                f"could discard up to {live.messages:,} messages: with interest retention only "
                "those stay that a consumer still needs"
            )
        case "sources":
            return _copied_again(desired, live)
        case "allowMsgTtl" | "allowMsgSchedules":
            return _heeded(change, live)
        case _:
            return ""


def _copied_again(desired: Desired, live: LiveStream) -> str:
    before = live.config.get("sources") or ()
    found = next(item for item in desired.fields if item.wire == "sources")
    after = found.codec.merged(before, desired.declared.get("sources")) or ()
    again = copied_again(before, live.config.get("mirror"), after, live.first_sequence)
    if not again:
        return ""
    limits = ("maxMsgs", "max_msgs"), ("maxBytes", "max_bytes")
    gives_way = desired.after("discard") == "old"
    tight = [name for name, wire in limits if gives_way and desired.after(wire) > 0]
    tight += ["maxMsgsPerSubject"] if desired.after("max_msgs_per_subject") > 0 else []
    evicting = f"; by {' and '.join(tight)} older messages would give way" if tight else ""
    return (
        f"could copy {', '.join(again)}, so that messages of the {live.messages:,} that are there "
        f"would be there twice{evicting}"
    )


def _heeded(change: FieldChange, live: LiveStream) -> str:
    # Only copies, and what an older server took in, can carry a header that is not yet heeded.
    could = f"could discard up to {counted(live.messages, 'message')}: those that carry"
    if change.name == "allowMsgSchedules":
        return (
            f"{could} a Nats-Schedule are carried out from then on, once more where it is over, "
            "and deleted when they are done"
        )
    turned_on = "" if change.declared else "turned on by subjectDeleteMarkerTtl, "
    return f"{turned_on}{could} a Nats-TTL expire from then on, at once where it is over"


def _over_max_msgs(desired: Desired, live: LiveStream) -> str:
    limit = desired.after("max_msgs")
    if desired.after("discard") == "new" or limit <= 0 or live.messages <= limit:
        return ""
    return f"would discard {live.messages - limit:,} of {counted(live.messages, 'message')}"


def _over_max_bytes(desired: Desired, live: LiveStream) -> str:
    limit = desired.after("max_bytes")
    if desired.after("discard") == "new" or limit <= 0 or live.bytes <= limit:
        return ""
    return f"would discard the oldest {live.bytes - limit:,} of {live.bytes:,} bytes"


def _over_max_msgs_per_subject(change: FieldChange, desired: Desired, live: LiveStream) -> str:
    limit = desired.after("max_msgs_per_subject")
    # The fullest subject holds at most what the other subjects' one message each leave over.
    fullest = live.messages - max(live.subjects - 1, 0)
    is_raised = 0 < change.before <= limit
    if limit <= 0 or is_raised or fullest <= limit:
        return ""
    return f"could discard up to {fullest - limit:,} of {counted(live.messages, 'message')}"


def _over_max_age(desired: Desired, live: LiveStream) -> str:
    limit = desired.after("max_age")
    if not limit:
        return ""
    try:
        age = instant_ns(live.as_of) - instant_ns(live.first_time)
    except InvalidValue:
        return "could discard messages of unknown age"
    if age < limit:
        return ""
    return (
        f"would discard messages older than {format_duration(limit)}; "
        f"the oldest of {live.messages:,} is from {live.first_time}"
    )
