"""Values between the spec's terms and JetStream's JSON: durations, sizes, instants, enums, objects.

Every codec has four faces: `encode` (spec → JSON that is sent), `decode` (JSON → spec, for
status), `canonical` (JSON → a hashable that is equal when the meaning is) and `merged` (live JSON +
declared JSON → what is sent, with what the operator doesn't know kept).
Integers stay integers all the way: a float can't hold every nanosecond or byte count.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

_UNITS = {
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h|d)")
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*(?:([Zz])|([+-]\d\d:\d\d))"
)
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_MULTIPLES: dict[str, int] = (
    {"": 1}
    | {prefix: 1000**power for power, prefix in enumerate("kMGTPE", start=1)}
    | {f"{prefix}i": 1024**power for power, prefix in enumerate("KMGTPE", start=1)}
)
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidValue(ValueError):
    """A value that the spec can't hold; the text says what would be right."""


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration such as `1h30m`, `1.5h` or `7d`."""
    if not _DURATION.fullmatch(text):
        raise InvalidValue(
            f"{text!r} is no duration; write a number and its unit, such as 30s or 7d"
        )
    parts = _DURATION_PART.findall(text)
    total = sum((Decimal(number) * _UNITS[unit] for number, unit in parts), Decimal(0))
    if total > INT64_MAX:
        raise InvalidValue(f"{text!r} is longer than NATS can hold (about 292 years)")
    if total != int(total):
        raise InvalidValue(f"{text!r} has parts of a nanosecond: NATS counts whole ones")
    return int(total)


def format_duration(nanoseconds: int) -> str:
    """The shortest exact duration text, such as `1h30m`."""
    found = ""
    for unit, size in _UNITS.items():
        count, nanoseconds = divmod(nanoseconds, size)
        found += f"{count}{unit}" if count else ""
    return found or "0s"


def parse_size(value: int | str, most: int = INT64_MAX) -> int:
    """Bytes of an integer or a Kubernetes quantity such as `10Gi`."""
    total = value if isinstance(value, int) else _quantity(value)
    if total != int(total) or total > most:
        raise InvalidValue(f"{value!r} is not a whole number of bytes up to {most:,}")
    return int(total)


_SUFFIXES = sorted(_MULTIPLES.items(), key=lambda item: -item[1])


def format_size(size: int | None) -> int | str | None:
    """A size in the largest unit in which it is a whole number, such as `512Mi`."""
    if size is None or size <= 0:
        return size
    unit, multiple = next(item for item in _SUFFIXES if size % item[1] == 0)
    return f"{size // multiple}{unit}" if unit else size


def _quantity(text: str) -> Decimal:
    match = _QUANTITY.fullmatch(text)
    if not match:
        raise InvalidValue(
            f"{text!r} is no size; write a number of bytes, or such as 512Mi or 10Gi"
        )
    return Decimal(match[1]) * _MULTIPLES[match[2] or ""]


def instant_ns(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time, exactly."""
    match = _INSTANT.fullmatch(text)
    if not match:
        raise InvalidValue(f"{text!r} is no RFC 3339 time, such as 2026-01-31T12:00:00Z")
    date, time, fraction, _, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{offset or '+00:00'}")
    except ValueError as error:
        raise InvalidValue(f"{text!r} is no RFC 3339 time: {error}") from error
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds * _UNITS["s"] + int((fraction or "").ljust(9, "0"))


def utc_instant(text: str) -> str:
    """The same instant as NATS wants it: upper case, UTC, at most nine digits of a second."""
    seconds, nanoseconds = divmod(instant_ns(text), _UNITS["s"])
    try:
        moment = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError as error:
        raise InvalidValue(f"{text!r} is outside of the years 1 to 9999") from error
    fraction = f".{nanoseconds:09}".rstrip("0") if nanoseconds else ""
    return f"{moment}{fraction}Z"


def _same(value: Any) -> Any:
    return value


def _declared(_: Any, declared: Any) -> Any:
    return declared


