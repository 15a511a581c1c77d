"""JetStream's advisories as hints: something happened to an object, so its resource is looked at.

They are no truth: they tell names only, some get lost, and a changed consumer makes none. What they
miss, the periodic comparison finds. A user that may not hear them makes the operator slower, not
wrong.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from itertools import groupby
from typing import Protocol

from coze_nats.controller.cache import Cache
from coze_nats.controller.queue import KeyedQueue
from coze_nats.core.resource import Key

log = logging.getLogger(__name__)

PREFIX = "$JS.EVENT.ADVISORY."
SUBJECTS = (
    *(f"{PREFIX}STREAM.{what}.*" for what in ("CREATED", "UPDATED", "DELETED")),
    *(f"{PREFIX}STREAM.{what}.*" for what in ("LEADER_ELECTED", "QUORUM_LOST")),
    *(f"{PREFIX}CONSUMER.{what}.*.*" for what in ("CREATED", "DELETED", "PAUSE")),
    *(f"{PREFIX}CONSUMER.{what}.*.*" for what in ("LEADER_ELECTED", "QUORUM_LOST")),
)
"""What is listened to. Others come with the traffic: one for each request, or each message."""

CHANGES = frozenset({"UPDATED", "PAUSE"})

GATHER_SECONDS = 0.1
"""How long hints are gathered: one change makes several."""

MOST_GATHERED = 1000
"""Hints at once; who is told of more compares everything instead."""

_FEWEST_TOKENS = 3
"""After the prefix: what it is about, what happened, and the stream."""

OWN_SECONDS = 1.0
"""How long after a status write a hint is taken for the echo of what the operator did itself."""


class Speaker(Protocol):
    """The part of `ports.Endpoint` that can be listened to."""

    @property
    def denied(self) -> Collection[str]: ...

    def subscribe(self, subject: str, on_message: Callable[[str, bytes], None]) -> None: ...

    def on_connected(self, listener: Callable[[], None]) -> None: ...


class Hints:
    """Enqueues the resources that the advisories of a connection are about.

    Args:
        written_ago: seconds since the operator last wrote the resource's status.
        blocked: whom a change of a stream, or on it, may concern that was refused.
        compare: has everything compared soon, by listing.
    """

    def __init__(
        self,
        cache: Cache,
        queue: KeyedQueue,
        connection: Key | None,
        written_ago: Callable[[Key], float],
        compare: Callable[[], None],
        blocked: Callable[[str], Iterable[Key]] = lambda _: (),
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._connection = connection
        self._written_ago = written_ago
        self._compare = compare
        self._blocked = blocked
        self._gathered: dict[tuple[str, ...], None] = {}
        self._due: asyncio.TimerHandle | None = None
        self._doubt: asyncio.TimerHandle | None = None
        self._is_deaf = False

    def listen(self, speaker: Speaker) -> None:
        """Be told of every session's advisories from the next one on."""
        for subject in SUBJECTS:
            speaker.subscribe(subject, self.heard)
        speaker.on_connected(partial(self._tell_of_rights, speaker))

    def heard(self, subject: str, _: bytes = b"") -> None:
        """Something happened to the object that the subject names."""
        if len(self._gathered) >= MOST_GATHERED:
            self._have_compared()
            return
        hint = tuple(subject.removeprefix(PREFIX).split("."))
        if len(hint) < _FEWEST_TOKENS:
            # A server may send anything to whom listens.
            return
        self._gathered[hint] = None
        if self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(GATHER_SECONDS, self._act)

    def stop(self) -> None:
        """Forget what was heard."""
        for timer in (self._due, self._doubt):
            if timer:
                timer.cancel()
        self._due = self._doubt = None
        self._gathered.clear()

    def _act(self) -> None:
        self._due = None
        gathered, self._gathered = self._gathered, {}
        for stream, hints in groupby(sorted(gathered, key=_stream), key=_stream):
            resources = self._on(stream)
            heard = [(what, tuple(consumer)) for _, what, _, *consumer in hints]
            about = {key for _, consumer in heard for key in resources.get(consumer, ())}
            for key in self._blocked(stream):
                if key not in about and not self._queue.is_active(key):
                    self._queue.add(key)
            for what, consumer in heard:
                for key in resources.get(consumer, ()):
                    if what == "DELETED" or not self._is_own(key):
                        self._queue.add(key)
                    elif what in CHANGES:
                        self._have_compared()

    def _on(self, stream: str) -> Mapping[tuple[str, ...], list[Key]]:
        """The resources on a stream, by the name of their consumer, if they stand for one."""
        found: dict[tuple[str, ...], list[Key]] = defaultdict(list)
        for resource in self._cache.on_stream(self._connection, stream):
            target = self._cache.target_of(resource)
            if target and target.stream == stream:
                found[() if target.consumer is None else (target.consumer,)].append(resource.key)
        return found

    def _have_compared(self) -> None:
        """Somebody else may have changed the object in the same moment: a listing will tell."""
        if self._doubt is None:
            loop = asyncio.get_running_loop()
            self._doubt = loop.call_later(OWN_SECONDS, self._resolve)

    def _resolve(self) -> None:
        self._doubt = None
        self._compare()

    def _is_own(self, key: Key) -> bool:
        """Whether it is likely that the operator itself did it; a deletion it never is.

        Whoever is at a resource looks at JetStream anyway.
        """
        return self._queue.is_active(key) or self._written_ago(key) < OWN_SECONDS

    def _tell_of_rights(self, speaker: Speaker) -> None:
        """Log what the user of a new session may not hear, unless that was so before."""
        if speaker.denied and not self._is_deaf:
            log.warning(
                "The NATS user may not subscribe to %s: what others change is found by comparing "
                "everything now and then",
                ", ".join(sorted(speaker.denied)),
            )
        elif self._is_deaf and not speaker.denied:
            log.info("The NATS user may subscribe to JetStream's advisories now")
        self._is_deaf = bool(speaker.denied)


def _stream(hint: tuple[str, ...]) -> str:
    return hint[2]
