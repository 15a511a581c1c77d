"""Time that passes only when a test says so."""

import contextvars
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


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
