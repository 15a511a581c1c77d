"""Reading a list in pages while it changes: nothing that stays may be overlooked.

JetStream sorts by name and takes an offset. When objects vanish between two pages, what comes after
them moves up, and a plain walk by offset would skip some: they would be read as deleted. So each
page starts with the last object of the one before; if it is no longer there, the walk steps back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Self

from coze_nats.core.answers import Page
from coze_nats.core.errors import Transient
from coze_nats.core.live import Listing, Live
from coze_nats.jetstream.shares import MEMORY

MOST_SECONDS = 300.0
"""How long a list may take as a whole, however long each page does."""

_EXPANSION = 3
"""How many times as much memory an answer takes when it has been read."""

_STEP_BACK = 256
_MOST_REQUESTS = 1000
"""More than twice what the longest list that is read has pages."""


async def read_all(
    fetch: Callable[[int], Awaitable[Page[Live]]],
    clock: Callable[[], float] = time.monotonic,
) -> Listing[Live]:
    """Read the whole list; `fetch` returns the page that starts at an offset.

    A name that is missing on one page and found on another is found.

    Raises:
        Transient: the list never stood still, or never came to its end.
    """
    latest = clock() + MOST_SECONDS
    found: dict[str, Live] = {}
    missing: set[str] = set()
    offset, last = 0, ""
    for _ in range(_MOST_REQUESTS):
        page = await fetch(offset)
        if clock() > latest:
            raise Transient(f"the list is not read to its end within {MOST_SECONDS:g} s")
        names = page.found.keys() | page.missing
        if offset and (not names or min(names) > last):
            offset = max(0, offset - _STEP_BACK)
            continue
        found.update(page.found)
        missing |= page.missing
        if offset + len(names) >= page.total:
            return Listing(found, frozenset(missing - found.keys()))
        if not names:
            raise Transient(f"there are {page.total:,} streams or consumers, and none is listed")
        last = max(names)
        offset += max(1, len(names) - 1)
    raise Transient("the list of streams or consumers changes faster than it can be read")


class Kept:
    """What a list that is being read keeps in memory.

    Args:
        scope: ends the reading when its time is set.
    """

    def __init__(self, scope: asyncio.Timeout) -> None:
        self._scope = scope
        self._kept = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        MEMORY.hold(self, 0)

    def grows(self, size: int) -> None:
        """Keep one more page of so many bytes."""
        self._kept += _EXPANSION * size
        MEMORY.hold(self, self._kept)

    def give_up(self) -> None:
        """Keep nothing more: others need the memory."""
        self._scope.reschedule(asyncio.get_running_loop().time())
