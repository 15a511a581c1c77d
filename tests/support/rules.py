"""What the rules across fields refuse and let pass: cases for the apiserver, and most for NATS."""

from dataclasses import dataclass

from coze_nats.core import names
from support.schema import Spec

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
CONNECTION = names.CONNECTION_KIND
SECRET = {"secretKeyRef": {"name": "nats", "key": "value"}}
USER = {"username": SECRET, "password": SECRET}
ORIGIN = {"name": "origin"}
CONSUMER_OF_ORIGIN = {"name": "reader", "deliverSubject": "copies.here"}
MAPPED = {"source": "in.*", "destination": "out.{{wildcard(1)}}"}
PUSH = {"deliverSubject": "deliver.here"}


@dataclass(frozen=True, slots=True)
class Case:
    """Specs that one rule refuses, for the field that it blames, and specs close by that pass.

    Attributes:
        says: the beginning of the rule's message.
        lenient: what a nats-server does with some of the refused ones instead of refusing them.
    """

    kind: str
    blamed: str
    says: str
    refused: tuple[Spec, ...]
    accepted: tuple[Spec, ...]
    name: str = "example"
    lenient: str = ""


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
    "an origin elsewhere is somewhere": Case(
        STREAM,
        "spec.mirror.external",
        "external says where the origin is",
        ({"mirror": {**ORIGIN, "external": {}}},),
        (
            {"mirror": {**ORIGIN, "external": {"deliverPrefix": "from.hub"}}},
            {"mirror": {**ORIGIN, "external": {"apiPrefix": "$JS.hub.API"}}},
        ),
        lenient="keeps an object without a meaning",
    ),
    "a filter is given once": Case(
        STREAM,
        "spec.sources[0].subjectTransforms",
        "this list has an item twice by its source",
        (
            {"sources": [{**ORIGIN, "subjectTransforms": [{"source": "a"}, {"source": "a"}]}]},
            {"sources": [{**ORIGIN, "subjectTransforms": [{}, {"source": ""}]}]},
        ),
        (
            {"sources": [{**ORIGIN, "subjectTransforms": [{"source": "a"}, {"source": "b"}]}]},
            {"sources": [{**ORIGIN, "subjectTransforms": [{"source": "a", "destination": ""}]}]},
            {"sources": [{**ORIGIN, "subjectTransforms": [{"destination": "out.>"}]}]},
        ),
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
        "source (left out: >) and destination must both end in >",
        (
            {"subjectTransform": {"destination": "out"}},
            {"subjectTransform": {"source": "in.>", "destination": "out"}},
            {"subjectTransform": {"source": "in", "destination": "out.>"}},
        ),
        (
            {"subjectTransform": {"source": "in.>", "destination": "out.>"}},
            {"subjectTransform": {"source": ">", "destination": "out.>"}},
            {"subjectTransform": {"destination": "out.>"}},
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
    "a stream takes no requests and no answers": Case(
        STREAM,
        "spec.subjects",
        "these subjects take NATS's own requests",
        tuple(
            {"subjects": ["a", subject], "noAck": True}
            for subject in (
                *(">", "*.>", "*.orders", "*.*", "$JS.>", "$JS.API.>", "$JS.*.>", "$JS.EVENT"),
                *("$JSC.a", "$SYS.>", "$SYS.REQ.*", "$SRV.PING", "$MQTT.msgs.>", "$NRG.P.*"),
                *("_INBOX.>", "_INBOX.*.*", "_R_.>", "_GR_.*.*.*"),
            )
        ),
        (
            {"subjects": ["$JS.EVENT.ADVISORY.>", "$SYS.ACCOUNT.*.CONNECT"]},
            {"subjects": ["*", "orders.>", "JS.API.>", "INBOX.>", "$JSON.a", "_INBOXES.a", "_R.a"]},
        ),
        lenient="NATS stores what its clients say to it and to each other",
    ),
    "only a bucket takes its own values": Case(
        STREAM,
        "spec.subjects",
        "$KV. and $O. are for buckets",
        (
            *(
                {"name": "KV_a", "subjects": [subject]}
                for subject in ("$KV.b.>", "$KV.*.>", "$KV.>", "$KV.a", "$O.a.C.>", "$KV.aa.>")
            ),
            {"subjects": ["$KV.a.>"]},
            {"name": "a", "subjects": ["$KV.a.>"]},
            {"name": "KV_", "subjects": ["$KV.a.>"]},
            {"name": "OBJ_a", "subjects": ["$KV.a.>"]},
        ),
        (
            {"name": "KV_a", "subjects": ["$KV.a.>", "a"]},
            {"name": "KV_b", "subjects": ["$KV.b.x.*"]},
            {"name": "OBJ_a", "subjects": ["$O.a.C.>", "$O.a.M.>"]},
        ),
        lenient="NATS lets any stream store what belongs to a bucket that isn't there",
    ),
    "a stream republishes nothing to NATS": Case(
        STREAM,
        "spec.republish.destination",
        "the server itself would publish",
        tuple(
            {"subjects": ["in.*"], "republish": {"source": "in.*", "destination": destination}}
            for destination in (
                "$JS.API.STREAM.PURGE.x",
                "$JS.ACK.jobs.w.{{wildcard(1)}}",
                "$JSC.a",
                "$SYS.a",
                "$SRV.PING.a",
                "$MQTT.msgs.a",
                "$NRG.P.a",
                "_INBOX.{{wildcard(1)}}",
                "_R_.a",
                "_GR_.a",
            )
        ),
        tuple(
            {"subjects": ["in.*"], "republish": {"source": "in.*", "destination": destination}}
            for destination in ("out.$JS.API.a", "JS.API.a", "$KV.state.{{wildcard(1)}}", "_INBOX")
        ),
        lenient="NATS publishes there with its own rights",
    ),
    "who publishes doesn't choose where a stream republishes to": Case(
        STREAM,
        "spec.republish",
        "who publishes into this stream chooses",
        (
            *(
                {"subjects": ["in.*.*"], "republish": {"source": "in.*.*", "destination": chosen}}
                for chosen in (
                    "{{wildcard(1)}}.{{wildcard(2)}}",
                    "{{ Wildcard( 2 ) }}.a",
                    "{{split(1,-)}}",
                    "{{SplitFromLeft(1,3)}}",
                    "{{sliceFromRight(2, 1)}}.a",
                    "$1.API",
                )
            ),
            {"subjects": ["in.>"], "republish": {"source": "in.>", "destination": ">"}},
            {
                "subjects": ["in.a"],
                "sources": [ORIGIN],
                "republish": {"source": "*.a", "destination": "{{wildcard(1)}}.b"},
            },
        ),
        (
            {
                "subjects": ["in.*"],
                "republish": {"source": "in.*", "destination": "{{partition(4,1)}}.a"},
            },
            {
                "subjects": ["in.*"],
                "republish": {"source": "in.*", "destination": "{{wildcard(1)}}"},
            },
            {
                "subjects": ["eu.a", "us.a"],
                "republish": {"source": "*.a", "destination": "{{wildcard(1)}}.b"},
            },
            {"subjects": ["in.>"], "republish": {"source": "in.>", "destination": "out.>"}},
        ),
        lenient="NATS publishes wherever the subject of a message says",
    ),
    "what a transform makes is not republished to NATS": Case(
        STREAM,
        "spec.subjectTransform",
        "republish carries what subjectTransform.destination makes",
        tuple(
            {
                "subjects": ["in"],
                "subjectTransform": {"source": "in", "destination": destination},
                "republish": {"destination": ">"},
            }
            for destination in ("$JS.API.STREAM.PURGE.x", "_INBOX.a")
        ),
        (
            {
                "subjects": ["in"],
                "subjectTransform": {"source": "in", "destination": "out"},
                "republish": {"destination": ">"},
            },
            {
                "subjects": ["in.*"],
                "subjectTransform": {"source": "in.*", "destination": "$JS.a.{{wildcard(1)}}"},
            },
        ),
        lenient="NATS republishes it",
    ),
    "an origin is asked through a JetStream API": Case(
        STREAM,
        "spec.sources[0].external.apiPrefix",
        "the server publishes there",
        tuple(
            {"sources": [{**ORIGIN, "external": {"apiPrefix": prefix}}]}
            for prefix in ("$JS.ACK.jobs", "$JS.API.STREAM", "$JS.a.b.API", "_INBOX", "$SYS.REQ")
        ),
        tuple(
            {"sources": [{**ORIGIN, "external": {"apiPrefix": prefix}}]}
            for prefix in ("$JS.hub.API", "imported.js", "JS.ACME.API")
        ),
        lenient="NATS asks there, and waits for an origin that never comes",
    ),
    "an origin delivers to no client of NATS": Case(
        STREAM,
        "spec.mirror.external.deliverPrefix",
        "messages are published there",
        tuple(
            {
                "mirror": {
                    **ORIGIN,
                    "external": {"apiPrefix": "$JS.hub.API", "deliverPrefix": prefix},
                }
            }
            for prefix in ("_INBOX", "_INBOX.a", "$JS.API", "$MQTT")
        ),
        (
            {
                "mirror": {
                    **ORIGIN,
                    "external": {"apiPrefix": "$JS.hub.API", "deliverPrefix": "from.hub"},
                }
            },
        ),
        lenient="NATS has it delivered there",
    ),
    "a source's consumer delivers to the stream": Case(
        STREAM,
        "spec.sources[0].consumer.deliverSubject",
        "the stream takes all that comes there",
        tuple(
            {"sources": [{**ORIGIN, "consumer": {"name": "reader", "deliverSubject": subject}}]}
            for subject in ("_INBOX.a", "$JS.API.a", "$SRV.a")
        ),
        ({"sources": [{**ORIGIN, "consumer": CONSUMER_OF_ORIGIN}]},),
        lenient="NATS listens there",
    ),
    "a consumer delivers nothing to NATS": Case(
        CONSUMER,
        "spec.deliverSubject",
        "the server would publish",
        tuple(
            {"streamName": "orders", "deliverSubject": subject}
            for subject in ("$JS.API.STREAM.PURGE.x", "_INBOX.a", "$SRV.PING", "_R_.a")
        ),
        tuple(
            {"streamName": "orders", "deliverSubject": subject}
            for subject in ("deliver.here", "_INBOX", "out.$JS.API")
        ),
        lenient="NATS publishes there with its own rights",
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
        lenient="turns message TTLs on",
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
        lenient="turns roll-ups on and denyPurge off",
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
        lenient="takes delete markers, but refuses every update afterwards",
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
        lenient="drops it",
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
        lenient="does not know our references",
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
        lenient="replaces ackWait",
    ),
    "nothing is pending of what is pushed without acknowledgements": Case(
        CONSUMER,
        "spec.maxAckPending",
        "a push consumer without acknowledgements can't have a maxAckPending",
        ({**PUSH, "ackPolicy": "none", "maxAckPending": 10},),
        (
            {**PUSH, "ackPolicy": "none", "maxAckPending": -1},
            {**PUSH, "ackPolicy": "all", "maxAckPending": 10},
            {"ackPolicy": "none", "maxAckPending": 10, "ackWait": "30s"},
            {**PUSH, "ackPolicy": "none", "backoff": ["1s"]},
        ),
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
        lenient="sets flowControl and idleHeartbeat itself",
    ),
    "a pull consumer does not push": Case(
        CONSUMER,
        "spec.deliverSubject",
        "flowControl, idleHeartbeat and rateLimitBps are for push consumers",
        (
            {"flowControl": True},
            {"idleHeartbeat": "5s"},
            {"rateLimitBps": 1_000_000},
        ),
        (
            {**PUSH, "deliverGroup": "workers", "idleHeartbeat": "5s", "rateLimitBps": 1_000_000},
            {"flowControl": False},
            {"deliverGroup": "workers"},
        ),
    ),
    "a push consumer does not pull": Case(
        CONSUMER,
        "spec.deliverSubject",
        "maxWaiting and priority* are for pull consumers",
        tuple(
            {**PUSH, **more}
            for more in (
                {"maxWaiting": 10},
                {"priorityGroups": ["jobs"], "priorityPolicy": "overflow"},
            )
        ),
        (
            {"maxWaiting": 10, "maxBatch": 10, "maxExpires": "30s", "maxBytes": "1Mi"},
            {**PUSH, "maxBatch": 10, "maxExpires": "30s", "maxBytes": "1Mi"},
        ),
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
    "a priority timeout is for a priority group": Case(
        CONSUMER,
        "spec.priorityTimeout",
        "priorityTimeout needs a priorityPolicy",
        ({"priorityTimeout": "1m"},),
        (
            {"priorityGroups": ["a"], "priorityPolicy": "pinnedClient", "priorityTimeout": "1m"},
            {"priorityGroups": ["a", "b"], "priorityPolicy": "overflow", "priorityTimeout": "1m"},
        ),
    ),
}

CONNECTION_CASES = {
    "a login is in exactly one way": Case(
        CONNECTION,
        "spec.auth",
        "log in in exactly one way",
        (
            {"auth": {}},
            {"auth": {"token": SECRET, "creds": SECRET}},
            {"auth": {"token": SECRET, "userPassword": USER}},
            {"auth": {"creds": SECRET, "nkey": SECRET}},
            {"auth": {"creds": SECRET, "jwt": SECRET, "nkey": SECRET}},
            {"auth": {"userPassword": USER, "jwt": SECRET}},
        ),
        (
            {},
            {"auth": {"token": SECRET}},
            {"auth": {"userPassword": USER}},
            {"auth": {"creds": SECRET}},
            {"auth": {"nkey": SECRET}},
            {"auth": {"jwt": SECRET}},
            {"auth": {"jwt": SECRET, "nkey": SECRET}},
        ),
    ),
    "an authority is in one place": Case(
        CONNECTION,
        "spec.tls.ca",
        "ca names exactly one of secretKeyRef and configMapKeyRef",
        (
            {"tls": {"ca": {}}},
            {"tls": {"ca": {**SECRET, "configMapKeyRef": SECRET["secretKeyRef"]}}},
        ),
        (
            {"tls": {}},
            {"tls": {"ca": SECRET}},
            {"tls": {"ca": {"configMapKeyRef": SECRET["secretKeyRef"]}}},
        ),
    ),
    "the JetStream API is in one place": Case(
        CONNECTION,
        "spec.domain",
        "domain and apiPrefix are two ways to say where the JetStream API is",
        ({"domain": "hub", "apiPrefix": "$JS.hub.API"},),
        ({"domain": "hub"}, {"apiPrefix": "$JS.hub.API"}),
    ),
    "a consumer of a CozeStream has its connection": Case(
        CONSUMER,
        "spec.connection",
        "a consumer with streamRef lives where its CozeStream lives",
        ({"streamRef": {"name": "orders"}, "connection": {"name": "events"}},),
        (
            {"streamRef": {"name": "orders"}},
            {"streamName": "orders", "connection": {"name": "events", "namespace": "platform"}},
        ),
    ),
}
"""What NATS is never told."""
