"""What the apiserver judges across fields and across changes, both ways for every rule.

The rules for single values are in test_values.py.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from coze_nats.core import names
from support.schema import Spec, fields, messages, resource, whole
from support.specs import consumer_specs, stream_specs

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
MESSAGES = {kind: frozenset(messages(whole(kind))) for kind in names.PLURALS}
ORIGIN = {"name": "origin"}
CONSUMER_OF_ORIGIN = {"name": "reader", "deliverSubject": "copies.here"}
MAPPED = {"source": "in.*", "destination": "out.{{wildcard(1)}}"}
PUSH = {"deliverSubject": "deliver.here"}


@dataclass(frozen=True, slots=True)
class Case:
    """Specs that one rule refuses, for the field that it blames, and specs close by that pass.

    Attributes:
        says: the beginning of the rule's message.
    """

    kind: str
    blamed: str
    says: str
    refused: tuple[Spec, ...]
    accepted: tuple[Spec, ...]
    name: str = "example"


CASES = {
    "a mirror stores nothing but its origin's messages": Case(
        STREAM,
        "spec.mirror",
        "a mirror takes all its messages from its origin",
        ({"mirror": ORIGIN, "subjects": ["a"]}, {"mirror": ORIGIN, "sources": [ORIGIN]}),
        ({"mirror": ORIGIN}, {"sources": [ORIGIN], "subjects": ["a"]}),
    ),
    "a mirror has its origin's sequences": Case(
        STREAM,
        "spec.firstSequence",
        "a mirror has its origin's sequences",
        ({"mirror": ORIGIN, "firstSequence": 1},),
        ({"firstSequence": 1},),
    ),
    "a mirror has no delete markers of its own": Case(
        STREAM,
        "spec.subjectDeleteMarkerTtl",
        "a mirror can't have delete markers",
        ({"mirror": ORIGIN, "subjectDeleteMarkerTtl": "1h"},),
        ({"subjectDeleteMarkerTtl": "1h"},),
    ),
    "nobody publishes to a mirror": Case(
        STREAM,
        "spec.mirror",
        "nobody publishes to a mirror",
        tuple(
            {"mirror": ORIGIN, field: True}
            for field in (
                "allowMsgCounter",
                "allowAtomicPublish",
                "allowBatched",
                "allowMsgSchedules",
            )
        ),
        ({"mirror": ORIGIN, "allowMsgCounter": False}, {"allowMsgCounter": True}),
    ),
    "only a mirror answers for its origin": Case(
        STREAM,
        "spec.mirrorDirect",
        "mirrorDirect is for mirrors",
        ({"mirrorDirect": True},),
        ({"mirrorDirect": False}, {"mirror": ORIGIN, "mirrorDirect": True}),
    ),
    "a stream does not mirror itself": Case(
        STREAM,
        "spec.mirror",
        "a stream can't mirror itself",
        ({"mirror": {"name": "example"}}, {"name": "other", "mirror": {"name": "other"}}),
        (
            {"name": "other", "mirror": {"name": "example"}},
            {"mirror": {"name": "example", "external": {"apiPrefix": "$JS.hub.API"}}},
        ),
    ),
    "a stream is no source of itself": Case(
        STREAM,
        "spec.sources",
        "a stream can't be a source of itself",
        ({"sources": [ORIGIN, {"name": "example"}]}, {"name": "x", "sources": [{"name": "x"}]}),
        (
            {"name": "other", "sources": [{"name": "example"}]},
            {"sources": [{"name": "example", "external": {"apiPrefix": "$JS.hub.API"}}]},
            {"sources": [{"name": "example", "filterSubject": "elsewhere"}]},
        ),
    ),
    "no source is named twice": Case(
        STREAM,
        "spec.sources",
        "two sources are the same stream with the same filterSubject",
        (
            {"sources": [ORIGIN, {**ORIGIN, "optStartSeq": 7}]},
            {"sources": [ORIGIN, {**ORIGIN, "filterSubject": ">"}]},
            {"sources": [{**ORIGIN, "filterSubject": "a"}, {**ORIGIN, "filterSubject": "a"}]},
            {"sources": [{**ORIGIN, "external": {"apiPrefix": "$JS.hub.API"}}] * 2},
        ),
        (
            {"sources": [ORIGIN, {"name": "other"}]},
            {"sources": [{**ORIGIN, "filterSubject": "a"}, {**ORIGIN, "filterSubject": "b"}]},
            {"sources": [ORIGIN, {**ORIGIN, "external": {"apiPrefix": "$JS.hub.API"}}]},
            {"sources": [ORIGIN, {**ORIGIN, "subjectTransforms": [MAPPED]}]},
            {"sources": [ORIGIN, {**ORIGIN, "consumer": CONSUMER_OF_ORIGIN}]},
        ),
    ),
    "a copy starts at a sequence or at a time": Case(
        STREAM,
        "spec.mirror",
        "start at a sequence or at a time",
        ({"mirror": {**ORIGIN, "optStartSeq": 7, "optStartTime": "2026-01-31T12:00:00Z"}},),
        ({"mirror": {**ORIGIN, "optStartSeq": 7}},),
    ),
    "a copy is filtered in one way": Case(
        STREAM,
        "spec.sources[0].filterSubject",
        "filterSubject excludes subjectTransforms",
        ({"sources": [{**ORIGIN, "filterSubject": "in.*", "subjectTransforms": [MAPPED]}]},),
        ({"sources": [{**ORIGIN, "subjectTransforms": [MAPPED]}]},),
    ),
    "a copy through a consumer leaves start and filter to it": Case(
        STREAM,
        "spec.mirror.consumer",
        "with consumer, where to start and what to filter is the consumer's",
        tuple(
            {"mirror": {**ORIGIN, "consumer": CONSUMER_OF_ORIGIN, **more}}
            for more in (
                {"optStartSeq": 7},
                {"optStartTime": "2026-01-31T12:00:00Z"},
                {"filterSubject": "in.*"},
            )
        ),
        ({"mirror": {**ORIGIN, "consumer": CONSUMER_OF_ORIGIN}},),
    ),
    "another account is not this account": Case(
        STREAM,
        "spec.mirror.external.apiPrefix",
        "$JS.API is this account's own JetStream",
        ({"mirror": {**ORIGIN, "external": {"apiPrefix": "$JS.API"}}},),
        ({"mirror": {**ORIGIN, "external": {"apiPrefix": "$JS.hub.API"}}},),
    ),
    "a transform keeps what > stands for": Case(
        STREAM,
        "spec.subjectTransform.destination",
        "source and destination must both end in >",
        (
            {"subjectTransform": {"source": "in.>", "destination": "out"}},
            {"subjectTransform": {"source": "in", "destination": "out.>"}},
        ),
        (
            {"subjectTransform": {"source": "in.>", "destination": "out.>"}},
            {"subjectTransform": {"source": ">", "destination": "out.>"}},
            {"subjectTransform": MAPPED},
        ),
    ),
    "a republish keeps what > stands for": Case(
        STREAM,
        "spec.republish.destination",
        "source (left out: >) and destination must both end in >",
        (
            {"republish": {"destination": "copy"}},
            {"republish": {"source": "in.a", "destination": "copy.>"}},
        ),
        (
            {"republish": {"destination": "copy.>"}},
            {"republish": {"source": "in.>", "destination": "copy.>"}},
            {"republish": {"source": "in.a", "destination": "copy"}},
        ),
    ),
    "a republish does not come back": Case(
        STREAM,
        "spec.republish",
        "republish.destination leads back into this stream's own subjects",
        (
            {"subjects": ["in.>"], "republish": {"destination": "in.>"}},
            {"subjects": ["a", "in.>"], "republish": {"destination": "in.copy.>"}},
            {"subjects": ["a"], "republish": {"source": "b", "destination": "a"}},
        ),
        (
            {"subjects": ["in.>"], "republish": {"destination": "inner.>"}},
            {"subjects": ["in.a"], "republish": {"destination": "in.copy.>"}},
        ),
    ),
    "a stream of all subjects answers nobody": Case(
        STREAM,
        "spec.subjects",
        "a stream of all subjects (>) answers every request",
        (
            {"subjects": [">"]},
            {"subjects": [">"], "noAck": False},
            {"subjects": [">"], "noAck": True, "replicas": 3},
        ),
        ({"subjects": [">"], "noAck": True}, {"subjects": [">"], "noAck": True, "replicas": 1}),
    ),
    "a stream does not answer for NATS": Case(
        STREAM,
        "spec.subjects",
        "NATS itself answers on",
        tuple(
            {"subjects": [subject]}
            for subject in ("$JS.API.>", "$JS.>", "$JSC.a", "$SYS.>", "$SYS.REQ.*")
        ),
        (
            {"subjects": ["$JS.API.>"], "noAck": True},
            {"subjects": ["$JS.EVENT.ADVISORY.>", "$SYS.ACCOUNT.*.CONNECT", "$KV.a.>"]},
        ),
    ),
    "a duplicate window is within the age": Case(
        STREAM,
        "spec.duplicateWindow",
        "duplicateWindow must not be longer than maxAge",
        (
            {"maxAge": "1m", "duplicateWindow": "2m"},
            {"maxAge": "1d", "duplicateWindow": "24h1ns"},
        ),
        (
            {"maxAge": "1d", "duplicateWindow": "24h"},
            {"maxAge": "0s", "duplicateWindow": "2m"},
            {"duplicateWindow": "1h"},
        ),
    ),
    "new messages are refused per subject only where a subject has a limit": Case(
        STREAM,
        "spec.discardPerSubject",
        "discardPerSubject needs discard: new and a maxMsgsPerSubject",
        (
            {"discardPerSubject": True},
            {"discardPerSubject": True, "discard": "new"},
            {"discardPerSubject": True, "discard": "new", "maxMsgsPerSubject": -1},
            {"discardPerSubject": True, "discard": "old", "maxMsgsPerSubject": 1},
        ),
        (
            {"discardPerSubject": True, "discard": "new", "maxMsgsPerSubject": 1},
            {"discardPerSubject": False},
        ),
    ),
    "a roll-up needs purging": Case(
        STREAM,
        "spec.denyPurge",
        "a roll-up purges",
        ({"denyPurge": True, "allowRollup": True},),
        ({"denyPurge": True, "allowRollup": False}, {"allowRollup": True}),
    ),
    "delete markers need message TTLs": Case(
        STREAM,
        "spec.allowMsgTtl",
        "subjectDeleteMarkerTtl turns on allowMsgTtl",
        ({"subjectDeleteMarkerTtl": "1h", "allowMsgTtl": False},),
        ({"subjectDeleteMarkerTtl": "1h", "allowMsgTtl": True}, {"allowMsgTtl": False}),
    ),
    "delete markers and schedules need roll-ups": Case(
        STREAM,
        "spec",
        "subjectDeleteMarkerTtl and allowMsgSchedules turn on allowRollup",
        (
            {"subjectDeleteMarkerTtl": "1h", "allowRollup": False},
            {"subjectDeleteMarkerTtl": "1h", "denyPurge": True},
            {"allowMsgSchedules": True, "allowRollup": False},
            {"allowMsgSchedules": True, "denyPurge": True},
        ),
        (
            {"subjectDeleteMarkerTtl": "1h", "allowRollup": True, "denyPurge": False},
            {"allowMsgSchedules": True},
        ),
    ),
    "schedules need room for new messages": Case(
        STREAM,
        "spec.allowMsgSchedules",
        "message schedules need discard: old",
        ({"allowMsgSchedules": True, "discard": "new"},),
        ({"allowMsgSchedules": True, "discard": "old"}, {"discard": "new"}),
    ),
    "schedules are not for streams with sources": Case(
        STREAM,
        "spec.allowMsgSchedules",
        "a stream with sources can't have message schedules",
        ({"allowMsgSchedules": True, "sources": [ORIGIN]},),
        ({"allowMsgSchedules": False, "sources": [ORIGIN]},),
    ),
    "a counter stream only counts": Case(
        STREAM,
        "spec.allowMsgCounter",
        "a counter stream needs retention: limits and discard: old",
        (
            {"allowMsgCounter": True, "discard": "new"},
            {"allowMsgCounter": True, "allowMsgTtl": True},
            {"allowMsgCounter": True, "subjectDeleteMarkerTtl": "1h"},
            {"allowMsgCounter": True, "allowMsgSchedules": True},
            {"allowMsgCounter": True, "retention": "workqueue"},
        ),
        ({"allowMsgCounter": True, "discard": "old", "retention": "limits"},),
    ),
    "asynchronous persistence is for one file": Case(
        STREAM,
        "spec.persistMode",
        "persistMode: async needs file storage",
        (
            {"persistMode": "async", "storage": "memory"},
            {"persistMode": "async", "replicas": 3},
            {"persistMode": "async", "allowAtomicPublish": True},
        ),
        (
            {"persistMode": "async", "storage": "file", "replicas": 1},
            {"persistMode": "default", "replicas": 3},
        ),
    ),
    "a sealed stream keeps its messages": Case(
        STREAM,
        "spec.sealed",
        "a sealed stream keeps its messages for ever",
        tuple(
            {"sealed": True, **more}
            for more in (
                {"maxAge": "1h"},
                {"discard": "old"},
                {"denyDelete": False},
                {"denyPurge": False},
                {"allowRollup": True},
                {"subjectDeleteMarkerTtl": "1h"},
                {"allowMsgSchedules": True},
                {"allowMsgCounter": True},
            )
        ),
        ({"sealed": True, "discard": "new", "denyDelete": True}, {"sealed": False, "maxAge": "1h"}),
    ),
    "a placement says where": Case(
        STREAM,
        "spec.placement",
        "a placement names a cluster, tags, or both",
        ({"placement": {}},),
        ({"placement": {"cluster": "east"}}, {"placement": {"tags": ["ssd"]}}),
    ),
    "a stream has a name that NATS can have": Case(
        STREAM,
        "spec.name",
        "metadata.name has dots",
        ({}, {"subjects": ["a"]}),
        ({"name": "orders-v2"},),
        name="orders.v2",
    ),
    "a consumer has a name that NATS can have": Case(
        CONSUMER,
        "spec.name",
        "metadata.name has dots",
        ({},),
        ({"name": "orders-v2"},),
        name="orders.v2",
    ),
    "a consumer has one stream": Case(
        CONSUMER,
        "spec",
        "name the stream exactly once",
        ({"streamRef": {"name": "orders"}, "streamName": "ORDERS"},),
        ({"streamRef": {"name": "orders"}}, {"streamName": "ORDERS"}),
    ),
    "a consumer has one kind of filter": Case(
        CONSUMER,
        "spec.filterSubject",
        "filterSubject excludes filterSubjects",
        ({"filterSubject": "a", "filterSubjects": ["b"]},),
        ({"filterSubject": "a"}, {"filterSubjects": ["a", "b"]}),
    ),
    "a start sequence goes with its policy": Case(
        CONSUMER,
        "spec.optStartSeq",
        "optStartSeq and deliverPolicy: byStartSequence go together",
        ({"optStartSeq": 7}, {"deliverPolicy": "byStartSequence"}),
        ({"optStartSeq": 7, "deliverPolicy": "byStartSequence"},),
    ),
    "a start time goes with its policy": Case(
        CONSUMER,
        "spec.optStartTime",
        "optStartTime and deliverPolicy: byStartTime go together",
        (
            {"optStartTime": "2026-01-31T12:00:00Z", "deliverPolicy": "new"},
            {"deliverPolicy": "byStartTime"},
        ),
        ({"optStartTime": "2026-01-31T12:00:00Z", "deliverPolicy": "byStartTime"},),
    ),
    "the last message per subject needs subjects": Case(
        CONSUMER,
        "spec.deliverPolicy",
        "deliverPolicy: lastPerSubject needs filterSubject",
        ({"deliverPolicy": "lastPerSubject"},),
        (
            {"deliverPolicy": "lastPerSubject", "filterSubject": "a.*"},
            {"deliverPolicy": "lastPerSubject", "filterSubjects": ["a.*"]},
        ),
    ),
    "there is a delivery for every backoff": Case(
        CONSUMER,
        "spec.backoff",
        "backoff must not be longer than maxDeliver",
        ({"backoff": ["1s", "5s", "1m"], "maxDeliver": 2},),
        (
            {"backoff": ["1s", "5s"], "maxDeliver": 2},
            {"backoff": ["1s", "5s"], "maxDeliver": -1},
            {"backoff": ["1s", "5s"]},
        ),
    ),
    "the first backoff is the ack wait": Case(
        CONSUMER,
        "spec.ackWait",
        "the first backoff takes the place of ackWait",
        ({"backoff": ["1s", "5s"], "ackWait": "30s"},),
        ({"backoff": ["1m", "5m"], "ackWait": "60s"}, {"ackWait": "30s"}),
    ),
    "nothing is waited for without acknowledgements": Case(
        CONSUMER,
        "spec.ackPolicy",
        "without acknowledgements there is nothing to wait for",
        ({"ackPolicy": "none", "ackWait": "30s"}, {"ackPolicy": "none", "backoff": ["1s"]}),
        ({"ackPolicy": "none"}, {"ackPolicy": "all", "ackWait": "30s"}),
    ),
    "nothing is pending without acknowledgements": Case(
        CONSUMER,
        "spec.ackPolicy",
        "without acknowledgements nothing is pending",
        ({"ackPolicy": "none", "maxAckPending": 10},),
        ({"ackPolicy": "all", "maxAckPending": 10},),
    ),
    "acknowledgements by flow control are for pushing": Case(
        CONSUMER,
        "spec.ackPolicy",
        "ackPolicy: flowControl is for push consumers",
        (
            {"ackPolicy": "flowControl"},
            *(
                {**PUSH, "ackPolicy": "flowControl", **more}
                for more in (
                    {"flowControl": False},
                    {"ackWait": "30s"},
                    {"backoff": ["1s"]},
                    {"maxDeliver": 3},
                    {"maxAckPending": -1},
                    {"idleHeartbeat": "5s"},
                )
            ),
        ),
        (
            {**PUSH, "ackPolicy": "flowControl"},
            {
                **PUSH,
                "ackPolicy": "flowControl",
                "flowControl": True,
                "idleHeartbeat": "1000ms",
                "maxDeliver": -1,
                "maxAckPending": 100,
            },
        ),
    ),
    "a pull consumer does not push": Case(
        CONSUMER,
        "spec.deliverSubject",
        "deliverGroup, flowControl, idleHeartbeat and rateLimitBps are for push consumers",
        (
            {"deliverGroup": "workers"},
            {"flowControl": True},
            {"idleHeartbeat": "5s"},
            {"rateLimitBps": 1_000_000},
        ),
        (
            {**PUSH, "deliverGroup": "workers", "idleHeartbeat": "5s", "rateLimitBps": 1_000_000},
            {"flowControl": False},
        ),
    ),
    "a push consumer does not pull": Case(
        CONSUMER,
        "spec.deliverSubject",
        "maxWaiting, maxBatch, maxExpires, maxBytes and priority* are for pull consumers",
        tuple(
            {**PUSH, **more}
            for more in (
                {"maxWaiting": 10},
                {"maxBatch": 10},
                {"maxExpires": "30s"},
                {"maxBytes": "1Mi"},
                {"priorityGroups": ["jobs"], "priorityPolicy": "overflow"},
            )
        ),
        ({"maxWaiting": 10, "maxBatch": 10, "maxExpires": "30s", "maxBytes": "1Mi"},),
    ),
    "flow control needs a heartbeat": Case(
        CONSUMER,
        "spec.flowControl",
        "flowControl needs idleHeartbeat",
        ({**PUSH, "flowControl": True},),
        ({**PUSH, "flowControl": True, "idleHeartbeat": "5s"}, {**PUSH, "flowControl": False}),
    ),
    "a priority group has a policy": Case(
        CONSUMER,
        "spec.priorityGroups",
        "priorityGroups and priorityPolicy go together",
        ({"priorityGroups": ["jobs"]}, {"priorityPolicy": "overflow"}),
        ({"priorityGroups": ["jobs"], "priorityPolicy": "overflow"},),
    ),
    "a priority timeout is for pinned clients": Case(
        CONSUMER,
        "spec.priorityTimeout",
        "priorityTimeout needs priorityPolicy: pinnedClient",
        (
            {"priorityTimeout": "1m"},
            {"priorityGroups": ["a"], "priorityPolicy": "overflow", "priorityTimeout": "1m"},
        ),
        ({"priorityGroups": ["a"], "priorityPolicy": "pinnedClient", "priorityTimeout": "1m"},),
    ),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One field's transitions, from a spec to others; None is no spec at all."""

    kind: str
    blamed: str
    says: str
    before: Spec | None
    refused: tuple[Spec | None, ...]
    accepted: tuple[Spec | None, ...]


