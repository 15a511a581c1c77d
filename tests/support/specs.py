"""Hypothesis strategies for the specs that the apiserver lets pass, over every field of both kinds.

Fields are drawn freely; `coherent_stream` and `coherent_consumer` then drop what contradicts the
rest, rule by rule as in `coze_nats.core.api`. Specs are plain dicts, as users write them.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from coze_nats.core.codec import parse_duration
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS

Spec = dict[str, Any]

NEWEST = 5
"""The API level of the newest nats-server under test."""

# No control characters and nothing outside of Unicode's planes: JSON and etcd could not hold it.
_text = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
_flag = st.booleans()
_limit = st.sampled_from((-1, 1, 7, 1000, 2**31 - 1, 2**53 + 1, 2**63 - 1))
_positive = st.sampled_from((1, 7, 2**31 - 1, 2**63 - 1))
_sequence = st.sampled_from((1, 7, 2**53 + 1, 2**63 - 1))
_size = st.sampled_from((-1, 65_537, "64Ki", "1.5Mi", "16M", "33554432"))
_long = st.sampled_from(("1h", "36h", "7d", "400d", "105d1ns", "1h1m1s1ms1us1ns"))
_short = st.sampled_from(("100ms", "1s", "30s", "1m30s", "2m"))
_duration = _short | _long
_instant = st.sampled_from(
    (
        "2024-01-31T12:00:00Z",
        "2024-01-31T14:00:00+02:00",
        "2024-01-31T12:00:00.123456789Z",
        "2025-06-30T23:59:59.000000001-05:30",
    )
)
_future = st.sampled_from(
    ("2099-01-31T12:00:00Z", "2099-01-31T14:00:00.000000001+02:00", "2020-01-31T12:00:00Z")
)
_metadata = st.dictionaries(
    st.sampled_from(("team", "cost-center", "nats.io/x", "a")), _text, max_size=3
)
_mapping = st.fixed_dictionaries(
    {
        "source": st.sampled_from(("in.*", "other.*")),
        "destination": st.sampled_from(("out.{{wildcard(1)}}", "moved.{{wildcard(1)}}")),
    }
)


_only_filter = st.fixed_dictionaries(
    {"source": st.sampled_from(("in.>", "other.*", "third.a"))},
    optional={"destination": st.just("")},
)


def _some(fields: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Spec]:
    """An object with any of these fields."""
    return st.fixed_dictionaries({}, optional=dict(fields))


def _subset(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


_source = st.builds(
    lambda name, start, choice, external: {**name, **start, **choice, **external},
    st.fixed_dictionaries({"name": st.sampled_from(("elsewhere", "far-away"))}),
    st.just({})
    | st.fixed_dictionaries({"optStartSeq": _sequence})
    | st.fixed_dictionaries({"optStartTime": _instant}),
    st.just({})
    | st.fixed_dictionaries({"filterSubject": st.sampled_from(("in.>", "in.*", "other.a"))})
    | st.fixed_dictionaries(
        {
            "subjectTransforms": st.lists(
                _mapping | _only_filter, min_size=1, unique_by=lambda x: x["source"][:2]
            )
        }
    ),
    st.just({})
    | st.fixed_dictionaries(
        {
            "external": st.fixed_dictionaries(
                {"apiPrefix": st.sampled_from(("$JS.hub.API", "$JS.leaf.API"))},
                optional={"deliverPrefix": st.just("delivered.hub")},
            )
        }
    ),
)
_source_through_consumer = st.fixed_dictionaries(
    {
        "name": st.sampled_from(("elsewhere", "far-away")),
        "consumer": st.fixed_dictionaries(
            {
                "name": st.sampled_from(("reader", "copier")),
                "deliverSubject": st.sampled_from(("copies.a", "copies.b")),
            }
        ),
    }
)
_any_source = _source | _source_through_consumer


def _is_same_source(one: Spec, other: Spec) -> bool:
    """Whether NATS takes two sources for one; start and delivery don't matter to it."""

    def filters(source: Spec) -> list[str]:
        transforms = source.get("subjectTransforms", ())
        of_transforms = sorted(item["source"] for item in transforms)
        return [source["filterSubject"]] if "filterSubject" in source else of_transforms

    def identity(source: Spec) -> tuple[Any, ...]:
        return (
            source["name"],
            filters(source),
            source.get("external", {}).get("apiPrefix"),
            source.get("consumer", {}).get("name"),
        )

    return identity(one) == identity(other)


