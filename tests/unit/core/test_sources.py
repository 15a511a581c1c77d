"""Which sources copy again what is there; tests/contract/test_sources.py asks the servers."""

from typing import Any

import pytest

from coze_nats.core.kinds.stream.sources import copied_again, moved_starts

Source = dict[str, Any]
A: Source = {"name": "a"}
X, Y = {"src": "x.*", "dest": "p.>"}, {"src": "y.*", "dest": "q.>"}
FROM_THE_START = ("a again from the start",)


def through(api: str, **more: Any) -> Source:
    return {**A, "external": {"api": api, "deliver": ""}, **more}


def reading(consumer: str) -> Source:
    return {**A, "consumer": {"name": consumer, "deliver_subject": "copies"}}


@pytest.mark.parametrize(
    "before, after",
    [
        ([A], [{**A, "filter_subject": "a.*"}]),
        ([{**A, "filter_subject": "a.*"}], [A]),
        ([{**A, "filter_subject": "a.x"}], [{**A, "filter_subject": "a.*"}]),
        ([{**A, "filter_subject": "a.x"}], [{**A, "filter_subject": "a.x"}, A]),
        ([{**A, "filter_subject": "x.*"}], [{**A, "subject_transforms": [X]}]),
        ([{**A, "subject_transforms": [X]}], [{**A, "subject_transforms": [X, Y]}]),
        ([{**A, "subject_transforms": [X, Y]}], [{**A, "subject_transforms": [Y, X]}]),
        ([{**A, "subject_transforms": [X]}], [{**A, "subject_transforms": [{**X, "dest": "r"}]}]),
        ([A], [through("$JS.hub.API")]),
        ([through("$JS.hub.API")], [A]),
        ([through("$JS.hub.API")], [through("$JS.spoke.API")]),
        ([reading("c")], [A]),
        ([A, {"name": "b"}], [{"name": "b"}, {**A, "filter_subject": "a.*"}]),
    ],
)
def test_a_source_that_nats_takes_for_another_one_copies_again(
    before: list[Source], after: list[Source]
) -> None:
    assert copied_again(before, None, after, 1) == FROM_THE_START


@pytest.mark.parametrize(
    "before, after",
    [
        ([], [A]),
        ([A], []),
        ([A], [A, {"name": "b"}]),
        ([A, {"name": "b"}], [{"name": "b"}, A]),
        ([A], [{**A, "filter_subject": ">"}]),
        ([A], [{**A, "filter_subject": ""}]),
        ([A], [{**A, "subject_transforms": [{"src": ">", "dest": ""}]}]),
        ([A], [{**A, "opt_start_seq": 5}]),
        ([through("$JS.hub.API")], [through("$JS.hub.API", external={"api": "$JS.hub.API"})]),
        ([A], [A, through("$JS.hub.API")]),
        ([{**A, "filter_subject": "x.*"}], [{**A, "filter_subject": "y.*"}]),
        ([{**A, "subject_transforms": [X]}], [{**A, "filter_subject": "y.*"}]),
        ([A], [{**A, "filter_subject": "a.*", "opt_start_time": "2020-01-01T00:00:00Z"}]),
    ],
)
def test_other_changes_copy_nothing_that_is_there(
    before: list[Source], after: list[Source]
) -> None:
    assert copied_again(before, None, after, 1) == ()


@pytest.mark.parametrize(
    "source, begins",
    [
        ({**A, "filter_subject": "a.*"}, ""),
        ({**A, "filter_subject": "a.*", "opt_start_seq": 1}, "from its sequence 1"),
        (reading("c"), "from where its consumer c is"),
    ],
)
def test_a_stream_whose_first_message_is_gone_is_copied_to_from_a_stated_place_only(
    source: Source, begins: str
) -> None:
    found = copied_again([A], None, [source], 2)
    assert found == ((f"a again {begins}",) if begins else ())


def test_what_a_mirror_had_is_copied_again_by_a_source() -> None:
    assert copied_again([], A, [A], 1) == FROM_THE_START
    assert copied_again([], A, [through("$JS.hub.API")], 1) == FROM_THE_START
    assert copied_again([], A, [{"name": "b"}], 1) == ()


@pytest.mark.parametrize(
    "before, after, moved",
    [
        (A, {**A, "opt_start_seq": 5}, True),
        ({**A, "opt_start_seq": 5}, {**A, "opt_start_seq": 6}, True),
        (A, {**A, "opt_start_time": "2026-01-01T00:00:00Z"}, True),
        ({**A, "opt_start_seq": 5}, {**A, "opt_start_time": "2026-01-01T00:00:00Z"}, True),
        ({**A, "opt_start_seq": 5}, A, False),
        ({**A, "opt_start_seq": 5}, {**A, "opt_start_seq": 5}, False),
        (
            {**A, "opt_start_time": "2026-01-01T00:00:00Z"},
            {**A, "opt_start_time": "2026-01-01T01:00:00+01:00"},
            False,
        ),
        (A, {**A, "filter_subject": "a.*", "opt_start_seq": 5}, False),
        (A, {"name": "b", "opt_start_seq": 5}, False),
    ],
)
def test_a_start_is_moved_where_the_source_stays(
    before: Source, after: Source, *, moved: bool
) -> None:
    assert moved_starts([before], [after]) == (("a",) if moved else ())