NAME_CAN_NOT = ("spec.name", "spec.name can't be changed")
CHANGES = {
    "a stream without a name keeps metadata.name": Change(
        STREAM,
        *NAME_CAN_NOT,
        None,
        ({"name": "other"},),
        ({}, {"name": "example"}, {"maxAge": "1h"}),
    ),
    "a stream with metadata.name as its name keeps it": Change(
        STREAM,
        *NAME_CAN_NOT,
        {"name": "example"},
        ({"name": "other"},),
        (None, {}, {"name": "example", "maxAge": "1h"}),
    ),
    "a stream with another name keeps it": Change(
        STREAM,
        *NAME_CAN_NOT,
        {"name": "other"},
        (None, {}, {"name": "example"}, {"name": "OTHER"}),
        ({"name": "other", "maxAge": "1h"},),
    ),
    "a consumer without a name keeps metadata.name": Change(
        CONSUMER, *NAME_CAN_NOT, {}, ({"name": "other"},), ({"name": "example"},)
    ),
    "a consumer with another name keeps it": Change(
        CONSUMER,
        *NAME_CAN_NOT,
        {"name": "other"},
        ({}, {"name": "example"}),
        ({"name": "other", "maxDeliver": 3},),
    ),
    "a consumer keeps the CozeStream that it names": Change(
        CONSUMER,
        "spec.streamRef",
        "streamRef can't be changed",
        {"streamRef": {"name": "orders"}},
        ({"streamRef": {"name": "bills"}}, {"streamName": "orders"}),
        ({"streamRef": {"name": "orders"}, "maxDeliver": 3},),
    ),
    "a consumer keeps the stream that it names": Change(
        CONSUMER,
        "spec.streamName",
        "streamName can't be changed",
        {"streamName": "ORDERS"},
        ({"streamName": "BILLS"}, {"streamRef": {"name": "orders"}}),
        ({"streamName": "ORDERS", "maxDeliver": 3},),
    ),
    "a sealed stream stays sealed": Change(
        STREAM,
        "spec.sealed",
        "NATS can't unseal a stream",
        {"sealed": True},
        (None, {}, {"sealed": False}),
        ({"sealed": True, "description": "done"},),
    ),
    "a stream may be sealed": Change(
        STREAM,
        "spec.sealed",
        "NATS can't unseal a stream",
        {"sealed": False},
        (),
        ({}, {"sealed": True}),
    ),
    "a stream's fields may come and go": Change(
        STREAM,
        "spec",
        "NATS can't unseal a stream",
        {"maxAge": "1h"},
        (),
        (None, {}, {"maxAge": "2h"}),
    ),
}