def _distinct(sources: list[Spec]) -> list[Spec]:
    found: list[Spec] = []
    for source in sources:
        if not any(_is_same_source(source, other) for other in found):
            found.append(source)
    return found


STREAM: dict[str, st.SearchStrategy[Any]] = {
    "description": _text,
    "subjects": _subset("orders.>", "bills.*", "logs.*.error", "log", "in.*"),
    "retention": st.sampled_from(("limits", "interest", "workqueue")),
    "storage": st.sampled_from(("file", "memory")),
    "replicas": st.just(1),
    "maxConsumers": _limit,
    "maxMsgs": _limit,
    "maxBytes": _size,
    "maxAge": st.just("0s") | _long,
    "maxMsgSize": _size,
    "maxMsgsPerSubject": _limit,
    "discard": st.sampled_from(("old", "new")),
    "discardPerSubject": _flag,
    "noAck": _flag,
    "duplicateWindow": _duration,
    "compression": st.sampled_from(("none", "s2")),
    "placement": _some({"tags": _subset("ssd", "az:1")}).filter(bool),
    "mirror": _any_source,
    "sources": st.lists(_any_source, min_size=1, max_size=3).map(_distinct),
    "subjectTransform": _mapping,
    "republish": st.fixed_dictionaries(
        {"destination": st.sampled_from(("again.>", "copy.again.>"))},
        optional={"source": st.sampled_from((">", "orders.>")), "headersOnly": _flag},
    ),
    "firstSequence": _sequence,
    "sealed": _flag,
    "denyDelete": _flag,
    "denyPurge": _flag,
    "allowRollup": _flag,
    "allowDirect": _flag,
    "mirrorDirect": _flag,
    "allowMsgTtl": _flag,
    "subjectDeleteMarkerTtl": st.sampled_from(("1s", "1h", "400d")),
    "allowMsgCounter": _flag,
    "allowAtomicPublish": _flag,
    "allowBatched": _flag,
    "allowMsgSchedules": _flag,
    "persistMode": st.sampled_from(("default", "async")),
    "consumerLimits": _some({"inactiveThreshold": _duration, "maxAckPending": _limit}),
    "metadata": _metadata,
}
"""Every field of a CozeStream's spec but its name."""

CONSUMER: dict[str, st.SearchStrategy[Any]] = {
    "description": _text,
    "deliverPolicy": st.sampled_from(
        ("all", "last", "new", "byStartSequence", "byStartTime", "lastPerSubject")
    ),
    "optStartSeq": _sequence,
    "optStartTime": _instant,
    "ackPolicy": st.sampled_from(("none", "all", "explicit", "flowControl")),
    "ackWait": _duration,
    "maxDeliver": _limit,
    "backoff": st.lists(_duration, min_size=1, max_size=3),
    "filterSubject": st.sampled_from(("in.>", "in.a", "elsewhere.*")),
    "filterSubjects": _subset("in.a", "in.b.*", "elsewhere.*"),
    "replayPolicy": st.sampled_from(("instant", "original")),
    "maxAckPending": _limit,
    "maxWaiting": _positive,
    "maxBatch": _positive,
    "maxExpires": st.just("1ms") | _duration,
    "maxBytes": _size,
    "inactiveThreshold": _long,
    "headersOnly": _flag,
    "sampleFreq": st.sampled_from(("0", "30", "30%", "100%", 30, 0, "150")),
    "rateLimitBps": _sequence,
    "replicas": st.just(1),
    "memStorage": _flag,
    "priorityGroups": _subset("jobs", "a/b_c=d-e", "third"),
    "priorityPolicy": st.sampled_from(("overflow", "pinnedClient", "prioritized")),
    "priorityTimeout": _duration,
    "pauseUntil": _future,
    "metadata": _metadata,
    "deliverSubject": st.sampled_from(("deliver.a", "deliver.b")),
    "deliverGroup": st.sampled_from(("workers", "a.b")),
    "flowControl": _flag,
    "idleHeartbeat": st.sampled_from(("100ms", "1s", "30s")),
}
"""Every field of a CozeConsumer's spec but its names."""

