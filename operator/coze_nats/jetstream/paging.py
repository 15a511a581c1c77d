"""Reading a list in pages while it changes: nothing that stays may be overlooked.

JetStream sorts by name and takes an offset. When objects vanish between two pages, what comes after
them moves up, and a plain walk by offset would skip some: they would be read as deleted. So each
page starts with the last object of the one before; if it is no longer there, the walk steps back.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic

from coze_nats.core.errors import Transient
from coze_nats.core.live import Listing, Live

_STEP_BACK = 256
_MOST_REQUESTS = 10_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Live]):
    """One page of a list.

    Attributes:
        total: the length of the whole list. A cluster says 0 on an empty page.
    """

    found: Mapping[str, Live]
    missing: frozenset[str]
    total: int


async def read_all(fetch: Callable[[int], Awaitable[Page[Live]]]) -> Listing[Live]:
    """Read the whole list; `fetch` returns the page that starts at an offset.

    A name that is missing on one page and found on another is found.

    Raises:
        Transient: the list never stood still.
    """
    found: dict[str, Live] = {}
    missing: set[str] = set()
    offset, last = 0, ""
    for _ in range(_MOST_REQUESTS):
        page = await fetch(offset)
        names = page.found.keys() | page.missing
        if offset and (not names or min(names) > last):
            offset = max(0, offset - _STEP_BACK)
            continue
        found.update(page.found)
        missing |= page.missing
        if offset + len(names) >= page.total:
            return Listing(found, frozenset(missing - found.keys()))
        last = max(names)
        offset += max(1, len(names) - 1)
    raise Transient("the list of streams or consumers changes faster than it can be read")
