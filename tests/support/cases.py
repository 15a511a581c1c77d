"""Every field of both kinds with values that differ, and what JetStream's JSON says for each.

Written by hand and without the operator's own tables, so that it can contradict them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, NamedTuple

Spec = dict[str, Any]

_SECOND = 1_000_000_000
_HOUR = 3600 * _SECOND


@dataclass(frozen=True)
class Value:
    """A value of a field.

    Attributes:
        spec: in the spec's terms.
        wire: in JetStream's; None where it leaves the key out.
        needs: the other fields that this value takes.
    """

    spec: Any
    wire: Any
    needs: Spec = field(default_factory=dict)


class State(NamedTuple):
    """A spec, and what JetStream's JSON then says about the field that a case is about."""

    spec: Spec
    wire: Any


@dataclass(frozen=True)
class Case:
    """A field.

    Attributes:
        name: the spec's name; `wire` is JetStream's.
        default: what JetStream says when the spec says nothing.
        values: at least two that differ, or one where a single server knows no other.
        alongside: fields that all values take, and that stay when the field is removed.
        since: the first nats-server that knows the field, or the values that are given here.
    """

    name: str
    wire: str
    default: Any
    values: tuple[Value, ...]
    alongside: Spec = field(default_factory=dict)
    since: str = "2.10"

    def spec(self, value: Value) -> Spec:
        """The spec with the field."""
        return {**self.alongside, **value.needs, self.name: value.spec}

    def transitions(self) -> Iterator[tuple[State, State]]:
        """From each value, and from none, to each other."""
        states = [State(self.spec(value), value.wire) for value in self.values]
        yield from permutations((*states, State(self.alongside, self.default)), 2)

    def __str__(self) -> str:
        return self.name


def _case(
    name: str, wire: str, default: Any, *values: tuple[Any, Any] | Value, **more: Any
) -> Case:
    found = tuple(value if isinstance(value, Value) else Value(*value) for value in values)
    return Case(name, wire, default, found, **more)


def _flag(name: str, wire: str, **more: Any) -> Case:
    return _case(name, wire, False, (True, True), (False, False), **more)


_PUSH = {"deliverSubject": "deliver.here"}
_PINNED = {"priorityGroups": ["jobs"], "priorityPolicy": "pinnedClient"}
_TRANSFORM = {"src": "in.*", "dest": "out.{{wildcard(1)}}"}

IDENTITY = frozenset({"name", "streamRef", "streamName", "connection"})
"""The fields that say which object is meant; they have no other values for the same object."""