def _message(kind: str, says: str) -> str:
    (found,) = (message for message in MESSAGES[kind] if message.startswith(says))
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_fields_must_go_together(resources: Any, case: Case) -> None:
    message = _message(case.kind, case.says)
    for spec in case.refused:
        verdict = resources.create(resource(case.kind, spec, case.name), dry_run=True)
        assert f'{case.blamed}: Invalid value: "object": {message}' in verdict.message, spec
    for spec in case.accepted:
        verdict = resources.create(resource(case.kind, spec, case.name), dry_run=True)
        assert verdict.accepted, f"{spec}: {verdict.message}"


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_identifies_or_seals_does_not_change(resources: Any, change: Change) -> None:
    message = _message(change.kind, change.says)
    before = resources.create(resource(change.kind, change.before))
    assert before.accepted, before.message
    try:
        for spec in change.refused:
            verdict = resources.replace(_after(before, change.kind, spec), dry_run=True)
            assert f"{change.blamed}: " in verdict.message, spec
            assert message in verdict.message, spec
        for spec in change.accepted:
            verdict = resources.replace(_after(before, change.kind, spec), dry_run=True)
            assert verdict.accepted, f"{spec}: {verdict.message}"
    finally:
        resources.delete(before.document)


def _after(before: Any, kind: str, spec: Spec | None) -> dict[str, Any]:
    return {**resource(kind, spec), "metadata": before.document["metadata"]}


@pytest.mark.parametrize("kind", names.PLURALS)
def test_a_case_exercises_every_rule(kind: str) -> None:
    alone = {message for field in fields(kind) for message in field.messages}
    across = {case.says for case in CASES.values() if case.kind == kind}
    over_time = {
        change.says for change in CHANGES.values() if change.kind == kind and change.refused
    }
    for message in MESSAGES[kind] - alone:
        assert any(message.startswith(says) for says in across | over_time), message


_thoroughly = settings(
    max_examples=150,
    deadline=None,
    # The refusal names the field: shrinking would ask the apiserver hundreds of times more.
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(spec=stream_specs())
@_thoroughly
def test_every_stream_that_real_servers_accept_passes(resources: Any, spec: Spec) -> None:
    verdict = resources.create(resource(STREAM, spec), dry_run=True)
    assert verdict.accepted, verdict.message


@given(spec=consumer_specs())
@_thoroughly
def test_every_consumer_that_real_servers_accept_passes(resources: Any, spec: Spec) -> None:
    verdict = resources.create(resource(CONSUMER, spec), dry_run=True)
    assert verdict.accepted, verdict.message
