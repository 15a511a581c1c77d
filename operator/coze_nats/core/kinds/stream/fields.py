"""Every field of a CozeStream: what it is in JetStream, what a change of it takes and costs."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from coze_nats.core import codec
from coze_nats.core.codec import Codec, Member, list_of, object_of
from coze_nats.core.costs import never_in_place, nothing
from coze_nats.core.fields import Change, Defaults, Field, is_lowered, since
from coze_nats.core.kinds.stream import costs
from coze_nats.core.looks import Seen

_SECOND = 1_000_000_000
_DUPLICATE_WINDOW = 120 * _SECOND


def _encoded_transform(value: Mapping[str, Any]) -> dict[str, Any]:
    # nats-server 2.10 refuses an empty source in a copy.
    return {"src": value.get("source") or ">", "dest": value.get("destination") or ""}


def _decoded_transform(value: Mapping[str, Any]) -> dict[str, Any]:
    destination = {"destination": value["dest"]} if value.get("dest") else {}
    return {"source": value.get("src") or ">", **destination}


def _canonical_transform(value: Mapping[str, Any]) -> tuple[str, str]:
    return value.get("src") or ">", value.get("dest") or ""


def _canonical_own_transform(value: Mapping[str, Any]) -> tuple[str, str] | None:
    # Of a stream's own subjects, one without a destination transforms nothing.
    return _canonical_transform(value) if value.get("dest") else None


_TRANSFORM = Codec(_encoded_transform, _decoded_transform, _canonical_transform)
_OWN_TRANSFORM = replace(_TRANSFORM, canonical=_canonical_own_transform)
_MEMBERS_OF_SOURCE = object_of(
    Member("name", "name"),
    Member("optStartSeq", "opt_start_seq"),
    Member("optStartTime", "opt_start_time", codec.INSTANT),
    Member("filterSubject", "filter_subject", default=">"),
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


def _canonical_source(value: Mapping[str, Any]) -> Hashable:
    """One transform that only filters is the filter that it is: NATS takes both for one source."""
    transforms: Sequence[Mapping[str, str]] = value.get("subject_transforms") or []
    if len(transforms) == 1 and not transforms[0].get("dest"):
        subject = transforms[0].get("src") or ""
        value = {**value, "filter_subject": subject, "subject_transforms": []}
    return _MEMBERS_OF_SOURCE.canonical(value)


_SOURCE = replace(_MEMBERS_OF_SOURCE, canonical=_canonical_source)


def _source_level(sources: Any) -> int:
    found = sources if isinstance(sources, list) else [sources]
    return 4 if any("consumer" in source for source in found) else 0


CONSUMER_LIMITS = object_of(
    Member("inactiveThreshold", "inactive_threshold", codec.DURATION, default=-1),
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
    return (False, True) if near_origin(declared) else (False,)


def near_origin(declared: Mapping[str, Any]) -> str:
    """The stream whose allow_direct a mirror gets where the server can see it; "" for none."""
    mirror = declared.get("mirror") or {}
    return "" if "external" in mirror else str(mirror.get("name", ""))


def _is_for_origin_to_say(declared: Mapping[str, Any], seen: Seen) -> bool:
    """Whether a mirror's mirror_direct would come out otherwise than declared (2.10 to 2.15).

    Each creation and each update of the mirror gives it what its origin has then.
    """
    name = near_origin(declared)
    origin = seen.stream(name) if name else None
    asked = declared.get("mirror_direct", False)
    return origin is not None and bool(origin.config.get("allow_direct")) != asked


STREAM_FIELDS: tuple[Field, ...] = (
    Field("description", "description", nothing, absent=""),
    Field("subjects", "subjects", costs.left_behind, codec.STRINGS, defaults=_subjects),
    Field(
        "retention", "retention", costs.without_interest, absent="limits", change=Change.RETENTION
    ),
    Field("storage", "storage", never_in_place, absent="file", change=Change.IMMUTABLE),
    Field("replicas", "num_replicas", nothing, absent=1),
    Field(
        "maxConsumers",
        "max_consumers",
        nothing,
        codec.LIMIT,
        absent=-1,
        change=Change.MAX_CONSUMERS,
    ),
    Field("maxMsgs", "max_msgs", costs.over_max_msgs, codec.LIMIT, absent=-1),
    Field("maxBytes", "max_bytes", costs.over_max_bytes, codec.SIZE_LIMIT, absent=-1),
    Field("maxAge", "max_age", costs.over_max_age, codec.DURATION, absent=0),
    Field("maxMsgSize", "max_msg_size", nothing, codec.SIZE_LIMIT_32, absent=-1),
    Field(
        "maxMsgsPerSubject",
        "max_msgs_per_subject",
        costs.over_max_msgs_per_subject,
        codec.LIMIT,
        absent=-1,
    ),
    Field("discard", "discard", costs.over_either, absent="old", defaults=_discard),
    Field("discardPerSubject", "discard_new_per_subject", nothing, absent=False),
    Field("noAck", "no_ack", nothing, absent=False),
    Field(
        "duplicateWindow",
        "duplicate_window",
        nothing,
        codec.DURATION,
        absent=0,
        defaults=_duplicate_window,
        limited=is_lowered,
    ),
    Field("compression", "compression", nothing, absent="none"),
    Field(
        "placement",
        "placement",
        nothing,
        object_of(Member("cluster", "cluster"), Member("tags", "tags", codec.STRINGS)),
    ),
    Field("mirror", "mirror", costs.new_mirror, _SOURCE, change=Change.MIRROR, level=_source_level),
    Field(
        "sources",
        "sources",
        costs.new_sources,
        list_of(_SOURCE, ordered=False),
        change=Change.SOURCES,
        level=_source_level,
    ),
    Field("subjectTransform", "subject_transform", nothing, _OWN_TRANSFORM),
    Field(
        "republish",
        "republish",
        nothing,
        object_of(
            Member("source", "src", default=">"),
            Member("destination", "dest"),
            Member("headersOnly", "headers_only", default=False),
        ),
        rewritten=_republish,
    ),
    Field("firstSequence", "first_seq", nothing, absent=0, change=Change.ONCE),
    Field("sealed", "sealed", nothing, absent=False, change=Change.ON_ONLY),
    Field(
        "denyDelete",
        "deny_delete",
        nothing,
        absent=False,
        defaults=_turned_on_by("sealed"),
        change=Change.ON_ONLY,
    ),
    Field(
        "denyPurge",
        "deny_purge",
        nothing,
        absent=False,
        defaults=_turned_on_by("sealed"),
        change=Change.ON_ONLY,
    ),
    Field(
        "allowRollup",
        "allow_rollup_hdrs",
        nothing,
        absent=False,
        defaults=_turned_on_by("subject_delete_marker_ttl", "allow_msg_schedules"),
    ),
    Field("allowDirect", "allow_direct", nothing, absent=False),
    Field(
        "mirrorDirect",
        "mirror_direct",
        nothing,
        absent=False,
        defaults=_mirror_direct,
        overruled=_is_for_origin_to_say,
    ),
    Field(
        "allowMsgTtl",
        "allow_msg_ttl",
        costs.expiring,
        absent=False,
        defaults=_turned_on_by("subject_delete_marker_ttl"),
        change=Change.ON_ONLY,
        level=since(1),
    ),
    Field(
        "subjectDeleteMarkerTtl",
        "subject_delete_marker_ttl",
        nothing,
        codec.DURATION,
        absent=0,
        level=since(1),
    ),
    Field(
        "allowMsgCounter",
        "allow_msg_counter",
        never_in_place,
        absent=False,
        change=Change.IMMUTABLE,
        level=since(2),
    ),
    Field("allowAtomicPublish", "allow_atomic", nothing, absent=False, level=since(2)),
    Field("allowBatched", "allow_batched", nothing, absent=False, level=since(4)),
    Field(
        "allowMsgSchedules",
        "allow_msg_schedules",
        costs.scheduled,
        absent=False,
        change=Change.ON_ONLY,
        level=since(2),
    ),
    Field(
        "persistMode",
        "persist_mode",
        never_in_place,
        absent="default",
        change=Change.IMMUTABLE,
        level=lambda value: 0 if value == "default" else 2,
    ),
    Field("consumerLimits", "consumer_limits", costs.idle_consumers, CONSUMER_LIMITS),
)