_LEVELS = {item.name: item.level for item in (*STREAM_FIELDS, *CONSUMER_FIELDS)}


def _is_known(name: str, value: Any, level: int) -> bool:
    if name == "pauseUntil":
        return level >= 1
    if name == "sources":
        return level >= 4 or not any("consumer" in item for item in value)
    if name == "mirror":
        return level >= 4 or "consumer" not in value
    value = {"flowControl": "flow_control"}.get(value, value) if name == "ackPolicy" else value
    return name not in _LEVELS or _LEVELS[name](value) <= level


def _on(spec: Spec, *names: str) -> bool:
    """Whether any of these fields is set, and not to false."""
    return any(spec.get(name) not in (None, False) for name in names)


def _is_window_too_long(spec: Spec) -> bool:
    age = parse_duration(spec.get("maxAge", "0s"))
    return 0 < age < parse_duration(spec.get("duplicateWindow", "0s"))


def _is_backoff_too_long(spec: Spec) -> bool:
    most: int = spec.get("maxDeliver", -1)
    return 0 < most < len(spec.get("backoff", ()))


_ANY = object()
_Rule = tuple[Callable[[Spec], bool], dict[str, Any]]
"""When this is so, these fields (with this value) are dropped."""

_STREAM_RULES: tuple[_Rule, ...] = (
    (
        lambda spec: _on(spec, "mirror"),
        dict.fromkeys(("subjects", "sources", "firstSequence", "subjectDeleteMarkerTtl"), _ANY)
        | dict.fromkeys(("allowMsgCounter", "allowAtomicPublish"), True)
        | dict.fromkeys(("allowBatched", "allowMsgSchedules"), True),
    ),
    (lambda spec: not _on(spec, "mirror"), {"mirrorDirect": True}),
    (lambda spec: _on(spec, "sources"), {"allowMsgSchedules": True}),
    (
        lambda spec: _on(spec, "sealed"),
        dict.fromkeys(("maxAge", "subjectDeleteMarkerTtl"), _ANY)
        | dict.fromkeys(("allowMsgSchedules", "allowMsgCounter", "allowRollup"), True)
        | {"discard": "old", "denyDelete": False, "denyPurge": False},
    ),
    (
        lambda spec: _on(spec, "allowMsgCounter"),
        dict.fromkeys(("subjectDeleteMarkerTtl", "retention"), _ANY)
        | {"allowMsgSchedules": True, "allowMsgTtl": True, "discard": "new"},
    ),
    (lambda spec: _on(spec, "allowMsgSchedules"), {"discard": "new"}),
    (lambda spec: _on(spec, "subjectDeleteMarkerTtl"), {"allowMsgTtl": False}),
    (
        lambda spec: _on(spec, "subjectDeleteMarkerTtl", "allowMsgSchedules"),
        {"allowRollup": False, "denyPurge": True},
    ),
    (lambda spec: _on(spec, "denyPurge"), {"allowRollup": True}),
    (
        lambda spec: spec.get("persistMode") == "async",
        {"storage": "memory", "allowAtomicPublish": True},
    ),
    (
        lambda spec: spec.get("discard") != "new" or spec.get("maxMsgsPerSubject", -1) < 0,
        {"discardPerSubject": True},
    ),
    (_is_window_too_long, {"duplicateWindow": _ANY}),
)
_PRIORITY = ("priorityGroups", "priorityPolicy", "priorityTimeout")
_CONSUMER_RULES: tuple[_Rule, ...] = (
    (lambda spec: _on(spec, "deliverSubject"), dict.fromkeys(("maxWaiting", *_PRIORITY), _ANY)),
    (
        lambda spec: not _on(spec, "deliverSubject"),
        dict.fromkeys(("idleHeartbeat", "rateLimitBps"), _ANY)
        | {"flowControl": True, "ackPolicy": "flowControl"},
    ),
    (
        lambda spec: spec.get("ackPolicy") == "flowControl",
        dict.fromkeys(("ackWait", "backoff", "maxDeliver", "idleHeartbeat"), _ANY)
        | {"flowControl": False, "maxAckPending": -1},
    ),
    (
        lambda spec: not _on(spec, "idleHeartbeat") and spec.get("ackPolicy") != "flowControl",
        {"flowControl": True},
    ),
    (
        lambda spec: spec.get("ackPolicy") == "none" and _on(spec, "deliverSubject"),
        {"maxAckPending": _ANY},
    ),
    (lambda spec: _on(spec, "backoff"), {"ackWait": _ANY}),
    (_is_backoff_too_long, {"maxDeliver": _ANY}),
    (lambda spec: _on(spec, "filterSubjects"), {"filterSubject": _ANY}),
    (lambda spec: spec.get("deliverPolicy") != "byStartSequence", {"optStartSeq": _ANY}),
    (lambda spec: spec.get("deliverPolicy") != "byStartTime", {"optStartTime": _ANY}),
    (lambda spec: not _on(spec, "optStartSeq"), {"deliverPolicy": "byStartSequence"}),
    (lambda spec: not _on(spec, "optStartTime"), {"deliverPolicy": "byStartTime"}),
    (
        lambda spec: not _on(spec, "filterSubject", "filterSubjects"),
        {"deliverPolicy": "lastPerSubject"},
    ),
    (lambda spec: not _on(spec, "priorityGroups"), {"priorityPolicy": _ANY}),
    (lambda spec: not _on(spec, "priorityPolicy"), {"priorityGroups": _ANY}),
    (lambda spec: not _on(spec, "priorityPolicy"), {"priorityTimeout": _ANY}),
)


