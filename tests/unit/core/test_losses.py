"""Which changes would throw messages away; tests/contract/test_losses.py asks the servers."""

from typing import Any

import pytest

from coze_nats.core.costs import Verdict, counted
from coze_nats.core.desired import Desired
from coze_nats.core.diff import FieldChange, diff, with_costs
from coze_nats.core.live import LiveStream, Server
from coze_nats.core.looks import MessagesLook, Seen, StreamLook
from fakes.configs import complete_stream
from support.convergence import stream

SERVER = Server("2.14.6", 4)
FIRST_TIME = "2026-01-31T12:00:00.5Z"
AS_OF = "2026-01-31T13:00:00.5Z"
HOLDS = {"messages": 10, "bytes": 1000, "subjects": 2, "first_time": FIRST_TIME, "as_of": AS_OF}


NO_ORIGINS = Seen({StreamLook(name): None for name in "ab"})


def costed(desired: Desired, live: LiveStream, seen: Seen | None = None) -> tuple[FieldChange, ...]:
    changes = diff(desired, live.config, SERVER)
    found, lacking = with_costs(changes, desired, live, SERVER, seen or NO_ORIGINS)
    assert lacking == ()
    return found


def losses(before: dict[str, Any], after: dict[str, Any], **state: Any) -> dict[str, str]:
    """Why fields of a stream, of 10 messages on 2 subjects unless `state` differs, are held."""
    config = complete_stream(dict(stream("work", before).declared), SERVER.version, 4)
    live = LiveStream(config, "2026-01-01T00:00:00Z", **{**HOLDS, **state})
    desired = stream("work", after)
    return {
        change.name: change.why
        for change in costed(desired, live)
        if change.verdict is Verdict.LOSES_DATA
    }


@pytest.mark.parametrize(
    "before, after, field, why",
    [
        ({}, {"maxMsgs": 7}, "maxMsgs", "would discard 3 of 10 messages"),
        ({}, {"maxBytes": 400}, "maxBytes", "would discard the oldest 600 of 1,000 bytes"),
        ({}, {"maxMsgsPerSubject": 2}, "maxMsgsPerSubject", "could discard up to 7 of 10 messages"),
        (
            {"maxMsgsPerSubject": 5},
            {"maxMsgsPerSubject": 2},
            "maxMsgsPerSubject",
            "could discard up to 7 of 10 messages",
        ),
        (
            {"maxMsgs": 7, "discard": "new"},
            {"maxMsgs": 7},
            "discard",
            "would discard 3 of 10 messages",
        ),
        (
            {"maxBytes": 400, "discard": "new"},
            {"maxBytes": 400},
            "discard",
            "would discard the oldest 600 of 1,000 bytes",
        ),
        (
            {},
            {"maxAge": "1h"},
            "maxAge",
            (
                "would discard messages older than 1h; the oldest of 10 is from "
                "2026-01-31T12:00:00.5Z"
            ),
        ),
        (
            {},
            {"retention": "interest"},
            "retention",
            (
                "could discard up to 10 messages: with interest retention only those stay that a "
                "consumer still needs"
            ),
        ),
        (
            {},
            {"allowMsgTtl": True},
            "allowMsgTtl",
            (
                "could discard up to 10 messages: those that carry a Nats-TTL expire from then on, "
                "at once where it is over"
            ),
        ),
        (
            {},
            {"subjectDeleteMarkerTtl": "1h"},
            "allowMsgTtl",
            (
                "turned on by subjectDeleteMarkerTtl, could discard up to 10 messages: those that "
                "carry a Nats-TTL expire from then on, at once where it is over"
            ),
        ),
        (
            {},
            {"allowMsgSchedules": True},
            "allowMsgSchedules",
            (
                "could discard up to 10 messages: those that carry a Nats-Schedule are carried out "
                "from then on, once more where it is over, and deleted when they are done"
            ),
        ),
    ],
)
def test_a_change_that_discards_messages_says_how_many(
    before: dict[str, Any], after: dict[str, Any], field: str, why: str
) -> None:
    assert losses(before, after) == {field: why}


