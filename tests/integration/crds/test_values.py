"""Every single value that a field may and may not have, asked of the real apiserver.

The fields, their enums and bounds come from the CRDs themselves, so none is left out.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from coze_nats.core import names
from support.schema import ITEM, VALUE, Field, Spec, fields, holding, messages, resource, whole

FIELDS = [field for kind in names.PLURALS for field in fields(kind)]
OVER_64_BITS = 2**63


@dataclass(frozen=True, slots=True)
class Values:
    valid: Sequence[Any]
    invalid: Sequence[Any]


_SPACES = ("a b", " a", "a ", "a\tb", "a\n")
_DURATIONS = (
    "30",
    "1.h",
    ".5h",
    "-1s",
    "1 day",
    "1w",
    "1h 30m",
    "30S",
    "",
    "106752d",
    "9" * 39 + "s",
)
_SIZES = ("10GB", "10gi", "-5Gi", "1.5", "0", "0Gi", "8Ei", "many", 0, -2)
VALUES = {
    "a NATS name": Values(
        ("a", "ORDERS", "orders-v2_x", "注文", "a$b", "x" * 255),
        (*_SPACES, "", "a.b", "a*", "*", ">", "a/b", "a\\b"),
    ),
    "this is the metadata.name": Values(
        ("a", "a-b.c-1", "9", "x" * 253), ("ORDERS", "a_b", "-a", "a-", ".a", "a b", "")
    ),
    "a subject is": Values(
        ("a", "a.b.c", "*", "a.*.b.*", "coze.workflow.*.*", "$JS.EVENT.a", "a-b_c", "x" * 255),
        (*_SPACES, "", ".", "a.", ".a", "a..b", "a.>.b", "a*", "a.b*", "a>", "a.**", ">>"),
    ),
    "this subject must be literal": Values(
        ("a", "a.b.c", "$a.leaf.API", "x" * 255), (*_SPACES, "", "a.", ".a", "a..b", "a.*", "a.>")
    ),
    "left out or empty, it is all": Values(
        ("a", "*", "x" * 255), (*_SPACES, ".", "a.", "a..b", "a*", "a>")
    ),
    "left out or empty, subjects stay": Values(
        ("", "a", "{{wildcard(1)}}.b"), (*_SPACES, "a.", "a..b", "a.*", "a.>.b")
    ),
    "a mapping's destination": Values(
        (
            "a",
            "a.b",
            "a.$1",
            "{{wildcard(1)}}.b",
            "a.{{partition(3, 1)}}",
            "a.{{ split(1,-) }}",
            "x" * 255,
        ),
        (*_SPACES, "", "a.", ".a", "a..b", "a.*", "*.a", "a.>.b", "a.{{wildcard(1)} }"),
    ),
    "a queue group's name": Values(("workers", "a.b", "x" * 255), ("a b", "a\tb", "")),
    "a description has": Values(("", "注" * 1365, "x" * 4096), ("注" * 1366,)),
    "here longer than 0s": Values(
        ("1ns", "30s", "7d", "1h30m", "1.5h", "0.001us", "1d12h", "876000h", "106751d"),
        (*_DURATIONS, "0s"),
    ),
    "here at least 1ms": Values(("1ms", "1000000ns", "30s"), (*_DURATIONS, "0s", "999us")),
    "here at least 100ms, at most 106751d, or 0s": Values(
        ("0s", "0d", "100ms", "7d", "1d" * 20), (*_DURATIONS, "99ms")
    ),
    "here at least 100ms, at most 106751d": Values(
        ("100ms", "0s100ms", "2m"), (*_DURATIONS, "0s", "99ms999us")
    ),
    "here at least 1s, at most 5m": Values(
        ("1s", "30s", "5m", "4m60s"), (*_DURATIONS, "0s", "999ms", "301s", "5m1ns", "1h")
    ),
    "here at least 1s": Values(("1s", "1000ms", "365d"), (*_DURATIONS, "0s", "999ms")),
    "a server's URL holds no": Values(
        ("nats://host:4222",),
        # pragma: allowlist nextline secret
        ("nats://user:secret@host:4222", "tls://secret@host", "user@host:4222", "@"),
    ),
    "a server is nats://": Values(
        (
            "nats://nats.nats.svc:4222",
            "tls://nats.example.com",
            "nats",
            "NATS-0_a.local:1",
            "10.0.0.1:65535",
            "nats://[::1]:4222",
            "[2001:db8::7]",
        ),
        (
            "ws://host:80",
            "wss://host",
            "http://host:4222",
            "NATS://host",
            "nats:host",
            "nats://",
            "nats://host:0",
            "host:65536",
            "host:04222",
            "host:port",
            "host:",
            "host/",
            "nats://host:4222/path",
            "nats://host?tls=true",
            "nats://host#a",
            "nats://a:4222,nats://b:4222",
            "-host",
            "::1",
            "nats://[::1",
            *_SPACES,
        ),
    ),
    "a key of a Secret": Values(
        ("token", "user.creds", "..data_1", "A-b.c_D", "x" * 253), ("a b", "a/b", "ü", "a:b", "")
    ),
    "serverName is": Values(
        ("nats.example.com", "nats", "10.0.0.1", "x" * 253),
        ("tls://nats", "nats:4222", "a b", "*.example.com", ".a", "a.", "::1", ""),
    ),
    "an allowed namespace": Values(
        ("shop", "a-1", "9", "*", "x" * 63), ("team-*", "Shop", "a.b", "-a", "a-", "**", "a b", "")
    ),
    "a namespace's name": Values(
        ("shop", "a-1", "9", "x" * 63), ("*", "Shop", "a.b", "-a", "a-", "a b", "")
    ),
    "a time has": Values(
        (
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.123456789Z",
            "2026-01-31T12:00:00+05:30",
            "2026-01-31T12:00:00.5-08:00",
        ),
        (
            "2026-01-31",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00",
            "2026-01-31 12:00:00Z",
            "2026-01-31t12:00:00z",
            "2026-13-01T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-31T24:00:00Z",
            "tomorrow",
            "1h",
            "",
        ),
    ),
    "10Gi, below 2Gi; for": Values(
        (-1, 1, 2**31 - 1, "1Mi", "1.5Gi", "2147483647"), (*_SIZES, 2**31, "2Gi", "3G")
    ),
    "10Gi; for": Values(
        (-1, 1, 2**63 - 1, "10Gi", "1.5Gi", "500k", "1024", "7Ei", "0" * 28 + "1G"), _SIZES
    ),
    "0 is no limit": Values((-1, 1), (0,)),
    "this is a number in quotes": Values((-1, "1Mi", "1024"), ("-1", "-2")),
    "sampleFreq is": Values(
        ("0", "30", "30%", "100%", "150", 0, 30, 150), ("-1", -1, "half", "%", "", "+5", "5%%")
    ),
    "a priority group's name": Values(("jobs", "a/b_c=d-e", "x" * 16), ("a b", "a.b", "ü", "")),
    "metadata keys": Values(
        ({}, {"team": "a"}, {"nats.io/x": "", "注": "文"}),
        ({"_nats.level": "1"}, {"coze.dev/owner": "me"}),
    ),
    "metadata has at most": Values(
        ({f"{number:02}": "x" * 4060 for number in range(32)},),
        (
            {f"{number:02}": "x" * 4061 for number in range(32)},
            {f"{number:02}": "注" * 1354 for number in range(32)},
        ),
    ),
}
"""By a part of the rule's message that tells it from the others; the longest first wins."""

