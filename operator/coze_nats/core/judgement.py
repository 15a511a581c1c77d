"""A failure → how the resource stands because of it: the one table to conditions.

How long to wait before the next attempt is the reconciler's; the classes are `core.errors`'.
"""

from collections.abc import Mapping
from typing import Any

from coze_nats.core.conditions import Health, Outcome
from coze_nats.core.errors import (
    CapacityExceeded,
    Denied,
    Failure,
    NotFound,
    OutcomeUnknown,
    Rejected,
    SubjectOverlap,
    Unavailable,
)
from coze_nats.core.names import Reason
from coze_nats.core.refusals import explained, without_room


def judged(failure: Failure, spec: Mapping[str, Any] | None = None) -> Outcome:
    """How a resource with this spec stands after this failure; nothing was observed."""
    match failure:
        case Unavailable():
            return _going_on(Reason.NATS_UNAVAILABLE, str(failure))
        case OutcomeUnknown():
            return _going_on(
                Reason.RETRYING,
                f"NATS did not answer in time, so what is there is looked at again: {failure}",
            )
        case CapacityExceeded():
            return _going_on(Reason.INSUFFICIENT_CAPACITY, without_room(failure))
        case SubjectOverlap():
            return _stalled(Reason.SUBJECT_OVERLAP, f"subjects: {failure}")
        case NotFound(stream_is_missing=True):
            return _going_on(
                Reason.WAITING_FOR_STREAM, f"the stream does not exist in JetStream: {failure}"
            )
        case Denied():
            return _stalled(Reason.PERMISSION_DENIED, f"the NATS user lacks a right: {failure}")
        case Rejected():
            return _stalled(Reason.REJECTED_BY_SERVER, explained(failure, spec))
        case _:
            return _going_on(Reason.RETRYING, f"JetStream can't do it right now: {failure}")


def _going_on(reason: Reason, message: str) -> Outcome:
    return Outcome(Health.RECONCILING, reason, message, observed=False)


def _stalled(reason: Reason, message: str) -> Outcome:
    return Outcome(Health.STALLED, reason, message, observed=False)
