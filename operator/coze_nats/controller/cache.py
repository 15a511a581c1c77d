"""The resources as the apiserver has them, as far as the operator has heard; no I/O.

Fed by watch events and by the answers to the operator's own writes, which may overtake each other.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from coze_nats.core import names
from coze_nats.core.desired import Target
from coze_nats.core.holders import Holders
from coze_nats.core.intent import stream_name, target_of
from coze_nats.core.references import connection_of, stream_key
from coze_nats.core.resource import Key, Resource, is_older

_Index = dict[tuple[str, str], dict[Key, None]]
"""Keys by kind and by something that the resource says; the inner dicts are ordered sets."""


class Cache:
    """Resources by key, the consumers of each CozeStream, and the users of each connection.

    Args:
        default_connection: of resources that name none; None: the operator's own.
    """

    def __init__(self, default_connection: Key | None = None) -> None:
        self._default_connection = default_connection
        self._resources: dict[Key, Resource] = {}
        # By the key of a CozeStream, whether it exists or not.
        self._consumers: dict[Key, set[Key]] = {}
        # The dicts are sets that keep their order, so that equal runs do things in equal order.
        self._users: dict[Key | None, dict[Key, None]] = {}
        self._connections: dict[Key, Key | None] = {}
        self._holders: dict[Key | None, Holders] = {}
        # CozeStreams, and the CozeConsumers that name a stream themselves, or whose status does, by
        # the stream's name in JetStream.
        self._by_stream: _Index = {}
        # By the resource that is to have their object.
        self._givers: _Index = {}

    def __len__(self) -> int:
        return len(self._resources)

    def __iter__(self) -> Iterator[Resource]:
        """The resources as of now; the cache may change while iterating."""
        return iter(tuple(self._resources.values()))

    def get(self, key: Key) -> Resource | None:
        """The newest known state of the resource."""
        return self._resources.get(key)

    def put(self, resource: Resource) -> bool:
        """Remember this state, unless a newer one is known; returns whether it was taken.

        A newer one is known in a cluster that was restored from a backup, too (see `sweep`).
        """
        known = self._resources.get(resource.key)
        if known and is_older(resource.resource_version, known.resource_version):
            return False
        if known:
            self._unlink(known)
        self._resources[resource.key] = replace(
            resource,
            spec=_kept(known.spec if known else {}, resource.spec),
            status=_kept(known.status if known else {}, resource.status),
        )
        if stream := stream_key(resource):
            self._consumers.setdefault(stream, set()).add(resource.key)
        for index, place in self._indices(resource):
            index.setdefault(place, {})[resource.key] = None
        self._place(resource)
        if resource.key.kind != names.CONNECTION_KIND:
            self._holders[self._connections[resource.key]].put(resource)
        return True

    def remove(self, key: Key) -> None:
        """Forget the resource, if it is known."""
        if known := self._resources.pop(key, None):
            self._unlink(known)
            self._displace(key)
            self._place_consumers(key)

    def consumers_of(self, namespace: str, name: str) -> tuple[Key, ...]:
        """The CozeConsumers whose streamRef names this CozeStream, whether it exists or not."""
        return tuple(self._consumers.get(Key(names.STREAM_KIND, namespace, name), ()))

    def stream_of(self, resource: Resource) -> Resource | None:
        """The CozeStream that a CozeConsumer refers to, if it exists."""
        key = stream_key(resource)
        return self._resources.get(key) if key else None

    def connection_of(self, resource: Resource) -> Key | None:
        """The connection that a stream or consumer uses; None is the operator's own."""
        return connection_of(resource, self.stream_of(resource)) or self._default_connection

    def users_of(self, connection: Key | None) -> list[Resource]:
        """The streams and consumers that use a connection, as of now."""
        return [self._resources[key] for key in self._users.get(connection, ())]

    def is_used(self, connection: Key) -> bool:
        """Whether any stream or consumer uses a connection."""
        return bool(self._users.get(connection))

    def holders_on(self, connection: Key | None) -> Holders:
        """What the users of a connection have."""
        return self._holders.get(connection) or Holders()

    def standing_for(self, connection: Key | None, stream: str) -> list[Resource]:
        """The CozeStreams that stand for a stream in JetStream."""
        return self._naming(connection, names.STREAM_KIND, stream)

    def on_stream(self, connection: Key | None, stream: str) -> list[Resource]:
        """The resources that stand for a stream in JetStream, or for a consumer on it."""
        found: dict[Key, None] = {}
        for resource in self.standing_for(connection, stream):
            found |= dict.fromkeys((resource.key, *self._consumers.get(resource.key, ())))
        consumers = self._naming(connection, names.CONSUMER_KIND, stream)
        found |= dict.fromkeys(consumer.key for consumer in consumers)
        return [self._resources[key] for key in found]

    def givers_of(self, resource: Resource) -> list[Resource]:
        """The namesakes of a resource that hand their object over to it."""
        key, target = resource.key, self.target_of(resource)
        connection = self.connection_of(resource)
        givers = self._givers.get((key.kind, f"{key.namespace}/{key.name}"), ())
        return [
            giver
            for giver in map(self._resources.__getitem__, givers)
            if self._connections[giver.key] == connection and self.target_of(giver) == target
        ]

    def namesakes_of(self, resource: Resource) -> list[Resource]:
        """The resources that stand for the same object in JetStream as this one; itself, too."""
        target = self.target_of(resource)
        if target is None:
            return []
        connection = self.connection_of(resource)
        return [
            other
            for other in self.on_stream(connection, target.stream)
            if other.key.kind == resource.key.kind and self.target_of(other) == target
        ]

    def target_of(self, resource: Resource) -> Target | None:
        """The object in JetStream that the resource stands for, as far as it can be told."""
        return target_of(resource, self.stream_of(resource))

    def _place(self, resource: Resource) -> None:
        """Put a stream or consumer where its connection is, and a stream's consumers with it."""
        key = resource.key
        if key.kind == names.CONNECTION_KIND:
            return
        connection = self.connection_of(resource)
        if key in self._connections and self._connections[key] == connection:
            return
        self._displace(key)
        self._connections[key] = connection
        self._users.setdefault(connection, {})[key] = None
        self._holders.setdefault(connection, Holders()).put(resource)
        self._place_consumers(key)

    def _place_consumers(self, stream: Key) -> None:
        for consumer in self._consumers.get(stream, ()):
            self._place(self._resources[consumer])

    def _displace(self, key: Key) -> None:
        if key not in self._connections:
            return
        connection = self._connections.pop(key)
        users = self._users[connection]
        del users[key]
        self._holders[connection].remove(key)
        if not users:
            del self._users[connection]
            del self._holders[connection]

    def _unlink(self, resource: Resource) -> None:
        stream = stream_key(resource)
        if stream and (consumers := self._consumers.get(stream)):
            consumers.discard(resource.key)
            if not consumers:
                del self._consumers[stream]
        for index, place in self._indices(resource):
            del index[place][resource.key]
            if not index[place]:
                del index[place]

    def _indices(self, resource: Resource) -> Iterator[tuple[_Index, tuple[str, str]]]:
        """Where the resource is found by what it says."""
        kind = resource.key.kind
        if name := _stream_name(resource):
            yield self._by_stream, (kind, name)
        if resource.handed_over_to:
            yield self._givers, (kind, resource.handed_over_to)

    def _naming(self, connection: Key | None, kind: str, stream: str) -> list[Resource]:
        """The resources of a kind that name a stream themselves."""
        keys = self._by_stream.get((kind, stream), ())
        return [self._resources[key] for key in keys if self._connections[key] == connection]


def _stream_name(resource: Resource) -> str:
    """The stream in JetStream that the resource itself names; "" when it names none.

    What it had there is its own also when the CozeStream that it refers to is gone.
    """
    if resource.key.kind == names.STREAM_KIND:
        return stream_name(resource)
    return str(resource.spec.get("streamName") or resource.status.get("stream") or "")


def _kept(known: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known already, if it is equal, as after most of our own writes."""
    found: Mapping[str, Any] = known if known == value else _interned(value)
    return found


def _interned(value: Any) -> Any:
    """The same JSON, with one copy of each field name for all resources instead of one in each."""
    if isinstance(value, Mapping):
        return {sys.intern(key): _interned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_interned(item) for item in value]
    return value
