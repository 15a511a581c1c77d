"""JSON of strangers: what has an end and the right types is read, all else is nonsense."""

import json
from typing import Any

import pytest

from coze_nats.core.bounds import DEPTH, VALUES
from coze_nats.core.errors import Nonsense
from coze_nats.core.strict import Count, Instant, Shape, Some, Text, Whole, checked, read_json


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, -(2**63), 2**64 - 1, "Gr\u00fc\u00dfe", None, True, {}], "b": {"c": []}},
        {"words": "," * (VALUES + 1)},
        "text",
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_what_servers_say_is_read(value: Any, ascii_only: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    "data, why",
    [
        (b"", "it is no JSON"),
        (b"<html>", "it is no JSON"),
        (b'{"a": "\xff"}', "it is no JSON"),
        (b'"a"'.decode().encode("utf-16"), "it is no JSON"),
        (b'{"a": "\\ud800"}', "it is no JSON"),
        (b"9" * 10_000, "it is no JSON"),
        (b"[" * 50_000 + b"]" * 50_000, f"nested more than {DEPTH} times"),
        (b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), f"nested more than {DEPTH} times"),
        (b'{"a": 1e999}', "a number that is none"),
        (b'{"a": [NaN]}', "a number that is none"),
        (b'{"a": -Infinity}', "a number that is none"),
        (b'{"a": 99999999999999999999}', "a number that NATS can't count to"),
        (b'{"a": -99999999999999999999}', "a number that NATS can't count to"),
        (b"[" + b"1," * (VALUES + 1) + b"1]", f"more than {VALUES:,} values"),
        (b"[" * (VALUES + 1), f"more than {VALUES:,} values"),
    ],
)
def test_what_has_no_end_is_nonsense(data: bytes, why: str) -> None:
    with pytest.raises(Nonsense, match=why):
        read_json(data)


def test_the_deepest_that_is_read() -> None:
    assert read_json(b"[" * DEPTH + b"]" * DEPTH)


SHAPE: Shape = Whole(
    {
        "name": Text(5),
        "time": Instant(),
        "count": Count(),
        "limit": int,
        "flag": bool,
        "tags": [str],
        "parts": [{"size": Count()}],
        "tiers": Some({"size": Count()}, 2),
        "inner": {"flag": bool},
    },
    ("name",),
)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "a"},
        {"name": "a", "time": "2026-01-31T12:00:00.123456789Z", "count": 0, "limit": -1},
        {"name": "a", "time": "", "tags": ["b"], "parts": [{"size": 1, "more": []}]},
        {"name": "a", "time": None, "tags": None, "parts": None, "tiers": None, "inner": None},
        {"name": "a", "tiers": {"R1": {"size": 1}, "R3": {}}, "unknown": {"x": None}},
    ],
)
def test_what_has_the_shape_stays_as_it_is(value: Any) -> None:
    assert checked(value, SHAPE, "") is value


@pytest.mark.parametrize(
    "value, why",
    [
        ([], "the answer is a list and should be an object"),
        ({}, "name is missing"),
        ({"name": None}, "name is null and should be text"),
        ({"name": "abcdef"}, "name has 6 characters; 5 are the most"),
        ({"name": 1.5}, "name is a fraction and should be text"),
        ({"name": "a", "time": "yesterday"}, "time is 'yesterday', which is no time"),
        ({"name": "a", "time": "2026-02-30T12:00:00Z"}, "which is no time"),
        ({"name": "a", "time": 5}, "time is a whole number and should be text"),
        ({"name": "a", "count": -1}, "count is -1 and can't be below 0"),
        ({"name": "a", "count": True}, "count is true or false and should be a whole number"),
        ({"name": "a", "limit": "many"}, "limit is text and should be a whole number"),
        ({"name": "a", "flag": 1}, "flag is a whole number and should be true or false"),
        ({"name": "a", "tags": "b"}, "tags is text and should be a list"),
        ({"name": "a", "tags": [None]}, "an item of tags is null and should be text"),
        ({"name": "a", "parts": [{"size": -1}]}, "an item of parts.size is -1"),
        ({"name": "a", "parts": [None]}, "an item of parts is null and should be an object"),
        ({"name": "a", "tiers": {key: {} for key in "abc"}}, "tiers has 3 members; 2 are the most"),
        ({"name": "a", "tiers": {"R1": 7}}, "tiers.R1 is a whole number and should be an object"),
        ({"name": "a", "inner": {"flag": {}}}, "inner.flag is an object and should be true"),
    ],
)
def test_what_has_another_shape_is_nonsense_and_named(value: Any, why: str) -> None:
    with pytest.raises(Nonsense) as raised:
        checked(value, SHAPE, "")
    assert why in str(raised.value)


def test_what_is_missing_within_is_named_by_its_path() -> None:
    with pytest.raises(Nonsense, match=r"^outer\.name is missing$"):
        checked({"outer": {}}, {"outer": SHAPE}, "")
