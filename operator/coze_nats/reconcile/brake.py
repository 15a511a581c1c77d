"""The brake on deletions: too many streams that hold messages within a minute need a yes.

Remembered in memory only: a restart lets the allowed number pass once more.
"""

from collections import deque

WITHIN = 60.0
"""Seconds in which deletions are counted."""

QUIET = 300.0
"""Seconds without an attempt after which the brake lets go."""


class Brake:
    """Lets `most` deletions pass within a minute, and then none; 0 lets all pass.

    All times are seconds on one monotonic clock.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._passed: deque[float] = deque()
        self._refused_at: float | None = None

    def lets_pass(self, now: float) -> bool:
        """Whether one more stream with messages may be deleted now; counts it if so."""
        if self.most == 0:
            return True
        if self._refused_at is not None and now - self._refused_at < QUIET:
            self._refused_at = now
            return False
        while self._passed and now - self._passed[0] > WITHIN:
            self._passed.popleft()
        if len(self._passed) >= self.most:
            self._refused_at = now
            return False
        self._refused_at = None
        self._passed.append(now)
        return True
