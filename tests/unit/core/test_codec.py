"""Values between the spec's terms and JetStream's JSON."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core import codec
from coze_nats.core.codec import (
    InvalidValue,
    Member,
    format_duration,
    instant_ns,
    list_of,
    object_of,
    parse_duration,
    parse_size,
    renamed,
    utc_instant,
)

INT64 = 2**63 - 1


@pytest.mark.parametrize(
    "text, nanoseconds",
    [
        ("0s", 0),
        ("1ns", 1),
        ("1us", 10**3),
        ("1ms", 10**6),
        ("1s500ms", 1_500_000_000),
        ("2m", 120 * 10**9),
        ("1h30m", 5400 * 10**9),
        ("1.5h", 5400 * 10**9),
        ("0.1s1.1h", 3_960_100_000_000),
        ("2.5us", 2_500),
        ("7d", 604_800 * 10**9),
        ("105d1ns", 9_072_000 * 10**9 + 1),
        ("9223372036854775807ns", INT64),
    ],
)
def test_a_duration_is_nanoseconds_exactly(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1.h", ".5h", "1,5h", "-1s", "1 h", "1w", "1h ", "٣s"]
)
def test_a_text_that_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidValue, match="is no duration; write a number and its unit"):
        parse_duration(text)


def test_a_duration_has_no_parts_of_a_nanosecond() -> None:
    with pytest.raises(InvalidValue, match=r"'1\.5ns' has parts of a nanosecond"):
        parse_duration("1.5ns")


def test_a_duration_that_nats_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidValue, match="292 years"):
        parse_duration("9223372036854775808ns")


@given(st.integers(0, INT64))
def test_a_duration_is_the_same_after_being_shown(nanoseconds: int) -> None:
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    "value, size",
    [
        (-1, -1),
        (7, 7),
        (2**53 + 1, 2**53 + 1),
        ("512", 512),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1.5Mi", 1_572_864),
        ("10Gi", 10 * 2**30),
        ("8E", 8 * 10**18),
        ("9223372036854775807", INT64),
    ],
)
def test_a_size_is_bytes_exactly(value: int | str, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("text", ["", "10 Gi", "10GB", "-1", "1e3", "Gi"])
def test_a_text_that_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidValue, match="is no size; write a number of bytes"):
        parse_size(text)


@pytest.mark.parametrize("value", ["0.5", "1.0001Ki", "8Ei", 2**63])
def test_a_size_that_is_no_whole_number_of_bytes_in_range_is_refused(value: int | str) -> None:
    with pytest.raises(InvalidValue, match="is not a whole number of bytes up to"):
        parse_size(value)


def test_the_size_of_a_message_has_32_bits() -> None:
    assert codec.SIZE_LIMIT_32.encode(2**31 - 1) == 2**31 - 1
    with pytest.raises(InvalidValue, match="up to 2,147,483,647"):
        codec.SIZE_LIMIT_32.encode("2Gi")


@pytest.mark.parametrize(
    "text, same",
    [
        ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z"),
        ("2024-01-31t12:00:00z", "2024-01-31T12:00:00Z"),
        ("2024-01-31 14:00:00+02:00", "2024-01-31T12:00:00Z"),
        ("2024-01-31T12:00:00.120Z", "2024-01-31T12:00:00.12Z"),
        ("2024-01-31T12:00:00.000000001-05:30", "2024-01-31T17:30:00.000000001Z"),
        ("2024-01-31T12:00:00.1234567899Z", "2024-01-31T12:00:00.123456789Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_an_instant_is_sent_in_the_one_form_that_every_server_reads(text: str, same: str) -> None:
    assert utc_instant(text) == same
    assert instant_ns(text) == instant_ns(same)


def test_an_instant_counts_nanoseconds() -> None:
    assert instant_ns("1970-01-02T00:00:00.000000001Z") == 86_400 * 10**9 + 1
    assert instant_ns("1969-12-31T23:59:59Z") == -(10**9)


@pytest.mark.parametrize(
    "text", ["", "now", "2024-01-31", "2024-01-31T12:00:00", "2024-02-30T12:00:00Z"]
)
def test_a_text_that_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="is no RFC 3339 time"):
        utc_instant(text)


def test_an_instant_before_the_year_one_is_refused() -> None:
    with pytest.raises(InvalidValue, match="outside of the years 1 to 9999"):
        utc_instant("0001-01-01T00:00:00+02:00")


def test_names_that_differ_are_translated_and_others_pass() -> None:
    policy = renamed(pinnedClient="pinned_client")
    assert [policy.encode(name) for name in ("pinnedClient", "overflow")] == [
        "pinned_client",
        "overflow",
    ]
    assert [policy.decode(name) for name in ("pinned_client", "overflow")] == [
        "pinnedClient",
        "overflow",
    ]


@pytest.mark.parametrize(
    "kind, one, other",
    [
        (codec.STRINGS, ["a", "b"], ["b", "a"]),
        (codec.LIMIT, 0, -1),
        (codec.SIZE_LIMIT, 0, -1),
        (codec.SIZE, 0, -1),
        (codec.PERCENTAGE, "30%", "30"),
        (codec.INSTANT, "2024-01-31T12:00:00Z", "2024-01-31T14:00:00.0+02:00"),
    ],
)
def test_values_of_the_same_meaning_are_equal(kind: codec.Codec, one: Any, other: Any) -> None:
    assert kind.canonical(one) == kind.canonical(other)


@pytest.mark.parametrize(
    "kind, one, other",
    [
        (codec.STRINGS, ["a"], ["a", "b"]),
        (list_of(codec.DURATION), [1, 2], [2, 1]),
        (codec.LIMIT, 1, -1),
        (codec.SIZE_LIMIT, 1, -1),
        (codec.SIZE, 1, -1),
        (codec.PERCENTAGE, "30%", "3%"),
        (codec.INSTANT, "2024-01-31T12:00:00Z", "2024-01-31T12:00:00.000000001Z"),
    ],
)
def test_values_of_another_meaning_differ(kind: codec.Codec, one: Any, other: Any) -> None:
    assert kind.canonical(one) != kind.canonical(other)


def test_unlimited_is_zero_where_zero_is_unlimited() -> None:
    assert codec.SIZE.encode(-1) == 0
    assert codec.SIZE_LIMIT.encode(-1) == -1


PLACE = object_of(
    Member("inTown", "in_town"),
    Member("wait", "wait_ns", codec.DURATION),
    Member("kind", "kind", default="plain"),
)


def test_an_object_is_translated_member_by_member() -> None:
    assert PLACE.encode({"inTown": "here", "wait": "1s"}) == {"in_town": "here", "wait_ns": 10**9}
    assert PLACE.decode({"in_town": "here", "wait_ns": 10**9, "new": 1}) == {
        "inTown": "here",
        "wait": "1s",
    }


@pytest.mark.parametrize(
    "value", [{"in_town": "a"}, {"in_town": "a", "wait_ns": 0, "kind": "plain", "new": 1}]
)
def test_an_objects_empty_default_and_unknown_members_make_no_difference(value: Any) -> None:
    assert PLACE.canonical(value) == PLACE.canonical({"in_town": "a", "kind": ""})


def test_an_object_without_a_known_member_is_none() -> None:
    assert PLACE.canonical({"new": 1}) is None


@pytest.mark.parametrize(
    "live, declared, sent",
    [
        (None, {"in_town": "a"}, {"in_town": "a"}),
        ({"in_town": "b", "kind": "x"}, {"in_town": "a"}, {"in_town": "a"}),
        ({"in_town": "b", "new": 1}, {"in_town": "a"}, {"in_town": "a", "new": 1}),
        ({"in_town": "b", "new": 1}, None, {"new": 1}),
        ({"in_town": "b"}, None, None),
        ({"in_town": "b"}, {}, {}),
    ],
)
def test_an_object_that_changes_keeps_its_unknown_members(
    live: Any, declared: Any, sent: Any
) -> None:
    assert PLACE.merged(live, declared) == sent


def test_an_item_that_stays_in_a_list_stays_as_it_is() -> None:
    places = list_of(PLACE, ordered=False)
    live = [{"in_town": "a", "new": 1}, {"in_town": "b", "new": 2}]
    assert places.merged(live, [{"in_town": "c"}, {"in_town": "a"}]) == [
        {"in_town": "c"},
        {"in_town": "a", "new": 1},
    ]
    assert places.merged(live, None) is None
    assert places.merged(None, [{"in_town": "c"}]) == [{"in_town": "c"}]


def test_a_plain_value_that_changes_is_replaced() -> None:
    assert codec.PLAIN.merged("old", "new") == "new"
    assert codec.PLAIN.merged("old", None) is None
