"""What somebody might declare to get at another namespace's streams."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connections.tenants.account import CONSUMER, STREAM

AT_APPLY = "at apply"
NOT_GRANTED = "NotGranted"


@dataclass(frozen=True, slots=True)
class Try:
    """A resource, and how it is refused: by the API server, or for one of these reasons."""

    spec: Mapping[str, Any]
    refused: str | tuple[str, ...] = AT_APPLY
    kind: str = field(default=STREAM)


def republish(destination: str, **more: Any) -> dict[str, Any]:
    """A stream of one's own that republishes what a publisher says twice."""
    source = "mine.*.*" if not destination.endswith(">") else "mine.>"
    return {
        "subjects": [source],
        "republish": {"source": source, "destination": destination},
        **more,
    }


def copying(**source: Any) -> dict[str, Any]:
    return {"sources": [source]}


def external(api: str, **more: str) -> dict[str, Any]:
    return copying(name="ORDERS", external={"apiPrefix": api, **more})


TRIES: dict[str, Try] = {
    # purge, delete, take over, read: by the API itself
    "purge": Try(
        {
            "sources": [{"name": "ORDERS"}],
            "republish": {
                "source": "orders.*",
                "destination": "$JS.API.STREAM.PURGE.ORDERS",
                "headersOnly": True,
            },
        }
    ),
    "delete": Try(republish("$JS.API.STREAM.DELETE.ORDERS")),
    "take over by an update": Try(republish("$JS.API.STREAM.UPDATE.ORDERS")),
    "delete a consumer": Try(republish("$JS.API.CONSUMER.DELETE.JOBS.workers")),
    "read a message": Try(republish("$JS.API.STREAM.MSG.GET.ORDERS")),
    "take messages of a consumer": Try(republish("$JS.API.CONSUMER.MSG.NEXT.JOBS.workers")),
    "by a domain": Try(republish("$JS.hub.API.STREAM.PURGE.ORDERS")),
    # acknowledge for others
    "acknowledge": Try(republish("$JS.ACK.JOBS.workers.1.{{wildcard(1)}}.{{wildcard(1)}}.1.0")),
    # answer for others, and where NATS talks to itself
    "answer": Try(republish("_INBOX.{{wildcard(1)}}.{{wildcard(2)}}")),
    "answer over a gateway": Try(republish("_GR_.a.{{wildcard(1)}}")),
    "answer over an import": Try(republish("_R_.{{wildcard(1)}}")),
    "answer as a service": Try(republish("$SRV.PING")),
    "a system request": Try(republish("$SYS.REQ.SERVER.PING")),
    "the cluster's traffic": Try(republish("$NRG.P.a")),
    "MQTT": Try(republish("$MQTT.msgs.a")),
    "flow control": Try(republish("$JSC.R.a")),
    # by what a publisher writes
    "wildcards first": Try(republish("{{wildcard(1)}}.{{wildcard(2)}}")),
    "wildcards first, the old way": Try(republish("$1.$2")),
    "a token cut by its marks": Try(republish("{{split(1,-)}}")),
    "a token cut by its length": Try(republish("{{SliceFromLeft(1,3)}}.x")),
    "the end of the subject": Try(republish(">")),
    "by a transform": Try(
        {
            "subjects": ["mine"],
            "subjectTransform": {"source": "mine", "destination": "$JS.API.STREAM.PURGE.ORDERS"},
            "republish": {"destination": ">"},
        }
    ),
    # inject
    "inject": Try(republish("orders.injected"), NOT_GRANTED),
    "inject what a publisher names": Try(republish("orders.{{wildcard(1)}}"), NOT_GRANTED),
    "inject into a bucket": Try(republish("$KV.conf.{{wildcard(1)}}"), NOT_GRANTED),
    "inject by delivering": Try(
        {"streamRef": {"name": "own"}, "deliverSubject": "orders.injected"}, NOT_GRANTED, CONSUMER
    ),
    "purge by delivering": Try(
        {"streamRef": {"name": "own"}, "deliverSubject": "$JS.API.STREAM.PURGE.ORDERS"},
        kind=CONSUMER,
    ),
    "inject by asking an origin": Try(external("orders"), NOT_GRANTED),
    "inject by being delivered to": Try(
        external("$JS.leaf.API", deliverPrefix="orders"), NOT_GRANTED
    ),
    "acknowledge by asking an origin": Try(external("$JS.ACK.JOBS.workers.1")),
    "answer by being delivered to": Try(external("$JS.leaf.API", deliverPrefix="_INBOX")),
    # read
    "a source": Try(copying(name="ORDERS"), NOT_GRANTED),
    "a source with a filter": Try(copying(name="ORDERS", filterSubject="orders.a"), NOT_GRANTED),
    "a source with a transform": Try(
        copying(
            name="ORDERS", subjectTransforms=[{"source": "orders.*", "destination": "$1.copied"}]
        ),
        NOT_GRANTED,
    ),
    "a mirror": Try({"mirror": {"name": "ORDERS"}}, NOT_GRANTED),
    "a mirror of a bucket": Try({"mirror": {"name": "KV_conf"}}, NOT_GRANTED),
    "a source of a work queue, which empties it": Try(copying(name="JOBS"), NOT_GRANTED),
    "a consumer": Try({"streamName": "ORDERS"}, "StreamIsManaged", CONSUMER),
    "a consumer that pushes": Try(
        {"streamName": "JOBS", "deliverSubject": "mine.delivered"}, "StreamIsManaged", CONSUMER
    ),
    "what comes to a source's consumer": Try(
        copying(name="own", consumer={"name": "reader", "deliverSubject": "orders.a"}),
        (NOT_GRANTED, "UnsupportedByServer"),
    ),
    # watch
    "watch answers": Try({"subjects": ["_INBOX.>"]}),
    "watch the API": Try({"subjects": ["$JS.>"], "noAck": True}),
    "watch everything": Try({"subjects": [">"], "noAck": True}),
    "watch all that has two tokens": Try({"subjects": ["*.*"], "noAck": True}),
    "watch topics that are one token": Try({"subjects": ["*"]}, NOT_GRANTED),
    "watch services": Try({"subjects": ["$SRV.>"]}),
    "watch a bucket to be": Try({"subjects": ["$KV.to-be.>"]}),
    # take over
    "take a stream": Try(
        {"name": "ORDERS", "subjects": ["mine.x"], "policies": {"adoption": "Always"}},
        "OwnedByAnother",
    ),
    "take a subject": Try({"subjects": ["orders.more"]}, "SubjectOverlap"),
}

