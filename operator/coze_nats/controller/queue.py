"""The keyed queue: which resource is worked on next, how many at once, and when again.

Level-triggered: it holds keys, never events, so a key that is added ten times is worked on once. It
knows nothing about what the work is. Keys run in lanes, one for each NATS system, so that one which
doesn't answer holds up nobody but its own resources.
"""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from coze_nats import metrics, progress
from coze_nats.backoff import Backoff
from coze_nats.core.resource import Key
from coze_nats.core.turns import Turns
from coze_nats.reconcile import Next

log = logging.getLogger(__name__)


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """What the queue needs of time; an asyncio event loop has it."""

    def time(self) -> float: ...

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Timer: ...


Lane = Hashable


@dataclass(slots=True)
class _Run:
    """A key that is worked on.

    Attributes:
        went_on: when it last got an answer, or none in time.
    """

    task: asyncio.Task[None]
    started: float
    lane: Lane
    went_on: float


class KeyedQueue:
    """Runs `work` for added keys, never twice at once for the same key.

    A key is ready, running, waiting (for a timer or, parked, for NATS), or unknown. Adding a key
    makes it ready at once; while it is running, it is run once more afterwards. Only for use inside
    one event loop. In each lane, namespaces take turns.

    Args:
        lane_of: a key's lane, asked when the key is added.
        admits: whether a key is to be worked on at all, asked when the key is added.
        concurrency: how many keys of one lane run at once.
    """

    def __init__(
        self,
        work: Callable[[Key], Awaitable[Next]],
        *,
        lane_of: Callable[[Key], Lane] = lambda _: None,
        admits: Callable[[Key], bool] = lambda _: True,
        concurrency: int = 32,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._work = work
        self._lane_of = lane_of
        self._admits = admits
        self._concurrency = concurrency
        self._backoff = backoff or Backoff()
        self._clock = clock or asyncio.get_running_loop()
        # Work and timers start in the queue's own context: the one of whoever adds a key would keep
        # alive what it refers to (Kopf's: a whole resource) for as long as a timer runs.
        self._context = contextvars.copy_context()
        # With the time since when a key is ready.
        self._ready: dict[Lane, Turns[Key, float]] = {}
        self._lanes: dict[Key, Lane] = {}
        self._running: dict[Key, _Run] = {}
        self._busy: Counter[Lane] = Counter()
        self._again: set[Key] = set()
        self._timers: dict[Key, Timer] = {}
        self._parked: dict[Key, Lane] = {}
        self._failures: dict[Key, int] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    def add(self, key: Key) -> None:
        """Have a run of the key start after this call, whatever it waits for."""
        if self._stopping or not self._admits(key):
            return
        self._stop_waiting(key)
        if key in self._running:
            self._again.add(key)
        elif key not in self._lanes:
            lane = self._lanes[key] = self._lane_of(key)
            ready = self._ready.setdefault(lane, Turns())
            ready.put(key.namespace, key, self._clock.time())
            self._idle.clear()
            self._start_ready(lane)

    def discard(self, key: Key) -> None:
        """Forget all about a key, except a run that is going on."""
        self._stop_waiting(key)
        self._no_longer_ready(key)
        self._again.discard(key)
        self._failures.pop(key, None)
        self._note_rest()

    def release_parked(self, lane: Lane = None) -> None:
        """Make every key that was parked in a lane ready: NATS is back.

        One that runs may have found NATS away, and be about to be parked: it runs once more.
        """
        self._again.update(key for key, run in self._running.items() if run.lane == lane)
        for key in [key for key, parked_in in self._parked.items() if parked_in == lane]:
            self.add(key)

    def release_failed(self, lane: Lane = None) -> None:
        """Make every key of a lane ready that waits because it failed: what for may be over.

        One that runs after a failure may be about to fail once more: it runs again.
        """
        self._again.update(
            key for key, run in self._running.items() if run.lane == lane and key in self._failures
        )
        waiting = self._timers.keys() & self._failures.keys()
        for key in [key for key in waiting if self._lane_of(key) == lane]:
            self.add(key)

    def is_retrying(self, key: Key) -> bool:
        """Whether the key's last run failed, or found NATS away, so that it runs again anyway."""
        return key in self._failures or key in self._parked

    def is_active(self, key: Key) -> bool:
        """Whether the key is ready or running."""
        return key in self._lanes or key in self._running

    def is_known(self, key: Key) -> bool:
        """Whether the key will run by itself: it is active, or waits for its timer or for NATS."""
        return self.is_active(key) or key in self._timers or key in self._parked

    @property
    def most_silent(self) -> tuple[Key, float] | None:
        """The run that has had no answer for longest, and for how many seconds."""
        runs = tuple(self._running.items())
        key, run = min(runs, key=lambda item: item[1].went_on, default=(None, None))
        return (key, self._clock.time() - run.went_on) if key and run else None

    @property
    def oldest_run(self) -> tuple[Key, float] | None:
        """The run that has been going on for longest, and for how many seconds."""
        for key, run in tuple(self._running.items())[:1]:
            return key, self._clock.time() - run.started
        return None

    def runs(self) -> Iterator[tuple[Key, float, asyncio.Task[None]]]:
        """The runs that are going on, for how many seconds, and their tasks."""
        now = self._clock.time()
        for key, run in tuple(self._running.items()):
            yield key, now - run.started, run.task

    @property
    def load(self) -> metrics.Load:
        """How many keys are in which state; may be asked by another thread."""
        run = self.oldest_run
        firsts = [first for ready in tuple(self._ready.values()) for first in ready.firsts()]
        now = self._clock.time()
        return metrics.Load(
            ready=len(self._lanes),
            running=len(self._running),
            delayed=len(self._timers),
            parked=len(self._parked),
            oldest=max((now - first for first in firsts), default=0.0),
            longest=run[1] if run else 0.0,
        )

    async def idle(self) -> None:
        """Wait until no key is ready or running; keys may still be waiting."""
        await self._idle.wait()

    async def stop(self, grace: float) -> bool:
        """Start nothing more, give what is running `grace` seconds to finish, then cancel it.

        Returns whether everything has finished: else requests may still be under way.
        """
        self._stopping = True
        for key in (*self._lanes, *self._timers, *self._parked):
            self.discard(key)
        self._again.clear()
        tasks = {run.task for run in self._running.values()}
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            log.warning("%d reconciles were cut off after %g s", len(late), grace)
            await asyncio.wait(late)
        return not late

    def _start_ready(self, lane: Lane) -> None:
        ready = self._ready.get(lane)
        while ready and self._busy[lane] < self._concurrency:
            key, since = ready.pop()
            metrics.QUEUE_WAIT.observe(self._clock.time() - since)
            self._no_longer_ready(key)
            task = asyncio.get_running_loop().create_task(
                self._run(key), name=f"reconcile {key}", context=self._context.copy()
            )
            now = self._clock.time()
            self._running[key] = _Run(task, now, lane, now)
            self._busy[lane] += 1

    def _goes_on(self, run: _Run) -> None:
        run.went_on = self._clock.time()

    def _no_longer_ready(self, key: Key) -> None:
        if key not in self._lanes:
            return
        lane = self._lanes.pop(key)
        self._ready[lane].discard(key.namespace, key)
        if not self._ready[lane]:
            del self._ready[lane]

    async def _run(self, key: Key) -> None:
        outcome = Next(backoff=True)
        progress.is_heard_by(partial(self._goes_on, self._running[key]))
        try:
            outcome = await self._work(key)
        except Exception:
            log.exception("Bug: reconciling %s failed in a way nobody thought of", key)
        finally:
            lane = self._running.pop(key).lane
            self._busy[lane] -= 1
            if not self._busy[lane]:
                del self._busy[lane]
            self._settle(key, outcome, lane)

    def _settle(self, key: Key, outcome: Next, lane: Lane) -> None:
        for other in outcome.wake:
            self.add(other)
        failures = self._failures.pop(key, 0) + 1
        if outcome.backoff and not self._stopping:
            self._failures[key] = failures
        if key in self._again:
            self._again.remove(key)
            self.add(key)
        elif not self._stopping and not self.is_active(key):
            self._wait(key, outcome, failures, lane)
        self._start_ready(lane)
        self._note_rest()

    def _wait(self, key: Key, outcome: Next, failures: int, lane: Lane) -> None:
        delay = self._backoff.delay(failures) if outcome.backoff else outcome.after
        if delay is not None:
            self._timers[key] = self._clock.call_later(
                delay, self.add, key, context=self._context.copy()
            )
        if outcome.parked:
            self._parked[key] = lane

    def _stop_waiting(self, key: Key) -> None:
        self._parked.pop(key, None)
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def _note_rest(self) -> None:
        if not self._lanes and not self._running:
            self._idle.set()
