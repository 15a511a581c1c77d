"""The CRDs in crds/ as tests read them: each field with its path, resources made from paths."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from coze_nats.core import names

CRDS = Path(__file__).resolve().parents[2] / "crds"
ITEM, VALUE = "[]", "{}"
"""Steps of a path into a list and into a map."""

Spec = dict[str, Any]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a spec, however deep."""

    kind: str
    path: tuple[str, ...]
    schema: Schema

    def __str__(self) -> str:
        return f"{self.kind}.spec.{'.'.join(self.path)}"

    @property
    def blamed(self) -> str:
        """How the apiserver names it in a refusal of `holding(field, …)`."""
        steps = {ITEM: "[0]", VALUE: ".key"}
        return "spec" + "".join(steps.get(step, f".{step}") for step in self.path)

    @property
    def messages(self) -> list[str]:
        """The messages of its own rules."""
        return [rule["message"] for rule in self.schema.get("x-kubernetes-validations", ())]


@functools.cache
def definition(kind: str) -> Mapping[str, Any]:
    """The CRD, as users install it."""
    path = CRDS / f"{names.PLURALS[kind]}.{names.GROUP}.yaml"
    found: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def whole(kind: str) -> Schema:
    """The schema of the whole resource."""
    (version,) = definition(kind)["spec"]["versions"]
    found: Schema = version["schema"]["openAPIV3Schema"]
    return found


def fields(kind: str) -> Iterator[Field]:
    """Every field of the kind's spec; lists before their items, objects before their members."""
    return _fields(kind, (), whole(kind)["properties"]["spec"])


def _fields(kind: str, path: tuple[str, ...], schema: Schema) -> Iterator[Field]:
    if path:
        yield Field(kind, path, schema)
    for name, member in schema.get("properties", {}).items():
        yield from _fields(kind, (*path, name), member)
    if "items" in schema:
        yield from _fields(kind, (*path, ITEM), schema["items"])
    if "additionalProperties" in schema:
        yield from _fields(kind, (*path, VALUE), schema["additionalProperties"])


def messages(schema: Any) -> Iterator[str]:
    """The messages of all rules in a schema, however deep."""
    if isinstance(schema, Mapping):
        for rule in schema.get("x-kubernetes-validations", ()):
            yield rule["message"]
        for member in schema.values():
            yield from messages(member)


def strangers(schema: Schema, value: Any, path: str) -> Iterator[str]:
    """The fields of a value that its schema doesn't know, and those that it lacks."""
    if isinstance(value, Mapping) and "properties" in schema:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path}.{name} is missing"
        for name, member in value.items():
            known = schema["properties"].get(name)
            if known is None:
                yield f"{path}.{name} is unknown"
            else:
                yield from strangers(known, member, f"{path}.{name}")
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from strangers(schema["items"], item, f"{path}[{number}]")


_BASE: Mapping[str, Spec] = {
    names.STREAM_KIND: {},
    names.CONSUMER_KIND: {"streamName": "orders"},
    names.CONNECTION_KIND: {"servers": ["nats://nats.example.com:4222"]},
}
_KEY = {"name": "origin", "key": "a-key"}
_REQUIRED: Mapping[str, Any] = {
    "name": "origin",
    "namespaces": ["shop"],
    "source": "in.*",
    "destination": "out.{{wildcard(1)}}",
    "apiPrefix": "$JS.hub.API",
    "deliverSubject": "deliver.here",
    "key": "a-key",
    "secretName": "a-certificate",
    "secretKeyRef": _KEY,
    "username": {"secretKeyRef": _KEY},
    "password": {"secretKeyRef": _KEY},
}


def resource(kind: str, spec: Spec, name: str = "example") -> dict[str, Any]:
    """A resource; a consumer gets a stream unless its spec names one."""
    named = "streamRef" in spec or "streamName" in spec
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec if named else {**_BASE[kind], **spec},
    }


def holding(field: Field, value: Any) -> Spec:
    """The least spec in which the field has this value: its objects get what they require."""
    found: Spec = _holding(whole(field.kind)["properties"]["spec"], field.path, value, top=True)
    return found


def _holding(schema: Schema, path: tuple[str, ...], value: Any, *, top: bool = False) -> Any:
    if not path:
        return value
    step, *rest = path
    if step == ITEM:
        return [_holding(schema["items"], tuple(rest), value)]
    if step == VALUE:
        return {"key": _holding(schema["additionalProperties"], tuple(rest), value)}
    required = set() if top else set(schema.get("required", ()))
    if step == "destination":
        required.add("source")  # left out, it would be >, which the destination must end in then
    needed = {name: _REQUIRED[name] for name in required}
    return {**needed, step: _holding(schema["properties"][step], tuple(rest), value)}
