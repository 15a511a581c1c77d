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
    namespace = reference.get("namespace") or resource.key.namespace
    return Key(names.STREAM_KIND, str(namespace), str(name))


def user_of_connection(resource: Resource) -> str:
    """The namespace whose right to a connection counts: a consumer's is that of its CozeStream."""
    stream = stream_key(resource)
    return stream.namespace if stream else resource.key.namespace


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
    """Why a resource can't use its connection, so that nothing of it is sent anywhere.

    Attributes:
        is_final: whether nobody is left who could end it, so that a deletion doesn't wait for it.
    """

    reason: Reason
    message: str
    is_final: bool = False

    @property
    def outcome(self) -> Outcome:
        """How the resource stands because of it; JetStream was not looked at."""
        must_act = self.reason in (Reason.CONNECTION_NOT_ALLOWED, Reason.STREAM_IS_MANAGED)
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
        f"{names.ANOTHER_CONNECTION}",
    )


def consumers_of(stream: Resource | None) -> frozenset[str]:
    """The namespaces that may consume a CozeStream besides its own: who may do more may do that."""
    if stream is None:
        return frozenset()
    grants = ("consumersFrom", "allowedNamespaces")
    return frozenset(name for grant in grants for name in stream.spec.get(grant) or ())


def ungranted(resource: Resource, stream: Resource | None) -> Obstacle | None:
    """Why a CozeConsumer may not consume the CozeStream that it refers to; None when it may.

    Whoever is not allowed is told the same whether or not the stream exists.
    """
    key, namespace = stream_key(resource), resource.key.namespace
    if key is None or key.namespace == namespace:
        return None
    granted = consumers_of(stream)
    if namespace in granted or EVERY_NAMESPACE in granted:
        return None
    return Obstacle(
        Reason.STREAM_IS_MANAGED,
        f"streamRef: there is no CozeStream {key.name} in namespace {key.namespace} that namespace "
        f"{namespace} may consume: have {namespace} added to its consumersFrom by whoever may "
        f"change CozeStreams in {key.namespace}, or {names.ANOTHER_STREAM}",
    )


def may_end(resource: Resource, stream: Resource | None, connection: Resource) -> bool:
    """Whether a resource that is being deleted may use the connection for it.

    A consumer whose stream's resource is gone may: nobody is left who could grant it again.
    """
    if stream and ungranted(resource, stream):
        return False
    return forbidden(user_of_connection(resource), connection.key, connection) is None


def unusable_stream(stream: Key, *, is_gone: bool = False) -> Obstacle:
    """That a CozeStream of another namespace can't use its connection, whose name is not told.

    Args:
        is_gone: whether neither of both exists any more.
    """
    return Obstacle(
        Reason.WAITING_FOR_STREAM,
        f"streamRef: CozeStream {stream.namespace}/{stream.name} can't use its connection: see its "
        "status",
        is_final=is_gone,
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
        f"it, or {names.ANOTHER_CONNECTION}",
    )


def missing_stream(stream: Key, namespace: str) -> Obstacle:
    """That there is no such CozeStream, so that nothing tells which connection it is.

    Args:
        namespace: of the consumer.
    """
    is_near = stream.namespace == namespace
    where = "this namespace" if is_near else f"namespace {stream.namespace}"
    return Obstacle(
        Reason.WAITING_FOR_STREAM,
        f"streamRef: there is no CozeStream {stream.name} in {where}: apply it, or "
        f"{names.ANOTHER_STREAM}",
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