def _coherent(spec: Spec, rules: tuple[_Rule, ...], level: int) -> Spec:
    found = {name: value for name, value in spec.items() if _is_known(name, value, level)}
    for applies, contradicted in rules:
        if applies(found):
            for name, value in contradicted.items():
                if name in found and value in (_ANY, found[name]):
                    del found[name]
    return found


def coherent_stream(spec: Spec, level: int = NEWEST) -> Spec:
    """The spec without what contradicts the rest, or what a server of this API level lacks."""
    return _coherent(spec, _STREAM_RULES, level)


def coherent_consumer(spec: Spec, level: int = NEWEST) -> Spec:
    """The spec without what contradicts the rest, or what a server of this API level lacks."""
    return _coherent(spec, _CONSUMER_RULES, level)


def stream_specs(level: int = NEWEST) -> st.SearchStrategy[Spec]:
    """Valid specs of streams for a server of this API level."""
    return _some(STREAM).map(lambda spec: coherent_stream(spec, level))


def new_stream_specs(level: int = NEWEST) -> st.SearchStrategy[Spec]:
    """The same for streams that are not there yet: NATS creates none sealed."""
    return stream_specs(level).map(unsealed)


def unsealed(spec: Spec) -> Spec:
    """The spec as its stream can be created."""
    return {key: value for key, value in spec.items() if key != "sealed"}


