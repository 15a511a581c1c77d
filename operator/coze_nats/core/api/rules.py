"""The form of a CEL rule of `x-kubernetes-validations`, and the CEL that several rules share.

A rule is for what every nats-server refuses, or what can't mean anything; what only some servers
refuse is left to them. Optional fields (`self.?field`) need Kubernetes 1.29.
"""

from typing import Any

INVALID = "FieldValueInvalid"
FORBIDDEN = "FieldValueForbidden"
"""Of what may hold a secret: from Kubernetes 1.36 on, the refusal of an invalid text shows it."""


def rule(
    expression: str, message: str, field: str = "", *, reason: str = INVALID
) -> dict[str, str]:
    """One rule; the message says what to do, `field` (relative) is blamed instead of the whole."""
    found = {"rule": " ".join(expression.split()), "message": message, "reason": reason}
    if field:
        found["fieldPath"] = f".{field}"
    return found


def rules(*found: dict[str, str], **extra: Any) -> dict[str, Any]:
    """Schema extras that carry rules."""
    return {"x-kubernetes-validations": list(found), **extra}


def matching(pattern: str, message: str) -> dict[str, Any]:
    """Schema extras for a string that matches a pattern, written as in a CEL string."""
    return rules(rule(f"self.matches('{pattern}')", message))


DURATION = "^([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h|d))+$"

_UNITS = "{'ns': 1.0, 'us': 1e3, 'ms': 1e6, 's': 1e9, 'm': 6e10, 'h': 3.6e12, 'd': 8.64e13}"


def nanoseconds(duration: str) -> str:
    """CEL for a duration's length: CEL's own durations know no days. A double can't overflow.

    It is exact to less than half a nanosecond for what is shorter than a month.
    """
    return (
        f"{duration}.findAll('[0-9]+([.][0-9]+)?(ns|us|ms|s|m|h|d)')"
        f".map(part, double(part.find('[0-9.]+')) * {_UNITS}[part.find('[a-z]+')]).sum()"
    )


def are_equal(one: str, other: str) -> str:
    """CEL for whether two lengths are the same: `1.1h` and `66m` are not, as doubles."""
    return f"[{one} - {other}].all(gap, gap < 0.5 && gap > -0.5)"


def is_on(field: str) -> str:
    """CEL for a boolean of the spec that is set and true."""
    return f"self.?{field}.orValue(false)"


def is_off(field: str) -> str:
    """CEL for a boolean of the spec that is set and false."""
    return f"!self.?{field}.orValue(true)"


def open_ended(subject: str) -> str:
    """CEL for whether a subject ends in `>`."""
    return f"({subject} == '>' || {subject}.endsWith('.>'))"


RESERVED = "([$](JS|JSC|SYS|NRG|SRV|MQTT)|_INBOX|_R_|_GR_)"
"""The first tokens of where NATS itself and its clients talk: see `core.fences`."""


def is_reserved(subject: str) -> str:
    """CEL for whether a subject is where NATS itself and its clients talk."""
    return f"{subject}.matches('^{RESERVED}[.]')"


def begins_reserved(prefix: str) -> str:
    """CEL for whether what begins with a prefix is where NATS itself and its clients talk."""
    return f"{prefix}.matches('^{RESERVED}([.]|$)')"


EFFECTIVE_NAME = "(has({0}.spec) && has({0}.spec.name) ? {0}.spec.name : {0}.metadata.name)"
# A word that CEL keeps for itself stands between underscores; newer API servers take it as it is.
_CONNECTION = (
    "[{0}.?spec.connection.name.orValue(''), {0}.?spec.connection.__namespace__.orValue('')]"
)
IDENTITY_RULES = (
    rule(
        f"{EFFECTIVE_NAME.format('self')} == {EFFECTIVE_NAME.format('oldSelf')}",
        "spec.name can't be changed: delete this resource and create another one",
        "spec.name",
    ),
    rule(
        "(has(self.spec) && has(self.spec.name)) || !self.metadata.name.contains('.')",
        "metadata.name has dots, which NATS names can't have: set spec.name",
        "spec.name",
    ),
    # Here and not at spec, where adding or removing the whole spec would get round it.
    rule(
        f"{_CONNECTION.format('self')} == {_CONNECTION.format('oldSelf')}",
        "spec.connection can't be changed, added or removed: delete this resource and create "
        "another one",
        "spec.connection",
    ),
)
"""Rules over the whole resource, of every kind that stands for an object in JetStream."""
