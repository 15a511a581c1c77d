"""Desired against live: what differs, what it would take, and what makes no difference."""

from typing import Any

import pytest

from coze_nats.core.costs import Verdict
from coze_nats.core.diff import FieldChange, choices, diff, own_metadata, unsupported
from coze_nats.core.live import Server
from fakes.configs import complete_consumer, complete_stream
from support.convergence import consumer, stream

NEWEST = Server("2.15.1", 5)
OLDEST = Server("2.10.26", 0)
Spec = dict[str, Any]
TRANSFORMED: Spec = {
    "subjects": ["in.>"],
    "subjectTransform": {"source": "in.>", "destination": "out.>"},
}


def live_stream(spec: Spec, server: Server = NEWEST, **by_hand: Any) -> dict[str, Any]:
    """The configuration of a stream that was created from a spec, and then changed by hand."""
    declared = dict(stream("work", spec).declared)
    return complete_stream(declared, server.version, server.api_level) | by_hand


def live_consumer(spec: Spec, **by_hand: Any) -> dict[str, Any]:
    of = complete_stream({"name": "work"}, NEWEST.version, NEWEST.api_level)
    declared = dict(consumer("work", "reader", spec).declared)
    return complete_consumer(declared, of, NEWEST.version, NEWEST.api_level) | by_hand


def stream_changes(
    before: Spec, after: Spec, server: Server = NEWEST, chosen: Spec | None = None, **by_hand: Any
) -> tuple[FieldChange, ...]:
    live = live_stream(before, server, **by_hand)
    return diff(stream("work", after), live, server, chosen)


def consumer_changes(before: Spec, after: Spec, **by_hand: Any) -> tuple[FieldChange, ...]:
    return diff(consumer("work", "reader", after), live_consumer(before, **by_hand), NEWEST)


# --- no difference --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec, by_hand",
    [
        ({}, {}),
        ({"subjects": ["b", "a"]}, {"subjects": ["a", "b"]}),
        ({"maxMsgs": -1}, {"max_msgs": 0}),
        ({"description": ""}, {}),
        ({"persistMode": "default"}, {}),
        ({"republish": {"destination": "x.>"}}, {"republish": {"src": "", "dest": "x.>"}}),
        ({"consumerLimits": {}}, {"consumer_limits": {}}),
        ({}, {"consumer_limits": {"from_the_future": 1}}),
        ({}, {"placement": {"preferred": "a"}}),
        ({}, {"from_the_future": True}),
        ({"mirror": {"name": "far"}}, {"mirror_direct": True}),
        ({"sources": [{"name": "far"}]}, {"duplicate_window": 120 * 10**9}),
        (
            {
                "mirror": {
                    "name": "far",
                    "subjectTransforms": [
                        {"source": "a", "destination": "b"},
                        {"source": "c", "destination": "d"},
                    ],
                }
            },
            {
                "mirror": {
                    "name": "far",
                    "subject_transforms": [{"src": "c", "dest": "d"}, {"src": "a", "dest": "b"}],
                }
            },
        ),
        ({"maxAge": "1m"}, {}),
        ({"maxAge": "1h", "mirror": {"name": "far"}}, {}),
        ({"subjectDeleteMarkerTtl": "1s"}, {}),
        ({"allowMsgSchedules": True}, {}),
        ({"sources": [{"name": "a"}, {"name": "b"}]}, {"sources": [{"name": "b"}, {"name": "a"}]}),
        ({}, {"metadata": {"_nats.ver": "3", "coze.dev/note": "x"}}),
        ({**TRANSFORMED, "republish": {"destination": ">"}}, {}),
        (
            {**TRANSFORMED, "republish": {"source": ">", "destination": ">", "headersOnly": True}},
            {"republish": {"src": "out.>", "dest": "out.>", "headers_only": True}},
        ),
        (
            {
                "subjectTransform": {"source": "work", "destination": "out"},
                "republish": {"destination": ">"},
            },
            {"republish": {"src": "out", "dest": "out"}},
        ),
    ],
)
def test_what_means_the_same_is_no_difference(spec: Spec, by_hand: Spec) -> None:
    assert stream_changes(spec, spec, **by_hand) == ()


