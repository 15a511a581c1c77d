"""The building blocks of the models: base class, scalar types and the rules for their values."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel

from coze_nats.core.api.rules import DURATION, matching, nanoseconds, rule, rules
from coze_nats.core.codec import INT64_MAX, parse_duration


class Model(BaseModel):
    """Base of everything that a user writes: frozen, camelCase, unknown fields are refused.

    Unknown fields are refused here as well as by the apiserver, because a resource written for a
    newer release must not be reported Ready by an older one that doesn't understand all of it.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


# --- names and subjects ---------------------------------------------------------------------------

_WORD = r"[^ \\t\\r\\n\\f.*>]+"
_TOKEN = rf"({_WORD}|[*])"
# The server allows spaces within a mapping function, such as {{partition(3, 1)}}.
_MAPPED = rf"([{{][{{][^.]+[}}][}}]|{_WORD})"


def _text(pattern: str, message: str) -> Any:
    return Field(min_length=1, max_length=255, json_schema_extra=matching(pattern, message))


Name = Annotated[
    str,
    _text(
        r"^[^ \\t\\r\\n\\f.*>/\\\\]+$",
        "a NATS name has no spaces and none of . * > / \\; use letters, digits, - and _",
    ),
]
"""The name of a stream or consumer in JetStream."""

ResourceName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        json_schema_extra=matching(
            "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
            "this is the metadata.name of a resource, not a name in JetStream: "
            "lower-case letters, digits, - and .",
        ),
    ),
]
"""metadata.name of a Kubernetes resource."""

Namespace = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        json_schema_extra=matching(
            "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
            "a namespace's name has lower-case letters, digits and -",
        ),
    ),
]
"""The name of a Kubernetes namespace."""

Subject = Annotated[
    str,
    _text(
        rf"^({_TOKEN}([.]{_TOKEN})*([.]>)?|>)$",
        "a subject is tokens joined by dots, without spaces or empty tokens; "
        "* stands for one whole token and > only at the end",
    ),
]
"""A subject that may hold wildcards."""

LiteralSubject = Annotated[
    str,
    _text(
        rf"^{_WORD}([.]{_WORD})*$",
        "this subject must be literal: tokens joined by dots, without spaces or wildcards (* >)",
    ),
]
"""A subject without wildcards."""

EmptyOrSubject = Annotated[
    str,
    Field(
        max_length=255,
        json_schema_extra=matching(
            rf"^({_TOKEN}([.]{_TOKEN})*([.]>)?|>)?$",
            "a filter is a subject: tokens joined by dots, without spaces or empty tokens; "
            "* stands for one whole token and > only at the end; left out or empty, it is all",
        ),
    ),
]
"""A subject that may hold wildcards, or none, which means all."""

Mapping = Annotated[
    str,
    _text(
        rf"^({_MAPPED}([.]{_MAPPED})*([.]>)?|>)$",
        "a mapping's destination is tokens joined by dots, without spaces; instead of * write "
        "{{wildcard(1)}} for what the first * of the source stands for",
    ),
]
"""The destination of a subject transform: may hold placeholders such as `{{wildcard(1)}}`."""

EmptyOrMapping = Annotated[
    str,
    Field(
        max_length=255,
        json_schema_extra=matching(
            rf"^({_MAPPED}([.]{_MAPPED})*([.]>)?|>)?$",
            "a mapping's destination is tokens joined by dots, without spaces; instead of * write "
            "{{wildcard(1)}} for what the first * of the source stands for; left out or empty, "
            "subjects stay as they are",
        ),
    ),
]
"""The destination of a subject transform, or none, which only filters."""

QueueGroup = Annotated[
    str, _text(r"^[^ \\t\\r\\n\\f]+$", "a queue group's name has no spaces: use - or _")
]

Description = Annotated[
    str,
    Field(
        max_length=4096,
        json_schema_extra=rules(
            rule(
                "size(bytes(self)) <= 4096",
                "a description has at most 4096 bytes, and a letter may take several: shorten it",
            )
        ),
    ),
]

# --- durations, times and sizes -------------------------------------------------------------------


def _duration(at_least: str = "1ns", at_most: str = "", *, or_zero: bool = False) -> Any:
    """Schema of a duration; NATS counts nanoseconds in 64 bits, which is 106751 days."""
    least = f"length >= {parse_duration(at_least)}.0" + (" || length == 0.0" if or_zero else "")
    most = f"<= {parse_duration(at_most)}.0" if at_most else f"< {float(INT64_MAX):.0f}.0"
    words = "longer than 0s" if at_least == "1ns" else f"at least {at_least}"
    return Field(
        json_schema_extra=rules(
            rule(
                f"self.matches('{DURATION}') && [{nanoseconds('self')}].all(length, "
                f"({least}) && length {most})",
                "a duration is a number and its unit (ns, us, ms, s, m, h, d), such as 30s, 1.5h "
                f"or 7d; here {words}, at most {at_most or '106751d'}"
                + (", or 0s for no limit" if or_zero else ""),
            )
        )
    )


