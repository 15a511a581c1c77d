"""The links to NATS: one for each connection in use, and one for the operator's own.

A link is all that works for one connection: the session, the reconciler and the comparison. Which
connections there are to be is `connecting`'s to decide.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from coze_nats import metrics
from coze_nats.controller.cache import Cache
from coze_nats.controller.hints import Hints
from coze_nats.controller.resync import Resync
from coze_nats.core import names
from coze_nats.core.names import Reason
from coze_nats.core.references import (
    Obstacle,
    forbidden,
    missing,
    missing_stream,
    not_ready,
    stream_key,
    ungranted,
    unusable_stream,
    user_of_connection,
)
from coze_nats.core.remembered import says
from coze_nats.core.resource import Key, Resource
from coze_nats.ports import Endpoint
from coze_nats.reconcile import Reconciler

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""What requests in flight get to finish when a connection is given up."""


@dataclass(frozen=True, slots=True)
class Link:
    """What works for one connection.

    Attributes:
        uid: of the CozeConnection; "" for the operator's own.
    """

    uid: str
    endpoint: Endpoint
    reconciler: Reconciler
    resync: Resync
    hints: Hints


Build = Callable[[Key | None, Endpoint], tuple[Reconciler, Resync, Hints]]
"""Puts together what works for a connection."""

Enqueue = Callable[[Key], None]
"""Has a resource reconciled."""


