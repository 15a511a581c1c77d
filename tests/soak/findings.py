"""What a soak found: promises that were broken, and how often each thing was done."""

import sys
import time
from collections import Counter
from dataclasses import dataclass, field

MOST_SHOWN = 200


@dataclass(slots=True)
class Findings:
    """Collects; nothing here judges.

    Attributes:
        broken: what was promised and wasn't so, with the particulars.
        acts: how often each thing was done, by its name.
        is_quiet: nothing is printed.
    """

    broken: list[str] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    is_quiet: bool = False
    _start: float = field(default_factory=time.monotonic)

    def did(self, act: str, about: str = "") -> None:
        """Something was done; the log tells when."""
        self.acts[act] += 1
        self.say(f"{act} {about}".rstrip())

    def breaks(self, promise: str, what: str) -> None:
        """A promise is broken."""
        self.say(f"BROKEN: {promise}: {what}")
        if len(self.broken) < MOST_SHOWN:
            self.broken.append(f"{promise}: {what}")

    def say(self, what: str) -> None:
        if not self.is_quiet:
            sys.stderr.write(f"{time.monotonic() - self._start:8.1f} s  {what}\n")