@pytest.mark.parametrize(
    "spec, by_hand",
    [
        ({}, {}),
        ({"sampleFreq": "30"}, {"sample_freq": "30%"}),
        ({"priorityGroups": ["a"], "priorityPolicy": "pinnedClient"}, {}),
        ({"ackPolicy": "flowControl", "deliverSubject": "a"}, {}),
        ({"backoff": ["1s", "2s"]}, {}),
        ({"deliverSubject": "a"}, {}),
        ({"ackPolicy": "none"}, {"ack_wait": 30 * 10**9}),
        (
            {"deliverPolicy": "byStartTime", "optStartTime": "2024-01-31T12:00:00Z"},
            {"opt_start_time": "2024-01-31T14:00:00+02:00"},
        ),
    ],
)
def test_what_means_the_same_for_a_consumer_is_no_difference(spec: Spec, by_hand: Spec) -> None:
    assert consumer_changes(spec, spec, **by_hand) == ()


@pytest.mark.parametrize(
    "spec",
    [
        {"republish": {"destination": ">"}, "subjectTransform": None},
        {"republish": {"destination": ">"}, "subjects": ["in.>", "also"]},
        {"republish": {"destination": ">"}, "subjects": ["in.a.>"]},
        {"republish": {"destination": ">"}, "subjects": None, "mirror": {"name": "far"}},
        {
            "republish": {"destination": ">"},
            "subjectTransform": TRANSFORMED["subjectTransform"] | {"destination": "other.>"},
        },
        {"republish": {"destination": ">", "source": "in.>"}},
        {"republish": {"destination": "again.>"}},
        {"republish": {"destination": ">", "headersOnly": True}},
    ],
    ids=str,
)
def test_a_republish_that_the_server_would_not_say_so_is_a_difference(spec: Spec) -> None:
    declared = {key: value for key, value in (TRANSFORMED | spec).items() if value is not None}
    changes = stream_changes({}, declared, republish={"src": "out.>", "dest": "out.>"})
    (change,) = (change for change in changes if change.name == "republish")
    assert change.after == {key: value for key, value in spec["republish"].items() if value}
    assert change.declared


def test_what_the_server_chose_for_this_very_spec_is_no_difference() -> None:
    by_hand: Spec = {"duplicate_window": 60 * 10**9}
    assert len(stream_changes({}, {}, **by_hand)) == 1
    assert stream_changes({}, {}, chosen={"duplicateWindow": "1m"}, **by_hand) == ()
    assert len(stream_changes({}, {}, chosen={"duplicateWindow": "2m"}, **by_hand)) == 1


def test_what_is_declared_counts_whatever_the_server_chose() -> None:
    spec = {"duplicateWindow": "2m"}
    changes = stream_changes(
        spec, spec, chosen={"duplicateWindow": "1m"}, duplicate_window=60 * 10**9
    )
    assert [str(change) for change in changes] == ["duplicateWindow 1m → 2m"]


def test_what_a_server_chose_is_what_the_spec_leaves_out_and_is_not_usual() -> None:
    by_hand: Spec = {"duplicate_window": 60 * 10**9, "max_msgs": 7}
    assert choices(stream("work", {"maxMsgs": 5}), live_stream({}, **by_hand)) == {
        "duplicateWindow": "1m"
    }
    assert choices(stream("work", {}), live_stream({})) == {}


def test_what_a_consumer_gets_from_its_stream_is_right_and_nothing_else_is() -> None:
    desired = consumer("work", "reader", {}).under({"max_ack_pending": 50})
    live = live_consumer({}, max_ack_pending=50)
    assert diff(desired, live, NEWEST) == ()
    assert choices(desired, live) == {}
    for_once = live_consumer({}, max_ack_pending=1000)
    (change,) = diff(desired, for_once, NEWEST, {"maxAckPending": 1000})
    assert str(change) == "maxAckPending 1000 → 50"


# --- differences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before, after, shown",
    [
        ({}, {"maxAge": "36h"}, "maxAge 0s → 36h"),
        ({"maxMsgs": 5}, {}, "maxMsgs 5 → -1"),
        ({"description": "a"}, {}, "description a → unset"),
        ({}, {"noAck": True}, "noAck false → true"),
        ({}, {"placement": {"tags": ["a", "b"]}}, "placement unset → {tags: [a, b]}"),
        ({"subjects": ["a"]}, {"subjects": ["b"]}, "subjects [a] → [b]"),
        ({}, {"metadata": {"team": "a"}}, "metadata unset → {team: a}"),
    ],
)
def test_a_change_reads_in_the_terms_of_the_spec(before: Spec, after: Spec, shown: str) -> None:
    assert [str(change) for change in stream_changes(before, after)] == [shown]


