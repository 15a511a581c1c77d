"""Looks whether the operator's own parts go on, and says in the log where one that doesn't is at.

What follows from it, that the kubelet restarts the operator, is decided in `checks`.
"""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

from coze_nats import stacks
from coze_nats.core.resource import Key

log = logging.getLogger(__name__)

LOOP_SECONDS = 10.0
"""An event loop that has not come round for so long is stuck: nothing on it may take longer."""

BEAT_SECONDS = 1.0

RUN_SECONDS = 120.0
"""A reconcile that takes so long is named. Each request in it has a deadline of half a minute."""

LOOK_SECONDS = 10.0

Runs = Callable[[], Iterable[tuple[Key, float, asyncio.Task[Any]]]]
"""The reconciles that are going on, for how many seconds, and their tasks."""


class LoopWatch:
    """A thread that says where the event loop is stuck; the health endpoints are stuck with it.

    A process that was frozen is not stuck: then this thread was frozen, too.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limit: float = LOOP_SECONDS,
        every: float = BEAT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch an event loop that runs in this thread; all times in seconds."""
        self._loop = loop
        self._loops_thread = threading.get_ident()
        self._limit = limit
        self._every = every
        self._clock = clock
        self._went_on_at = clock()
        self._is_told = False
        self._stopped = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._run, name="loop-watch", daemon=True)

    def __enter__(self) -> Self:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
        self._stopped.set()
        self._thread.join()

    def look(self, since_last_look: float) -> None:
        """Say it if the loop is stuck, and if it goes on again."""
        now = self._clock()
        if since_last_look > self._limit / 2:
            self._went_on_at = now
        silent = now - self._went_on_at
        if silent > self._limit and not self._is_told:
            where = stacks.of_frame(sys._current_frames().get(self._loops_thread))  # noqa: SLF001  the documented way
            log.error("The event loop has been stuck for %.0f s:\n%s", silent, where)
            self._is_told = True
        elif silent <= self._limit and self._is_told:
            log.warning("The event loop goes on")
            self._is_told = False

    def _beat(self) -> None:
        self._went_on_at = self._clock()
        self._timer = self._loop.call_later(self._every, self._beat)

    def _run(self) -> None:
        looked_at = self._clock()
        while not self._stopped.wait(self._every):
            before, looked_at = looked_at, self._clock()
            self.look(looked_at - before)


class RunWatch:
    """Names each reconcile that takes very long, once, with the lines at which it waits."""

    def __init__(self, runs: Runs, limit: float = RUN_SECONDS, every: float = LOOK_SECONDS) -> None:
        """Times in seconds."""
        self._runs = runs
        self._limit = limit
        self._every = every
        self._told: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self._every)

    def look(self) -> None:
        """Name those that were not named yet."""
        slow = {
            task: (key, seconds) for key, seconds, task in self._runs() if seconds > self._limit
        }
        for task in slow.keys() - self._told:
            key, seconds = slow[task]
            where = stacks.of_task(task)
            log.error("Reconciling %s has been going on for %.0f s:\n%s", key, seconds, where)
        self._told &= slow.keys()
        self._told |= slow.keys()
