"""Paged lists that change while they are read."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core.answers import Page
from coze_nats.core.errors import Transient
from coze_nats.jetstream.paging import read_all

PAGE = 4


class ShiftingList:
    """A sorted list served in pages, to which a script of changes happens, one before each page."""

    def __init__(self, names: set[str], changes: Iterator[tuple[set[str], set[str]]]) -> None:
        self.names = set(names)
        self.requests = 0
        self._changes = changes

    async def fetch(self, offset: int) -> Page[str]:
        self.requests += 1
        removed, added = next(self._changes, (set(), set()))
        self.names = (self.names - removed) | added
        window = sorted(self.names)[offset : offset + PAGE]
        # A cluster says 0 on an empty page.
        total = len(self.names) if window else 0
        return Page({name: name for name in window}, frozenset(), total)


names = st.sets(st.sampled_from([f"{number:02}" for number in range(40)]))


@given(st.data(), names, st.lists(st.tuples(names, names), max_size=12))
async def test_nothing_that_stays_is_overlooked(
    data: st.DataObject, initial: set[str], changes: list[tuple[set[str], set[str]]]
) -> None:
    staying = data.draw(st.sets(st.sampled_from(sorted(initial)))) if initial else set()
    script = iter([(removed - staying, added) for removed, added in changes])
    listing = await read_all(ShiftingList(initial, script).fetch)
    assert staying <= listing.found.keys()


async def test_what_moves_up_when_others_vanish_between_two_pages_is_read() -> None:
    initial = {f"{number:02}" for number in range(12)}
    vanishing = {"00", "01", "02", "03"}
    script = iter([(set[str](), set[str]()), (vanishing, set[str]())])
    listing = await read_all(ShiftingList(initial, script).fetch)
    assert listing.found.keys() >= initial - vanishing


@given(names)
async def test_a_list_that_stands_still_is_read_exactly_once(initial: set[str]) -> None:
    still = ShiftingList(initial, iter(()))
    listing = await read_all(still.fetch)
    assert listing.found.keys() == initial
    assert still.requests <= 1 + len(initial) // (PAGE - 1)


async def test_a_name_missing_on_one_page_and_found_on_another_is_found() -> None:
    pages = [
        Page({"a": "a"}, frozenset({"b", "z"}), 4),
        Page({"b": "b"}, frozenset({"z"}), 4),
    ]

    async def fetch(offset: int) -> Page[str]:
        return pages.pop(0)

    listing = await read_all(fetch)
    assert listing.found.keys() == {"a", "b"}
    assert listing.missing == {"z"}


async def test_a_list_that_never_stands_still_is_given_up_on() -> None:
    async def fetch(offset: int) -> Page[str]:
        return Page({"a": "a"}, frozenset(), 1_000_000)

    with pytest.raises(Transient, match="changes faster than it can be read"):
        await read_all(fetch)


async def test_a_list_that_says_more_than_it_has_is_put_off() -> None:
    async def fetch(_: int) -> Page[str]:
        return Page({}, frozenset(), 7)

    with pytest.raises(Transient, match="there are 7 streams or consumers, and none is listed"):
        await read_all(fetch)


async def test_a_list_takes_no_more_time_than_it_may() -> None:
    times = itertools.count(0, 200)

    async def fetch(offset: int) -> Page[str]:
        return Page({f"{offset:05}": "x", f"{offset + 1:05}": "x"}, frozenset(), 1000)

    with pytest.raises(Transient, match="not read to its end within 300 s"):
        await read_all(fetch, lambda: next(times))