@dataclass(frozen=True, slots=True)
class Codec:
    """The four faces of a kind of value; each raises InvalidValue for what it can't read.

    Attributes:
        merged: takes the live and the declared value, None for none; a result of None is none.
    """

    encode: Callable[[Any], Any] = _same
    decode: Callable[[Any], Any] = _same
    canonical: Callable[[Any], Hashable] = _same
    merged: Callable[[Any, Any], Any] = _declared


PLAIN = Codec()
DURATION = Codec(parse_duration, format_duration)
# Where 0 is unlimited; nats-server 2.10 would keep a -1.
SIZE = Codec(lambda value: max(parse_size(value), 0), canonical=lambda value: max(value, 0))
INSTANT = Codec(utc_instant, canonical=instant_ns)
# Where 0 and everything below is unlimited; nats-server 2.10 would keep a -2.
LIMIT = Codec(canonical=lambda value: value if value > 0 else -1)
SIZE_LIMIT = Codec(parse_size, canonical=LIMIT.canonical)
# Where 0 is none; servers keep a -1 of a stream's consumer_limits, and 2.10 a consumer's own.
LIFE = Codec(
    parse_duration, lambda value: format_duration(max(value, 0)), lambda value: max(value, 0)
)
SIZE_LIMIT_32 = Codec(lambda value: parse_size(value, INT32_MAX), canonical=SIZE_LIMIT.canonical)
SIZES = (SIZE, SIZE_LIMIT, SIZE_LIMIT_32)
"""Codecs of what counts bytes."""
PERCENTAGE = Codec(str, canonical=lambda value: int(value.removesuffix("%")))


def renamed(**wire: str) -> Codec:
    """Enum values whose names differ: spec's → JetStream's."""
    back = {value: key for key, value in wire.items()}
    return Codec(lambda value: wire.get(value, value), lambda value: back.get(value, value))


def list_of(item: Codec, *, ordered: bool = True) -> Codec:
    """A list; unordered ones are equal when they hold the same items.

    An item that stays the same stays as it is; one that changes is another item.
    """

    def canonical(values: Sequence[Any]) -> Hashable:
        items = [item.canonical(value) for value in values]
        return tuple(items) if ordered else frozenset(items)

    def merged(live: Sequence[Any] | None, declared: Sequence[Any] | None) -> Any:
        known = {item.canonical(value): value for value in live or ()}
        return declared and [known.get(item.canonical(value), value) for value in declared]

    return Codec(
        lambda values: [item.encode(value) for value in values],
        lambda values: [item.decode(value) for value in values],
        canonical,
        merged,
    )


@dataclass(frozen=True, slots=True)
class Member:
    """A field of an object: its names in the spec and on the wire, its codec, what absent means."""

    name: str
    wire: str
    codec: Codec = PLAIN
    default: Any = None


def object_of(*members: Member) -> Codec:
    """An object of known members; others are not compared, and kept when the object changes."""
    wires = {m.wire for m in members}

    def encode(value: Mapping[str, Any]) -> dict[str, Any]:
        return {m.wire: m.codec.encode(value[m.name]) for m in members if m.name in value}

    def decode(value: Mapping[str, Any]) -> dict[str, Any]:
        return {m.name: m.codec.decode(value[m.wire]) for m in members if _is_set(m, value)}

    def canonical(value: Mapping[str, Any]) -> Hashable:
        known = {m.wire: m.codec.canonical(value[m.wire]) for m in members if _is_set(m, value)}
        # A member that is an empty object of its own says nothing.
        return frozenset(item for item in known.items() if item[1] is not None) or None

    def merged(live: Mapping[str, Any] | None, declared: Mapping[str, Any] | None) -> Any:
        unknown = {key: value for key, value in (live or {}).items() if key not in wires}
        return {**unknown, **(declared or {})} or declared

    return Codec(encode, decode, canonical, merged)


def _is_set(member: Member, value: Mapping[str, Any]) -> bool:
    found = value.get(member.wire)
    return found not in (None, "", 0, [], {}) and found != member.default


STRINGS = list_of(PLAIN, ordered=False)
