"""A narrower filter on an interest stream: a cost, as the stream deletes what nobody waits for."""

from dataclasses import replace
from typing import Any

import pytest

from coze_nats.core.costs import Verdict
from coze_nats.core.diff import diff, with_costs
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.looks import Seen, StreamLook
from support.convergence import consumer

SERVER = Server("2.15.1", 5)


CREATED = "2026-01-01T00:00:00Z"
INTEREST = LiveStream({"name": "s", "retention": "interest"}, CREATED, messages=5)


def verdicts(
    before: dict[str, Any], after: dict[str, Any], stream: LiveStream | None = INTEREST
) -> dict[str, Verdict]:
    live = LiveConsumer(consumer("s", "c", before).declared, CREATED, stream="s", pending=2)
    desired = consumer("s", "c", after)
    seen = Seen({StreamLook("s"): stream})
    changes, lacking = with_costs(diff(desired, live.config, SERVER), desired, live, SERVER, seen)
    assert lacking == ()
    named = ("filterSubject", "filterSubjects", "description")
    return {change.name: change.verdict for change in changes if change.name in named}


@pytest.mark.parametrize(
    "before, after",
    [
        ({}, {"filterSubject": "a"}),
        ({"filterSubject": "a.*"}, {"filterSubject": "a.b"}),
        ({"filterSubjects": ["a", "b"]}, {"filterSubjects": ["a", "c"]}),
        ({"filterSubjects": ["a", "b"]}, {"filterSubject": "a"}),
    ],
)
def test_a_filter_that_lets_go_of_subjects_loses_what_waits_there(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert set(verdicts(before, after).values()) == {Verdict.LOSES_DATA}


@pytest.mark.parametrize(
    "before, after",
    [
        ({"filterSubject": "a"}, {}),
        ({"filterSubject": "a.b"}, {"filterSubject": "a.*"}),
        ({"filterSubject": "a"}, {"filterSubjects": ["a", "b"]}),
    ],
)
def test_a_filter_that_keeps_all_subjects_loses_nothing(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert set(verdicts(before, after).values()) == {Verdict.IN_PLACE}


def test_other_changes_of_the_same_update_are_in_place() -> None:
    found = verdicts({}, {"filterSubject": "a", "description": "narrow"})
    assert found["description"] is Verdict.IN_PLACE


@pytest.mark.parametrize(
    "stream",
    [None, replace(INTEREST, messages=0), LiveStream({"name": "s"}, CREATED, messages=5)],
    ids=["gone", "empty", "limits"],
)
def test_a_stream_that_keeps_nothing_for_its_consumers_loses_nothing_by_a_filter(
    stream: LiveStream | None,
) -> None:
    found = verdicts({}, {"filterSubject": "a"}, stream)
    assert found["filterSubject"] is Verdict.IN_PLACE
