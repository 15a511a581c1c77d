"""One table per kind: what each field of the spec is in JetStream, and what a change of it takes.

A `Field` says the name on the wire, the server's default where the spec says nothing, how NATS
takes a change, and from which API level on the server knows it. Measured on nats-server 2.10.26,
2.12.8, 2.14.6 and 2.15.1; tests/contract/test_fields.py holds every line against those servers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from coze_nats.core import codec
from coze_nats.core.codec import Codec, Member, list_of, object_of, renamed
from coze_nats.core.live import Config

Defaults = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Declared config (wire) → the values that the server may choose where the spec says nothing."""

Rewritten = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Declared config (wire) with the field → the other values that the server may make of its own."""


Limited = Callable[[Any, Any], bool]
"""Usual default and live value (wire) → whether limits of a server or an account may be why."""


class Change(Enum):
    """How NATS takes a change of a field."""

    IN_PLACE = "can be changed"
    IMMUTABLE = "can't be changed"
    ON_ONLY = "can be turned on, not off"
    ONCE = "has an effect only at creation"
    """May be removed from the spec later, but not changed to another value."""
    RETENTION = "can be changed between limits and interest"
    MIRROR = "can be removed on nats-server 2.12 and newer, not added or changed"
    MAX_CONSUMERS = "can be changed on nats-server 2.12 and newer"
    PRESENCE = "can be changed, not added or removed"
    SOURCES = "can be changed, but not where a source starts that stays"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a spec.

    Attributes:
        name: the spec's name, camelCase.
        wire: the key in JetStream's config.
        absent: what a key that the server leaves out means.
        defaults: which values the server may choose when the spec says nothing; the first is usual.
        level: the API level that a value needs; 0 is nats-server 2.10.
        removal: what is sent to remove a value where leaving the key out has no effect.
        limited: whether limits of a server or an account make another value of the usual default.
        rewritten: what the server may make of a declared value and means the same by.
    """

    name: str
    wire: str
    codec: Codec = codec.PLAIN
    absent: Any = None
    defaults: Defaults | None = None
    change: Change = Change.IN_PLACE
    level: Callable[[Any], int] = lambda _: 0
    removal: Any = None
    rewritten: Rewritten = lambda _: ()
    limited: Limited | None = None

    def acceptable(self, declared: Mapping[str, Any]) -> tuple[Any, ...]:
        """The values (wire) that are right, given all that is declared; the first is meant."""
        if self.wire in declared:
            return (declared[self.wire], *self.rewritten(declared))
        return (self.absent,) if self.defaults is None else self.defaults(declared)

    def canonical(self, value: Any) -> Any:
        """A hashable that is equal for values of the same meaning; absent and empty are one."""
        value = self.absent if value in (None, "", [], {}) else value
        return value if value in (None, "") else self.codec.canonical(value)


LEVEL_2_12 = 2
"""The API level that 2.12 brought; its servers report 3."""


def _from(level: int) -> Callable[[Any], int]:
    return lambda value: 0 if value is False else level


_SECOND = 1_000_000_000
_DUPLICATE_WINDOW = 120 * _SECOND
_ACK_WAIT = 30 * _SECOND
_PINNED = 120 * _SECOND

_TRANSFORM = object_of(Member("source", "src"), Member("destination", "dest"))
_SOURCE = object_of(
    Member("name", "name"),
    Member("optStartSeq", "opt_start_seq"),
    Member("optStartTime", "opt_start_time", codec.INSTANT),
    Member("filterSubject", "filter_subject"),
    Member("subjectTransforms", "subject_transforms", list_of(_TRANSFORM, ordered=False)),
    Member(
        "external",
        "external",
        object_of(Member("apiPrefix", "api"), Member("deliverPrefix", "deliver")),
    ),
    Member(
        "consumer",
        "consumer",
        object_of(Member("name", "name"), Member("deliverSubject", "deliver_subject")),
    ),
)


