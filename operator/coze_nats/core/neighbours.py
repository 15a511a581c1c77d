"""Whose streams a resource must not reach: other namespaces' on the same connection."""

from collections.abc import Iterable, Mapping
from typing import Any

from coze_nats.core import names
from coze_nats.core.fences import Neighbour
from coze_nats.core.intent import stream_name
from coze_nats.core.references import EVERY_NAMESPACE
from coze_nats.core.resource import Resource

_REACHING = ("republish", "mirror", "sources", "deliverSubject")


def may_reach_others(spec: Mapping[str, Any]) -> bool:
    """Whether an object so declared publishes, or copies, so that neighbours matter."""
    return any(spec.get(field) for field in _REACHING)


def takes_anything(spec: Mapping[str, Any]) -> bool:
    """Whether a stream so declared has a subject that begins with a wildcard."""
    return any(str(subject).startswith(("*", ">")) for subject in spec.get("subjects") or ())


def neighbours_of(resource: Resource, users: Iterable[Resource]) -> tuple[Neighbour, ...]:
    """The streams that others own and don't share, as their status tells of them.

    Args:
        users: all that use the resource's connection.
    """
    namespace = resource.key.namespace
    return tuple(
        Neighbour(user.key, stream_name(user), _subjects(user))
        for user in users
        if user.key.kind == names.STREAM_KIND
        and user.key.namespace != namespace
        and user.status.get("created")
        and not shares(user, namespace)
    )


def shares(stream: Resource, namespace: str) -> bool:
    """Whether a CozeStream lets another namespace copy, consume and publish into its stream."""
    allowed = stream.spec.get("allowedNamespaces") or ()
    return namespace in allowed or EVERY_NAMESPACE in allowed


def _subjects(stream: Resource) -> tuple[str, ...]:
    effective = stream.status.get("effective") or {}
    return tuple(effective.get("subjects") or ())