_PUSH = {"deliverSubject": "deliver.here"}
_GROUP = {"priorityGroups": ["jobs"], "priorityPolicy": "pinnedClient"}
CONTEXTS: dict[tuple[str, str], Spec] = {
    (names.STREAM_KIND, "discardPerSubject"): {"discard": "new", "maxMsgsPerSubject": 1},
    (names.STREAM_KIND, "mirrorDirect"): {"mirror": {"name": "origin"}},
    (names.CONSUMER_KIND, "optStartSeq"): {"deliverPolicy": "byStartSequence"},
    (names.CONSUMER_KIND, "optStartTime"): {"deliverPolicy": "byStartTime"},
    (names.CONSUMER_KIND, "deliverPolicy=byStartSequence"): {"optStartSeq": 1},
    (names.CONSUMER_KIND, "deliverPolicy=byStartTime"): {"optStartTime": "2026-01-31T12:00:00Z"},
    (names.CONSUMER_KIND, "deliverPolicy=lastPerSubject"): {"filterSubject": "a"},
    (names.CONSUMER_KIND, "ackPolicy=flowControl"): _PUSH,
    (names.CONSUMER_KIND, "deliverGroup"): _PUSH,
    (names.CONSUMER_KIND, "idleHeartbeat"): _PUSH,
    (names.CONSUMER_KIND, "rateLimitBps"): _PUSH,
    (names.CONSUMER_KIND, "flowControl"): {**_PUSH, "idleHeartbeat": "5s"},
    (names.CONSUMER_KIND, "priorityGroups"): {"priorityPolicy": "overflow"},
    (names.CONSUMER_KIND, "priorityPolicy"): {"priorityGroups": ["jobs"]},
    (names.CONSUMER_KIND, "priorityTimeout"): _GROUP,
}
"""What else a field, or one value of it, needs to be accepted."""