STREAM_CASES = (
    _case(
        "description", "description", None, ("one", "one"), ("zwei — 二", "zwei — 二"), ("", None)
    ),
    _case(
        "subjects",
        "subjects",
        ["work"],
        (["a.>", "b"], ["a.>", "b"]),
        (["a.*"], ["a.*"]),
    ),
    _case(
        "retention",
        "retention",
        "limits",
        ("interest", "interest"),
        ("workqueue", "workqueue"),
        ("limits", "limits"),
    ),
    _case("storage", "storage", "file", ("memory", "memory"), ("file", "file")),
    _case("replicas", "num_replicas", 1, (1, 1)),
    _case("maxConsumers", "max_consumers", -1, (5, 5), (2**31 - 1, 2**31 - 1), (-1, -1)),
    _case("maxMsgs", "max_msgs", -1, (5, 5), (2**53 + 1, 2**53 + 1), (-1, -1)),
    _case("maxBytes", "max_bytes", -1, ("64Ki", 65_536), (100_001, 100_001), (-1, -1)),
    _case(
        "maxAge", "max_age", 0, ("100ms", 10**8), ("105d1ns", 9_072_000 * _SECOND + 1), ("0s", 0)
    ),
    _case("maxMsgSize", "max_msg_size", -1, ("1Ki", 1024), (2**31 - 1, 2**31 - 1), (-1, -1)),
    _case("maxMsgsPerSubject", "max_msgs_per_subject", -1, (1, 1), (2**62, 2**62), (-1, -1)),
    _case("discard", "discard", "old", ("new", "new"), ("old", "old")),
    _flag(
        "discardPerSubject",
        "discard_new_per_subject",
        alongside={"discard": "new", "maxMsgsPerSubject": 5},
    ),
    _flag("noAck", "no_ack"),
    _case(
        "duplicateWindow",
        "duplicate_window",
        120 * _SECOND,
        ("100ms", 10**8),
        ("1h30m", 5400 * _SECOND),
    ),
    _case("compression", "compression", "none", ("s2", "s2"), ("none", "none")),
    _case(
        "placement",
        "placement",
        None,
        ({"tags": ["ssd", "az:1"]}, {"tags": ["ssd", "az:1"]}),
        ({"cluster": "east"}, {"cluster": "east"}),
        ({"cluster": "east", "tags": ["ssd"]}, {"cluster": "east", "tags": ["ssd"]}),
    ),
    _case(
        "mirror",
        "mirror",
        None,
        (
            {"name": "far", "optStartSeq": 2**53 + 1, "filterSubject": "in.>"},
            {"name": "far", "opt_start_seq": 2**53 + 1, "filter_subject": "in.>"},
        ),
        (
            {
                "name": "far",
                "optStartTime": "2024-01-31T14:00:00.000000001+02:00",
                "subjectTransforms": [
                    {"source": "in.*", "destination": "out.{{wildcard(1)}}"},
                ],
                "external": {"apiPrefix": "$JS.hub.API"},
            },
            {
                "name": "far",
                "opt_start_time": "2024-01-31T12:00:00.000000001Z",
                "subject_transforms": [_TRANSFORM],
                "external": {"api": "$JS.hub.API", "deliver": ""},
            },
        ),
    ),
    _case(
        "sources",
        "sources",
        None,
        (
            [{"name": "far"}, {"name": "farther", "filterSubject": "in.>"}],
            [{"name": "far"}, {"name": "farther", "filter_subject": "in.>"}],
        ),
        (
            [
                {
                    "name": "far",
                    "subjectTransforms": [
                        {"source": "in.*", "destination": "out.{{wildcard(1)}}"},
                    ],
                    "external": {"apiPrefix": "$JS.hub.API", "deliverPrefix": "from.hub"},
                }
            ],
            [
                {
                    "name": "far",
                    "subject_transforms": [_TRANSFORM],
                    "external": {"api": "$JS.hub.API", "deliver": "from.hub"},
                }
            ],
        ),
        alongside={"subjects": ["a.>"]},
    ),
    _case(
        "sources",
        "sources",
        None,
        (
            [{"name": "far", "consumer": {"name": "copier", "deliverSubject": "copies.a"}}],
            [{"name": "far", "consumer": {"name": "copier", "deliver_subject": "copies.a"}}],
        ),
        ([{"name": "far"}], [{"name": "far"}]),
        alongside={"subjects": ["a.>"]},
        since="2.14",
    ),
    _case(
        "subjectTransform",
        "subject_transform",
        None,
        ({"source": "in.*", "destination": "out.{{wildcard(1)}}"}, _TRANSFORM),
        ({"source": "a.>", "destination": "b.>"}, {"src": "a.>", "dest": "b.>"}),
    ),
    _case(
        "republish",
        "republish",
        None,
        (
            {"source": "in.>", "destination": "again.>", "headersOnly": True},
            {"src": "in.>", "dest": "again.>", "headers_only": True},
        ),
        ({"destination": "again.>"}, {"src": ">", "dest": "again.>"}),
    ),
    _case("firstSequence", "first_seq", None, (7, 7), (2**63 - 1, 2**63 - 1)),
    _flag("sealed", "sealed"),
    _flag("denyDelete", "deny_delete"),
    _flag("denyPurge", "deny_purge"),
    _flag("allowRollup", "allow_rollup_hdrs"),
    _flag("allowDirect", "allow_direct"),
    _flag(
        "mirrorDirect",
        "mirror_direct",
        alongside={"mirror": {"name": "far", "external": {"apiPrefix": "$JS.hub.API"}}},
    ),
    _flag("allowMsgTtl", "allow_msg_ttl", since="2.11"),
    _case(
        "subjectDeleteMarkerTtl",
        "subject_delete_marker_ttl",
        None,
        ("1s", _SECOND),
        ("400d", 34_560_000 * _SECOND),
        alongside={"allowMsgTtl": True},
        since="2.11",
    ),
    _flag("allowMsgCounter", "allow_msg_counter", since="2.12"),
    _flag("allowAtomicPublish", "allow_atomic", since="2.12"),
    _flag("allowBatched", "allow_batched", since="2.14"),
    _flag("allowMsgSchedules", "allow_msg_schedules", since="2.12"),
    _case("persistMode", "persist_mode", None, ("async", "async"), ("default", None), since="2.12"),
    _case(
        "consumerLimits",
        "consumer_limits",
        {},
        (
            {"inactiveThreshold": "1h", "maxAckPending": 50},
            {"inactive_threshold": _HOUR, "max_ack_pending": 50},
        ),
        ({"maxAckPending": 60}, {"max_ack_pending": 60}),
    ),
    _case(
        "metadata",
        "metadata",
        {},
        ({"team": "a", "empty": ""}, {"team": "a", "empty": ""}),
        ({"team": "b"}, {"team": "b"}),
    ),
)

