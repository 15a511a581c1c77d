"""Every field of a CozeConsumer: what it is in JetStream, what a change of it takes and costs."""

from collections.abc import Mapping
from typing import Any

from coze_nats.core import codec
from coze_nats.core.codec import list_of, renamed
from coze_nats.core.costs import never_in_place, nothing
from coze_nats.core.fields import Change, Field, Spelled, is_lowered, since
from coze_nats.core.kinds.consumer import costs
from coze_nats.core.live import Config
from coze_nats.core.subjects import filters_of

_SECOND = 1_000_000_000
_ACK_WAIT = 30 * _SECOND
_PINNED = 120 * _SECOND


def _acks(declared: Mapping[str, Any]) -> Any:
    return declared.get("ack_policy", "none")


def _has_acks(declared: Mapping[str, Any]) -> bool:
    return _acks(declared) not in ("none", "flow_control")


def _ack_wait(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    if "backoff" in declared:
        return (declared["backoff"][0],)
    return (_ACK_WAIT,) if _has_acks(declared) else (0, _ACK_WAIT)


def _max_ack_pending(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (0,) if _acks(declared) == "none" else (1000,)


def inherited(declared: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, Any]:
    """What the server takes from the stream's `consumer_limits` for a declared consumer (wire).

    A push consumer without acknowledgements can't have a maxAckPending; one that was there before
    the stream had a limit stays without.
    """
    takes_none = (
        _acks(declared) == "none"
        and "deliver_subject" in declared
        and limits.get("max_ack_pending", 0) > 0
    )
    wires = ("inactive_threshold",) if takes_none else ("inactive_threshold", "max_ack_pending")
    return {wire: limits[wire] for wire in wires if limits.get(wire) and wire not in declared}


def _filter(wire: str) -> Spelled:
    """How to read a filter: a single one means the same in either field, and none is `>`."""

    def spelled(declared: Mapping[str, Any], live: Config) -> Any:
        wanted, found = filters_of(declared), filters_of(live)
        return declared.get(wire) if wanted == found and len(found) == 1 else live.get(wire)

    return spelled


def _max_waiting(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (0,) if "deliver_subject" in declared else (512,)


def _priority_timeout(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (_PINNED,) if declared.get("priority_policy") == "pinned_client" else (0,)


def _flow_control(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (_acks(declared) == "flow_control",)


def _idle_heartbeat(declared: Mapping[str, Any]) -> tuple[Any, ...]:
    return (_SECOND if _acks(declared) == "flow_control" else 0,)


def _is_bounded(usual: Any, live: Any) -> bool:
    return bool(usual == 0 < live)


CONSUMER_FIELDS: tuple[Field, ...] = (
    # A consumer without a durable name is an ephemeral one; somebody's update may have made it so.
    Field("name", "durable_name", nothing, absent=""),
    Field("description", "description", nothing, absent=""),
    Field(
        "deliverPolicy",
        "deliver_policy",
        never_in_place,
        renamed(
            byStartSequence="by_start_sequence",
            byStartTime="by_start_time",
            lastPerSubject="last_per_subject",
        ),
        absent="all",
        change=Change.IMMUTABLE,
    ),
    Field("optStartSeq", "opt_start_seq", never_in_place, absent=0, change=Change.IMMUTABLE),
    Field("optStartTime", "opt_start_time", never_in_place, codec.INSTANT, change=Change.IMMUTABLE),
    Field(
        "ackPolicy",
        "ack_policy",
        never_in_place,
        renamed(flowControl="flow_control"),
        absent="none",
        defaults=lambda _: ("explicit",),
        change=Change.IMMUTABLE,
        level=lambda value: 4 if value == "flow_control" else 0,
    ),
    Field("ackWait", "ack_wait", nothing, codec.DURATION, absent=0, defaults=_ack_wait),
    Field("maxDeliver", "max_deliver", nothing, codec.LIMIT, absent=-1),
    Field("backoff", "backoff", nothing, list_of(codec.DURATION)),
    # The server keeps the field that it was given.
    Field(
        "filterSubject",
        "filter_subject",
        costs.changed_filter,
        absent="",
        spelled=_filter("filter_subject"),
    ),
    Field(
        "filterSubjects",
        "filter_subjects",
        costs.changed_filter,
        codec.STRINGS,
        spelled=_filter("filter_subjects"),
    ),
    Field(
        "replayPolicy", "replay_policy", never_in_place, absent="instant", change=Change.IMMUTABLE
    ),
    Field(
        "maxAckPending",
        "max_ack_pending",
        nothing,
        absent=0,
        defaults=_max_ack_pending,
        limited=is_lowered,
    ),
    Field(
        "maxWaiting",
        "max_waiting",
        never_in_place,
        absent=0,
        defaults=_max_waiting,
        change=Change.IMMUTABLE,
    ),
    Field("maxBatch", "max_batch", nothing, absent=0, limited=_is_bounded),
    Field("maxExpires", "max_expires", nothing, codec.DURATION, absent=0),
    Field("maxBytes", "max_bytes", nothing, codec.SIZE, absent=0),
    Field("inactiveThreshold", "inactive_threshold", costs.shorter_life, codec.LIFE, absent=0),
    Field("headersOnly", "headers_only", nothing, absent=False),
    # Without the key, nats-servers from 2.11 on would go on sampling until they restart.
    Field("sampleFreq", "sample_freq", nothing, codec.PERCENTAGE, absent="0", removal="0"),
    Field("rateLimitBps", "rate_limit_bps", nothing, absent=0),
    Field("replicas", "num_replicas", nothing, absent=0),
    Field("memStorage", "mem_storage", never_in_place, absent=False, change=Change.IMMUTABLE),
    Field("priorityGroups", "priority_groups", nothing, codec.STRINGS, level=since(1)),
    Field(
        "priorityPolicy",
        "priority_policy",
        nothing,
        renamed(pinnedClient="pinned_client"),
        absent="none",
        level=lambda value: 2 if value == "prioritized" else 1,
    ),
    Field(
        "priorityTimeout",
        "priority_timeout",
        nothing,
        codec.DURATION,
        absent=0,
        defaults=_priority_timeout,
        level=since(1),
    ),
    Field("deliverSubject", "deliver_subject", nothing, absent="", change=Change.PRESENCE),
    Field("deliverGroup", "deliver_group", nothing, absent=""),
    Field(
        "flowControl",
        "flow_control",
        never_in_place,
        absent=False,
        defaults=_flow_control,
        change=Change.IMMUTABLE,
    ),
    Field(
        "idleHeartbeat",
        "idle_heartbeat",
        never_in_place,
        codec.DURATION,
        absent=0,
        defaults=_idle_heartbeat,
        change=Change.IMMUTABLE,
    ),
)
