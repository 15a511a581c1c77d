"""Which connections may have a session, when there are more than one operator can keep.

Namespaces take turns, and within one the oldest comes first: whoever declares thousands keeps
nobody else from a few.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from math import inf

from coze_nats.core.resource import Key, Resource

_Age = tuple[str, Key]


class Allowance:
    """Shares `most` sessions among the namespaces that declare connections; 0: any number."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._ages: dict[Key, _Age] = {}
        self._declared: defaultdict[str, list[_Age]] = defaultdict(list)
        self._share: float | None = None

    def put(self, connection: Resource) -> None:
        """A connection is declared."""
        key, age = connection.key, (connection.created_at, connection.key)
        if self._ages.get(key) != age:
            self.remove(key)
            self._ages[key] = age
            insort(self._declared[key.namespace], age)
            self._share = None

    def remove(self, key: Key) -> None:
        """A connection is gone."""
        age = self._ages.pop(key, None)
        if age is None:
            return
        declared = self._declared[key.namespace]
        declared.pop(bisect_left(declared, age))
        if not declared:
            del self._declared[key.namespace]
        self._share = None

    def admits(self, key: Key) -> bool:
        """Whether a declared connection is among those that may have a session."""
        return bisect_left(self._declared[key.namespace], self._ages[key]) < self.share

    @property
    def share(self) -> float:
        """How many connections of one namespace may have a session: one at least."""
        if not self.most or len(self._ages) <= self.most:
            return inf
        if self._share is None:
            self._share = max(self._level(), 1)
        return self._share

    def _level(self) -> int:
        """The most that each namespace may have; there are more connections than `most` in all."""
        left, counts = self.most, sorted(map(len, self._declared.values()))
        first = 0
        # Who has no more than an equal share has all; the others share what is left.
        while counts[first] <= left // (len(counts) - first):
            left -= counts[first]
            first += 1
        return left // (len(counts) - first)
