"""What the server, or the live state, refuses: Stalled, the field and the remedy named, no harm."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.jetstream.gateway import Gateway

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A declaration that passes the apiserver and can't become real.

    `before` was converged and is what must remain; without it nothing may come into being.
    """

    kind: str
    spec: Spec
    reason: str
    says: tuple[str, ...]
    before: Spec | None = None
    streams: Mapping[str, Spec] = field(default_factory=dict)


CASES = {
    "more replicas than servers": Case(
        STREAM, {"replicas": 3}, "RejectedByServer", ("replicas", "use 1")
    ),
    "a subject that another stream stores": Case(
        STREAM,
        {"subjects": ["taken.one"]},
        "SubjectOverlap",
        ("subjects", "taken.one", "stream taken"),
        streams={"taken": {"subjects": ["taken.*"]}},
    ),
    "subjects that overlap each other": Case(
        STREAM, {"subjects": ["a.*", "a.b"]}, "RejectedByServer", ("subjects",)
    ),
    "a transform that its source does not allow": Case(
        STREAM,
        {
            "subjects": ["t.*"],
            "subjectTransform": {"source": "t.*", "destination": "t.{{wildcard(2)}}"},
        },
        "RejectedByServer",
        ("subjectTransform",),
    ),
    "a size that is not a whole number": Case(
        STREAM, {"maxBytes": "1.0001k"}, "InvalidSpec", ("maxBytes", "whole number")
    ),
    "another storage": Case(
        STREAM,
        {"storage": "memory"},
        "ImmutableField",
        ("storage file → memory", "Nothing was changed"),
        before={},
    ),
    "a work queue made of a stream": Case(
        STREAM, {"retention": "workqueue"}, "ImmutableField", ("retention",), before={}
    ),
    "deletes allowed again": Case(
        STREAM, {}, "ImmutableField", ("denyDelete", "not off again"), before={"denyDelete": True}
    ),
    "another start of a consumer": Case(
        CONSUMER,
        {"deliverPolicy": "new"},
        "ImmutableField",
        ("deliverPolicy all → new",),
        before={},
        streams={"base": {}},
    ),
    "a pull consumer made to push": Case(
        CONSUMER,
        {"deliverSubject": "push.here"},
        "ImmutableField",
        ("deliverSubject", "pull consumer into a push consumer"),
        before={},
        streams={"base": {}},
    ),
    "more replicas than the stream": Case(
        CONSUMER,
        {"replicas": 3},
        "RejectedByServer",
        ("replicas", "use"),
        streams={"base": {}},
    ),
    "filters that overlap": Case(
        CONSUMER,
        {"filterSubjects": ["base.>", "base.x"]},
        "RejectedByServer",
        ("filterSubjects", "distinct"),
        streams={"base": {"subjects": ["base.>"]}},
    ),
    "no acknowledgements on a work queue": Case(
        CONSUMER,
        {"ackPolicy": "none"},
        "RejectedByServer",
        ("ackPolicy", "explicit"),
        streams={"base": {"retention": "workqueue"}},
    ),
    "more unacknowledged messages than the stream allows": Case(
        CONSUMER,
        {"maxAckPending": 50},
        "RejectedByServer",
        ("maxAckPending", "consumerLimits"),
        streams={"base": {"consumerLimits": {"maxAckPending": 10}}},
    ),
    "a delivery back into the stream": Case(
        CONSUMER,
        {"deliverSubject": "base.again"},
        "RejectedByServer",
        ("deliverSubject", "doesn't store"),
        streams={"base": {"subjects": ["base.>"]}},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_it_is_stalled_with_the_field_and_the_remedy(
    tenant: Any, jetstream: Gateway, case: Case
) -> None:
    for name, spec in case.streams.items():
        tenant.stream(name, **spec)
        await tenant.ready(STREAM, name)
    base = {"streamRef": {"name": "base"}} if case.kind == CONSUMER else {}
    live = None
    if case.before is not None:
        tenant.apply(case.kind, "wrong", **base, **case.before)
        await tenant.ready(case.kind, "wrong")
        live = await _config(jetstream, case.kind)
    tenant.apply(case.kind, "wrong", **base, **case.spec)
    message = await tenant.stalled(case.kind, "wrong", case.reason)
    for words in case.says:
        assert words in message
    assert await _config(jetstream, case.kind) == live


async def _config(jetstream: Gateway, kind: str) -> Any:
    if kind == STREAM:
        found: Any = await jetstream.stream("wrong")
    else:
        found = await jetstream.consumer("base", "wrong")
    return found and found.config


async def test_a_consumer_may_not_reach_into_a_managed_stream_by_its_name(tenant: Any) -> None:
    tenant.stream("mine", subjects=["mine"])
    await tenant.ready(STREAM, "mine")
    tenant.consumer("intruder", streamName="mine")
    assert "write streamRef: {name: mine}" in await tenant.stalled(
        CONSUMER, "intruder", "StreamIsManaged"
    )


async def test_a_consumer_of_an_unmanaged_stream_is_made_once_the_stream_exists(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.consumer("work", streamName="unmanaged")
    await tenant.reports(CONSUMER, "work", "Reconciling", "WaitingForStream", within=30)
    await jetstream.create_stream({"name": "unmanaged", "subjects": ["unmanaged"]})
    await tenant.ready(CONSUMER, "work")
    await jetstream.delete_stream("unmanaged")
