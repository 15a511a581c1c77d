"""What a connection may take of the event loop's time and of memory, so that others get theirs."""

import time
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary, WeakSet

RATE = 0.1
"""Of the event loop's time, what reading may take of it where servers send without being asked."""

BURST = 1.0
"""Seconds that reading may take at once, as after a long silence."""

LONGEST_PAUSE = 2.0

MOST_HELD = 128 * 1024 * 1024
"""Bytes that all connections together may keep of messages and lists that have not come whole."""

_over: WeakSet["Share"] = WeakSet()


class Share:
    """The time that one connection spends on reading, and the pauses that it makes for others.

    Attributes:
        over_since: since when it is over its share without a break, by `clock`; None if it isn't.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.over_since: float | None = None
        self._clock = clock
        self._credit = BURST
        self._at = clock()

    def spend(self, seconds: float) -> float:
        """Note that reading took so long; returns how long to read nothing now, in seconds."""
        now = self._clock()
        self._credit = min(BURST, self._credit + RATE * (now - self._at)) - seconds
        self._at = now
        # Who was over its share is so until it has saved something up again.
        if self._credit > (0.0 if self.over_since is None else BURST / 2):
            self.over_since = None
            _over.discard(self)
            return 0.0
        if self.over_since is None:
            self.over_since = now
        _over.add(self)
        # All that are over their share have one share together.
        return min(LONGEST_PAUSE, seconds / RATE * len(_over))

    def over_for(self) -> float:
        """Since how many seconds it is over its share."""
        return 0.0 if self.over_since is None else self._clock() - self.over_since


class Holder(Protocol):
    """Who keeps bytes in memory, and can let them go."""

    def give_up(self) -> None:
        """Let go what is kept."""


class Memory:
    """What all holders together keep; when it is too much, who keeps most has to give up."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most = most
        self._held: WeakKeyDictionary[Holder, int] = WeakKeyDictionary()
        self._total = 0

    def hold(self, holder: Holder, amount: int) -> None:
        """Note that the holder keeps so many bytes now."""
        self._total += amount - self._held.get(holder, 0)
        if amount:
            self._held[holder] = amount
        else:
            self._held.pop(holder, None)
        while self._total > self._most:
            largest = max(self._held, key=lambda each: self._held[each])
            self.hold(largest, 0)
            largest.give_up()


MEMORY = Memory()
"""The process's."""
