"""What one connection may take of time and memory, so that the others get theirs."""

import itertools

import pytest

from coze_nats.jetstream.shares import BURST, LONGEST_PAUSE, RATE, Memory, Share
from support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def flood(share: Share, clock: ManualClock, seconds: float, cost: float = 0.002) -> float:
    """Read without end for so long; returns how much of the time was spent on it."""
    spent, end = 0.0, clock.time() + seconds
    while clock.time() < end:
        clock.advance(cost)
        spent += cost
        clock.advance(share.spend(cost))
    return spent / seconds


def test_who_reads_now_and_then_never_pauses(clock: ManualClock) -> None:
    share = Share(clock.time)
    for _ in range(1000):
        clock.advance(0.1)
        assert share.spend(0.005) == 0
    assert share.over_for() == 0


def test_much_at_once_after_a_silence_is_read_without_a_pause(clock: ManualClock) -> None:
    share = Share(clock.time)
    assert share.spend(BURST * 0.99) == 0


def test_a_flood_gets_its_share_and_is_known_as_one(clock: ManualClock) -> None:
    share = Share(clock.time)
    assert flood(share, clock, 30) < 2 * RATE
    assert share.over_for() > 15


def test_many_floods_share_one_share(clock: ManualClock) -> None:
    shares = [Share(clock.time) for _ in range(20)]
    for share in shares:
        share.spend(2 * BURST)
    pauses = [share.spend(0.002) for share in shares]
    assert min(pauses) >= 0.002 / RATE * 20
    assert max(share.spend(10) for share in shares) == LONGEST_PAUSE


def test_who_stops_flooding_is_free_again(clock: ManualClock) -> None:
    share = Share(clock.time)
    flood(share, clock, 20)
    clock.advance(60)
    assert share.spend(0.002) == 0
    assert share.over_for() == 0


class Keeper:
    def __init__(self) -> None:
        self.given_up = 0

    def give_up(self) -> None:
        self.given_up += 1


def test_who_keeps_most_gives_up_first() -> None:
    memory = Memory(most=100)
    keepers = [Keeper() for _ in range(5)]
    for keeper, size in zip(keepers, (10, 60, 20, 5, 5), strict=True):
        memory.hold(keeper, size)
    assert not any(keeper.given_up for keeper in keepers)
    memory.hold(keepers[0], 20)
    assert [keeper.given_up for keeper in keepers] == [0, 1, 0, 0, 0]
    memory.hold(keepers[0], 90)
    assert [keeper.given_up for keeper in keepers] == [1, 1, 0, 0, 0]


def test_what_is_let_go_makes_room() -> None:
    memory = Memory(most=100)
    for _ in itertools.repeat(None, 1000):
        keeper = Keeper()
        memory.hold(keeper, 80)
        memory.hold(keeper, 0)
        assert keeper.given_up == 0