HONEST: dict[str, Mapping[str, Any]] = {
    "its name": {},
    "subjects": {"subjects": ["h1.a", "h1.b.*", "h1.c.>"]},
    "advisories": {"subjects": ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.own.>"]},
    "connections of the account": {"subjects": ["$SYS.ACCOUNT.*.CONNECT"]},
    "a bucket": {"name": "KV_honest", "subjects": ["$KV.honest.>"], "maxMsgsPerSubject": 1},
    "an object store": {"name": "OBJ_honest", "subjects": ["$O.honest.C.>", "$O.honest.M.>"]},
    "a mirror": {"mirror": {"name": "own"}},
    "a mirror of a bucket": {"name": "KV_near", "mirror": {"name": "KV_honest"}},
    "a mirror of a domain": {"mirror": {"name": "ORDERS", "external": {"apiPrefix": "$JS.b.API"}}},
    "a mirror of an import": {"mirror": {"name": "far", "external": {"apiPrefix": "imported.js"}}},
    "a delivery prefix": {
        "mirror": {
            "name": "far",
            "external": {"apiPrefix": "imported.js", "deliverPrefix": "delivered.h"},
        }
    },
    "a source": {"sources": [{"name": "own"}]},
    "a source with a filter": {"sources": [{"name": "own", "filterSubject": "own.a"}]},
    "a source with a transform": {
        "sources": [
            {
                "name": "own",
                "subjectTransforms": [{"source": "own.*", "destination": "h2.{{wildcard(1)}}"}],
            }
        ]
    },
    "sources and subjects": {"subjects": ["h3.>"], "sources": [{"name": "own"}]},
    "a transform": {
        "subjects": ["h4.*"],
        "subjectTransform": {"source": "h4.*", "destination": "stored.{{wildcard(1)}}"},
    },
    "partitions": {
        "subjects": ["h5.*"],
        "subjectTransform": {
            "source": "h5.*",
            "destination": "h5p.{{partition(4,1)}}.{{wildcard(1)}}",
        },
    },
    "republish": {"subjects": ["h6.>"], "republish": {"source": "h6.>", "destination": "r6.>"}},
    "republish all": {"subjects": ["h7.>"], "republish": {"destination": "r7.>"}},
    "republish one": {
        "subjects": ["h8.a", "h8.b"],
        "republish": {"source": "h8.a", "destination": "r8"},
    },
    "republish by wildcards": {
        "subjects": ["h9.*.*"],
        "republish": {"source": "h9.*.*", "destination": "r9.{{wildcard(2)}}.{{wildcard(1)}}"},
    },
    "republish by pieces": {
        "subjects": ["h10.*"],
        "republish": {"source": "h10.*", "destination": "r10.{{split(1,-)}}"},
    },
    "republish by numbers": {
        "subjects": ["h11.*"],
        "republish": {"source": "h11.*", "destination": "{{partition(3,1)}}.r11"},
    },
    "republish headers": {
        "subjects": ["h12.>"],
        "republish": {"source": "h12.>", "destination": "r12.>", "headersOnly": True},
    },
    "republish to one's own": {
        "subjects": ["h13.*"],
        "republish": {"source": "h13.*", "destination": "own.{{wildcard(1)}}"},
    },
    "republish into one's own bucket": {
        "subjects": ["h14.*"],
        "republish": {"source": "h14.*", "destination": "$KV.honest.{{wildcard(1)}}"},
    },
    "a wildcard whose words are known": {
        "subjects": ["h15eu.a", "h15us.a"],
        "republish": {"source": "*.a", "destination": "{{wildcard(1)}}.r"},
    },
    "a work queue": {"subjects": ["h16.>"], "retention": "workqueue"},
    "interest": {"subjects": ["h17.>"], "retention": "interest"},
    "no acknowledgements": {"subjects": ["h18.>"], "noAck": True},
}