DISTINCT: dict[str, Callable[[int], Any]] = {
    "backoff": lambda number: f"{number + 1}s",
    "sources": lambda number: {"name": f"origin-{number}"},
    "grants": lambda number: {"namespaces": [f"shop-{number}"]},
    "subjectTransforms": lambda number: {"source": f"in.{number}", "destination": "out"},
    "metadata": str,
}
"""Items of lists that are not just any text."""


def _resource(field: Field, value: Any) -> dict[str, Any]:
    name = field.path[0]
    needs = CONTEXTS.get((field.kind, f"{name}={value}"), CONTEXTS.get((field.kind, name), {}))
    return resource(field.kind, {**needs, **holding(field, value)})


def _with(key: str) -> list[Any]:
    return [pytest.param(field, id=str(field)) for field in FIELDS if key in field.schema]


def _rules() -> Iterator[Any]:
    for field in FIELDS:
        for message in field.messages:
            if values := _values(message):
                yield pytest.param(field, message, values, id=f"{field}: {message[:24]}")


def _values(message: str) -> Values | None:
    return next((values for words, values in VALUES.items() if words in message), None)


def _takes(resources: Any, field: Field, value: Any) -> None:
    verdict = resources.create(_resource(field, value), dry_run=True)
    assert verdict.accepted, f"{value!r}: {verdict.message}"


def _refuses(resources: Any, field: Field, value: Any, *words: str) -> None:
    verdict = resources.create(_resource(field, value), dry_run=True)
    assert not verdict.accepted, f"{value!r} was accepted"
    for expected in (f"{field.blamed}: ", *words):
        assert expected in verdict.message, f"{value!r}"


@pytest.mark.parametrize("field, message, values", list(_rules()))
def test_a_value_is_judged_by_its_rule(
    resources: Any, field: Field, message: str, values: Values
) -> None:
    for value in values.valid:
        _takes(resources, field, value)
    for value in values.invalid:
        _refuses(resources, field, value, message)


@pytest.mark.parametrize("field", _with("enum"))
def test_an_enum_takes_its_values_and_names_them_when_it_refuses_another(
    resources: Any, field: Field
) -> None:
    for value in field.schema["enum"]:
        _takes(resources, field, value)
    for value in ("wrong", "", field.schema["enum"][0].upper()):
        _refuses(resources, field, value, *(f'"{known}"' for known in field.schema["enum"]))