CONSUMER_CASES = (
    _case(
        "description", "description", None, ("one", "one"), ("zwei — 二", "zwei — 二"), ("", None)
    ),
    _case(
        "deliverPolicy",
        "deliver_policy",
        "all",
        ("new", "new"),
        ("last", "last"),
        ("lastPerSubject", "last_per_subject"),
        alongside={"filterSubject": "in.a"},
    ),
    _case(
        "optStartSeq",
        "opt_start_seq",
        None,
        Value(7, 7, {"deliverPolicy": "byStartSequence"}),
        Value(2**63 - 1, 2**63 - 1, {"deliverPolicy": "byStartSequence"}),
    ),
    _case(
        "optStartTime",
        "opt_start_time",
        None,
        Value(
            "2024-01-31T14:00:00.000000001+02:00",
            "2024-01-31T12:00:00.000000001Z",
            {"deliverPolicy": "byStartTime"},
        ),
        Value(
            "2024-01-31T12:00:00.000000002Z",
            "2024-01-31T12:00:00.000000002Z",
            {"deliverPolicy": "byStartTime"},
        ),
    ),
    _case(
        "ackPolicy",
        "ack_policy",
        "explicit",
        ("none", "none"),
        ("all", "all"),
        ("explicit", "explicit"),
    ),
    _case(
        "ackPolicy",
        "ack_policy",
        "explicit",
        ("flowControl", "flow_control"),
        alongside=_PUSH,
        since="2.14",
    ),
    _case("ackWait", "ack_wait", 30 * _SECOND, ("1ns", 1), ("105d1ns", 9_072_000 * _SECOND + 1)),
    _case("maxDeliver", "max_deliver", -1, (3, 3), (2**31 - 1, 2**31 - 1), (-1, -1)),
    _case(
        "backoff",
        "backoff",
        None,
        (["1s", "1m"], [_SECOND, 60 * _SECOND]),
        (["1m", "1s", "1s"], [60 * _SECOND, _SECOND, _SECOND]),
        alongside={"maxDeliver": 3},
    ),
    _case(
        "filterSubject", "filter_subject", None, ("in.a", "in.a"), ("elsewhere.>", "elsewhere.>")
    ),
    _case(
        "filterSubjects",
        "filter_subjects",
        None,
        (["in.a", "in.b.>"], ["in.a", "in.b.>"]),
        (["in.a"], ["in.a"]),
    ),
    _case(
        "replayPolicy", "replay_policy", "instant", ("original", "original"), ("instant", "instant")
    ),
    _case("maxAckPending", "max_ack_pending", 1000, (5, 5), (-1, -1)),
    _case("maxWaiting", "max_waiting", 512, (5, 5), (2**31 - 1, 2**31 - 1)),
    _case("maxBatch", "max_batch", None, (5, 5), (2**31 - 1, 2**31 - 1)),
    _case("maxExpires", "max_expires", None, ("1ms", 10**6), ("1h", _HOUR)),
    _case("maxBytes", "max_bytes", None, ("64Ki", 65_536), (2**53 + 1, 2**53 + 1), (-1, None)),
    _case("inactiveThreshold", "inactive_threshold", None, ("1h", _HOUR), ("36h", 36 * _HOUR)),
    _flag("headersOnly", "headers_only"),
    _case("sampleFreq", "sample_freq", None, ("30%", "30%"), ("100", "100")),
    _case(
        "rateLimitBps",
        "rate_limit_bps",
        None,
        (8_000, 8_000),
        (2**63 - 1, 2**63 - 1),
        alongside=_PUSH,
    ),
    _case("replicas", "num_replicas", 0, (1, 1)),
    _flag("memStorage", "mem_storage"),
    _case(
        "priorityGroups",
        "priority_groups",
        None,
        Value(["jobs"], ["jobs"], {"priorityPolicy": "overflow"}),
        Value(["a/b_c=d-e"], ["a/b_c=d-e"], {"priorityPolicy": "overflow"}),
        since="2.11",
    ),
    _case(
        "priorityPolicy",
        "priority_policy",
        None,
        Value("overflow", "overflow", {"priorityGroups": ["jobs"]}),
        Value("pinnedClient", "pinned_client", {"priorityGroups": ["jobs"]}),
        since="2.11",
    ),
    _case(
        "priorityPolicy",
        "priority_policy",
        None,
        Value("prioritized", "prioritized", {"priorityGroups": ["jobs"]}),
        since="2.12",
    ),
    _case(
        "priorityTimeout",
        "priority_timeout",
        120 * _SECOND,
        ("5s", 5 * _SECOND),
        ("1h", _HOUR),
        alongside=_PINNED,
        since="2.11",
    ),
    _case(
        "pauseUntil",
        "pause_until",
        None,
        ("2099-01-31T14:00:00.000000001+02:00", "2099-01-31T12:00:00.000000001Z"),
        ("2099-01-31T12:00:00Z", "2099-01-31T12:00:00Z"),
        since="2.11",
    ),
    _case(
        "metadata",
        "metadata",
        {},
        ({"team": "a", "empty": ""}, {"team": "a", "empty": ""}),
        ({"team": "b"}, {"team": "b"}),
    ),
    _case(
        "deliverSubject",
        "deliver_subject",
        None,
        ("deliver.here", "deliver.here"),
        ("deliver.there", "deliver.there"),
    ),
    _case(
        "deliverGroup",
        "deliver_group",
        None,
        ("workers", "workers"),
        ("others.too", "others.too"),
        alongside=_PUSH,
    ),
    _flag("flowControl", "flow_control", alongside={**_PUSH, "idleHeartbeat": "1s"}),
    _case(
        "idleHeartbeat",
        "idle_heartbeat",
        None,
        ("100ms", 10**8),
        ("30s", 30 * _SECOND),
        alongside=_PUSH,
    ),
)