class Links:
    """The links by their connection; None is the operator's own.

    Args:
        filled: set once all resources have been listed: before that, nothing is known to be
            missing, and comparing would be in vain.
        begun: set once it is this operator's turn to act.
    """

    def __init__(
        self,
        cache: Cache,
        enqueue: Enqueue,
        build: Build,
        filled: asyncio.Event,
        begun: asyncio.Event,
    ) -> None:
        self._cache = cache
        self._enqueue = enqueue
        self._build = build
        self._filled = filled
        self._begun = begun
        self._links: dict[Key | None, Link] = {}
        self._comparing: dict[Key | None, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._unusable: dict[Key, Reason] = {}
        self._resting: set[Key] = set()

    def __getitem__(self, connection: Key | None) -> Link | None:
        return self._links.get(connection)

    def of(self, resource: Resource) -> Link | Obstacle | None:
        """The link that a stream or consumer uses, or why it can't; None: it isn't known yet."""
        stream = stream_key(resource)
        if stream is None or stream.namespace == resource.key.namespace:
            return self._of(resource)
        known = self._cache.get(stream)
        if known is None and not self._filled.is_set():
            return None
        # Where the stream's resource is gone, nobody can grant the end of what was granted before.
        is_end = known is None and resource.deleting
        if not is_end and (obstacle := ungranted(resource, known)):
            return obstacle
        found = self._of(resource)
        if not isinstance(found, Obstacle):
            return found
        is_gone = is_end and found.reason is Reason.CONNECTION_NOT_FOUND
        return unusable_stream(stream, is_gone=is_gone)

    def _of(self, resource: Resource) -> Link | Obstacle | None:
        key = self._cache.connection_of(resource)
        if key is None:
            return self._links.get(None) or self._without_own(resource)
        connection = self._cache.get(key)
        if connection is None and not self._filled.is_set():
            return None
        if obstacle := forbidden(user_of_connection(resource), key, connection):
            return obstacle
        if connection is None:
            return missing(key)
        link = self._links.get(key)
        if link and link.uid == connection.uid:
            return link
        return not_ready(resource.key.namespace, connection) if key in self._unusable else None

    def _without_own(self, resource: Resource) -> Obstacle | None:
        """Why nothing works for who names no connection, while the operator has none of its own."""
        stream = stream_key(resource)
        if stream is None or self._cache.get(stream) or "created" in resource.status:
            return missing(None)
        return missing_stream(stream, resource.key.namespace) if self._filled.is_set() else None

    def comparable(self, connection: Key | None) -> list[Resource]:
        """The users that the connection allows; who is not told yet that it doesn't, will be."""
        found = []
        for resource in self._cache.users_of(connection):
            link = self.of(resource)
            if isinstance(link, Link):
                found.append(resource)
            elif link and not says(resource, link.reason):
                self._enqueue(resource.key)
        return found

    async def open(self, connection: Key | None, uid: str, endpoint: Endpoint) -> None:
        """Begin to connect, and to work when that is done; there must be no such link."""
        endpoint.name = metrics.label_of(connection)
        reconciler, resync, hints = self._build(connection, endpoint)
        self._links[connection] = Link(uid, endpoint, reconciler, resync, hints)
        if connection:
            self._unusable.pop(connection, None)
            self._resting.discard(connection)
        hints.listen(endpoint)
        endpoint.on_connected(resync.connected)
        endpoint.on_disconnected(resync.disconnected)
        if connection:
            look = partial(self._enqueue, connection)
            endpoint.on_connected(look)
            endpoint.on_disconnected(look)
        self._comparing[connection] = asyncio.create_task(
            self._compare(resync), name=f"resync {connection or 'of the own connection'}"
        )
        await endpoint.start()

    def close(self, connection: Key, deadline: float = CLOSE_SECONDS) -> None:
        """Send nothing more through the connection; its users are told.

        Requests in flight get `deadline` seconds to finish.
        """
        link = self._links.pop(connection, None)
        if link is None:
            return
        link.hints.stop()
        link.resync.stop()
        comparing = self._comparing.pop(connection)
        comparing.cancel()
        end = self._ended(link, comparing, deadline)
        task = asyncio.create_task(end, name=f"close {connection}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self.tell_users(connection)

    async def _ended(self, link: Link, comparing: asyncio.Task[None], deadline: float) -> None:
        await asyncio.gather(comparing, return_exceptions=True)
        await link.endpoint.close(deadline)
        # What ends is counted as well, so its series go last.
        link.resync.forget()

    def rest(self, connection: Key) -> None:
        """Nobody uses the connection: it has no link until somebody does."""
        self._unusable.pop(connection, None)
        self._resting.add(connection)
        self.close(connection)

    def is_resting(self, connection: Key | None) -> bool:
        """Whether the connection has no link because nobody used it."""
        return connection in self._resting

    def states(self) -> list[metrics.ConnectionState]:
        """How each connection stands; may be asked by another thread."""
        return [
            metrics.ConnectionState(
                link.endpoint.name,
                link.endpoint.is_connected,
                link.endpoint.epoch,
                link.endpoint.server_version,
            )
            for link in tuple(self._links.values())
        ]

    def is_unusable(self, connection: Key, reason: Reason) -> None:
        """There is nothing to connect with; its users are told what its status tells."""
        if self._unusable.get(connection) is not reason:
            self._unusable[connection] = reason
            self.tell_users(connection)

    def gone(self, connection: Key) -> None:
        """The CozeConnection doesn't exist any more."""
        self._unusable.pop(connection, None)
        self._resting.discard(connection)
        self.close(connection)
        self.tell_users(connection)

    def tell_users(self, connection: Key | None) -> None:
        """Have everything reconciled that uses the connection."""
        for resource in self._cache.users_of(connection):
            self._enqueue(resource.key)

    def tell_of_obstacles(self) -> None:
        """Have everything reconciled that can't use its connection, now that all are known."""
        for resource in self._cache:
            if resource.key.kind != names.CONNECTION_KIND and isinstance(
                self.of(resource), Obstacle
            ):
                self._enqueue(resource.key)

    async def stop(self, deadline: float) -> None:
        """Close all links, giving requests in flight `deadline` seconds."""
        tasks = list(self._comparing.values())
        for task in tasks:
            task.cancel()
        for link in self._links.values():
            link.hints.stop()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(
            *(link.endpoint.close(deadline) for link in self._links.values()), *self._closing
        )

    async def _compare(self, resync: Resync) -> None:
        await self._filled.wait()
        await self._begun.wait()
        await resync.run()
