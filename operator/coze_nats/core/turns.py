"""A queue in which groups take turns, so that nobody's many keep anybody's few waiting."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Value = TypeVar("Value")


class Turns(Generic[Item, Value]):
    """Items with a value each: one of each group in turn, and within a group the first that came.

    Every step costs the same, however many items there are.
    """

    def __init__(self) -> None:
        self._groups: OrderedDict[Hashable, OrderedDict[Item, Value]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, group: Hashable, item: Item, value: Value) -> None:
        """Queue an item; one that is queued keeps its place, and has the new value."""
        items = self._groups.setdefault(group, OrderedDict())
        self._count += item not in items
        items[item] = value

    def get(self, group: Hashable, item: Item) -> Value | None:
        """The value of an item that is queued."""
        return self._groups.get(group, OrderedDict[Item, Value]()).get(item)

    def pop(self) -> tuple[Item, Value]:
        """Take the next item; there must be one."""
        group = next(iter(self._groups))
        self._groups.move_to_end(group)
        return self._taken(group)

    def drop(self) -> tuple[Item, Value]:
        """Take the oldest item of the group that has the most; there must be one."""
        return self._taken(max(self._groups, key=lambda group: len(self._groups[group])))

    def discard(self, group: Hashable, item: Item) -> None:
        """Take an item out, if it is there."""
        if item in self._groups.get(group, ()):
            self._groups[group].move_to_end(item, last=False)
            self._taken(group)

    def firsts(self) -> Iterator[Value]:
        """The value of each group's next item; may be asked by another thread."""
        for items in tuple(self._groups.values()):
            yield from tuple(items.values())[:1]

    def _taken(self, group: Hashable) -> tuple[Item, Value]:
        items = self._groups[group]
        found = items.popitem(last=False)
        self._count -= 1
        if not items:
            del self._groups[group]
        return found
