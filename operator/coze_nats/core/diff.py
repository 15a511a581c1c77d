"""Desired against live, field by field: what differs, and what changing it would take.

A comparison that never lies: where the spec says nothing, every value that the server could have
chosen is right; times are compared as instants; subjects, filters and sources as sets.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coze_nats.core import bounds, names
from coze_nats.core.codec import SIZES, format_size
from coze_nats.core.costs import Edit, Rule, Verdict, nothing
from coze_nats.core.desired import Desired
from coze_nats.core.fields import LEVEL_2_12, Change, Field, version_of
from coze_nats.core.kinds.stream.sources import moved_starts
from coze_nats.core.live import Config, Server
from coze_nats.core.looks import Look, NotSeen, Seen
from coze_nats.core.ownership import Live


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that is not as it should be.

    Attributes:
        name: the spec's name of the field.
        before: what JetStream has, in the spec's terms; None where it has nothing.
        after: what it should have, likewise.
        declared: whether the spec says so, or the default does.
        why: what stands in its way, or what it costs.
        by_limits: whether the server may have chosen it, having limits of its own.
        follows: whether nobody wrote it, then or now: it comes of a change of other fields.
        written: what it should have, as the user wrote it; None where nobody did.
        is_size: whether it counts bytes.
    """

    name: str
    before: Any
    after: Any
    declared: bool
    verdict: Verdict = Verdict.IN_PLACE
    why: str = ""
    by_limits: bool = False
    follows: bool = False
    written: Any = None
    is_size: bool = False

    @property
    def is_costly(self) -> bool:
        """Whether `why` tells what making the change costs."""
        return bool(self.why) and self.verdict in (Verdict.IN_PLACE, Verdict.LOSES_DATA)

    def __str__(self) -> str:
        if _is_long(self.before) or _is_long(self.after):
            before, after = map(_shown_items, (self.before or [], self.after or []))
            return f"{self.name} {bounds.difference(before, after)}"
        in_units = self.is_size and not isinstance(self.written, int)
        was, will_be = self.before, self.written or self.after
        if in_units:
            was, will_be = format_size(was), self.written or format_size(will_be)
        return f"{self.name} {_shown(was)} → {_shown(will_be)}"


def without_followers(changes: Sequence[FieldChange]) -> tuple[FieldChange, ...]:
    """The changes that somebody wrote; all of them if nobody wrote any."""
    written = tuple(change for change in changes if not change.follows)
    return written or tuple(changes)


def _is_long(value: Any) -> bool:
    return isinstance(value, list | dict) and len(value) > bounds.ITEMS


def _shown_items(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}: {_shown(item)}" for key, item in value.items()]
    return [_shown(item) for item in value]


