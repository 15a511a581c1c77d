"""What the users of a connection have, kept with every change of one of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core.holders import Holders, Subjects
from coze_nats.core.resource import Key, Resource
from coze_nats.core.subjects import A_NUMBER, can_meet

TOKENS = st.sampled_from(["a", "b", "7", "*"])
SUBJECTS = st.builds(
    lambda tokens, tail: ".".join([*tokens, *tail]),
    st.lists(TOKENS, min_size=1, max_size=3),
    st.sampled_from([[], [">"]]),
) | st.just(">")


@given(held=st.lists(SUBJECTS, max_size=8, unique=True), left=st.data(), asked=SUBJECTS)
def test_whoever_holds_a_subject_that_meets_is_found_and_nobody_else(
    held: list[str], left: st.DataObject, asked: str
) -> None:
    subjects: Subjects[str] = Subjects()
    for each in held:
        subjects.add(each, each)
    for each in left.draw(st.sets(st.sampled_from(held))) if held else ():
        subjects.remove(each, each)
        held.remove(each)
    assert set(subjects.meeting(asked)) == {each for each in held if can_meet(asked, each)}


@pytest.mark.parametrize(
    "held, met", [("a.7", True), ("a.*", True), ("a.>", True), ("a.b", False), ("a", False)]
)
def test_what_stands_for_a_number_meets_numbers_and_wildcards(held: str, met: bool) -> None:
    subjects: Subjects[str] = Subjects()
    subjects.add(held, "holder")
    assert bool(list(subjects.meeting(f"a.{A_NUMBER}"))) is met


def test_two_may_hold_the_same_subject() -> None:
    subjects: Subjects[str] = Subjects()
    subjects.add("a.b", "one")
    subjects.add("a.b", "other")
    subjects.remove("a.b", "one")
    assert list(subjects.meeting("a.>")) == ["other"]


def user(name: str = "orders", kind: str = "CozeStream", **more: Any) -> Resource:
    given_: dict[str, Any] = {"spec": {}, "status": {}, "created_at": "", **more}
    return Resource(
        key=Key(kind, given_.pop("namespace", "shop"), name),
        uid=name,
        generation=1,
        finalized=True,
        deleting=False,
        reconcile_requested_at="",
        **given_,
    )


THERE = {"created": "2026-01-01T00:00:00Z", "effective": {"subjects": ["orders.>"]}}


@pytest.mark.parametrize(
    "holder, holds",
    [
        (user(status=THERE), True),
        (user(status={"effective": {"subjects": ["orders.>"]}}), False),
        (user(status={"created": "2026-01-01T00:00:00Z"}), False),
        (user("reader", "CozeConsumer", status=THERE), False),
    ],
)
def test_a_stream_that_is_there_holds_its_subjects(holder: Resource, holds: bool) -> None:
    holders = Holders()
    holders.put(holder)
    assert list(holders.on("orders.a")) == ([holder.key] if holds else [])
    holders.put(user(status={}))
    holders.remove(holder.key)
    assert list(holders.on("orders.a")) == []
    assert bool(holders) is (holder.key.name == "reader")


def test_older_resources_of_a_namespace_count_and_of_equal_age_those_first_by_name() -> None:
    holders = Holders()
    for name, created_at, size in (("b", "2", "1Ki"), ("c", "1", 5), ("a", "2", 7), ("d", "3", 9)):
        holders.put(user(name, created_at=created_at, spec={"maxBytes": size}))
    holders.put(user("e", namespace="other", created_at="0", spec={"maxBytes": 1000}))
    counted = {
        name: holders.bytes_before(user(name, created_at=created_at))
        for name, created_at in (("c", "1"), ("a", "2"), ("b", "2"), ("d", "3"))
    }
    assert counted == {"c": 0, "a": 5, "b": 12, "d": 1036}
    holders.put(user("c", created_at="1", spec={}))
    holders.remove(user("b").key)
    assert holders.bytes_before(user("d", created_at="3")) == 7
    assert holders.bytes_before(user("d", namespace="third", created_at="3")) == 0


def test_it_is_known_whether_others_use_the_connection() -> None:
    holders = Holders()
    holders.put(user())
    holders.put(user("reader", "CozeConsumer"))
    assert not holders.are_elsewhere("shop")
    assert holders.are_elsewhere("other")
    holders.put(user("x", "CozeConsumer", namespace="other"))
    assert holders.are_elsewhere("shop")
    holders.remove(Key("CozeConsumer", "other", "x"))
    assert not holders.are_elsewhere("shop")
    holders.remove(Key("CozeConsumer", "other", "x"))