def _source_level(sources: Any) -> int:
    found = sources if isinstance(sources, list) else [sources]
    return 4 if any("consumer" in source for source in found) else 0


CONSUMER_LIMITS = object_of(
    Member("inactiveThreshold", "inactive_threshold", codec.DURATION),
    Member("maxAckPending", "max_ack_pending"),
)
"""A stream's upper bounds for its consumers, by the names that the fields have there, too."""


def _subjects(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    copies = "mirror" in declared or "sources" in declared
    return (None,) if copies else ([declared["name"]],)


def _republish(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    """From 2.11 on, all (> to >) is what the transform of the only subject makes of it.

    Servers before refuse that as a cycle, as all do without such a transform.
    """
    asked, transform = declared["republish"], declared.get("subject_transform")
    is_all = asked.get("src", ">") == asked["dest"] == ">"
    subjects = declared.get("subjects") or _subjects(declared)[0]
    if not is_all or transform is None or subjects != [transform["src"]]:
        return ()
    return ({**asked, "src": transform["dest"], "dest": transform["dest"]},)


def _is_lowered(usual: Any, live: Any) -> bool:
    return bool(0 < live < usual)


def _is_bounded(usual: Any, live: Any) -> bool:
    return bool(usual == 0 < live)


def _duplicate_window(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    usual = min(_DUPLICATE_WINDOW, declared.get("max_age") or _DUPLICATE_WINDOW)
    if "mirror" in declared:
        return (0,)
    return (usual, 0) if "sources" in declared else (usual,)


def _turned_on_by(*wires: str) -> Defaults:
    return lambda declared: (any(bool(declared.get(wire)) for wire in wires),)


def _discard(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return ("new" if declared.get("sealed") else "old",)


def _mirror_direct(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    # A mirror gets its origin's allow_direct, where the server can see the origin.
    is_near = "mirror" in declared and "external" not in declared["mirror"]
    return (False, True) if is_near else (False,)


STREAM_FIELDS: tuple[Field, ...] = (
    Field("description", "description", absent=""),
    Field("subjects", "subjects", codec.STRINGS, defaults=_subjects),
    Field("retention", "retention", absent="limits", change=Change.RETENTION),
    Field("storage", "storage", absent="file", change=Change.IMMUTABLE),
    Field("replicas", "num_replicas", absent=1),
    Field("maxConsumers", "max_consumers", codec.LIMIT, absent=-1, change=Change.MAX_CONSUMERS),
    Field("maxMsgs", "max_msgs", codec.LIMIT, absent=-1),
    Field("maxBytes", "max_bytes", codec.SIZE_LIMIT, absent=-1),
    Field("maxAge", "max_age", codec.DURATION, absent=0),
    Field("maxMsgSize", "max_msg_size", codec.SIZE_LIMIT_32, absent=-1),
    Field("maxMsgsPerSubject", "max_msgs_per_subject", codec.LIMIT, absent=-1),
    Field("discard", "discard", absent="old", defaults=_discard),
    Field("discardPerSubject", "discard_new_per_subject", absent=False),
    Field("noAck", "no_ack", absent=False),
    Field(
        "duplicateWindow",
        "duplicate_window",
        codec.DURATION,
        absent=0,
        defaults=_duplicate_window,
        limited=_is_lowered,
    ),
    Field("compression", "compression", absent="none"),
    Field(
        "placement",
        "placement",
        object_of(Member("cluster", "cluster"), Member("tags", "tags", codec.STRINGS)),
    ),
    Field("mirror", "mirror", _SOURCE, change=Change.MIRROR, level=_source_level),
    Field(
        "sources",
        "sources",
        list_of(_SOURCE, ordered=False),
        change=Change.SOURCES,
        level=_source_level,
    ),
    Field("subjectTransform", "subject_transform", _TRANSFORM),
    Field(
        "republish",
        "republish",
        object_of(
            Member("source", "src", default=">"),
            Member("destination", "dest"),
            Member("headersOnly", "headers_only", default=False),
        ),
        rewritten=_republish,
    ),
    Field("firstSequence", "first_seq", absent=0, change=Change.ONCE),
    Field("sealed", "sealed", absent=False, change=Change.ON_ONLY),
    Field(
        "denyDelete",
        "deny_delete",
        absent=False,
        defaults=_turned_on_by("sealed"),
        change=Change.ON_ONLY,
    ),
    Field(
        "denyPurge",
        "deny_purge",
        absent=False,
        defaults=_turned_on_by("sealed"),
        change=Change.ON_ONLY,
    ),
    Field(
        "allowRollup",
        "allow_rollup_hdrs",
        absent=False,
        defaults=_turned_on_by("subject_delete_marker_ttl", "allow_msg_schedules"),
    ),
    Field("allowDirect", "allow_direct", absent=False),
    Field("mirrorDirect", "mirror_direct", absent=False, defaults=_mirror_direct),
    Field(
        "allowMsgTtl",
        "allow_msg_ttl",
        absent=False,
        defaults=_turned_on_by("subject_delete_marker_ttl"),
        change=Change.ON_ONLY,
        level=_from(1),
    ),
    Field(
        "subjectDeleteMarkerTtl",
        "subject_delete_marker_ttl",
        codec.DURATION,
        absent=0,
        level=_from(1),
    ),
    Field(
        "allowMsgCounter",
        "allow_msg_counter",
        absent=False,
        change=Change.IMMUTABLE,
        level=_from(2),
    ),
    Field("allowAtomicPublish", "allow_atomic", absent=False, level=_from(2)),
    Field("allowBatched", "allow_batched", absent=False, level=_from(4)),
    Field(
        "allowMsgSchedules",
        "allow_msg_schedules",
        absent=False,
        change=Change.ON_ONLY,
        level=_from(2),
    ),
    Field(
        "persistMode",
        "persist_mode",
        absent="default",
        change=Change.IMMUTABLE,
        level=lambda value: 0 if value == "default" else 2,
    ),
    Field("consumerLimits", "consumer_limits", CONSUMER_LIMITS),
)


def _has_acks(declared: Mapping[str, Any]) -> bool:
    return declared["ack_policy"] not in ("none", "flow_control")


def _ack_wait(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    if "backoff" in declared:
        return (declared["backoff"][0],)
    return (_ACK_WAIT,) if _has_acks(declared) else (0, _ACK_WAIT)


def _max_ack_pending(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (0,) if declared["ack_policy"] == "none" else (1000,)


def inherited(declared: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    """What the server takes from the stream's `consumer_limits` for a declared consumer (wire).

    A push consumer without acknowledgements can't have a maxAckPending; one that was there before
    the stream had a limit stays without.
    """
    takes_none = declared["ack_policy"] == "none" and "deliver_subject" in declared
    wires = ("inactive_threshold",) if takes_none else ("inactive_threshold", "max_ack_pending")
    return {wire: limits[wire] for wire in wires if limits.get(wire) and wire not in declared}


def _max_waiting(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (0,) if "deliver_subject" in declared else (512,)


def _priority_timeout(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (_PINNED,) if declared.get("priority_policy") == "pinned_client" else (0,)


def _flow_control(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (declared["ack_policy"] == "flow_control",)


def _idle_heartbeat(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (_SECOND if declared["ack_policy"] == "flow_control" else 0,)


CONSUMER_FIELDS: tuple[Field, ...] = (
    # A consumer without a durable name is an ephemeral one; somebody's update may have made it so.
    Field("name", "durable_name", absent=""),
    Field("description", "description", absent=""),
    Field(
        "deliverPolicy",
        "deliver_policy",
        renamed(
            byStartSequence="by_start_sequence",
            byStartTime="by_start_time",
            lastPerSubject="last_per_subject",
        ),
        absent="all",
        change=Change.IMMUTABLE,
    ),
    Field("optStartSeq", "opt_start_seq", absent=0, change=Change.IMMUTABLE),
    Field("optStartTime", "opt_start_time", codec.INSTANT, change=Change.IMMUTABLE),
    Field(
        "ackPolicy",
        "ack_policy",
        renamed(flowControl="flow_control"),
        absent="none",
        defaults=lambda _: ("explicit",),
        change=Change.IMMUTABLE,
        level=lambda value: 4 if value == "flow_control" else 0,
    ),
    Field("ackWait", "ack_wait", codec.DURATION, absent=0, defaults=_ack_wait),
    Field("maxDeliver", "max_deliver", codec.LIMIT, absent=-1),
    Field("backoff", "backoff", list_of(codec.DURATION)),
    # One filter in either field means the same, and the server keeps the one that it was given.
    Field("filterSubject", "filter_subject", absent=""),
    Field("filterSubjects", "filter_subjects", codec.STRINGS),
    Field("replayPolicy", "replay_policy", absent="instant", change=Change.IMMUTABLE),
    Field(
        "maxAckPending",
        "max_ack_pending",
        absent=0,
        defaults=_max_ack_pending,
        limited=_is_lowered,
    ),
    Field("maxWaiting", "max_waiting", absent=0, defaults=_max_waiting, change=Change.IMMUTABLE),
    Field("maxBatch", "max_batch", absent=0, limited=_is_bounded),
    Field("maxExpires", "max_expires", codec.DURATION, absent=0),
    Field("maxBytes", "max_bytes", codec.SIZE, absent=0),
    Field("inactiveThreshold", "inactive_threshold", codec.DURATION, absent=0),
    Field("headersOnly", "headers_only", absent=False),
    # Without the key, nats-servers from 2.11 on would go on sampling until they restart.
    Field("sampleFreq", "sample_freq", codec.PERCENTAGE, absent="0", removal="0"),
    Field("rateLimitBps", "rate_limit_bps", absent=0),
    Field("replicas", "num_replicas", absent=0),
    Field("memStorage", "mem_storage", absent=False, change=Change.IMMUTABLE),
    Field("priorityGroups", "priority_groups", codec.STRINGS, level=_from(1)),
    Field(
        "priorityPolicy",
        "priority_policy",
        renamed(pinnedClient="pinned_client"),
        absent="none",
        level=lambda value: 2 if value == "prioritized" else 1,
    ),
    Field(
        "priorityTimeout",
        "priority_timeout",
        codec.DURATION,
        absent=0,
        defaults=_priority_timeout,
        level=_from(1),
    ),
    Field("deliverSubject", "deliver_subject", absent="", change=Change.PRESENCE),
    Field("deliverGroup", "deliver_group", absent=""),
    Field(
        "flowControl",
        "flow_control",
        absent=False,
        defaults=_flow_control,
        change=Change.IMMUTABLE,
    ),
    Field(
        "idleHeartbeat",
        "idle_heartbeat",
        codec.DURATION,
        absent=0,
        defaults=_idle_heartbeat,
        change=Change.IMMUTABLE,
    ),
)

_VERSIONS = {1: "2.11", LEVEL_2_12: "2.12", 4: "2.14"}


def version_of(level: int) -> str:
    """The first nats-server release of an API level."""
    return _VERSIONS[level]


def in_spec_terms(fields: tuple[Field, ...], config: Config) -> dict[str, Any]:
    """A live config as the spec would say it, without what is absent, empty or off."""
    nothing: tuple[Any, ...] = (None, "", False, 0, [], {})
    found = {
        field.name: field.codec.decode(config[field.wire])
        for field in fields
        if config.get(field.wire) not in nothing
    }
    return {name: value for name, value in found.items() if value not in nothing}
