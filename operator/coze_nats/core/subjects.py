"""Subjects with wildcards: whether a message can match two of them, for one pair and for many."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

A_NUMBER = "{a number}"
"""Stands for a token that is a number, and so never a name. No subject holds one with spaces."""


def can_meet(one: str, other: str) -> bool:
    """Whether there is a subject that both match; `*` is one token, `>` one or more at the end."""
    left, right = one.split("."), other.split(".")
    for a, b in zip(left, right, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(left) == len(right)


def meet(one: str, other: str) -> str | None:
    """The subject of all that both match; None if there is nothing."""
    if not can_meet(one, other):
        return None
    left, right = one.split("."), other.split(".")
    shared = [b if a == "*" else a for a, b in zip(left, right, strict=False)]
    if ">" not in (*left, *right):
        return ".".join(shared)
    until = min(tokens.index(">") for tokens in (left, right) if ">" in tokens)
    rest = right if left[until:] == [">"] else left
    return ".".join(shared[:until] + rest[until:])


def covers(wide: str, narrow: str) -> bool:
    """Whether all that matches `narrow` matches `wide`."""
    broad, fine = wide.split("."), narrow.split(".")
    for a, b in zip(broad, fine, strict=False):
        if a == ">":
            return True
        if b == ">" or a not in (b, "*"):
            return False
    return len(broad) == len(fine)


class Subjects:
    """Many subjects, to ask which of them meet or cover another one.

    They are a tree of tokens. So a question takes as many steps as it has tokens, and not one for
    each of the subjects: thousands may be asked about hundreds.
    """

    def __init__(self, subjects: Iterable[str]) -> None:
        root = _Branch()
        for subject in subjects:
            root.add(subject)
        self._root = _Place([root])

    def meeting(self, subject: str) -> Iterator[str]:
        """Those that a message on the subject can match, where the subject may have wildcards."""
        place = self._root
        for word in subject.split("."):
            yield from place.tails
            if word == ">":
                yield from place.beyond()
                return
            place = place.after_any if word == "*" else place.after(word)
        yield from place.ends

    def covering(self, subject: str) -> Iterator[str]:
        """Those that match all that matches the subject."""
        place = self._root
        for word in subject.split("."):
            yield from place.tails
            if word == ">":
                return
            place = place.after(word)
        yield from place.ends

    def meet(self, subject: str) -> bool:
        """Whether there is one that a message on the subject can match."""
        return next(self.meeting(subject), None) is not None

    def cover(self, subject: str) -> bool:
        """Whether one of them alone matches all that matches the subject."""
        return next(self.covering(subject), None) is not None


class _Branch:
    """The subjects that begin with the same tokens.

    Attributes:
        subject: the one that consists of these tokens; None if there is none.
        branches: by the token that comes next; `*` and `>` are tokens like others.
    """

    __slots__ = ("branches", "subject")

    def __init__(self) -> None:
        self.subject: str | None = None
        self.branches: dict[str, _Branch] = {}

    def add(self, subject: str) -> None:
        branch = self
        for word in subject.split("."):
            branch = branch.branches.setdefault(word, _Branch())
        branch.subject = subject

    def all(self) -> Iterator[str]:
        """The subjects of the branch, and of those that go out from it."""
        # A server's subjects may have more tokens than Python calls can be nested.
        left = [self]
        while left:
            branch = left.pop()
            if branch.subject is not None:
                yield branch.subject
            left.extend(branch.branches.values())


class _Place:
    """The branches that the same tokens lead to: several, for each token can be `*` as well.

    Where a token leads is remembered, if any subject has it there.
    """

    def __init__(self, branches: list[_Branch]) -> None:
        self._branches = branches
        self._after: dict[str, _Place] = {}

    @cached_property
    def ends(self) -> tuple[str, ...]:
        """The subjects that end here."""
        return tuple(each.subject for each in self._branches if each.subject is not None)

    @cached_property
    def tails(self) -> tuple[str, ...]:
        """The subjects that match all that goes on from here."""
        return tuple(subject for each in self._led(">") for subject in each.all())

    @cached_property
    def after_any(self) -> "_Place":
        """Where one is after a token that may be any."""
        return _Place(
            [
                branch
                for each in self._branches
                for word, branch in each.branches.items()
                if word != ">"
            ]
        )

    @cached_property
    def _after_another(self) -> "_Place":
        """Where one is after a token that no subject has here."""
        return _Place(self._led("*"))

    def after(self, word: str) -> "_Place":
        """Where one is after this token."""
        known = self._after.get(word)
        if known is not None:
            return known
        found = self._led(word) if word != "*" else []
        if word.isdigit():
            found += self._led(A_NUMBER)
        if not found:
            return self._after_another
        self._after[word] = _Place(found + self._led("*"))
        return self._after[word]

    def beyond(self) -> Iterator[str]:
        """The subjects that go on from here, but those that match all that goes on."""
        return (
            subject
            for each in self._branches
            for word, branch in each.branches.items()
            if word != ">"
            for subject in branch.all()
        )

    def _led(self, word: str) -> list[_Branch]:
        return [each.branches[word] for each in self._branches if word in each.branches]


def reaches(filters: Iterable[str], subjects: Iterable[str]) -> bool:
    """Whether any of the filters can match a message on any of the subjects."""
    few, many = sorted((tuple(filters), tuple(subjects)), key=len)
    found = Subjects(few)
    return any(found.meet(subject) for subject in many)


def dropped(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    """The subjects of `before` that a literal subject may match which matches none of `after`."""
    kept = Subjects(after)
    return tuple(item for item in before if not kept.cover(item))


def filters_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The filters of a consumer's config; without any it wants everything."""
    one = config.get("filter_subject")
    return tuple(config.get("filter_subjects") or ([one] if one else [">"]))
