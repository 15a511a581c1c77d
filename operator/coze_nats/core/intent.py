"""A resource, and the resources it depends on → what it desires, or why that can't be said yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from coze_nats.core import names
from coze_nats.core.api.consumer import ConsumerSpec
from coze_nats.core.api.stream import StreamSpec
from coze_nats.core.conditions import condition
from coze_nats.core.desired import (
    Desired,
    InvalidField,
    Target,
    desired_consumer,
    desired_stream,
)
from coze_nats.core.kinds.stream.fields import CONSUMER_LIMITS
from coze_nats.core.live import Config
from coze_nats.core.names import Reason
from coze_nats.core.references import missing_stream, stream_key
from coze_nats.core.resource import Key, Resource

Spec = TypeVar("Spec", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The resource can't be reconciled before another one is ready."""

    reason: Reason
    message: str


def parsed(model: type[Spec], spec: Mapping[str, Any]) -> Spec:
    """The spec as its model; raises InvalidField, naming all fields that are wrong."""
    try:
        return model.model_validate(spec)
    except ValidationError as error:
        found = [
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidField("; ".join(found)) from error


def intent(
    resource: Resource, stream: Resource | None, default_replicas: int | None
) -> Desired | Waiting:
    """What the resource desires.

    What a consumer gets from a stream that no CozeStream stands for is left open here.

    Args:
        stream: the CozeStream that `stream_key` names, if it exists.
        default_replicas: the operator's replicas for a stream that names none.

    Raises:
        InvalidField: the spec has no meaning; the text names the field.
    """
    if resource.key.kind == names.STREAM_KIND:
        spec = parsed(StreamSpec, resource.spec)
        return desired_stream(resource.key.name, spec, default_replicas)
    consumer = parsed(ConsumerSpec, resource.spec)
    if consumer.stream_ref is None:
        if consumer.stream_name is None:
            raise InvalidField("streamRef: name the stream by streamRef or streamName")
        return desired_consumer(resource.key.name, consumer, consumer.stream_name)
    reference = consumer.stream_ref
    namespace = reference.namespace or resource.key.namespace
    if stream is None:
        key = Key(names.STREAM_KIND, namespace, reference.name)
        nowhere = missing_stream(key, resource.key.namespace)
        return Waiting(nowhere.reason, nowhere.message)
    found = _usable(stream)
    if isinstance(found, Waiting):
        return found
    desired = desired_consumer(resource.key.name, consumer, stream_name(found))
    return desired.under(consumer_limits(found.status))


def consumer_limits(status: Mapping[str, Any]) -> Config:
    """The `consumer_limits` (wire) that a stream had when its CozeStream's status was written."""
    effective = status.get("effective") or {}
    limits: Config = CONSUMER_LIMITS.encode(effective.get("consumerLimits") or {})
    return limits


def _usable(stream: Resource) -> Resource | Waiting:
    name = stream.key.name
    if stream.deleting:
        return Waiting(Reason.WAITING_FOR_STREAM, f"streamRef: CozeStream {name} is being deleted")
    if not stream.status.get("created"):
        ready = condition(stream.status, "Ready")
        why = f": {ready['reason']}, see its status" if ready else ""
        return Waiting(
            Reason.WAITING_FOR_STREAM, f"streamRef: CozeStream {name} is not there yet{why}"
        )
    return stream


def stream_name(stream: Resource) -> str:
    """The name in JetStream of a CozeStream's stream."""
    return str(stream.spec.get("name") or stream.key.name)


def target_of(resource: Resource, stream: Resource | None) -> Target | None:
    """Which object in JetStream is the resource's, as far as it can be told.

    Unlike `intent` it needs no valid spec and no stream that is ready: deletion must not wait for
    either. None: there can't be one.
    """
    if resource.key.kind == names.STREAM_KIND:
        return Target(stream_name(resource))
    name = str(resource.spec.get("name") or resource.key.name)
    if resource.spec.get("streamName"):
        return Target(str(resource.spec["streamName"]), name)
    if resource.status.get("stream"):
        return Target(str(resource.status["stream"]), name)
    if stream is not None:
        return Target(stream_name(stream), name)
    key = stream_key(resource)
    # A CozeStream whose name is none in JetStream has another one there, which nobody knows now.
    return Target(key.name, name) if key and "." not in key.name else None