def test_a_change_tells_whether_the_spec_says_so_or_the_default() -> None:
    (change,) = stream_changes({}, {"maxMsgs": 5})
    assert change.declared
    (change,) = stream_changes({"maxMsgs": 5}, {})
    assert not change.declared


def test_metadata_that_somebody_added_or_changed_is_a_difference() -> None:
    (change,) = stream_changes({}, {"metadata": {"team": "a"}}, metadata={"team": "b", "more": "c"})
    assert change.before == {"team": "b", "more": "c"}
    assert change.after == {"team": "a"}


def test_metadata_is_declared_even_where_the_spec_leaves_it_out() -> None:
    (change,) = stream_changes({"metadata": {"team": "a"}}, {}, metadata={"team": "a"})
    assert change.declared


def test_a_durable_that_was_made_ephemeral_is_a_difference() -> None:
    live = live_consumer({})
    del live["durable_name"]
    (change,) = diff(consumer("work", "reader", {}), live, NEWEST)
    assert (change.name, change.verdict) == ("name", Verdict.IN_PLACE)


@pytest.mark.parametrize(
    "metadata, own",
    [
        (None, {}),
        ({}, {}),
        (
            {"_nats.ver": "2", "coze.dev/owner": "a", "team": "b", "nats": "c"},
            {"team": "b", "nats": "c"},
        ),
    ],
)
def test_metadata_of_the_server_and_the_operator_is_not_the_users(
    metadata: dict[str, str] | None, own: dict[str, str]
) -> None:
    assert own_metadata(metadata) == own


# --- what a change would take ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "before, after",
    [
        ({}, {"maxMsgs": 5}),
        ({}, {"maxConsumers": 5}),
        ({"firstSequence": 5}, {}),
        ({"sources": [{"name": "a", "optStartSeq": 5}]}, {"sources": [{"name": "a"}]}),
        ({"sources": [{"name": "a"}]}, {"sources": [{"name": "b", "optStartSeq": 5}]}),
        ({}, {"sources": [{"name": "a", "optStartSeq": 5}]}),
        ({}, {"sealed": True}),
        ({}, {"retention": "interest"}),
        ({"retention": "interest"}, {}),
        ({"subjects": ["a"], "sources": [{"name": "b"}]}, {"subjects": ["a"]}),
    ],
)
def test_nats_makes_it_in_place(before: Spec, after: Spec) -> None:
    assert {change.verdict for change in stream_changes(before, after)} == {Verdict.IN_PLACE}


@pytest.mark.parametrize(
    "before, after, why",
    [
        ({}, {"storage": "memory"}, "NATS can't change it once the object exists"),
        ({"denyDelete": True}, {}, "NATS can turn it on, but not off again: keep it true"),
        ({}, {"firstSequence": 5}, "it has an effect only when the stream is created"),
        ({"firstSequence": 4}, {"firstSequence": 5}, "it has an effect only when"),
        (
            {"sources": [{"name": "a"}, {"name": "b"}]},
            {"sources": [{"name": "a", "optStartSeq": 5}, {"name": "b"}]},
            "where a starts has an effect only when the source is added",
        ),
        ({}, {"retention": "workqueue"}, "NATS can't change retention to or from workqueue"),
        ({"retention": "workqueue"}, {}, "NATS can't change retention to or from workqueue"),
    ],
)
def test_nats_cannot_make_it_at_all(before: Spec, after: Spec, why: str) -> None:
    (change,) = stream_changes(before, after)
    assert change.verdict is Verdict.IMMUTABLE
    assert change.why.startswith(why)


def verdict_on(name: str, changes: tuple[FieldChange, ...]) -> tuple[Verdict, str]:
    change = next(change for change in changes if change.name == name)
    return change.verdict, change.why


