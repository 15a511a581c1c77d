"""A narrower filter on an interest stream: a cost, as the stream deletes what nobody waits for."""

from typing import Any

import pytest

from coze_nats.core.diff import Verdict, diff
from coze_nats.core.live import LiveConsumer, Server
from coze_nats.core.losses import with_lost_interest
from support.convergence import consumer

SERVER = Server("2.15.1", 5)


def verdicts(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Verdict]:
    live = LiveConsumer(consumer("s", "c", before).declared, "2026-01-01T00:00:00Z", pending=2)
    desired = consumer("s", "c", after)
    changes = with_lost_interest(diff(desired, live.config, SERVER), desired, live)
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
