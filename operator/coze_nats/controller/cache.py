"""The resources as the apiserver has them, as far as the operator has heard; no I/O.

Fed by watch events and by the answers to the operator's own writes, which may overtake each other.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from coze_nats.core import names
from coze_nats.core.resource import Key, Resource

StreamResource = tuple[str, str]
"""Namespace and name of a CozeStream."""


class Cache:
    """Resources by key, and the consumers that refer to a stream's resource."""

    def __init__(self) -> None:
        self._resources: dict[Key, Resource] = {}
        self._consumers: dict[StreamResource, set[Key]] = {}

    def __len__(self) -> int:
        return len(self._resources)

    def __iter__(self) -> Iterator[Resource]:
        """The resources as of now; the cache may change while iterating."""
        return iter(tuple(self._resources.values()))

    def get(self, key: Key) -> Resource | None:
        """The newest known state of the resource."""
        return self._resources.get(key)

    def put(self, resource: Resource) -> bool:
        """Remember this state, unless a newer one is known; returns whether it was taken."""
        known = self._resources.get(resource.key)
        if known and _is_older(resource.resource_version, known.resource_version):
            return False
        if known:
            self._unlink(known)
        self._resources[resource.key] = replace(
            resource, spec=_interned(resource.spec), status=_interned(resource.status)
        )
        if stream := _stream_of(resource):
            self._consumers.setdefault(stream, set()).add(resource.key)
        return True

    def remove(self, key: Key) -> None:
        """Forget the resource, if it is known."""
        if known := self._resources.pop(key, None):
            self._unlink(known)

    def consumers_of(self, namespace: str, name: str) -> tuple[Key, ...]:
        """The CozeConsumers whose streamRef names this CozeStream, whether it exists or not."""
        return tuple(self._consumers.get((namespace, name), ()))

    def _unlink(self, resource: Resource) -> None:
        stream = _stream_of(resource)
        if stream and (consumers := self._consumers.get(stream)):
            consumers.discard(resource.key)
            if not consumers:
                del self._consumers[stream]


def _stream_of(resource: Resource) -> StreamResource | None:
    if resource.key.kind != names.CONSUMER_KIND:
        return None
    reference = resource.spec.get("streamRef") or {}
    name = reference.get("name")
    return (resource.key.namespace, name) if name else None


def _is_older(version: str, known: str) -> bool:
    """Whether one resourceVersion is older than another.

    Kubernetes guarantees from 1.35 on that they are decimal numbers which grow, over all objects of
    a kind; before, they were so without a promise. Anything else is taken for newer: an event too
    many is harmless, one too few is not.
    """
    return version.isdecimal() and known.isdecimal() and int(version) < int(known)


def _interned(value: Any) -> Any:
    """The same JSON, with one copy of each field name for all resources instead of one in each."""
    if isinstance(value, Mapping):
        return {sys.intern(key): _interned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_interned(item) for item in value]
    return value