def consumer_specs(level: int = NEWEST) -> st.SearchStrategy[Spec]:
    """Valid specs of consumers, without the stream's name, for a server of this API level."""
    return _some(CONSUMER).map(lambda spec: coherent_consumer(spec, level))


@st.composite
def stream_changes(draw: st.DrawFn, level: int = NEWEST) -> tuple[Spec, Spec]:
    """Two valid specs of one stream; often the second is the first with some fields changed."""
    before, other = draw(new_stream_specs(level)), draw(stream_specs(level))
    kept = draw(st.sets(st.sampled_from(sorted(STREAM))))
    return before, coherent_stream(_mixed(before, other, kept), level)


@st.composite
def consumer_changes(draw: st.DrawFn, level: int = NEWEST) -> tuple[Spec, Spec]:
    """Two valid specs of one consumer; often the second is the first with some fields changed."""
    before, other = draw(consumer_specs(level)), draw(consumer_specs(level))
    kept = draw(st.sets(st.sampled_from(sorted(CONSUMER))))
    return before, coherent_consumer(_mixed(before, other, kept), level)


def _mixed(before: Spec, other: Spec, kept: set[str]) -> Spec:
    return {k: v for k, v in before.items() if k in kept} | {
        k: v for k, v in other.items() if k not in kept
    }


def comparable(config: Mapping[str, Any]) -> Spec:
    """A configuration (wire) in which the order of subjects, tags, filters, sources has no part.

    Nor has it which of several ways to say the same was taken.
    """
    found = {**config}
    if "filter_subject" in found:
        found["filter_subjects"] = [found.pop("filter_subject")]
    if "sample_freq" in found:
        found["sample_freq"] = found["sample_freq"].removesuffix("%")
    if "mirror" in found:
        found["mirror"] = _plain_source(found["mirror"])
    if "sources" in found:
        found["sources"] = [_plain_source(source) for source in found["sources"]]
    return {key: value if key == "backoff" else _unordered(value) for key, value in found.items()}


def _plain_source(source: Mapping[str, Any]) -> Spec:
    """A source whose filter is a transform to nowhere, as they are for several."""
    found = {**source}
    if "filter_subject" in found:
        found["subject_transforms"] = [{"src": found.pop("filter_subject"), "dest": ""}]
    return found


@st.composite
def said_otherwise(draw: st.DrawFn, config: Mapping[str, Any]) -> Spec:
    """The same configuration (wire) as another tool might write it."""
    found: Spec = {
        key: draw(st.permutations(value)) if isinstance(value, list) and key != "backoff" else value
        for key, value in config.items()
    }
    if len(found.get("filter_subjects", ())) == 1 and draw(_flag):
        (found["filter_subject"],) = found.pop("filter_subjects")
    elif "filter_subject" in found and draw(_flag):
        found["filter_subjects"] = [found.pop("filter_subject")]
    if "sample_freq" in found:
        percent = found["sample_freq"].removesuffix("%")
        found["sample_freq"] = draw(st.sampled_from((percent, f"{percent}%")))
    if "mirror" in found:
        found["mirror"] = draw(_source_said_otherwise(found["mirror"]))
    if "sources" in found:
        found["sources"] = [draw(_source_said_otherwise(each)) for each in found["sources"]]
    return found


@st.composite
def _source_said_otherwise(draw: st.DrawFn, source: Mapping[str, Any]) -> Spec:
    found = {**source}
    transforms = found.get("subject_transforms") or []
    if "filter_subject" in found and draw(_flag):
        found["subject_transforms"] = [{"src": found.pop("filter_subject"), "dest": ""}]
    elif [each["dest"] for each in transforms] == [""] and draw(_flag):
        found["filter_subject"] = found.pop("subject_transforms")[0]["src"]
    elif transforms:
        found["subject_transforms"] = draw(st.permutations(transforms))
    return found


def _unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_unordered(item) for item in value), key=json.dumps)
    return value
