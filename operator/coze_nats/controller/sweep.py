"""Finds what nobody was told of: resources that vanished unseen, and deletions nobody is at."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from coze_nats.controller.cache import Cache
from coze_nats.controller.controller import Controller
from coze_nats.core.errors import Failure

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Between attempts while the apiserver doesn't answer."""

Place = tuple[str, str | None]
"""A kind, and a namespace or None for all: what one list of the apiserver covers."""

ListUids = Callable[[str, str | None], Awaitable[frozenset[str]]]
"""The uids of all resources of a kind in a namespace, or in all of them."""


class Sweep:
    """Looks every `interval` seconds, and when something was listed anew."""

    def __init__(
        self,
        controller: Controller,
        cache: Cache,
        list_uids: ListUids,
        *,
        interval: float,
        retry_after: float = RETRY_SECONDS,
    ) -> None:
        self._controller = controller
        self._cache = cache
        self._list_uids = list_uids
        self._interval = interval
        self._retry_after = retry_after
        self._requested = asyncio.Event()
        self._places: set[Place] = set()

    def request(self, place: Place) -> None:
        """Have the resources found that vanished from a place before it was listed anew."""
        self._places.add(place)
        self._requested.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            wait = self._interval
            try:
                await self.sweep()
            except Failure as failure:
                log.warning("Looking for vanished resources is put off: %s", failure)
                wait = self._retry_after
            self._controller.resume_deletions()
            try:
                async with asyncio.timeout(wait):
                    await self._requested.wait()
            except TimeoutError:
                continue

    async def sweep(self) -> None:
        """Find what vanished from the requested places; raises the apiserver's Failure."""
        self._requested.clear()
        while self._places:
            # Who asks for it from now on wants a later look than this one.
            kind, namespace = place = self._places.pop()
            known_before = {
                resource.key: resource.uid
                for resource in self._cache
                if resource.key.kind == kind and namespace in (None, resource.key.namespace)
            }
            try:
                existing = await self._list_uids(kind, namespace)
            except Failure:
                self._places.add(place)
                raise
            self._controller.sweep(known_before, existing)
