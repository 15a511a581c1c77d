"""What of all resources this operator has to look after, and whether it has to now.

An operator that stands by, or that has a shard only, watches all resources like any other; it acts
on those that are admitted here, and puts no finalizer on others.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coze_nats.controller.cache import Cache
from coze_nats.core import names
from coze_nats.core.references import stream_key
from coze_nats.core.resource import Key, Resource
from coze_nats.core.shards import Shard


class Duty:
    """Tells which resources are this operator's.

    Args:
        shard: its part of the connections; None: all of them.

    Attributes:
        begun: set once it is this operator's turn, and it has heard of all resources.
    """

    def __init__(self, cache: Cache, shard: Shard | None = None) -> None:
        self.begun = asyncio.Event()
        self._cache = cache
        self._shard = shard

    @property
    def is_divided(self) -> bool:
        """Whether others look after a part of the connections."""
        return self._shard is not None

    def covers(self, connection: Key | None) -> bool:
        """Whether all that uses the connection is this operator's; None: the operator's own."""
        if self._shard is None:
            return True
        return self._shard.holds(f"{connection.namespace}/{connection.name}" if connection else "")

    def admits(self, key: Key) -> bool:
        """Whether to act on the resource now; while standing by, connections are kept open."""
        resource = self._cache.get(key)
        if resource is None:
            return True
        return self.covers(key) if _is_connection(key) else self.acts_on(resource)

    def acts_on(self, resource: Resource) -> bool:
        """Whether the resource is this operator's, and it is its turn."""
        key = resource.key
        connection = key if _is_connection(key) else self._cache.connection_of(resource)
        return self.begun.is_set() and self.covers(connection)

    def pared(self, resource: Resource) -> Resource:
        """The resource as it is worth remembering: of others', only what tells whose it is.

        A consumer is kept whole as long as its stream decides about it, and that may change.
        """
        if self._shard is None or _is_connection(resource.key):
            return resource
        if stream_key(resource) or self.covers(self._cache.connection_of(resource)):
            return resource
        spec: Mapping[str, Any] = {
            name: value for name, value in resource.spec.items() if name in {"connection", "name"}
        }
        return replace(resource, spec=spec, status={})


def _is_connection(key: Key) -> bool:
    return key.kind == names.CONNECTION_KIND
