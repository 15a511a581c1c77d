"""What JetStream would refuse of a new object, foreseen while the old one is still there.

Here is what every supported server refuses for certain; the rest shows when it is created.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from coze_nats.core import configs
from coze_nats.core.codec import format_duration
from coze_nats.core.desired import Desired
from coze_nats.core.live import Config
from coze_nats.core.subjects import Subjects, reaches


def refused_by(stream: Config, desired: Desired) -> str:
    """Why no consumer like this can be created on a stream with this config; "" if it may be."""
    return "; ".join(_reasons(stream, desired))


def _reasons(stream: Config, desired: Desired) -> Iterator[str]:
    declared, limits = desired.declared, stream.get("consumer_limits") or {}
    starts_late = configs.declared_start(desired) != "all"
    if stream.get("retention") == "workqueue" and (
        starts_late or desired.after("ack_policy") != "explicit"
    ):
        yield "a work queue takes only deliverPolicy: all and ackPolicy: explicit"
    subject = declared.get("deliver_subject")
    if subject and reaches([subject], stream.get("subjects") or ()):
        yield f"deliverSubject {subject} is a subject of the stream itself"
    yield from _overlapping(declared.get("filter_subjects") or ())
    for name, wire, most, shown in (
        ("replicas", "num_replicas", stream.get("num_replicas"), str),
        ("maxAckPending", "max_ack_pending", limits.get("max_ack_pending"), str),
        (
            "inactiveThreshold",
            "inactive_threshold",
            limits.get("inactive_threshold"),
            format_duration,
        ),
    ):
        value: Any = declared.get(wire, 0)
        if most and value > most:
            yield f"{name} {shown(value)} is more than the stream's {shown(most)}"


def _overlapping(filters: Sequence[str]) -> Iterator[str]:
    """Filters that another one covers; those that share some subjects are refused by 2.10 alone."""
    found = Subjects(filters)
    for narrow in filters:
        wide = next((each for each in found.covering(narrow) if each != narrow), None)
        if wide is not None:
            yield f"filterSubjects {wide} and {narrow} overlap"
