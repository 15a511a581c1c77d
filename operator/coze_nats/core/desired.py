"""Spec → what JetStream shall have: the declared part of a configuration, on the wire.

Only what the user (or the operator's own settings) declared is in here. What the server chooses for
the rest is known to `core.fields`, and what is really there to `core.live`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from coze_nats.core.api.consumer import ConsumerSpec
from coze_nats.core.api.stream import StreamSpec
from coze_nats.core.codec import InvalidValue, utc_instant
from coze_nats.core.fields import Field
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS, inherited
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS
from coze_nats.core.live import Config


class Target(NamedTuple):
    """Which object in JetStream: a stream, or a consumer of it."""

    stream: str
    consumer: str | None = None

    def __str__(self) -> str:
        if self.consumer is None:
            return f"stream {self.stream}"
        return f"consumer {self.consumer} of stream {self.stream}"


class InvalidField(ValueError):
    """A field whose value means nothing in JetStream; the text names it and what would be right."""


@dataclass(frozen=True, slots=True)
class Desired:
    """What a resource declares.

    Attributes:
        fields: the kind's table.
        declared: the declared config on the wire, identity included, metadata excluded.
        metadata: the user's metadata.
        pause_until: RFC 3339; consumers only.
        inherited: what a consumer that doesn't declare it gets from its stream (wire).
        written: field → its value as the user wrote it, where that is one text or number.
    """

    target: Target
    fields: tuple[Field, ...]
    declared: Config
    metadata: Mapping[str, str] = field(default_factory=dict)
    pause_until: str | None = None
    inherited: Config = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)

    def acceptable(self, item: Field) -> tuple[Any, ...]:
        """The values (wire) that are right for a field."""
        if item.wire in self.inherited:
            return (self.inherited[item.wire],)
        return item.acceptable(self.declared)

    def after(self, wire: str) -> Any:
        """The value (wire) that a field will have: the declared one, or the usual default."""
        return self.acceptable(next(item for item in self.fields if item.wire == wire))[0]

    def under(self, limits: Config | None) -> Self:
        """The same consumer, of a stream with these `consumer_limits`."""
        return replace(self, inherited=inherited(self.declared, limits or {}))


def _written(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if type(value) in (str, int)}


def _encoded(fields: tuple[Field, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for item in fields:
        value = values.get(item.name)
        # Off is what a server has that lacks the field, and newer ones refuse unknown keys.
        if value is None or (value is False and item.level(not value)):
            continue
        try:
            found[item.wire] = item.codec.encode(value)
        except InvalidValue as error:
            raise InvalidField(f"{item.name}: {error}") from error
    return found


def desired_stream(resource_name: str, spec: StreamSpec, default_replicas: int | None) -> Desired:
    """What a CozeStream declares.

    Args:
        resource_name: metadata.name, the stream's name unless the spec gives one.
        default_replicas: the operator's replicas for a stream that names none; None: the server's.

    Raises:
        InvalidField: a value that JetStream can't hold.
    """
    values = spec.model_dump(by_alias=True, exclude_none=True, mode="json")
    declared = {"name": spec.name or resource_name, **_encoded(STREAM_FIELDS, values)}
    if default_replicas is not None:
        declared.setdefault("num_replicas", default_replicas)
    return Desired(
        target=Target(declared["name"]),
        fields=STREAM_FIELDS,
        declared=declared,
        metadata=values.get("metadata", {}),
        written=_written(values),
    )


def desired_consumer(resource_name: str, spec: ConsumerSpec, stream: str) -> Desired:
    """What a CozeConsumer declares about a consumer of `stream`.

    Raises:
        InvalidField: a value that JetStream can't hold.
    """
    values = spec.model_dump(by_alias=True, exclude_none=True, mode="json")
    name = spec.name or resource_name
    declared = {
        # Left out of an update, the server would turn the durable into an ephemeral one.
        "durable_name": name,
        "name": name,
        "ack_policy": "explicit",
        **_encoded(CONSUMER_FIELDS, values),
    }
    pause_until = None
    if spec.pause_until is not None:
        try:
            pause_until = utc_instant(spec.pause_until)
        except InvalidValue as error:
            raise InvalidField(f"pauseUntil: {error}") from error
    return Desired(
        target=Target(stream, name),
        fields=CONSUMER_FIELDS,
        declared=declared,
        metadata=values.get("metadata", {}),
        pause_until=pause_until,
        written=_written(values),
    )
