"""Amounts in an order, and what is before a place in it, in steps that grow with the logarithm."""

from typing import Any, Self

Place = tuple[Any, ...]
"""Where an amount stands among others; no two are equal."""


class _Node:
    __slots__ = ("amount", "left", "place", "right", "total", "weight")

    def __init__(self, place: Place, amount: int) -> None:
        self.place = place
        self.amount = self.total = amount
        # Python salts what text hashes to, so that nobody can choose names that make a list of it.
        self.weight = hash(place)
        self.left: _Node | None = None
        self.right: _Node | None = None

    def joined(self, left: "_Node | None", right: "_Node | None") -> Self:
        self.left, self.right = left, right
        self.total = self.amount + _total(left) + _total(right)
        return self


class Sums:
    """Amounts by their place: a tree that its weights balance (a treap)."""

    def __init__(self) -> None:
        self._root: _Node | None = None

    def add(self, place: Place, amount: int) -> None:
        """Put an amount where none is."""
        before, after = _split(self._root, place)
        self._root = _merged(_merged(before, _Node(place, amount)), after)

    def remove(self, place: Place) -> None:
        """Take away the amount that is there."""
        before, rest = _split(self._root, place)
        self._root = _merged(before, _without_first(rest))

    def before(self, place: Place) -> int:
        """The sum of all amounts before a place."""
        found, node = 0, self._root
        while node:
            is_before = node.place < place
            found += node.amount + _total(node.left) if is_before else 0
            node = node.right if is_before else node.left
        return found


def _total(node: _Node | None) -> int:
    return node.total if node else 0


def _split(node: _Node | None, place: Place) -> tuple[_Node | None, _Node | None]:
    """What is before a place, and the rest."""
    if node is None:
        return None, None
    if node.place < place:
        before, rest = _split(node.right, place)
        return node.joined(node.left, before), rest
    before, rest = _split(node.left, place)
    return before, node.joined(rest, node.right)


def _merged(first: _Node | None, then: _Node | None) -> _Node | None:
    if first is None or then is None:
        return first or then
    if first.weight < then.weight:
        return first.joined(first.left, _merged(first.right, then))
    return then.joined(_merged(first, then.left), then.right)


def _without_first(node: _Node | None) -> _Node | None:
    if node is None or node.left is None:
        return node and node.right
    return node.joined(_without_first(node.left), node.right)
