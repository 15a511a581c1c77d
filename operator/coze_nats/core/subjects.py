"""Subjects with wildcards: whether a message can match two of them."""

from collections.abc import Iterable, Mapping
from typing import Any


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


def reaches(filters: Iterable[str], subjects: Iterable[str]) -> bool:
    """Whether any of the filters can match a message on any of the subjects."""
    held = tuple(subjects)
    return any(can_meet(item, subject) for item in filters for subject in held)


def dropped(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    """The subjects of `before` that a literal subject may match which matches none of `after`."""
    kept = tuple(after)
    return tuple(item for item in before if not any(covers(wide, item) for wide in kept))


def covers(wide: str, narrow: str) -> bool:
    """Whether all that matches `narrow` matches `wide`."""
    broad, fine = wide.split("."), narrow.split(".")
    for a, b in zip(broad, fine, strict=False):
        if a == ">":
            return True
        if b == ">" or a not in (b, "*"):
            return False
    return len(broad) == len(fine)


def filters_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The filters of a consumer's config; without any it wants everything."""
    one = config.get("filter_subject")
    return tuple(config.get("filter_subjects") or ([one] if one else [">"]))
