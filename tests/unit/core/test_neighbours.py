"""What a resource can reach of others' streams, and which streams bear a mark."""

from typing import Any

import pytest

from coze_nats.core.live import LiveStream
from coze_nats.core.names import OWNER_METADATA
from coze_nats.core.neighbours import Marked, Reached, may_reach_others

CREATED = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "spec, matter",
    [
        ({"subjects": ["a"]}, False),
        ({"mirror": {"name": "a"}}, True),
        ({"republish": {"destination": "a"}}, True),
        ({"deliverSubject": "a"}, True),
        ({"deliver_subject": "a"}, True),
    ],
)
def test_what_publishes_or_copies_may_reach_others(spec: Any, matter: bool) -> None:
    assert may_reach_others(spec) is matter


def test_what_is_reached_is_what_is_published_on_heard_and_copied() -> None:
    source = {"name": "origin", "consumer": {"name": "r", "deliver_subject": "heard"}}
    config = {
        "name": "a",
        "subjects": ["in.*"],
        "republish": {"src": "in.*", "dest": "out.{{wildcard(1)}}"},
        "sources": [source, {"name": "origin"}],
    }
    found = Reached.by([config, {"name": "plain", "subjects": ["b"]}, config], "")
    assert found == Reached(("out.*", "heard"), ("origin",))


def marked(name: str, *subjects: str, owner: str = "there/shop/x") -> LiveStream:
    metadata = {OWNER_METADATA: owner} if owner else {}
    return LiveStream({"name": name, "subjects": list(subjects), "metadata": metadata}, CREATED)


def test_streams_with_a_mark_are_found_by_their_names_and_subjects() -> None:
    known = Marked()
    known.learn([marked("one", "a.>"), marked("two", "b"), marked("bare", "c", owner="")])

    def names(subjects: tuple[str, ...] = (), streams: tuple[str, ...] = ()) -> list[str]:
        return [each.name for each in known.reached(Reached(subjects, streams))]

    assert names(("a.x", "a.y"), ("two", "one", "gone")) == ["two", "one"]
    assert names(("c",), ("bare",)) == []
    known.note(marked("one", "moved"))
    known.note(marked("two", owner=""))
    assert names(("a.x", "b")) == []
    assert names(("moved",)) == ["one"]
    known.learn([])
    assert names(("moved",), ("one",)) == []
