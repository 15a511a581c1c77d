"""Finds what nobody was told of, by asking the apiserver.

These are resources that vanished unseen, deletions nobody is at, and a past that is not the one
that was watched: a cluster whose etcd was restored from a backup.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from coze_nats.controller.cache import Cache
from coze_nats.controller.controller import Controller
from coze_nats.core.errors import Failure
from coze_nats.core.resource import Key, Stamp, is_older

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
"""Between attempts while the apiserver doesn't answer."""

Place = tuple[str, str | None]
"""A kind, and a namespace or None for all: what one list of the apiserver covers."""


class PastChanged(Exception):
    """The apiserver has an older state than it once told of; the message says of what.

    What is remembered of the cluster is not true any more, and nobody will be told of what is.
    """


class Lists(Protocol):
    """What the apiserver has at this moment, and never an older state; raises its Failure."""

    async def list_stamps(self, kind: str, namespace: str | None) -> Mapping[Key, Stamp]:
        """All resources of a kind, in a namespace or (None) in all."""

    async def newest_version(self, kind: str, namespace: str | None) -> str:
        """A resourceVersion that is not older than any of theirs, also of those that went."""


class Sweep:
    """Looks every `interval` seconds, and when something was listed anew or is watched on."""

    def __init__(
        self,
        controller: Controller,
        cache: Cache,
        lists: Lists,
        *,
        interval: float,
        retry_after: float = RETRY_SECONDS,
    ) -> None:
        self._controller = controller
        self._cache = cache
        self._lists = lists
        self._interval = interval
        self._retry_after = retry_after
        self._requested = asyncio.Event()
        self._places: set[Place] = set()
        self._resumed: dict[Place, str] = {}

    def request(self, place: Place) -> None:
        """Have the resources found that vanished from a place before it was listed anew."""
        self._places.add(place)
        self._requested.set()

    def resumed(self, place: Place, version: str) -> None:
        """Have it checked that a place, which is watched on from a version, has got so far.

        A watch from a version that is yet to come is no error: the apiserver lets it wait, and
        keeps silent about all that happens until then.
        """
        self._resumed[place] = version
        self._requested.set()

    async def run(self) -> None:
        """Look until cancelled; raises PastChanged."""
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
        """Find what vanished from the requested places; raises PastChanged, or a Failure."""
        self._requested.clear()
        while self._resumed:
            await self._check(*self._resumed.popitem())
        while self._places:
            # Who asks for it from now on wants a later look than this one.
            await self._sweep(self._places.pop())

    async def _check(self, place: Place, version: str) -> None:
        try:
            newest = await self._lists.newest_version(*place)
        except Failure:
            self._resumed.setdefault(place, version)
            raise
        _compare(place[0], newest, version)

    async def _sweep(self, place: Place) -> None:
        kind, namespace = place
        known_before = [
            resource
            for resource in self._cache
            if resource.key.kind == kind and namespace in (None, resource.key.namespace)
        ]
        try:
            stamps = await self._lists.list_stamps(kind, namespace)
        except Failure:
            self._places.add(place)
            raise
        # A restored etcd can be told to count on from far above, so that all watches begin anew.
        # Then only the resources themselves are older, and the cache took none from Kopf's list.
        for resource in known_before:
            if stamp := stamps.get(resource.key):
                _compare(str(resource.key), stamp.version, resource.resource_version)
        self._controller.sweep(
            {resource.key: resource.uid for resource in known_before},
            {stamp.uid for stamp in stamps.values()},
        )


def _compare(what: str, now: str, before: str) -> None:
    """Raise PastChanged if a resourceVersion that was asked for now is older than a known one.

    This is no race, and no matter of which apiserver answers: what was known before has been
    written, and a list for which no resourceVersion is asked is as new as etcd.
    """
    if is_older(now, before):
        raise PastChanged(
            f"{what} was at resourceVersion {before} and is at {now} now: the cluster has older "
            "data than before, as when etcd is restored from a backup"
        )
