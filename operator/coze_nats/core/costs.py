"""What a change of a field costs: the terms in which the rows of the kinds' tables say it.

Each field has a rule, and none can be added without: see `coze_nats.core.fields.Field.cost`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from coze_nats.core.live import Config, LiveConsumer, LiveStream, Server
from coze_nats.core.looks import Seen

Live = TypeVar("Live", bound=LiveStream | LiveConsumer)


class Verdict(Enum):
    """What NATS makes of a change."""

    IN_PLACE = "in place"
    LOSES_DATA = "loses data"
    IMMUTABLE = "immutable"
    UNSUPPORTED = "needs a newer server"


@dataclass(frozen=True, slots=True)
class Edit(Generic[Live]):
    """A change of one field, or its part in a creation, with all that its cost is told by.

    Attributes:
        name: the spec's name of the field.
        declared: whether the spec says so, or the default does.
        after: what the whole config (wire) is meant to become; the field itself as it is sent.
        live: the object as it is; None: it is about to be created.
        seen: what was found around the object.
    """

    name: str
    declared: bool
    after: Config
    live: Live | None
    server: Server
    seen: Seen = field(default_factory=Seen)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a change costs, as the end of a sentence that begins with the change."""

    why: str
    verdict: Verdict = Verdict.LOSES_DATA


Rule = Callable[[Edit[Any]], Cost | None]
"""What a change of a field costs, None for nothing. Asked where NATS makes the change in place, and
of what is declared for an object that is about to be created.

Raises NotSeen when it takes a look that nobody has taken."""


def nothing(_: Edit[Any]) -> None:
    """Whatever the change, no message goes by it, and nothing else that somebody relies on."""


def never_in_place(_: Edit[Any]) -> None:
    """NATS never makes the change: what it costs is what replacing the object costs."""


def either(*rules: Rule) -> Rule:
    """Several rules for one field, each for messages that go; every one that costs is told."""

    def rule(edit: Edit[Any]) -> Cost | None:
        found = [cost.why for rule in rules if (cost := rule(edit))]
        return Cost("; ".join(found)) if found else None

    return rule


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 message", "4,000 messages"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