def _shown(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + bounds.listed(_shown_items(value)) + "}"
    if isinstance(value, list):
        return "[" + bounds.listed(_shown_items(value)) + "]"
    return bounds.shortened(str(value), bounds.VALUE)


def unsupported(desired: Desired, server: Server) -> list[str]:
    """A sentence for each declared field that the server doesn't know."""
    found = [
        (item.name, item.level(desired.declared[item.wire]))
        for item in desired.fields
        if item.wire in desired.declared
    ]
    found += [("pauseUntil", 1)] if desired.pause_until else []
    return [
        f"{name} needs nats-server {version_of(level)} or newer, and this is {server.version}"
        for name, level in found
        if level > server.api_level
    ]


def own_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """The part of an object's metadata that the spec speaks about."""
    return {
        key: value
        for key, value in (metadata or {}).items()
        if not key.startswith((names.SERVER_METADATA_PREFIX, names.OPERATOR_METADATA_PREFIX))
    }


def diff(
    desired: Desired, live: Config, server: Server, chosen: Mapping[str, Any] | None = None
) -> tuple[FieldChange, ...]:
    """All fields in which `live` is not as desired, ownership and pause excluded.

    Args:
        chosen: what `choices` were when the object was last as desired: they are right, too.
    """
    mine = choices(desired, live) if chosen else {}
    right = {name for name, value in (chosen or {}).items() if mine.get(name) == value}
    found = [
        _change(item, desired, live, server)
        for item in _differing(desired, live)
        if item.name not in right
    ]
    if own_metadata(live.get("metadata")) != desired.metadata:
        found.append(
            FieldChange(
                "metadata",
                own_metadata(live.get("metadata")) or None,
                dict(desired.metadata) or None,
                declared=True,
            )
        )
    return tuple(found)


def in_the_specs_hands(
    changes: tuple[FieldChange, ...], desired: Desired, seen: Seen
) -> tuple[FieldChange, ...]:
    """The same changes without those that the server would undo at once.

    Raises:
        NotSeen: it takes another look to tell.
    """
    rules = {item.name: item.overruled for item in desired.fields if item.overruled}
    return tuple(
        change
        for change in changes
        if change.name not in rules or not rules[change.name](desired.declared, seen)
    )


def with_costs(
    changes: tuple[FieldChange, ...],
    desired: Desired,
    live: Live | None,
    server: Server,
    seen: Seen,
) -> tuple[tuple[FieldChange, ...], tuple[Look, ...]]:
    """The same changes with what they cost, and the looks that it takes to tell the rest."""
    rules: dict[str, Rule] = {item.name: item.cost for item in desired.fields}
    rules["metadata"] = nothing
    after = {
        item.wire: _sent(item, desired, live.config if live else {}) for item in desired.fields
    }
    found, lacking = [], []
    for change in changes:
        edit = Edit(change.name, change.declared, after, live, server, seen)
        try:
            is_made = change.verdict is Verdict.IN_PLACE
            cost = rules[change.name](edit) if is_made else None
        except NotSeen as unseen:
            lacking.append(unseen.look)
            cost = None
        found.append(replace(change, verdict=cost.verdict, why=cost.why) if cost else change)
    return tuple(found), tuple(dict.fromkeys(lacking))


def _sent(item: Field, desired: Desired, live: Config) -> Any:
    """The value (wire) that the field gets, as it is sent where it is declared."""
    if item.wire in desired.declared:
        return item.codec.merged(live.get(item.wire), desired.declared[item.wire])
    return desired.acceptable(item)[0]


def choices(desired: Desired, live: Config) -> dict[str, Any]:
    """What the server has, in the spec's terms, where the spec says nothing and it isn't usual.

    Of an object that is as desired, this is what the server chose, having limits of its own.
    """
    found = {
        item.name: in_spec_terms(item, live.get(item.wire, item.absent))
        for item in _differing(desired, live)
        if item.wire not in desired.declared and item.wire not in desired.inherited
    }
    return {name: value for name, value in found.items() if value is not None}


def _differing(desired: Desired, live: Config) -> Iterator[Field]:
    return (item for item in desired.fields if not _matches(item, desired, live))


def _matches(item: Field, desired: Desired, live: Config) -> bool:
    have = item.canonical(item.found(desired.declared, live))
    return any(have == item.canonical(value) for value in desired.acceptable(item))


def _change(item: Field, desired: Desired, live: Config, server: Server) -> FieldChange:
    declared = item.wire in desired.declared
    before, after = live.get(item.wire, item.absent), desired.acceptable(item)[0]
    verdict, why = _judged(item, before, after, declared=declared, server=server)
    return FieldChange(
        item.name,
        in_spec_terms(item, before),
        in_spec_terms(item, after),
        declared=declared,
        verdict=verdict,
        why=why,
        by_limits=not declared and _is_limited(item, desired, after, before),
        follows=not declared and _is_default(item, live),
        written=desired.written.get(item.name),
        is_size=item.codec in SIZES,
    )


def _is_default(item: Field, live: Config) -> bool:
    """Whether a live object has what a server chooses, given the rest of what it has."""
    if item.defaults is None:
        return False
    have = item.canonical(live.get(item.wire))
    return any(have == item.canonical(value) for value in item.defaults(live))


def _is_limited(item: Field, desired: Desired, usual: Any, live: Any) -> bool:
    if item.limited is None or item.wire in desired.inherited:
        return False
    return item.limited(usual, live)


def in_spec_terms(item: Field, value: Any) -> Any:
    """A value (wire) as the spec would say it; None for none."""
    return None if value in (None, "") else item.codec.decode(value)


_IMMUTABLE = (Verdict.IMMUTABLE, "NATS can't change it once the object exists")
_IN_PLACE = (Verdict.IN_PLACE, "")


def _judged(  # noqa: PLR0911 - one line per rule reads as the table that it is
    item: Field, before: Any, after: Any, *, declared: bool, server: Server
) -> tuple[Verdict, str]:
    needs_2_12 = server.api_level < LEVEL_2_12
    match item.change:
        case Change.IMMUTABLE:
            return _IMMUTABLE
        case Change.ON_ONLY if not after:
            return Verdict.IMMUTABLE, "NATS can turn it on, but not off again: keep it true"
        case Change.ONCE if declared:
            return Verdict.IMMUTABLE, "it has an effect only when the stream is created"
        case Change.RETENTION if "workqueue" in (before, after):
            return Verdict.IMMUTABLE, "NATS can't change retention to or from workqueue"
        case Change.MIRROR if declared:
            return Verdict.IMMUTABLE, "NATS can't add or change the mirror of an existing stream"
        case Change.MIRROR if needs_2_12:
            return (
                Verdict.UNSUPPORTED,
                f"removing it needs nats-server 2.12 or newer, and this is {server.version}",
            )
        case Change.MAX_CONSUMERS if needs_2_12:
            return (
                Verdict.UNSUPPORTED,
                f"changing it needs nats-server 2.12 or newer, and this is {server.version}",
            )
        case Change.PRESENCE if not (before and after):
            return Verdict.IMMUTABLE, "NATS can't turn a pull consumer into a push consumer or back"
        case Change.SOURCES if moved := moved_starts(before or (), after or ()):
            return (
                Verdict.IMMUTABLE,
                f"where {', '.join(moved)} starts has an effect only when the source is added",
            )
        case _:
            return _IN_PLACE
