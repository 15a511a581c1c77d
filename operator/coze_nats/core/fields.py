"""A row of a kind's table: what a field of the spec is in JetStream, and what a change of it takes.

A `Field` says the name on the wire, the server's default where the spec says nothing, how NATS
takes a change, what the change costs, and from which API level on the server knows the field. The
tables stand in `core.kinds`. Measured on nats-server 2.10.26, 2.12.8, 2.14.6 and 2.15.1;
tests/contract/test_fields.py holds every line against those servers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from coze_nats.core import codec
from coze_nats.core.codec import Codec
from coze_nats.core.costs import Rule
from coze_nats.core.live import Config
from coze_nats.core.looks import Seen

Defaults = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Declared config (wire) → the values that the server may choose where the spec says nothing."""

Rewritten = Callable[[Mapping[str, Any]], tuple[Any, ...]]
"""Declared config (wire) with the field → the other values that the server may make of its own."""


Limited = Callable[[Any, Any], bool]
"""Usual default and live value (wire) → whether limits of a server or an account may be why."""


Overruled = Callable[[Mapping[str, Any], Seen], bool]
"""Declared config (wire), and what was seen → whether the server would make its own of the value.

Asking for the declared one has no effect then, so the other one is no difference.
"""

Spelled = Callable[[Mapping[str, Any], Config], Any]
"""Declared and live config (wire) → the live value, as the spec would spell it."""


def is_lowered(usual: Any, live: Any) -> bool:
    """`Limited`: a limit makes less of the usual default."""
    return bool(0 < live < usual)


class Change(Enum):
    """How NATS takes a change of a field."""

    IN_PLACE = "can be changed"
    IMMUTABLE = "can't be changed"
    ON_ONLY = "can be turned on, not off"
    ONCE = "has an effect only at creation"
    """May be removed from the spec later, but not changed to another value."""
    RETENTION = "can be changed between limits and interest"
    MIRROR = "can be removed on nats-server 2.12 and newer, not added or changed"
    MAX_CONSUMERS = "can be changed on nats-server 2.12 and newer"
    PRESENCE = "can be changed, not added or removed"
    SOURCES = "can be changed, but not where a source starts that stays"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a spec.

    Attributes:
        name: the spec's name, camelCase.
        wire: the key in JetStream's config.
        cost: what a change costs that NATS makes in place. Every field states it, or nobody would
            hold a change that loses messages.
        absent: what a key that the server leaves out means.
        defaults: which values the server may choose when the spec says nothing; the first is usual.
        level: the API level that a value needs; 0 is nats-server 2.10.
        removal: what is sent to remove a value where leaving the key out has no effect.
        limited: whether limits of a server or an account make another value of the usual default.
        rewritten: what the server may make of a declared value and means the same by.
        overruled: whether something else than the spec decides about the value.
        spelled: how to read a live value that can be said in another field, too; None: as it is.
    """

    name: str
    wire: str
    cost: Rule
    codec: Codec = codec.PLAIN
    absent: Any = None
    defaults: Defaults | None = None
    change: Change = Change.IN_PLACE
    level: Callable[[Any], int] = lambda _: 0
    removal: Any = None
    rewritten: Rewritten = lambda _: ()
    limited: Limited | None = None
    overruled: Overruled | None = None
    spelled: Spelled | None = None

    def found(self, declared: Mapping[str, Any], live: Config) -> Any:
        """The live value (wire), to be held against the declared one."""
        return self.spelled(declared, live) if self.spelled else live.get(self.wire)

    def acceptable(self, declared: Mapping[str, Any]) -> tuple[Any, ...]:
        """The values (wire) that are right, given all that is declared; the first is meant."""
        if self.wire in declared:
            return (declared[self.wire], *self.rewritten(declared))
        return (self.absent,) if self.defaults is None else self.defaults(declared)

    def canonical(self, value: Any) -> Any:
        """A hashable that is equal for values of the same meaning; absent and empty are one."""
        value = self.absent if value in (None, "", [], {}) else value
        return value if value in (None, "") else self.codec.canonical(value)


LEVEL_2_12 = 2
"""The API level that 2.12 brought; its servers report 3."""


def since(level: int) -> Callable[[Any], int]:
    """What a field needs whose value `false` every server has."""
    return lambda value: 0 if value is False else level


_VERSIONS = {1: "2.11", LEVEL_2_12: "2.12", 4: "2.14"}


def version_of(level: int) -> str:
    """The first nats-server release of an API level."""
    return _VERSIONS[level]


def in_spec_terms(fields: tuple[Field, ...], config: Config) -> dict[str, Any]:
    """A live config as the spec would say it, without what is absent, empty or off."""
    nothing: tuple[Any, ...] = (None, "", False, 0, [], {})
    found = {
        field.name: field.codec.decode(config[field.wire])
        for field in fields
        if config.get(field.wire) not in nothing
    }
    return {name: value for name, value in found.items() if value not in nothing}