_DurationText = Annotated[str, StringConstraints(max_length=40)]

Duration = Annotated[_DurationText, _duration()]
"""A length of time such as `30s`, `1h30m` or `7d`."""
Age = Annotated[_DurationText, _duration("100ms", or_zero=True)]
AtLeast1ms = Annotated[_DurationText, _duration("1ms")]
AtLeast100ms = Annotated[_DurationText, _duration("100ms")]
AtLeast1s = Annotated[_DurationText, _duration("1s")]
From1sTo5m = Annotated[_DurationText, _duration("1s", "5m")]

_DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?"

Instant = Annotated[
    str,
    StringConstraints(max_length=40),
    Field(
        # Not `format: date-time`: its refusals don't say what is wrong.
        json_schema_extra=matching(
            f"^{_DAY}T{_CLOCK}(Z|[+-][0-9]{{2}}:[0-9]{{2}})$",
            "a time has a date, seconds and a zone (RFC 3339), such as 2026-01-31T12:00:00Z",
        )
    ),
]
"""A point in time in RFC 3339, such as `2026-01-31T12:00:00Z`."""

_QUANTITY = "^[0-9]+(([.][0-9]+)?(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei))?$"


def _size(integers: str, quantities: str, message: str) -> Any:
    judged = rule(
        f"type(self) == int ? (self == -1 || (self > 0{integers})) : (self.matches('^-[0-9]+$') "
        f"|| (self.matches('{_QUANTITY}') && quantity(self).isGreaterThan(quantity('0')) "
        f"&& quantity(self).isLessThan(quantity('{quantities}'))))",
        "a size is a number of bytes or a quantity such as 512Mi or 10Gi"
        f"{message}; for no limit leave it out or use -1",
    )
    quoted = rule(
        "type(self) == int || !self.matches('^-[0-9]+$')",
        "this is a number in quotes: write -1 without quotes, or leave it out, for no limit",
    )
    schema = {"x-kubernetes-int-or-string": True, **rules(judged, quoted), "maxLength": 30}
    return WithJsonSchema(schema)


Size = Annotated[int | str, _size("", "8Ei", "")]
"""A number of bytes, as an integer or a Kubernetes quantity; -1 is unlimited."""
Size32 = Annotated[int | str, _size(" && self < 2147483648", "2Gi", ", below 2Gi")]
"""As Size, where NATS has 32 bits."""

# --- numbers --------------------------------------------------------------------------------------

_NOT_ZERO = rules(
    rule("self != 0", "0 is no limit in NATS; leave it out, or use -1, for unlimited")
)

# No upper bound for 64 bits: the apiserver reads `maximum` as a float, in which 2**63 - 1 overflows
# to a bound that refuses everything. Larger integers are no integers to it anyway.
Limit = Annotated[int, Field(ge=-1, json_schema_extra={"format": "int64", **_NOT_ZERO})]
"""A 64-bit limit; -1 is unlimited."""

Positive64 = Annotated[int, Field(ge=1, json_schema_extra={"format": "int64"})]

Sequence = Positive64
"""A stream sequence."""

Percentage = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            **rules(
                rule(
                    "type(self) == int ? self >= 0 : self.matches('^[0-9]{1,9}%?$')",
                    "sampleFreq is a percentage such as 30 or '30%'",
                )
            ),
            "maxLength": 10,
        }
    ),
]
"""A share in percent, as an integer or with a percent sign."""

Replicas = Annotated[int, Field(ge=1, le=5, json_schema_extra={"format": "int32"})]

# --- lists and maps -------------------------------------------------------------------------------

# Lists mean one value together. One of type set or map would keep what was removed from it, as long
# as another field manager applied it once.
ATOMIC_LIST = {"x-kubernetes-list-type": "atomic"}


def distinct_list(key: str = "") -> dict[str, Any]:
    """Schema extras for an atomic list without duplicates, of items or of their key."""
    one, other = (f"{item}.{key}" if key else item for item in ("one", "other"))
    judged = rule(
        f"self.all(one, self.exists_one(other, {one} == {other}))",
        f"this list has an item twice{f' by its {key}' if key else ''}: remove one of the two",
    )
    return rules(judged, **ATOMIC_LIST)


Subjects = Annotated[
    tuple[Subject, ...], Field(min_length=1, max_length=256, json_schema_extra=distinct_list())
]

Metadata = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=4096)]],
    Field(
        max_length=64,
        json_schema_extra=rules(
            rule(
                "self.all(k, !k.startsWith('_nats.') && !k.startsWith('coze.dev/'))",
                "metadata keys starting with _nats. or coze.dev/ belong to the server and the "
                "operator; choose another prefix",
            ),
            rule(
                # Of the server's 128 KiB, the rest is for the server's and the operator's own.
                "self.map(k, size(bytes(k)) + size(bytes(self[k]))).sum() <= 130000",
                "metadata has at most 130000 bytes, keys and values together: shorten it",
            ),
        ),
    ),
]
"""Key-value pairs kept with a stream or consumer."""
