"""Models → the reference tables in docs/: every field with its type, default, change and server.

What a table says comes from the models' descriptions and from `coze_nats.core.fields`; it stands
between two markers of a page, and everything around them is written by hand.
"""

import re
from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from coze_nats.core.api import types
from coze_nats.core.api.crds import Definition
from coze_nats.core.fields import Change, Field, version_of
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS
from coze_nats.core.names import CONNECTION_KIND, CONSUMER_KIND, STREAM_KIND

FIELDS: dict[str, tuple[Field, ...]] = {
    STREAM_KIND: STREAM_FIELDS,
    CONSUMER_KIND: CONSUMER_FIELDS,
    CONNECTION_KIND: (),
}
"""What NATS is told of a kind's spec."""

OLDEST_SERVER = "2.10"

# What is in a spec and not in the table of what NATS is told: identity, or told in another way.
_BESIDES = {
    "streamRef": Change.IMMUTABLE,
    "streamName": Change.IMMUTABLE,
    "name": Change.IMMUTABLE,
    "connection": Change.IMMUTABLE,
    "consumersFrom": Change.IN_PLACE,
    "metadata": Change.IN_PLACE,
    "pauseUntil": Change.IN_PLACE,
    "policies": Change.IN_PLACE,
    "suspend": Change.IN_PLACE,
    "allowedNamespaces": Change.IN_PLACE,
}
_PAUSE_SERVER = "2.11"

_CHANGES = {
    Change.IN_PLACE: "yes",
    Change.IMMUTABLE: "no",
    Change.ON_ONLY: "on, not off",
    Change.ONCE: "no",
    Change.RETENTION: "limits ↔ interest",
    Change.MIRROR: "removal only, 2.12+",
    Change.MAX_CONSUMERS: "yes, 2.12+",
    Change.PRESENCE: "yes, but not added or removed",
    Change.SOURCES: "yes, but not the start of one",
}

_DURATIONS = (types.Age, types.AtLeast1ms, types.AtLeast100ms, types.AtLeast1s, types.From1sTo5m)
_TYPES: tuple[tuple[Any, str], ...] = (
    *((duration, "duration") for duration in (types.Duration, *_DURATIONS)),
    (types.Instant, "time"),
    (types.Size, "size"),
    (types.Size32, "size"),
    (types.Limit, "integer ≥ 1, or -1"),
    (types.Positive64, "integer ≥ 1"),
    (types.Replicas, "integer, 1 to 5"),
    (types.Name, "NATS name"),
    (types.ResourceName, "resource name"),
    (types.Namespace, "namespace"),
    (types.Subject, "subject"),
    (types.LiteralSubject, "subject without wildcards"),
    (types.Mapping, "subject mapping"),
    (types.EmptyOrSubject, "subject"),
    (types.EmptyOrMapping, "subject mapping"),
    (types.Percentage, "percentage"),
    (types.Subjects, "list of subjects"),
    (types.Metadata, "map of strings"),
    (dict[str, str], "map of strings"),
    (types.QueueGroup, "queue group"),
)

_DEFAULT = re.compile(r" ?Default: (.+?)\.(?= |$)")
_PLAIN_CHANGE = re.compile(r" ?(Can be changed|Can't be changed|Can't be undone)\.(?= |$)")


def sections(definition: Definition) -> dict[str, str]:
    """The generated parts of a kind's page, by the name that stands in their markers."""
    return {
        "spec": _spec(definition),
        "rules": _rules(definition),
        "status": _status(definition),
        "columns": _columns(definition),
    }


