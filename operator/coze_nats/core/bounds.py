"""How much of what comes from outside is told: values and lists have no end, a status has."""

from collections.abc import Collection, Iterable
from itertools import islice

MESSAGE = 8192
"""Characters of a condition's message; Kubernetes allows 32,768, and nobody reads them."""

VALUE = 256
"""Characters of one value within a message."""

ITEMS = 8
"""Items of one list within a message."""

FEW = 3
"""Items of a list that is named in passing."""

LARGEST_COUNT = 2**63 - 1
"""What Kubernetes can store as a number; NATS counts further."""

ANSWER_BYTES = 16 * 1024 * 1024
"""Bytes of one message of a server. A page of a list has 256 objects, and few have 2 KiB."""

OBJECT_BYTES = 1024 * 1024
"""Bytes of an answer about one stream or consumer; what Kubernetes stores of it has no more."""

VALUES = 250_000
"""Values of one answer: 100,000 subjects, which is the most that NATS tells at once, and more."""

DEPTH = 32
"""How deep the values of an answer may be nested; NATS needs eight."""

LARGEST_NUMBER = 2**64
"""NATS counts with 64 bits."""

LISTED = 100_000
"""Items of one list that is read from a server."""

GREETING_BYTES = 1024 * 1024
"""Bytes of INFO, in which a server names all servers of its cluster."""

LINE_BYTES = 64 * 1024
"""Bytes of any other line of the protocol; NATS's own limit is 4 KiB, and can be raised."""


def shortened(text: str, most: int = MESSAGE) -> str:
    """The text with at most so many characters: its middle goes, as a remedy stands at its end."""
    if len(text) <= most:
        return text
    gap = f" … ({len(text):,} characters) … "
    kept = most - len(gap)
    tail = kept // 3
    return text[: kept - tail] + gap + text[len(text) - tail :]


def listed(items: Collection[str], most: int = ITEMS, separator: str = ", ") -> str:
    """The first items, and how many more there are."""
    shown = separator.join(shortened(item, VALUE) for item in islice(items, most))
    return f"{shown} and {len(items) - most:,} more" if len(items) > most else shown


def difference(before: Iterable[str], after: Iterable[str]) -> str:
    """What of a list has gone and what has come, where the lists are too long to be shown."""
    were, are = dict.fromkeys(before), dict.fromkeys(after)
    gone = [item for item in were if item not in are]
    come = [item for item in are if item not in were]
    told = [
        f"{word} [{listed(items)}]" for word, items in (("without", gone), ("with", come)) if items
    ]
    return f"{len(were):,} → {len(are):,} values ({', '.join(told) or 'in another order'})"