@pytest.mark.parametrize(
    "before, after",
    [
        ({}, {"maxMsgs": 10}),
        ({}, {"maxMsgs": 7, "discard": "new"}),
        ({"maxMsgs": 7}, {}),
        ({}, {"maxBytes": 1000}),
        ({}, {"maxBytes": 400, "discard": "new"}),
        ({}, {"maxMsgsPerSubject": 9}),
        ({"maxMsgsPerSubject": 5}, {"maxMsgsPerSubject": 6}),
        ({"maxMsgsPerSubject": 1}, {"maxMsgsPerSubject": 2}),
        ({"maxMsgsPerSubject": 5}, {}),
        ({}, {"maxAge": "1h1ns"}),
        ({"maxAge": "2h"}, {}),
        ({"retention": "interest"}, {}),
        ({"discard": "new"}, {}),
        ({}, {"sealed": True}),
        ({"allowMsgTtl": True}, {"subjectDeleteMarkerTtl": "1h"}),
        ({"subjectDeleteMarkerTtl": "1h"}, {"subjectDeleteMarkerTtl": "2h"}),
        ({"subjectDeleteMarkerTtl": "1h"}, {"allowMsgTtl": True}),
        ({}, {"description": "new"}),
    ],
)
def test_a_change_that_keeps_all_messages_is_let_through(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert losses(before, after) == {}


@pytest.mark.parametrize(
    "limits, evicting",
    [
        ({}, ""),
        ({"maxMsgs": 20}, "; by maxMsgs older messages would give way"),
        ({"maxMsgs": 20, "discard": "new"}, ""),
        (
            {"maxMsgs": 20, "maxBytes": 9999, "maxMsgsPerSubject": 20},
            "; by maxMsgs and maxBytes and maxMsgsPerSubject older messages would give way",
        ),
    ],
)
def test_a_source_that_is_copied_again_says_what_becomes_of_the_rest(
    limits: dict[str, Any], evicting: str
) -> None:
    before = {"sources": [{"name": "a"}, {"name": "b"}], **limits}
    after = {"sources": [{"name": "a", "filterSubject": "a.*"}, {"name": "b"}], **limits}
    assert losses(before, after) == {
        "sources": (
            "could copy a again from the start, so that messages of the 10 that are there would be "
            f"there twice{evicting}"
        )
    }
    assert losses(before, after, first_sequence=2) == {}
    assert losses(before, {"sources": [{"name": "b"}], **limits}) == {}


def test_a_source_that_stays_is_compared_as_it_is_sent() -> None:
    """Transforms in another order are no difference, so NATS is not sent the other order."""
    transforms = [{"source": f"{each}.*", "destination": each} for each in "xy"]
    before = {"sources": [{"name": "a", "subjectTransforms": transforms}, {"name": "b"}]}
    after = {"sources": [{"name": "a", "subjectTransforms": transforms[::-1]}]}
    assert losses(before, after) == {}
    assert losses(before, {}) == {}


def test_an_empty_stream_has_nothing_to_lose() -> None:
    assert losses({}, {"maxMsgs": 1, "maxAge": "1s", "retention": "interest"}, messages=0) == {}


@pytest.mark.parametrize("subjects", [0, 1])
def test_a_subject_may_hold_all_messages_of_a_stream(subjects: int) -> None:
    assert losses({}, {"maxMsgsPerSubject": 10}, subjects=subjects) == {}
    assert losses({}, {"maxMsgsPerSubject": 9}, subjects=subjects) == {
        "maxMsgsPerSubject": "could discard up to 1 of 10 messages"
    }


def test_all_losses_of_a_change_are_named() -> None:
    found = losses({}, {"maxMsgs": 7, "maxBytes": 400})
    assert set(found) == {"maxMsgs", "maxBytes"}


def test_a_change_that_nats_refuses_anyway_keeps_that_reason() -> None:
    assert losses({}, {"retention": "workqueue"}) == {}


@pytest.mark.parametrize(
    "as_of, is_lost",
    [
        ("2026-01-31T13:00:00.499999999Z", False),
        ("2026-01-31T13:00:00.5Z", True),
        ("2026-01-31T13:30:00+01:00", False),
        ("2026-01-30T00:00:00Z", False),
    ],
)
def test_messages_are_as_old_as_they_are_by_the_clock_of_the_server_that_holds_them(
    as_of: str, *, is_lost: bool
) -> None:
    assert bool(losses({}, {"maxAge": "1h"}, as_of=as_of)) is is_lost


@pytest.mark.parametrize("unknown", ["first_time", "as_of"])
def test_messages_of_unknown_age_could_all_be_too_old(unknown: str) -> None:
    assert losses({}, {"maxAge": "1h"}, **{unknown: ""}) == {
        "maxAge": "could discard messages of unknown age"
    }
    assert losses({"maxAge": "1h"}, {}, **{unknown: ""}) == {}


# --- messages left behind -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "left_behind, why",
    [
        ({}, ""),
        ({"old.a": 1}, "leaves 1 message on old.a stored, and takes no new ones there"),
        (
            {"old.c": 1, "old.b": 2000, "old.a": 5},
            "leaves 2,006 messages on old.a, old.b, old.c stored, and takes no new ones there",
        ),
        (
            {f"old.{number}": 1 for number in range(5)},
            (
                "leaves 5 messages on old.0, old.1, old.2 and 2 more stored, and takes no new ones "
                "there"
            ),
        ),
    ],
)
def test_messages_on_removed_subjects_are_named_and_hold_nothing(
    left_behind: dict[str, int], why: str
) -> None:
    config = complete_stream(dict(stream("work", {"subjects": ["old.>"]}).declared), "2.14.6", 4)
    live = LiveStream(config, "2026-01-01T00:00:00Z", messages=10)
    desired = stream("work", {"subjects": ["new"]})
    seen = Seen({MessagesLook("work", ("old.>",)): {**left_behind, "new": 3}})
    (change,) = costed(desired, live, seen)
    assert (change.verdict, change.why, change.is_costly) == (Verdict.IN_PLACE, why, bool(why))


def test_a_stream_with_too_many_subjects_is_not_asked_what_it_holds_on_each() -> None:
    config = complete_stream(dict(stream("work", {"subjects": ["old.>"]}).declared), "2.14.6", 4)
    live = LiveStream(config, "2026-01-01T00:00:00Z", messages=20_000, subjects=10_001)
    (change,) = costed(stream("work", {"subjects": ["new"]}), live, Seen())
    assert change.verdict is Verdict.IN_PLACE
    assert change.why == (
        "leaves up to 20,000 messages on old.> stored, and takes no new ones there"
    )


@pytest.mark.parametrize(
    "count, shown", [(0, "0 messages"), (1, "1 message"), (4000, "4,000 messages")]
)
def test_a_count_agrees_with_its_noun(count: int, shown: str) -> None:
    assert counted(count, "message") == shown
