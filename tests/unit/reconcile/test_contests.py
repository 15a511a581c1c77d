"""Who changes back what is put right is left alone for a while, and longer each time."""

from itertools import pairwise

import pytest

from coze_nats.core import names
from coze_nats.core.resource import Key, Resource
from coze_nats.reconcile.contests import FIRST_HOLD, LONGEST_HOLD, ROUNDS, WINDOW, Contests


def resource(uid: str = "u", generation: int = 1) -> Resource:
    return Resource(
        key=Key(names.STREAM_KIND, "shop", "orders"),
        uid=uid,
        generation=generation,
        finalized=True,
        deleting=False,
        reconcile_requested_at="",
        spec={},
        status={},
    )


def contested(rounds: int, now: float = 0.0) -> Contests:
    contests = Contests()
    for _ in range(rounds):
        contests.corrected(resource(), now)
    return contests


def test_drift_is_put_right_at_once_for_a_few_rounds() -> None:
    for rounds in range(ROUNDS):
        assert contested(rounds).hold_off(resource(), 0.0) == 0.0


def test_after_the_last_free_round_it_is_left_alone_for_a_while() -> None:
    contests = contested(ROUNDS)
    assert contests.hold_off(resource(), 0.0) == FIRST_HOLD
    assert contests.hold_off(resource(), 20.0) == FIRST_HOLD - 20
    assert contests.hold_off(resource(), FIRST_HOLD) == 0.0


def test_each_further_round_doubles_the_while_up_to_the_longest() -> None:
    holds = [contested(rounds).hold_off(resource(), 0.0) for rounds in range(ROUNDS, ROUNDS + 12)]
    assert all(after == min(2 * before, LONGEST_HOLD) for before, after in pairwise(holds))
    assert holds[-1] == LONGEST_HOLD


@pytest.mark.parametrize(
    "rounds, passed, forgotten",
    [
        (ROUNDS - 1, WINDOW, False),
        (ROUNDS - 1, WINDOW + 1, True),
        (ROUNDS, WINDOW + FIRST_HOLD, False),
        (ROUNDS, WINDOW + FIRST_HOLD + 1, True),
    ],
    ids=["within the window", "after it", "within it, after a hold", "after both"],
)
def test_rounds_are_forgotten_when_nobody_changed_anything_for_long(
    rounds: int, passed: float, forgotten: bool
) -> None:
    contests = contested(rounds)
    contests.corrected(resource(), passed)
    assert (contests.hold_off(resource(), passed) == 0.0) is forgotten


def test_a_new_spec_is_no_contest() -> None:
    contests = contested(ROUNDS)
    assert contests.hold_off(resource(generation=2), 0.0) == 0.0
    contests.corrected(resource(generation=2), 0.0)
    assert contests.hold_off(resource(generation=2), 0.0) == 0.0


def test_resources_are_contested_one_by_one() -> None:
    assert contested(ROUNDS).hold_off(resource("other"), 0.0) == 0.0


def test_what_is_gone_is_forgotten() -> None:
    contests = contested(ROUNDS)
    contests.forget("u")
    contests.forget("never was")
    assert contests.hold_off(resource(), 0.0) == 0.0


def test_to_have_vanished_counts_within_one_session() -> None:
    contests = Contests()
    for session in (1, 2, 3, 4, 5):
        contests.corrected(resource(), 0.0, session)
    assert contests.hold_off(resource(), 0.0, 5) == 0.0
    for _ in range(ROUNDS - 1):
        contests.corrected(resource(), 0.0, 5)
    assert contests.hold_off(resource(), 0.0, 5) == FIRST_HOLD
    assert contests.hold_off(resource(), 0.0, 6) == 0.0


def test_a_deletion_and_an_edit_are_one_contest() -> None:
    contests = contested(ROUNDS - 1)
    contests.corrected(resource(), 0.0, 1)
    assert contests.hold_off(resource(), 0.0) == 0.0
    for _ in range(ROUNDS - 1):
        contests.corrected(resource(), 0.0)
    assert contests.hold_off(resource(), 0.0, 1) == contests.hold_off(resource(), 0.0) == FIRST_HOLD


def test_it_is_known_which_of_two_was_put_right_last() -> None:
    contests, one, other = Contests(), resource("one"), resource("other")
    assert not contests.is_later(one, other)
    contests.corrected(one, 1.0)
    assert contests.is_later(one, other)
    contests.corrected(other, 2.0)
    assert not contests.is_later(one, other)
