"""Time that passes only when a test says so."""

import contextvars
import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class StandingClock:
    """What `coze_nats.reconcile.reporting.Clock` wants; both of its hands stand still."""

    ns: int = 1_780_000_000 * 10**9
    seconds: float = 1000.0

    def time_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.ns += int(seconds * 10**9)


class WallClock(StandingClock):
    """Tells the true time of day, for servers that live in it; the other hand stands still."""

    def time_ns(self) -> int:
        return time.time_ns()


@dataclass(order=True)
class Timer:
    due: float
    number: int
    callback: Callable[[], object] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class ManualClock:
    """What `coze_nats.controller.queue.Clock` wants, moved by `advance`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._numbers = itertools.count()
        self._timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Timer:
        timer = Timer(self.now + delay, next(self._numbers), lambda: callback(*args))
        heapq.heappush(self._timers, timer)
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        while self._timers and self._timers[0].due <= self.now:
            timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                timer.callback()
