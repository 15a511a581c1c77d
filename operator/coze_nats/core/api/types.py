"""The building blocks of the models: base class, scalar types and the form of a CEL rule."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel


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


def rule(expression: str, message: str, *, field_path: str = "") -> dict[str, str]:
    """One CEL rule of `x-kubernetes-validations`; the message says what to do."""
    found = {
        "rule": " ".join(expression.split()),
        "message": message,
        "reason": "FieldValueInvalid",
    }
    if field_path:
        found["fieldPath"] = field_path
    return found


def rules(*found: dict[str, str], **extra: Any) -> dict[str, Any]:
    """Schema extras that carry CEL rules."""
    return {"x-kubernetes-validations": list(found), **extra}


_NAME = r"^[^ \\t\\r\\n\\f.*>/\\\\]+$"
_PART = r"[^ \\t\\r\\n\\f.*>]+"
_SUBJECT = rf"^(({_PART}|[*])([.]({_PART}|[*]))*([.]>)?|>)$"
_LITERAL = rf"^{_PART}([.]{_PART})*$"


def _matching(pattern: str, message: str) -> dict[str, Any]:
    return rules(rule(f"self.matches('{pattern}')", message))


Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        json_schema_extra=_matching(
            _NAME, "a NATS name has no spaces and none of . * > / \\; use letters, digits, - and _"
        ),
    ),
]
"""The name of a stream or consumer in JetStream."""

Subject = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        json_schema_extra=_matching(
            _SUBJECT,
            "a subject is tokens joined by dots, without spaces or empty tokens; "
            "* stands for one whole token and > only at the end",
        ),
    ),
]
"""A subject that may hold wildcards."""

LiteralSubject = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        json_schema_extra=_matching(
            _LITERAL,
            "this subject must be literal: tokens joined by dots, without spaces and wildcards",
        ),
    ),
]
"""A subject without wildcards."""

Mapping = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        json_schema_extra=_matching(r"^[^ \\t\\r\\n\\f]+$", "a subject mapping has no spaces"),
    ),
]
"""The destination of a subject transform: may hold placeholders such as `{{wildcard(1)}}`."""

Duration = Annotated[
    str,
    StringConstraints(max_length=40),
    Field(
        json_schema_extra=_matching(
            "^([0-9]+(ns|us|ms|s|m|h|d))+$",
            "a duration is a number and its unit (ns, us, ms, s, m, h, d), such as 30s, 24h or 7d",
        )
    ),
]
"""A length of time such as `30s`, `1h30m` or `7d`."""

Instant = Annotated[
    str, StringConstraints(max_length=40), Field(json_schema_extra={"format": "date-time"})
]
"""A point in time in RFC 3339, such as `2026-01-31T12:00:00Z`."""

Size = Annotated[
    int | str,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            **rules(
                rule(
                    "type(self) == int ? (self == -1 || self > 0) : "
                    "self.matches('^[0-9]+([.][0-9]+)?(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$')",
                    "a size is a number of bytes or a quantity such as 512Mi or 10Gi; "
                    "for no limit leave it out or use -1",
                )
            ),
            "maxLength": 30,
        }
    ),
]
"""A number of bytes, as an integer or a Kubernetes quantity."""

_NOT_ZERO = rules(
    rule("self != 0", "0 is no limit in NATS; leave it out, or use -1, for unlimited")
)

# No upper bound for 64 bits: the apiserver reads `maximum` as a float, in which 2**63 - 1 overflows to
# a bound that refuses everything. Larger integers are no integers to it anyway.
Limit = Annotated[int, Field(ge=-1, json_schema_extra={"format": "int64", **_NOT_ZERO})]
"""A 64-bit limit; -1 is unlimited."""

Limit32 = Annotated[
    int, Field(ge=-1, le=2**31 - 1, json_schema_extra={"format": "int32", **_NOT_ZERO})
]
"""A 32-bit limit; -1 is unlimited."""

Positive64 = Annotated[int, Field(ge=1, json_schema_extra={"format": "int64"})]

Sequence = Positive64
"""A stream sequence."""

Replicas = Annotated[int, Field(ge=1, le=5, json_schema_extra={"format": "int32"})]

Metadata = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=4096)]],
    Field(
        max_length=64,
        json_schema_extra=rules(
            rule(
                "self.all(k, !k.startsWith('_nats.') && !k.startsWith('coze.dev/'))",
                "metadata keys starting with _nats. or coze.dev/ belong to the server and the "
                "operator; choose another prefix",
            )
        ),
    ),
]