@pytest.mark.parametrize("field", _with("minimum"))
def test_a_number_is_not_below_its_minimum(resources: Any, field: Field) -> None:
    least = field.schema["minimum"]
    _takes(resources, field, least)
    _refuses(resources, field, least - 1, f"greater than or equal to {least}")


@pytest.mark.parametrize("field", _with("maximum"))
def test_a_number_is_not_above_its_maximum(resources: Any, field: Field) -> None:
    most = field.schema["maximum"]
    _takes(resources, field, most)
    _refuses(resources, field, most + 1, f"less than or equal to {most}")


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(field, id=str(field))
        for field in FIELDS
        if field.schema.get("format") == "int64"
    ],
)
def test_a_number_of_64_bits_may_be_the_largest_that_there_is(resources: Any, field: Field) -> None:
    _takes(resources, field, OVER_64_BITS - 1)
    _refuses(resources, field, OVER_64_BITS, "must be of type integer")


@pytest.mark.parametrize("field", _with("minLength"))
def test_a_text_is_not_empty(resources: Any, field: Field) -> None:
    _refuses(resources, field, "", "at least 1 chars long")


@pytest.mark.parametrize("field", _with("maxLength"))
def test_a_text_is_not_too_long(resources: Any, field: Field) -> None:
    most = field.schema["maxLength"]
    # "longer than 253" in Kubernetes 1.30, "more than 253 bytes" in 1.34.
    _refuses(resources, field, "1" * (most + 1), "Too long: may not be")


def _items(field: Field, count: int) -> Any:
    make = DISTINCT.get(field.path[-1], "item-{}".format)
    found = [make(number) for number in range(count)]
    return {item: item for item in found} if "maxProperties" in field.schema else found


@pytest.mark.parametrize("field", [*_with("maxItems"), *_with("maxProperties")])
def test_a_collection_has_a_most_number_of_items(resources: Any, field: Field) -> None:
    most = field.schema.get("maxItems") or field.schema["maxProperties"]
    _takes(resources, field, _items(field, most))
    _refuses(resources, field, _items(field, most + 1), f"must have at most {most} item")


@pytest.mark.parametrize("field", _with("minItems"))
def test_a_list_that_is_there_is_not_empty(resources: Any, field: Field) -> None:
    _takes(resources, field, _items(field, 1))
    _refuses(resources, field, [], "should have at least 1 items")


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(field, id=str(field))
        for field in FIELDS
        if any("has an item twice" in message for message in field.messages)
    ],
)
def test_a_list_of_distinct_items_names_nothing_twice(resources: Any, field: Field) -> None:
    _refuses(resources, field, _items(field, 1) * 2, *field.messages)


@pytest.mark.parametrize("field", _with("type"))
def test_a_value_of_another_type_is_refused(resources: Any, field: Field) -> None:
    of_type = field.schema["type"]
    wrong = {"string": 1, "integer": "1", "boolean": "true", "array": "a", "object": "a"}
    _refuses(resources, field, wrong[of_type], f"must be of type {of_type}")


@pytest.mark.parametrize(
    "field",
    [pytest.param(field, id=str(field)) for field in FIELDS if "description" not in field.schema],
)
def test_only_what_stands_in_a_collection_goes_without_a_description(field: Field) -> None:
    assert field.path[-1] in (ITEM, VALUE)


def test_nothing_that_affects_data_has_a_default() -> None:
    assert not [field for field in FIELDS if "default" in field.schema]


def test_every_field_with_values_of_its_own_has_them_judged() -> None:
    """The words in VALUES are those of the CRDs, and no two rules share an entry by mistake."""
    judged = {message for field in FIELDS for message in field.messages if _values(message)}
    for words in VALUES:
        assert any(words in message for message in judged), words
    known = set(itertools.chain.from_iterable(messages(whole(kind)) for kind in names.PLURALS))
    assert judged <= known
