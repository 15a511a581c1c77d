"""Groups take turns, and nobody's many keep anybody's few waiting."""

import pytest

from coze_nats.core.turns import Turns


def queued(*items: str) -> Turns[str, int]:
    """Items such as `a1`, of which the first letter is the group."""
    turns: Turns[str, int] = Turns()
    for number, item in enumerate(items):
        turns.put(item[0], item, number)
    return turns


def order(turns: Turns[str, int]) -> list[str]:
    return [turns.pop()[0] for _ in range(len(turns))]


def test_groups_take_turns_and_within_one_the_first_comes_first() -> None:
    turns = queued("a1", "a2", "a3", "b1", "a4", "c1", "b2")
    assert len(turns) == 7
    assert order(turns) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert len(turns) == 0


def test_what_is_queued_again_keeps_its_place_with_the_new_value() -> None:
    turns = queued("a1", "a2", "a1")
    assert turns.get("a", "a1") == 2
    assert turns.pop() == ("a1", 2)
    assert turns.get("a", "a1") is None
    assert turns.get("b", "b1") is None


def test_what_is_discarded_does_not_come() -> None:
    turns = queued("a1", "a2", "a3", "b1")
    for item in ("a2", "b1", "b1", "c1"):
        turns.discard(item[0], item)
    assert order(turns) == ["a1", "a3"]


def test_what_is_dropped_is_the_oldest_of_who_has_the_most() -> None:
    turns = queued("a1", "b1", "b2", "b3", "a2")
    assert turns.drop() == ("b1", 1)
    assert len(turns) == 4


def test_the_next_of_each_group_is_told() -> None:
    assert list(queued("a1", "a2", "b1").firsts()) == [0, 2]
    assert list(queued().firsts()) == []


def test_there_must_be_something_to_take() -> None:
    with pytest.raises(StopIteration):
        queued().pop()
