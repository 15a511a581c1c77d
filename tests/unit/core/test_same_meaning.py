"""What another tool writes otherwise and means the same by is no difference, and stays as it is."""

from typing import Any

import pytest

from coze_nats.core.desired import Desired
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Action, Plan, Situation, plan
from fakes.configs import complete_consumer, complete_stream
from support.convergence import OWNER, consumer, stream

Spec = dict[str, Any]
CREATED = "2026-01-01T00:00:00Z"
SERVER = Server("2.15.1", 5)
HOUR = 3600 * 10**9


def planned(desired: Desired, live: Live) -> Plan:
    return plan(desired, live, Situation(OWNER, SERVER))


def live_stream(config: Spec) -> LiveStream:
    complete = complete_stream({"name": "work"}, SERVER.version, SERVER.api_level)
    if "mirror" in config or "sources" in config:
        complete = {key: value for key, value in complete.items() if key not in _OF_SUBJECTS}
    return LiveStream({**complete, **config}, CREATED)


_OF_SUBJECTS = ("subjects", "duplicate_window")


def live_consumer(config: Spec) -> LiveConsumer:
    of = complete_stream({"name": "work"}, SERVER.version, SERVER.api_level)
    given = {"durable_name": "reader", "ack_policy": "explicit", **config}
    complete = complete_consumer(given, of, SERVER.version, SERVER.api_level)
    return LiveConsumer({**complete, **config}, CREATED, stream="work")


def expect_adoption_as_it_is(desired: Desired, live: Live) -> None:
    found = planned(desired, live)
    assert found.changes == ()
    assert found.action is Action.ADOPT
    assert found.steps == ()


FILTER = {"name": "origin", "filterSubject": "in.>"}
TRANSFORM = {"name": "origin", "subjectTransforms": [{"source": "in.>"}]}
SOURCES: dict[str, tuple[Spec, Spec]] = {
    "one filter, as a transform to nowhere": (
        FILTER,
        {"name": "origin", "subject_transforms": [{"src": "in.>", "dest": ""}]},
    ),
    "a transform to nowhere, as one filter": (
        TRANSFORM,
        {"name": "origin", "filter_subject": "in.>"},
    ),
    "all, as a filter": ({"name": "origin"}, {"name": "origin", "filter_subject": ">"}),
    "all, as a transform of nothing": (
        {"name": "origin"},
        {"name": "origin", "subject_transforms": [{"src": "", "dest": ""}]},
    ),
    "several filters, as the nats CLI writes them": (
        {"name": "origin", "subjectTransforms": [{"source": "a"}, {"source": "b"}]},
        {
            "name": "origin",
            "subject_transforms": [{"src": "b", "dest": ""}, {"src": "a", "dest": ""}],
        },
    ),
    "a transform of everything": (
        {"name": "origin", "subjectTransforms": [{"destination": "out.>"}]},
        {"name": "origin", "subject_transforms": [{"src": "", "dest": "out.>"}]},
    ),
    "nowhere else": (
        {"name": "origin"},
        {"name": "origin", "external": {"api": "", "deliver": ""}},
    ),
}


@pytest.mark.parametrize("spec, config", SOURCES.values(), ids=SOURCES.keys())
def test_an_origin_that_is_said_otherwise_is_the_same(spec: Spec, config: Spec) -> None:
    other = {"name": "other"}
    live = live_stream({"sources": [other, config]})
    expect_adoption_as_it_is(stream("work", {"sources": [spec, other]}), live)
    expect_adoption_as_it_is(stream("work", {"mirror": spec}), live_stream({"mirror": config}))


STREAMS: dict[str, tuple[Spec, Spec]] = {
    "a transform to nowhere": ({}, {"subject_transform": {"src": "in.>", "dest": ""}}),
    "a transform of everything": (
        {"subjectTransform": {"destination": "out.>"}},
        {"subject_transform": {"src": "", "dest": "out.>"}},
    ),
    "limits below zero": ({"maxMsgs": -1}, {"max_msgs": -2, "max_bytes": -2, "max_msg_size": -3}),
    "no longest idleness": ({}, {"consumer_limits": {"inactive_threshold": -1}}),
    "a limit of none": (
        {"consumerLimits": {"maxAckPending": -1}},
        {"consumer_limits": {"max_ack_pending": -1}},
    ),
}


@pytest.mark.parametrize("spec, config", STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_that_is_said_otherwise_is_the_same(spec: Spec, config: Spec) -> None:
    expect_adoption_as_it_is(stream("work", spec), live_stream(config))


CONSUMERS: dict[str, tuple[Spec, Spec]] = {
    "one filter, as a list": ({"filterSubject": "a"}, {"filter_subjects": ["a"]}),
    "a list of one filter": ({"filterSubjects": ["a"]}, {"filter_subject": "a"}),
    "a filter for everything": ({}, {"filter_subject": ">"}),
    "a percentage": ({"sampleFreq": 30}, {"sample_freq": "30%"}),
    "a percentage without its sign": ({"sampleFreq": "30%"}, {"sample_freq": "+30"}),
    "no idleness": ({}, {"inactive_threshold": -1}),
    "deliveries without end": ({"maxDeliver": -1}, {"max_deliver": -2}),
    "what means nothing without acknowledgements": (
        {"ackPolicy": "none", "maxAckPending": 20000, "ackWait": "1h", "backoff": ["1h"]},
        {"ack_policy": "none", "max_ack_pending": 20000, "ack_wait": HOUR, "backoff": [HOUR]},
    ),
    "what means nothing to a pull consumer": ({"deliverGroup": "a"}, {"deliver_group": "a"}),
    "what means nothing to a push consumer": (
        {"deliverSubject": "to", "maxBatch": 5, "maxExpires": "1h", "maxBytes": 7},
        {"deliver_subject": "to", "max_batch": 5, "max_expires": HOUR, "max_bytes": 7},
    ),
    "a time-out of a group that pins nobody": (
        {"priorityGroups": ["a", "b"], "priorityPolicy": "overflow", "priorityTimeout": "1h"},
        {"priority_groups": ["b", "a"], "priority_policy": "overflow", "priority_timeout": HOUR},
    ),
}


@pytest.mark.parametrize("spec, config", CONSUMERS.values(), ids=CONSUMERS.keys())
def test_a_consumer_that_is_said_otherwise_is_the_same(spec: Spec, config: Spec) -> None:
    expect_adoption_as_it_is(consumer("work", "reader", spec), live_consumer(config))


def test_another_filter_in_the_other_field_is_a_difference() -> None:
    desired = consumer("work", "reader", {"filterSubject": "a"})
    found = planned(desired, live_consumer({"filter_subjects": ["a", "b"]}))
    assert [change.name for change in found.changes] == ["filterSubject", "filterSubjects"]


@pytest.mark.parametrize(
    "limit, inherited",
    [({"max_ack_pending": 5}, {}), ({"max_ack_pending": -1}, {"max_ack_pending": -1})],
)
def test_a_push_consumer_without_acknowledgements_takes_no_bound_from_its_stream(
    limit: Spec, inherited: Spec
) -> None:
    spec = {"ackPolicy": "none", "deliverSubject": "to"}
    assert consumer("work", "reader", spec).under(limit).inherited == inherited
