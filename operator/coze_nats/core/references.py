"""Which connection a resource uses, and whether it may.

A connection is named by its key; None stands for the operator's own, from its environment.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from coze_nats.core import names
from coze_nats.core.conditions import Health, Outcome, condition
from coze_nats.core.names import Reason
from coze_nats.core.resource import Key, Resource

EVERY_NAMESPACE = "*"


def stream_key(resource: Resource) -> Key | None:
    """The CozeStream that a CozeConsumer refers to; None when it names none."""
    reference = resource.spec.get("streamRef") or {}
    name = reference.get("name")
    if resource.key.kind != names.CONSUMER_KIND or not name:
        return None
    return Key(names.STREAM_KIND, resource.key.namespace, str(name))


def connection_of(resource: Resource, stream: Resource | None) -> Key | None:
    """The connection that a stream or consumer uses; None for the operator's own.

    Args:
        stream: the CozeStream that a CozeConsumer refers to, whose connection it shares. When that
            one is gone, the consumer is still where its status says that it is.
    """
    if stream_key(resource) is None:
        return _key(resource, resource.spec.get("connection"))
    if stream is not None:
        return _key(stream, stream.spec.get("connection"))
    return remembered_connection(resource)


def remembered_connection(resource: Resource) -> Key | None:
    """The connection that the resource's status tells of."""
    return _key(resource, resource.status.get("connection"))


def as_status(connection: Key) -> dict[str, Any]:
    """How a resource's status remembers its connection."""
    return {"connection": {"namespace": connection.namespace, "name": connection.name}}


def has_moved(resource: Resource, connection: Key | None) -> bool:
    """Whether what status remembers of JetStream is about another NATS system."""
    return "created" in resource.status and remembered_connection(resource) != connection


def _key(resource: Resource, reference: object) -> Key | None:
    if not isinstance(reference, Mapping) or not reference.get("name"):
        return None
    namespace = str(reference.get("namespace") or resource.key.namespace)
    return Key(names.CONNECTION_KIND, namespace, str(reference["name"]))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a resource can't use its connection, so that nothing of it is sent anywhere."""

    reason: Reason
    message: str

    @property
    def outcome(self) -> Outcome:
        """How the resource stands because of it; JetStream was not looked at."""
        must_act = self.reason is Reason.CONNECTION_NOT_ALLOWED
        health = Health.STALLED if must_act else Health.RECONCILING
        return Outcome(health, self.reason, self.message, observed=False)


def forbidden(namespace: str, key: Key, connection: Resource | None) -> Obstacle | None:
    """Why resources of a namespace may not use a connection; None when they may.

    Whoever is not allowed is told the same whether or not the connection exists.
    """
    if namespace == key.namespace:
        return None
    granted: Collection[str] = ()
    if connection is not None:
        granted = connection.spec.get("allowedNamespaces") or ()
    if namespace in granted or EVERY_NAMESPACE in granted:
        return None
    return Obstacle(
        Reason.CONNECTION_NOT_ALLOWED,
        f"connection: there is no CozeConnection {key.name} in namespace {key.namespace} that "
        f"namespace {namespace} may use: have {namespace} added to its allowedNamespaces, or "
        "correct the name",
    )


def missing(key: Key | None) -> Obstacle:
    """That there is no such connection."""
    if key is None:
        return Obstacle(
            Reason.CONNECTION_NOT_FOUND,
            "connection: none is named, and the operator has none of its own: name a "
            "CozeConnection, or set NATS_SERVER_URL for the operator",
        )
    return Obstacle(
        Reason.CONNECTION_NOT_FOUND,
        f"connection: there is no CozeConnection {key.name} in namespace {key.namespace}: apply "
        "it, or correct the name",
    )


def missing_stream(name: str) -> Obstacle:
    """That there is no such CozeStream, so that nothing tells which connection it is."""
    return Obstacle(
        Reason.WAITING_FOR_STREAM,
        f"streamRef: there is no CozeStream {name} in this namespace: apply it, or correct "
        "the name",
    )


def not_ready(namespace: str, connection: Resource) -> Obstacle:
    """That the connection can't be used yet; why is its own namespace's business only."""
    key = connection.key
    ready = condition(connection.status, "Ready") if namespace == key.namespace else None
    why = f" ({ready['reason']})" if ready else ""
    return Obstacle(
        Reason.CONNECTION_NOT_READY,
        f"connection: CozeConnection {key.namespace}/{key.name} is not ready{why}: see its status",
    )
