"""Which changes of a stream would throw messages away, judged by what the stream holds now.

Follows what the servers' stores do on an update: with discard new, message and byte limits remove
nothing; the limit per subject and the age always do (nats-server, server/filestore.go).
"""

from dataclasses import replace

from coze_nats.core.codec import InvalidValue, format_duration, instant_ns
from coze_nats.core.desired import Desired
from coze_nats.core.diff import FieldChange, Verdict
from coze_nats.core.live import LiveStream


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 message", "4,000 messages"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def with_losses(
    changes: tuple[FieldChange, ...], desired: Desired, live: LiveStream, now_ns: int
) -> tuple[FieldChange, ...]:
    """The same changes, those marked that would discard messages which `live` holds.

    Args:
        now_ns: the time in nanoseconds since 1970.
    """
    if live.messages == 0:
        return changes
    return tuple(_judged(change, desired, live, now_ns) for change in changes)


def _judged(change: FieldChange, desired: Desired, live: LiveStream, now_ns: int) -> FieldChange:
    if change.verdict is not Verdict.IN_PLACE:
        return change
    why = _loss(change, desired, live, now_ns)
    return replace(change, verdict=Verdict.LOSES_DATA, why=why) if why else change


def _loss(change: FieldChange, desired: Desired, live: LiveStream, now_ns: int) -> str:
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
            return _over_max_age(desired, live, now_ns)
        case "retention" if desired.after("retention") == "interest":
            return (
                f"could discard up to {live.messages:,} messages: with interest retention only "
                "those stay that a consumer still needs"
            )
        case _:
            return ""


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


def _over_max_age(desired: Desired, live: LiveStream, now_ns: int) -> str:
    limit = desired.after("max_age")
    try:
        oldest = instant_ns(live.first_time)
    except InvalidValue:
        return "could discard messages of unknown age" if limit else ""
    if not limit or oldest + limit > now_ns:
        return ""
    return (
        f"would discard messages older than {format_duration(limit)}; "
        f"the oldest of {live.messages:,} is from {live.first_time}"
    )