def filled(page: str, parts: dict[str, str]) -> str:
    """The page with each part put between its markers; ValueError when one is missing."""
    for name, text in parts.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end of generated: {name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page needs exactly one {begin} and one {end}")
        before, _, rest = page.partition(begin)
        after = rest.partition(end)[2]
        page = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    return page


# --- tables ---------------------------------------------------------------------------------------


def _table(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spec(definition: Definition) -> str:
    known = {item.name: item for item in FIELDS[definition.kind]}
    if not known:
        return "\n\n".join([_fields(definition.spec), *_nested(definition.spec)])
    rows = [
        (
            f"`{member.name}`",
            _type(member.annotation),
            _default(member),
            _CHANGES[_BESIDES.get(member.name) or known[member.name].change],
            _server(member, known.get(member.name)),
            _effect(member),
        )
        for member in _members(definition.spec)
    ]
    head = ("Field", "Type", "Default", "Can be changed", "nats-server", "Effect")
    return "\n\n".join([_table(head, *rows), *_nested(definition.spec)])


def _nested(model: type[BaseModel]) -> Iterator[str]:
    """A table for each model that the fields of this one hold, however deep; each once."""
    for inner in _models_in(model):
        yield _titled(inner, _fields(inner))


def _fields(model: type[BaseModel]) -> str:
    rows = [
        (f"`{member.name}`", _type(member.annotation), _default(member), _effect(member))
        for member in _members(model)
    ]
    return _table(("Field", "Type", "Default", "Effect"), *rows)


def _titled(model: type[BaseModel], table: str) -> str:
    return f"### {model.__name__}\n\n{' '.join((model.__doc__ or '').split())}\n\n{table}"


def _status(definition: Definition) -> str:
    """What is reported, and a table for each model in it."""
    nested = (_titled(inner, _meanings(inner)) for inner in _models_in(definition.status))
    return "\n\n".join([_meanings(definition.status), *nested])


def _meanings(model: type[BaseModel]) -> str:
    rows = [
        (f"`{member.name}`", _type(member.annotation), _effect(member))
        for member in _members(model)
    ]
    return _table(("Field", "Type", "Meaning"), *rows)


def _columns(definition: Definition) -> str:
    rows = [
        (
            column.name,
            f"`{column.path}`",
            "with `-o wide`" if column.priority else "always",
            column.description or "Since when the resource exists",
        )
        for column in definition.columns
    ]
    return _table(("Column", "From", "Shown", "Meaning"), *rows)


def _rules(definition: Definition) -> str:
    """What the apiserver judges over several fields, in the words that it refuses with."""
    extra: Any = definition.spec.model_config["json_schema_extra"]
    found = [*extra["x-kubernetes-validations"], *definition.rules]
    return "\n".join(f"- {_cell(item['message'])}" for item in found)


# --- one field ------------------------------------------------------------------------------------


class _Member(NamedTuple):
    """A field of a model: its name for users, its type as written, its description."""

    name: str
    annotation: Any
    text: str
    required: bool


def _members(model: type[BaseModel]) -> Iterator[_Member]:
    # Pydantic's own view of a field has lost the name of the type that it was given.
    annotations = get_type_hints(model, include_extras=True)
    for name, info in model.model_fields.items():
        text = _cell(info.description or "")
        yield _Member(info.alias or name, annotations[name], text, info.is_required())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _default(member: _Member) -> str:
    if member.required:
        return "required"
    found = _DEFAULT.search(member.text)
    return found[1] if found else "none"


def _effect(member: _Member) -> str:
    """The description without what has a column of its own."""
    return _PLAIN_CHANGE.sub("", _DEFAULT.sub("", member.text)).strip()


def _without_none(annotation: Any) -> Any:
    found = [item for item in get_args(annotation) if item is not NoneType]
    is_optional = NoneType in get_args(annotation)
    return found[0] if is_optional and len(found) == 1 else annotation


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _held(annotation: Any) -> Any:
    """What a list or a map holds; None for anything else."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    return {tuple: arguments[:1], dict: arguments[1:]}.get(origin, (None,))[0]


def _bare(annotation: Any) -> Any:
    """Without None and what Annotated adds, for a type that has no name of its own."""
    found = _without_none(annotation)
    return get_args(found)[0] if hasattr(found, "__metadata__") else found


def _type(annotation: Any) -> str:
    found = _without_none(annotation)
    for known, words in _TYPES:
        if found == known:
            return words
    bare = _bare(annotation)
    if get_origin(bare) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(bare))
    if _is_list(bare):
        return f"list of {_plural(_type(get_args(bare)[0]))}"
    if get_origin(bare) is dict and get_args(bare)[1] is not object:
        return f"map of {_plural(_type(get_args(bare)[1]))}"
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return f"[{bare.__name__}](#{bare.__name__.lower()})"
    return {str: "string", int: "integer", bool: "boolean"}.get(bare, "object")


def _plural(words: str) -> str:
    return words if words.startswith("[") else f"{words}s"


def _server(member: _Member, known: Field | None) -> str:
    """The oldest nats-server that has the field, and the values that need a newer one."""
    if known is None or member.name in _BESIDES:
        return _PAUSE_SERVER if member.name == "pauseUntil" else OLDEST_SERVER
    bare = _bare(member.annotation)
    if get_origin(bare) is not Literal:
        return _version(known.level(True if bare is bool else [{}]))
    levels = {choice: known.level(known.codec.encode(choice)) for choice in get_args(bare)}
    least = min(levels.values())
    newer = [f"`{choice}` {_version(level)}" for choice, level in levels.items() if level > least]
    return "; ".join([_version(least), *newer])


def _version(level: int) -> str:
    return version_of(level) if level else OLDEST_SERVER


def _models_in(model: type[BaseModel]) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    for member in _members(model):
        inner = _bare(member.annotation)
        inner = _bare(_held(inner) or inner)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += [item for item in (inner, *_models_in(inner)) if item not in found]
    return list(dict.fromkeys(found))
