"""Subjects with wildcards: judged against every literal subject that there is."""

from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core.subjects import A_NUMBER, Subjects, can_meet, covers, dropped, reaches

_tokens = st.sampled_from(("a", "b", "*"))
patterns = st.builds(
    lambda tokens, end: ".".join([*tokens, *end]),
    st.lists(_tokens, min_size=1, max_size=3),
    st.sampled_from(([], [">"])),
) | st.just(">")
# Patterns have four tokens at most; with one more, every > is put to the test, and with a third
# word, every *.
LITERALS = [".".join(words) for length in range(1, 6) for words in product("abc", repeat=length)]


def matching(pattern: str) -> set[str]:
    """The literal subjects that match, found without the code under test."""
    return {subject for subject in LITERALS if _matches(subject.split("."), pattern.split("."))}


def _matches(words: list[str], tokens: list[str]) -> bool:
    if not tokens or not words:
        return not tokens and not words
    if tokens == [">"]:
        return True
    return tokens[0] in ("*", words[0]) and _matches(words[1:], tokens[1:])


def union(found: Iterable[str]) -> set[str]:
    return {subject for pattern in found for subject in matching(pattern)}


@given(patterns, patterns)
def test_two_subjects_meet_if_one_message_can_match_both(one: str, other: str) -> None:
    assert can_meet(one, other) is bool(matching(one) & matching(other))
    assert can_meet(other, one) is can_meet(one, other)


@given(patterns, patterns)
def test_a_subject_covers_another_if_all_that_matches_that_one_matches_it(
    wide: str, narrow: str
) -> None:
    assert covers(wide, narrow) is (matching(narrow) <= matching(wide))


@given(st.lists(patterns, max_size=8), patterns)
def test_many_subjects_at_once_are_judged_as_one_by_one(many: list[str], subject: str) -> None:
    found = Subjects(many)
    assert sorted(found.meeting(subject)) == sorted({s for s in many if can_meet(s, subject)})
    assert sorted(found.covering(subject)) == sorted({s for s in many if covers(s, subject)})
    assert found.meet(subject) is any(can_meet(item, subject) for item in many)
    assert found.cover(subject) is any(covers(item, subject) for item in many)


@pytest.mark.parametrize("subject, is_met", [("in.7.x", True), ("in.a.x", False), ("in.*", True)])
def test_a_number_meets_no_name(subject: str, is_met: bool) -> None:
    assert Subjects([f"in.{A_NUMBER}.x", f"in.{A_NUMBER}"]).meet(subject) is is_met


def test_a_subject_may_have_more_tokens_than_calls_can_be_nested() -> None:
    deep = ".".join("a" * 10_000)
    found = Subjects([deep])
    assert list(found.meeting(">")) == [deep] == list(found.covering(deep))


@given(st.lists(patterns, max_size=3), st.lists(patterns, max_size=3))
def test_filters_reach_subjects_if_any_two_of_them_meet(
    filters: list[str], subjects: list[str]
) -> None:
    assert reaches(filters, subjects) is bool(union(filters) & union(subjects))
    assert reaches(iter(filters), iter(subjects)) is reaches(filters, subjects)


@given(st.lists(patterns, max_size=3), st.lists(patterns, max_size=3))
def test_what_is_stored_no_longer_lies_under_the_dropped_subjects(
    before: list[str], after: list[str]
) -> None:
    found = dropped(before, after)
    assert union(before) - union(after) <= union(found)
    assert set(found) <= set(before)
    assert not any(matching(item) <= matching(wide) for item in found for wide in after)


@pytest.mark.parametrize(
    "before, after, found",
    [
        (["orders.a", "orders.b"], ["orders.a"], ("orders.b",)),
        (["orders.a"], ["orders.>"], ()),
        (["orders.>"], ["orders.*"], ("orders.>",)),
        (["orders.*"], [], ("orders.*",)),
    ],
)
def test_a_subject_is_dropped_unless_another_takes_all_of_it(
    before: list[str], after: list[str], found: tuple[str, ...]
) -> None:
    assert dropped(before, after) == found
