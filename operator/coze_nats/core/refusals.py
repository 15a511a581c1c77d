"""The server's own words about a refused configuration → the field of the spec and a remedy.

JetStream names its own fields, in prose; users write ours. Only phrases that say which field is
meant are listed: where none fits, the server's words stand alone. Where the words fit several
fields (`a|b`), the one that the user wrote is blamed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from coze_nats.core.errors import Failure

_TRANSFORM = "use a destination that the source's wildcards allow"
_VALID_TRANSFORM = "use valid subjects, and destinations that their wildcards allow"
_CONSUMERS_FIRST = "declare values within the limits on those consumers first"
_DISTINCT = "make the sources of its transforms distinct: none may match what another matches"
_EITHER_FILTER = "use filterSubject or subjectTransforms, not both"
_OF_MIRROR = "remove it: a mirror takes all that it has from its origin"
_SET_BACK = "set it back: NATS can't change it once the object exists"
_OWN_CONSUMER = "have consumer name a durable with ackPolicy: flowControl on the origin"
_FLOW_CONTROL = (
    "ackPolicy: flowControl needs deliverSubject and flowControl, a maxAckPending, and neither "
    "ackWait nor maxDeliver"
)
_RENAMED = "delete this resource and create one whose name has none of . * > / \\"
_SHORTER_NAME = "delete this resource and create one with a shorter name"

# Either filter, external origins of mirrors and of sources.
_FILTER = "filterSubject|filterSubjects"
_API = "sources.external.apiPrefix|mirror.external.apiPrefix"
_DELIVER = "sources.external.deliverPrefix|mirror.external.deliverPrefix"

BY_CODE: dict[int, tuple[str, str]] = {
    10011: ("placement.tags", "remove the tags: they are for NATS clusters"),
    10021: (_API, "use the prefix of another account or domain"),
    10022: (_DELIVER, "use a prefix that overlaps no stored subject"),
    10024: (_DELIVER, "use a prefix without wildcards"),
    10030: ("maxMsgSize", "use at least the origin's, or leave it out"),
    10031: ("mirror", "remove mirror or sources"),
    10032: ("mirror", "use optStartSeq or optStartTime, not both"),
    10034: ("subjects", _OF_MIRROR),
    10046: ("maxMsgSize", "use at least the largest of the origins', or leave it out"),
    10055: ("mirror", "set it back: NATS can't change the mirror of an existing stream"),
    10061: ("replicas", _SET_BACK),
    10074: ("replicas", "use 1, or connect to a NATS cluster"),
    10079: ("deliverSubject", "use a literal subject"),
    10080: ("maxWaiting", "remove it, or remove deliverSubject"),
    10081: ("deliverSubject", "choose a subject that the stream doesn't store"),
    10082: ("maxAckPending", "remove it, or choose another ackPolicy"),
    10083: ("idleHeartbeat", "use at least 100ms"),
    10084: ("ackPolicy", "on a work queue use ackPolicy: explicit"),
    10086: ("rateLimitBps", "remove it, or set deliverSubject"),
    10088: ("idleHeartbeat", "remove it, or set deliverSubject"),
    10089: ("flowControl", "remove it, or set deliverSubject"),
    10093: (_FILTER, "use a subject that the stream stores"),
    10094: ("deliverPolicy", "set the optStartSeq or optStartTime that goes with it, and no other"),
    10095: ("sampleFreq", "use a percentage such as 30%"),
    10098: ("ackPolicy", "on a work queue use ackPolicy: explicit"),
    10099: (_FILTER, "on a work queue only one consumer may have no filter"),
    10100: (_FILTER, "on a work queue the consumers' filters must not overlap"),
    10101: ("deliverPolicy", "on a work queue use deliverPolicy: all"),
    10102: ("name", _SHORTER_NAME),
    10103: ("name", _RENAMED),
    10107: ("description", "shorten it"),
    10108: ("flowControl", "set idleHeartbeat, too"),
    10112: ("deliverSubject", "use a literal subject"),
    10113: ("maxBytes", "the account requires a limit: set maxBytes"),
    10114: ("maxBatch", "use at least 1, or leave it out"),
    10115: ("maxExpires", "use at least 1ms"),
    10116: ("backoff", "raise maxDeliver or shorten backoff"),
    10120: (
        "replicas",
        "use a number for which the account has limits, or have limits set for this one",
    ),
    10121: ("maxAckPending", "stay within the stream's consumerLimits and the account's limits"),
    10122: ("maxBytes", "stay below the account's largest stream"),
    10123: ("placement", "change placement first, then replicas"),
    10125: ("maxBatch", "stay within the server's limit"),
    10126: ("replicas", "use at most as many as the stream has"),
    10127: ("name", _RENAMED),
    10128: ("name", _RENAMED),
    10134: ("replicas", "leave it out: with this retention it must equal the stream's"),
    10135: ("metadata", "shorten it"),
    10136: (_FILTER, "use filterSubject or filterSubjects, not both"),
    10138: ("filterSubjects", "make the subjects distinct: none may match what another matches"),
    10139: ("filterSubjects", "remove the empty subject"),
    10140: ("sources", "remove one of the two that are alike"),
    10141: ("sources.name", "use the name of a stream: it has none of . * > / \\"),
    10142: ("mirror.name", "use the name of a stream: it has none of . * > / \\"),
    10143: ("firstSequence", _OF_MIRROR),
    10144: ("sources.filterSubject", _EITHER_FILTER),
    10145: ("sources", "use a valid subject in filterSubject or subjectTransforms"),
    10146: ("sources.subjectTransforms", _TRANSFORM),
    10147: ("sources.subjectTransforms", _DISTINCT),
    10150: ("mirror.filterSubject", _EITHER_FILTER),
    10151: ("mirror", "use a valid subject in filterSubject or subjectTransforms"),
    10152: ("mirror.subjectTransforms", _DISTINCT),
    10153: ("inactiveThreshold", "stay within the stream's consumerLimits"),
    10154: ("mirror.subjectTransforms", _TRANSFORM),
    10155: ("subjectTransform", "use a valid subject as its source"),
    10156: ("subjectTransform", _TRANSFORM),
    10159: ("priorityGroups", "name a group"),
    10161: ("priorityGroups", "remove the empty name"),
    10162: ("priorityGroups", "use at most 16 of A-Z, a-z, 0-9 and - _ / = for each name"),
    10173: ("allowMsgCounter", _OF_MIRROR),
    10178: ("priorityGroups", "remove it, or remove deliverSubject"),
    10183: ("ackWait", "use more than 0s"),
    10184: ("backoff", "use more than 0s for each"),
    10186: ("allowMsgSchedules", _OF_MIRROR),
    10187: ("allowMsgSchedules", "remove it, or remove sources"),
    10196: ("priorityGroups", "set priorityPolicy, or remove priorityGroups"),
    10197: ("priorityTimeout", "set priorityPolicy, or remove priorityTimeout"),
    10198: ("allowAtomicPublish", _OF_MIRROR),
    10209: ("allowBatched", _OF_MIRROR),
    10213: ("mirror.consumer", _OWN_CONSUMER),
    10214: ("mirror.consumer", _OWN_CONSUMER),
    10215: ("sources.consumer", _OWN_CONSUMER),
    10216: ("sources.consumer", "give each source a consumer of its own"),
    10217: ("sources.consumer", _OWN_CONSUMER),
    10218: ("ackPolicy", _FLOW_CONTROL),
    10219: ("ackPolicy", _FLOW_CONTROL),
    10220: ("ackPolicy", _FLOW_CONTROL),
    10221: ("ackPolicy", _FLOW_CONTROL),
    10222: ("ackPolicy", _FLOW_CONTROL),
}
"""Code → field and remedy."""

BY_PHRASE: tuple[tuple[str, str, str], ...] = (
    ("stream name", "name", "delete this resource and create one with another name"),
    ("consumer name", "name", _RENAMED),
    ("durable name", "name", _RENAMED),
    ("description is too long", "description", "shorten it"),
    ("metadata exceeds", "metadata", "shorten it"),
    ("invalid retention", "retention", "use one that this server has"),
    ("invalid discard", "discard", "use one that this server has"),
    ("invalid compression", "compression", "use one that this server has"),
    ("invalid storage type", "storage", "use one that this server has"),
    (
        "can not change maxconsumers",
        "maxConsumers",
        "set it back, or use nats-server 2.12 or newer",
    ),
    ("can not change storage type", "storage", _SET_BACK),
    ("can not change retention policy", "retention", _SET_BACK),
    ("can not unseal", "sealed", _SET_BACK),
    ("can not cancel deny message deletes", "denyDelete", _SET_BACK),
    ("can not cancel deny purge", "denyPurge", _SET_BACK),
    ("message ttl status can not be disabled", "allowMsgTtl", _SET_BACK),
    ("can not change message counter", "allowMsgCounter", _SET_BACK),
    ("message schedules can not be disabled", "allowMsgSchedules", _SET_BACK),
    ("can not change persist mode", "persistMode", _SET_BACK),
    ("deliver policy can not be updated", "deliverPolicy", _SET_BACK),
    ("start sequence can not be updated", "optStartSeq", _SET_BACK),
    ("start time can not be updated", "optStartTime", _SET_BACK),
    ("ack policy can not be updated", "ackPolicy", _SET_BACK),
    ("replay policy can not be updated", "replayPolicy", _SET_BACK),
    ("storage type can not be updated", "memStorage", _SET_BACK),
    ("heart beats can not be updated", "idleHeartbeat", _SET_BACK),
    ("flow control can not be updated", "flowControl", _SET_BACK),
    ("max waiting can not be updated", "maxWaiting", _SET_BACK),
    ("can not update pull consumer", "deliverSubject", _SET_BACK),
    ("can not update push consumer", "deliverSubject", _SET_BACK),
    ("roll-ups require", "allowRollup", "remove denyPurge or allowRollup"),
    ("counter stream cannot use discard new", "discard", "use discard: old for a counter"),
    ("counter stream cannot use message ttl", "allowMsgTtl", "remove it, or allowMsgCounter"),
    ("counter stream cannot use", "allowMsgSchedules", "remove it, or allowMsgCounter"),
    ("counter stream can only", "retention", "use retention: limits for a counter"),
    ("delete marker ttl", "subjectDeleteMarkerTtl", "use at least 1s"),
    ("delete marker", "subjectDeleteMarkerTtl", "remove it, or what turns off what it needs"),
    ("message scheduling cannot use discard new", "discard", "use discard: old for schedules"),
    ("message scheduling cannot", "allowRollup", "remove allowRollup: false"),
    ("async persist mode", "persistMode", "use it with file storage, one replica, no allowAtomic"),
    ("max age needs", "maxAge", "use at least 100ms, or 0s for ever"),
    ("max age can not", "maxAge", "use at least 100ms, or 0s for ever"),
    ("duplicates window can not be larger then server limit", "duplicateWindow", "shorten it"),
    ("duplicates window can not be larger", "duplicateWindow", "use at most maxAge"),
    ("duplicates window", "duplicateWindow", "use at least 100ms"),
    ("duplicate window", "duplicateWindow", "use a shorter one"),
    ("duplicate subjects", "subjects", "name each subject once"),
    ("needs at least one configured subject", "subjects", "set subjects, mirror or sources"),
    ("overlaps with", "subjects", "remove one of the two"),
    ("subjects that overlap with jetstream api", "subjects", "set noAck: true"),
    ("subjects that overlap with system api", "subjects", "set noAck: true"),
    ("capturing all subjects requires no-ack", "noAck", "set noAck: true"),
    ("capturing all subjects requires replicas", "replicas", "use 1"),
    ("external api prefix", _API, "use a subject without wildcards"),
    # nats-server 2.10 tells by words alone whose transform it is.
    ("for the mirror: ", "mirror.subjectTransforms", _VALID_TRANSFORM),
    ("for the mirror invalid subject", "mirror", "use a valid subject in filterSubject"),
    ("for the source: ", "sources.subjectTransforms", _TRANSFORM),
    ("subject transform for source: ", "sources.subjectTransforms", _TRANSFORM),
    (
        "republish destination forms a cycle",
        "republish",
        "use a destination outside the stream's subjects",
    ),
    (
        "republish",
        "republish",
        "use a valid subject as its source, and a destination that the source's wildcards allow",
    ),
    ("cycle", "sources|mirror", "remove the one that leads back to this stream"),
    ("transform", "subjectTransform", _TRANSFORM),
    ("mapping", "subjectTransform", _TRANSFORM),
    ("discard new per subject", "discardPerSubject", "set discard: new and maxMsgsPerSubject"),
    ("invalid subject", "subjects", "use tokens joined by dots, without spaces"),
    ("limits violates consumers", "consumerLimits", _CONSUMERS_FIRST),
    ("flow control ack policy", "ackPolicy", _FLOW_CONTROL),
    ("max request batch", "maxBatch", "stay within the server's limit"),
    ("max ack pending", "maxAckPending", "stay within the stream's and the account's limits"),
    ("maximum replicas", "replicas", "use at most 5"),
    ("replicas", "replicas", "use at most as many as there are servers"),
)
"""Words (lower case) → field and remedy; the first that fits."""

_ROOM = {
    10002: "maxBytes, replicas: ask for less, or have the account's limits raised",
    10005: "replicas, placement: ask for less, or for servers that are there, as the words say",
    10026: (
        "maxConsumers: raise it on the stream, have the account's limit raised, or delete a "
        "consumer that nobody needs"
    ),
    10027: (
        "maxStreams: have this limit of the account raised, or delete a stream that nobody needs"
    ),
    10028: "maxBytes, replicas: ask for less, use storage: file, or have the limit raised",
    10047: "maxBytes, replicas: ask for less, or make room on the servers' disks",
}


def explained(failure: Failure, spec: Mapping[str, Any] | None = None) -> str:
    """The refusal for a person: the field, the server's words with its code, and what to do.

    Args:
        spec: what the user wrote, by which the field is chosen where several fit.
    """
    said = f"the server refuses it: {failure}"
    for fields, remedy in _found(failure):
        return f"{_written(fields, spec or {})}: {said}; {remedy}"
    return f"{said}; change the spec accordingly"


def without_room(failure: Failure) -> str:
    """The same of what JetStream has no room for."""
    remedy = _ROOM.get(failure.err_code or 0, "maxBytes, replicas, placement: ask for less")
    return f"JetStream has no room for it: {failure}; {remedy}"


def _found(failure: Failure) -> Iterator[tuple[str, str]]:
    if failure.err_code in BY_CODE:
        yield BY_CODE[failure.err_code]
    words = failure.description.lower()
    yield from ((field, remedy) for phrase, field, remedy in BY_PHRASE if phrase in words)


def _written(fields: str, spec: Mapping[str, Any]) -> str:
    names = fields.split("|")
    return next((name for name in names if name.partition(".")[0] in spec), names[0])
