"""The brake on deletions: too many streams that hold messages within a minute need a yes.

Each namespace has one of its own, so that nobody's deletions wait for another's. Remembered in
memory only: a restart lets the allowed number pass once more.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto

WITHIN = 60.0
"""Seconds in which deletions are counted."""

QUIET = 300.0
"""Seconds without an attempt after which the brake lets go."""


class Answer(Enum):
    """Whether one more stream with messages may be deleted."""

    PASS = auto()
    """It may. What came of it is to be told."""

    WAIT = auto()
    """So many are being deleted that it depends on what comes of them."""

    STOP = auto()
    """So many have been deleted that somebody has to say yes."""


@dataclass(slots=True)
class _Pace:
    """What one namespace deletes.

    Attributes:
        passed: by uid, when it was deleted, the oldest first.
        under_way: uids of what is being deleted.
        stopped_at: when one was last stopped.
    """

    passed: OrderedDict[str, float] = field(default_factory=OrderedDict)
    under_way: set[str] = field(default_factory=set)
    stopped_at: float = float("-inf")

    def forget(self, now: float) -> None:
        """Count no longer what is long past."""
        while self.passed and now - next(iter(self.passed.values())) > WITHIN:
            self.passed.popitem(last=False)

    def is_over(self, now: float) -> bool:
        self.forget(now)
        return not (self.passed or self.under_way) and now - self.stopped_at >= QUIET


class Brake:
    """Lets `most` deletions of a namespace pass within a minute, and then none; 0 lets all pass.

    What counts is what was deleted: what NATS refuses stops nobody. All times are seconds on one
    monotonic clock.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._paces: dict[str, _Pace] = {}

    def asked(self, namespace: str, uid: str, now: float) -> Answer:
        """Whether a resource's stream may be deleted now, with its messages."""
        if self.most == 0:
            return Answer.PASS
        pace = self._pace(namespace, now)
        if uid in pace.passed or uid in pace.under_way:
            return Answer.PASS
        if now - pace.stopped_at < QUIET or len(pace.passed) >= self.most:
            pace.stopped_at = now
            return Answer.STOP
        if len(pace.passed) + len(pace.under_way) >= self.most:
            return Answer.WAIT
        pace.under_way.add(uid)
        return Answer.PASS

    def deleted(self, namespace: str, uid: str, now: float) -> None:
        """What may be deleted was, or may have been."""
        if pace := self._paces.get(namespace):
            pace.under_way.discard(uid)
            pace.passed.setdefault(uid, now)

    def failed(self, namespace: str, uid: str) -> None:
        """It was not deleted."""
        if pace := self._paces.get(namespace):
            pace.under_way.discard(uid)

    def _pace(self, namespace: str, now: float) -> _Pace:
        if namespace not in self._paces:
            over = [name for name, pace in self._paces.items() if pace.is_over(now)]
            for name in over:
                del self._paces[name]
        pace = self._paces.setdefault(namespace, _Pace())
        pace.forget(now)
        return pace
