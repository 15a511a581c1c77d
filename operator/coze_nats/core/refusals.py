"""The server's own words about a refused configuration → the field of the spec and a remedy.

JetStream names its own fields, in prose; users write ours. Only phrases that say which field is
meant are listed: where none fits, the server's words stand alone.
"""

from coze_nats.core.errors import Failure

_TRANSFORM = "use a destination that the source's wildcards allow"
_CONSUMERS_FIRST = "declare values within the limits on those consumers first"
_DISTINCT = "make the sources of its transforms distinct: none may match what another matches"

_BY_CODE: dict[int, tuple[str, str]] = {
    10074: ("replicas", "use 1, or connect to a NATS cluster"),
    10126: ("replicas", "use at most as many as the stream has"),
    10134: ("replicas", "leave it out: with this retention it must equal the stream's"),
    10121: ("maxAckPending", "stay within the stream's consumerLimits and the account's limits"),
    10153: ("inactiveThreshold", "stay within the stream's consumerLimits"),
    10116: ("backoff", "raise maxDeliver or shorten backoff"),
    10098: ("ackPolicy", "on a work queue use ackPolicy: explicit"),
    10136: ("filterSubjects", "use filterSubject or filterSubjects, not both"),
    10138: ("filterSubjects", "make the subjects distinct: none may match what another matches"),
    10139: ("filterSubjects", "remove the empty subject"),
    10081: ("deliverSubject", "choose a subject that the stream doesn't store"),
    10079: ("deliverSubject", "use a literal subject"),
    10099: ("filterSubject", "on a work queue only one consumer may have no filter"),
    10100: ("filterSubject", "on a work queue the consumers' filters must not overlap"),
    10101: ("deliverPolicy", "on a work queue use deliverPolicy: all"),
    10084: ("ackPolicy", "on a work queue use ackPolicy: explicit"),
    10113: ("maxBytes", "the account requires a limit: set maxBytes"),
    10122: ("maxBytes", "stay below the account's largest stream"),
    10123: ("placement", "change placement first, then replicas"),
    10030: ("maxMsgSize", "use at least the origin's, or leave it out"),
    10046: ("maxMsgSize", "use at least the largest of the origins', or leave it out"),
    10145: ("sources", "use a valid subject in filterSubject or subjectTransforms"),
    10146: ("sources.subjectTransforms", _TRANSFORM),
    10147: ("sources.subjectTransforms", _DISTINCT),
    10151: ("mirror", "use a valid subject in filterSubject or subjectTransforms"),
    10152: ("mirror.subjectTransforms", _DISTINCT),
    10154: ("mirror.subjectTransforms", _TRANSFORM),
    10021: ("sources.external.apiPrefix", "use the prefix of another account or domain"),
    10022: ("sources.external.deliverPrefix", "use a prefix that overlaps no stored subject"),
}
_BY_PHRASE: tuple[tuple[str, str, str], ...] = (
    ("max age needs", "maxAge", "use at least 100ms, or 0s for ever"),
    ("duplicates window can not be larger", "duplicateWindow", "use at most maxAge"),
    ("duplicates window needs", "duplicateWindow", "use at least 100ms"),
    ("duplicate window", "duplicateWindow", "use a shorter one"),
    ("delete marker ttl", "subjectDeleteMarkerTtl", "use at least 1s"),
    ("duplicate subjects", "subjects", "name each subject once"),
    ("overlaps with", "subjects", "remove one of the two"),
    ("subjects that overlap with jetstream api", "subjects", "set noAck: true"),
    ("subjects that overlap with system api", "subjects", "set noAck: true"),
    ("capturing all subjects requires no-ack", "noAck", "set noAck: true"),
    ("capturing all subjects requires replicas", "replicas", "use 1"),
    # nats-server 2.10 tells by words alone whose transform it is.
    ("for the mirror: ", "mirror.subjectTransforms", _TRANSFORM),
    ("for the source: ", "sources.subjectTransforms", _TRANSFORM),
    ("subject transform for source: ", "sources.subjectTransforms", _TRANSFORM),
    ("republish", "republish", "use a destination outside the stream's subjects"),
    ("cycle", "sources", "remove the source that leads back to this stream"),
    ("transform", "subjectTransform", _TRANSFORM),
    ("mapping", "subjectTransform", _TRANSFORM),
    ("discard new per subject", "discardPerSubject", "set discard: new and maxMsgsPerSubject"),
    ("invalid subject", "subjects", "use tokens joined by dots, without spaces"),
    ("limits violates consumers", "consumerLimits", _CONSUMERS_FIRST),
    ("idle heartbeat", "idleHeartbeat", "use at least 100ms"),
    ("max request expires", "maxExpires", "use at least 1ms"),
    ("max request batch", "maxBatch", "stay within the server's limit"),
    ("maximum consumers", "maxConsumers", "raise it on the stream"),
    ("max ack pending", "maxAckPending", "stay within the stream's and the account's limits"),
    ("sampling", "sampleFreq", "use a percentage such as 30%"),
    ("mirror", "mirror", "see the page of CozeStream"),
    ("source", "sources", "see the page of CozeStream"),
    ("replicas", "replicas", "use at most as many as there are servers"),
)


def explained(failure: Failure) -> str:
    """The refusal for a person: the field, the server's words with its code, and what to do."""
    field, remedy = _BY_CODE.get(failure.err_code or 0, ("", ""))
    words = failure.description.lower()
    for phrase, named, cure in _BY_PHRASE:
        if not field and phrase in words:
            field, remedy = named, cure
    said = f"the server refuses it: {failure}"
    return f"{field}: {said}; {remedy}" if field else f"{said}; change the spec accordingly"
