"""What servers answer, read strictly: neither size nor depth, number nor type is theirs to choose.

Everything here raises Nonsense, whose words name what is wrong and quote nothing at length.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coze_nats.core.bounds import DEPTH, LARGEST_NUMBER, VALUES
from coze_nats.core.codec import InvalidValue, instant_ns
from coze_nats.core.errors import Nonsense
from coze_nats.core.words import readable

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SHOWN = 64
"""Characters of a name that is quoted."""


@dataclass(frozen=True, slots=True)
class Text:
    """A shape: text of at most so many characters."""

    most: int


@dataclass(frozen=True, slots=True)
class Instant:
    """A shape: an RFC 3339 time, or ""."""


@dataclass(frozen=True, slots=True)
class Count:
    """A shape: a whole number from 0 on."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A shape: an object as {name: shape} that lacks none of the members that are needed."""

    members: Mapping[str, Any]
    needed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """A shape: an object with any names and values of one shape.

    Attributes:
        most: how many there may be.
    """

    shape: Any
    most: int


Shape = Any
"""A type (str, int, bool, dict), one of the above, [shape] for a list, or {name: shape} for an
object, of which other members may be anything. Null is an empty list or object, or no time."""


def read_json(data: bytes) -> Any:
    """The value that a text in JSON stands for; Nonsense if it is none, or one that has no end."""
    if _values_in(data) > VALUES:
        raise Nonsense(f"it holds more than {VALUES:,} values")
    try:
        value = json.loads(data.decode())
        if b"\\u" in data:
            # Halves of characters can't be stored anywhere.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise Nonsense(f"it is nested more than {DEPTH} times") from None
    except ValueError:
        # The error's own words would quote the text, or be about Python.
        raise Nonsense("it is no JSON") from None
    _check_numbers_and_depth(value)
    return value


def _values_in(data: bytes) -> int:
    """At least as many values as the text holds; those in strings are looked at if need be."""
    count = _signs_in(data)
    return count if count <= VALUES else _signs_in(_STRING.sub(b"", data))


def _signs_in(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _check_numbers_and_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(DEPTH):
        inner: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is dict:
                inner += each.values()
            elif kind is list:
                inner += each
            elif kind is float and not math.isfinite(each):
                raise Nonsense("it holds a number that is none")
            elif kind is int and not -LARGEST_NUMBER <= each <= LARGEST_NUMBER:
                raise Nonsense("it holds a number that NATS can't count to")
        if not inner:
            return
        level = inner
    raise Nonsense(f"it is nested more than {DEPTH} times")


def checked(value: Any, shape: Shape, name: str) -> Any:
    """The value, if it has the shape; Nonsense names what hasn't, as a path from `name`."""
    if value is not None or type(shape) not in _NULLABLE:
        _CHECKS[type(shape)](value, shape, name)
    return value


def _wrong(name: str, value: Any, wanted: str) -> Nonsense:
    return Nonsense(f"{name or 'the answer'} is {_KINDS[type(value)]} and should be {wanted}")


def _of_type(value: Any, shape: type, name: str) -> None:
    # To Python, a bool is an int, too.
    if type(value) is not shape:
        raise _wrong(name, value, _KINDS[shape])


def _text(value: Any, shape: Text, name: str) -> None:
    _of_type(value, str, name)
    if len(value) > shape.most:
        raise Nonsense(f"{name} has {len(value):,} characters; {shape.most:,} are the most")


def _instant(value: Any, _: Instant, name: str) -> None:
    _text(value, Text(64), name)
    try:
        if value:
            instant_ns(value)
    except InvalidValue:
        raise Nonsense(f"{name} is {readable(repr(value), _SHOWN)}, which is no time") from None


def _count(value: Any, _: Count, name: str) -> None:
    _of_type(value, int, name)
    if value < 0:
        raise Nonsense(f"{name} is {value:,} and can't be below 0")


def _list(value: Any, shape: list[Shape], name: str) -> None:
    _of_type(value, list, name)
    (item,) = shape
    for each in value:
        _CHECKS[type(item)](each, item, f"an item of {name}")


def _object(value: Any, shape: Mapping[str, Shape], name: str) -> None:
    _of_type(value, dict, name)
    for key, each in value.items():
        if key in shape:
            checked(each, shape[key], f"{name}.{key}" if name else key)


def _whole(value: Any, shape: Whole, name: str) -> None:
    _object(value, shape.members, name)
    for member in shape.needed:
        if value.get(member) is None:
            raise Nonsense(f"{f'{name}.' if name else ''}{member} is missing")


def _some(value: Any, shape: Some, name: str) -> None:
    _of_type(value, dict, name)
    if len(value) > shape.most:
        raise Nonsense(f"{name} has {len(value):,} members; {shape.most:,} are the most")
    for key, each in value.items():
        checked(each, shape.shape, f"{name}.{readable(key, _SHOWN)}")


_CHECKS: dict[type, Any] = {
    type: _of_type,
    Text: _text,
    Instant: _instant,
    Count: _count,
    list: _list,
    dict: _object,
    Some: _some,
    Whole: _whole,
}
_NULLABLE = frozenset({list, dict, Instant, Some, Whole})
_KINDS: dict[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    float: "a fraction",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
