"""How long to wait before the next attempt: longer after each failure, up to a minute, with jitter.

All that tries again takes its pauses from here, so that nothing presses what is in trouble, and
what failed together doesn't come back together.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

LONGEST = 60.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that grow with every failure in a row.

    Attributes:
        first: the first pause at most, in seconds.
        ceiling: no pause is longer, in seconds.
        growth: how many times as long the next one is at most.
        least: the part of a pause that jitter leaves, from 0 to 1.
    """

    first: float = 1.0
    ceiling: float = LONGEST
    growth: float = 2.0
    least: float = 0.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row (1 and up)."""
        # The exponent is bounded because 2**1024 is no float.
        longest = min(self.ceiling, self.first * self.growth ** min(failures - 1, 512))
        return between(longest * self.least, longest)

    def delays(self) -> Iterator[float]:
        """The pauses after one failure, after two, and so on without an end."""
        return map(self.delay, count(1))


def spread(seconds: float, share: float) -> float:
    """About so many seconds: up to that share of them more or less, so that load is spread."""
    return between(seconds * (1 - share), seconds * (1 + share))


def between(least: float, most: float) -> float:
    """Any number of seconds between these."""
    return random.uniform(least, most)  # noqa: S311  spreading load needs no cryptography