def test_a_mirror_can_be_removed_but_not_added_or_changed() -> None:
    mirror, other = {"mirror": {"name": "far"}}, {"mirror": {"name": "near"}}
    for before, after in (({}, mirror), (mirror, other)):
        verdict, why = verdict_on("mirror", stream_changes(before, after))
        assert verdict is Verdict.IMMUTABLE
        assert why == "NATS can't add or change the mirror of an existing stream"
    assert verdict_on("mirror", stream_changes(mirror, {})) == (Verdict.IN_PLACE, "")


@pytest.mark.parametrize(
    "name, before, after, why",
    [
        ("mirror", {"mirror": {"name": "far"}}, {}, "removing it needs nats-server 2.12"),
        ("maxConsumers", {}, {"maxConsumers": 5}, "changing it needs nats-server 2.12"),
    ],
)
def test_an_older_server_cannot_make_it(name: str, before: Spec, after: Spec, why: str) -> None:
    verdict, said = verdict_on(name, stream_changes(before, after, OLDEST))
    assert verdict is Verdict.UNSUPPORTED
    assert said == f"{why} or newer, and this is 2.10.26"


def test_the_first_server_that_can_make_it_does() -> None:
    first = Server("2.12.0", 2)
    for before, after in (({"mirror": {"name": "far"}}, {}), ({}, {"maxConsumers": 5})):
        changes = stream_changes(before, after, first)
        assert {change.verdict for change in changes} == {Verdict.IN_PLACE}


def test_a_pull_consumer_stays_one() -> None:
    push, other = {"deliverSubject": "a"}, {"deliverSubject": "b"}
    for before, after in (({}, push), (push, {})):
        verdict, why = verdict_on("deliverSubject", consumer_changes(before, after))
        assert verdict is Verdict.IMMUTABLE
        assert why == "NATS can't turn a pull consumer into a push consumer or back"
    assert verdict_on("deliverSubject", consumer_changes(push, other)) == (Verdict.IN_PLACE, "")


# --- what a server lacks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec, level, lacking",
    [
        (
            {"allowMsgTtl": True},
            0,
            ["allowMsgTtl needs nats-server 2.11 or newer, and this is 2.x"],
        ),
        ({"allowMsgTtl": True}, 1, []),
        ({"allowMsgTtl": False}, 0, []),
        (
            {"subjectDeleteMarkerTtl": "1s", "allowMsgCounter": True},
            0,
            [
                "subjectDeleteMarkerTtl needs nats-server 2.11 or newer, and this is 2.x",
                "allowMsgCounter needs nats-server 2.12 or newer, and this is 2.x",
            ],
        ),
        (
            {"allowBatched": True},
            3,
            ["allowBatched needs nats-server 2.14 or newer, and this is 2.x"],
        ),
        ({"persistMode": "default"}, 0, []),
        (
            {"persistMode": "async"},
            1,
            ["persistMode needs nats-server 2.12 or newer, and this is 2.x"],
        ),
        ({"sources": [{"name": "a"}]}, 0, []),
        (
            {"mirror": {"name": "a", "consumer": {"name": "b", "deliverSubject": "c"}}},
            3,
            ["mirror needs nats-server 2.14 or newer, and this is 2.x"],
        ),
        (
            {
                "sources": [
                    {"name": "a"},
                    {"name": "a", "consumer": {"name": "b", "deliverSubject": "c"}},
                ]
            },
            3,
            ["sources needs nats-server 2.14 or newer, and this is 2.x"],
        ),
    ],
)
def test_fields_that_the_server_lacks_are_named_with_the_version(
    spec: Spec, level: int, lacking: list[str]
) -> None:
    assert unsupported(stream("work", spec), Server("2.x", level)) == lacking


@pytest.mark.parametrize(
    "spec, level, field",
    [
        ({"pauseUntil": "2099-01-31T12:00:00Z"}, 0, "pauseUntil needs nats-server 2.11"),
        (
            {"deliverSubject": "a", "ackPolicy": "flowControl"},
            3,
            "ackPolicy needs nats-server 2.14",
        ),
        (
            {"priorityGroups": ["a"], "priorityPolicy": "prioritized"},
            1,
            "priorityPolicy needs nats-server 2.12",
        ),
    ],
)
def test_fields_of_a_consumer_that_the_server_lacks_are_named(
    spec: Spec, level: int, field: str
) -> None:
    (found,) = unsupported(consumer("work", "reader", spec), Server("2.x", level))
    assert found.startswith(field)
    assert unsupported(consumer("work", "reader", spec), NEWEST) == []
