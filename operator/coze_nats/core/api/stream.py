"""CozeStream: what a user declares about a JetStream stream."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from coze_nats.core.api.rules import is_off, is_on, nanoseconds, rule, rules
from coze_nats.core.api.types import (
    ATOMIC_LIST,
    SET_LIST,
    Age,
    AtLeast1s,
    AtLeast100ms,
    Description,
    Duration,
    Instant,
    Limit,
    Limit32,
    LiteralSubject,
    Mapping,
    Metadata,
    Model,
    Name,
    Positive,
    Replicas,
    Sequence,
    Size,
    Size32,
    Subject,
    Subjects,
)


def _open_ended(subject: str) -> str:
    """CEL for whether a subject ends in `>`."""
    return f"({subject} == '>' || {subject}.endsWith('.>'))"


class SubjectTransform(Model):
    """Rewrites the subject of a message."""

    source: Subject
    """Subjects to rewrite; wildcards allowed."""
    destination: Mapping
    """The new subject; may use `{{wildcard(1)}}` and the other mapping functions of NATS."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"{_open_ended('self.source')} == {_open_ended('self.destination')}",
                "source and destination must both end in > or neither: what > stands for is kept",
                "destination",
            )
        )
    )


class Republish(Model):
    """Publishes every stored message once more on another subject."""

    source: Subject | None = None
    """Which stored subjects are published again; left out: all of them."""
    destination: Mapping
    """Where to; must not lead back into the stream."""
    headers_only: bool | None = None
    """Whether only headers are published, with the size in `Nats-Msg-Size`. Default: false."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"(!has(self.source) || {_open_ended('self.source')}) "
                f"== {_open_ended('self.destination')}",
                "source (left out: >) and destination must both end in > or neither: what > stands "
                "for is kept",
                "destination",
            )
        )
    )


class Placement(Model):
    """Where in a NATS super-cluster the replicas may live."""

    cluster: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Name of the NATS cluster."""
    tags: (
        Annotated[
            tuple[Annotated[str, Field(min_length=1, max_length=255)], ...],
            Field(min_length=1, max_length=32, json_schema_extra=SET_LIST),
        ]
        | None
    ) = None
    """Tags that a server must all have."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.cluster) || has(self.tags)",
                "a placement names a cluster, tags, or both; leave placement out for any server",
            )
        )
    )


class External(Model):
    """Another account or JetStream domain that the messages come from."""

    api_prefix: LiteralSubject
    """Prefix of the other side's JetStream API, such as `$JS.hub.API`."""
    deliver_prefix: LiteralSubject | None = None
    """Prefix of the subjects that messages are delivered on; left out: none."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.apiPrefix != '$JS.API'",
                "$JS.API is this account's own JetStream: name the other side's, such as "
                "$JS.hub.API, or remove external",
                "apiPrefix",
            )
        )
    )


class SourceConsumer(Model):
    """An existing durable consumer on the origin that the messages are read through (2.14+)."""

    name: Name
    """Name of the consumer on the origin stream."""
    deliver_subject: LiteralSubject
    """The subject that this consumer delivers to."""


class Source(Model):
    """A stream that messages are copied from."""

    name: Name
    """Name of the origin stream."""
    opt_start_seq: Sequence | None = None
    """First sequence to copy. Excludes optStartTime."""
    opt_start_time: Instant | None = None
    """Copy only messages from this time on. Excludes optStartSeq."""
    filter_subject: Subject | None = None
    """Copy only messages on these subjects. Excludes subjectTransforms."""
    subject_transforms: (
        Annotated[
            tuple[SubjectTransform, ...],
            Field(
                min_length=1,
                max_length=32,
                json_schema_extra={
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["source"],
                },
            ),
        ]
        | None
    ) = None
    """Copy only messages on these sources, rewritten. Excludes filterSubject."""
    external: External | None = None
    """Set when the origin lives in another account or domain."""
    consumer: SourceConsumer | None = None
    """Read through a durable consumer that exists on the origin (nats-server 2.14 and newer)."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.optStartSeq) && has(self.optStartTime))",
                "start at a sequence or at a time: remove optStartSeq or optStartTime",
            ),
            rule(
                "!(has(self.filterSubject) && has(self.subjectTransforms))",
                "filterSubject excludes subjectTransforms: make the filter a transform's source",
                "filterSubject",
            ),
            rule(
                "!has(self.consumer) || !(has(self.optStartSeq) || has(self.optStartTime) "
                "|| has(self.filterSubject))",
                "with consumer, where to start and what to filter is the consumer's: remove "
                "optStartSeq, optStartTime and filterSubject",
                "consumer",
            ),
        )
    )


class ConsumerLimits(Model):
    """Upper bounds, and defaults, for the consumers of this stream."""

    inactive_threshold: Duration | None = None
    """Longest inactiveThreshold of a consumer; also what a consumer without one gets."""
    max_ack_pending: Positive | None = None
    """Highest maxAckPending of a consumer; also what a consumer without one gets."""


def _same(field: str, otherwise: str) -> str:
    """CEL for whether two sources, s and t, agree on a field that may be left out."""
    parent = field.partition(".")[0]
    one, other = (f"(has({x}.{parent}) ? {x}.{field} : '{otherwise}')" for x in "st")
    return f"{one} == {other}"


_SAME_SOURCE = (
    f"s.name == t.name && {_same('filterSubject', '>')} && {_same('external.apiPrefix', '')} "
    f"&& {_same('consumer.name', '')}"
)
_ON_SUBJECTS = (
    rule(
        f"!has(self.subjects) || !self.subjects.exists(s, s == '>') "
        f"|| ({is_on('noAck')} && self.?replicas.orValue(1) == 1)",
        "a stream of all subjects (>) answers every request of the account: narrow its subjects, "
        "or set noAck: true and one replica",
        "subjects",
    ),
    rule(
        f"!has(self.subjects) || {is_on('noAck')} || !self.subjects.exists(s, "
        "s.matches('^[$](JS|JSC|SYS)[.]') && !s.matches('^[$](JS[.]EVENT|SYS[.]ACCOUNT)[.]'))",
        "NATS itself answers on $JS., $JSC. and $SYS.: remove these subjects, or set noAck: true",
        "subjects",
    ),
    rule(
        "!has(self.republish) || !has(self.subjects) || self.republish.destination == '>' "
        "|| self.subjects.all(s, s != self.republish.destination && !(s.endsWith('.>') "
        "&& self.republish.destination.startsWith(s.substring(0, size(s) - 1))))",
        "republish.destination leads back into this stream's own subjects: choose another subject",
        "republish",
    ),
)
_ON_LIMITS = (
    rule(
        f"!has(self.duplicateWindow) || !has(self.maxAge) || [{nanoseconds('self.maxAge')}]"
        f".all(age, age == 0.0 || {nanoseconds('self.duplicateWindow')} <= age)",
        "duplicateWindow must not be longer than maxAge: shorten it, or leave it out",
        "duplicateWindow",
    ),
    rule(
        f"!{is_on('discardPerSubject')} || (self.?discard.orValue('old') == 'new' "
        "&& self.?maxMsgsPerSubject.orValue(-1) > 0)",
        "discardPerSubject needs discard: new and a maxMsgsPerSubject",
        "discardPerSubject",
    ),
)
_ON_COPIES = (
    rule(
        "!has(self.mirror) || !(has(self.subjects) || has(self.sources))",
        "a mirror takes all its messages from its origin: remove subjects and sources, or remove "
        "mirror",
        "mirror",
    ),
    rule(
        "!has(self.mirror) || !has(self.firstSequence)",
        "a mirror has its origin's sequences: remove firstSequence",
        "firstSequence",
    ),
    rule(
        "!has(self.mirror) || !has(self.subjectDeleteMarkerTtl)",
        "a mirror can't have delete markers of its own: remove subjectDeleteMarkerTtl",
        "subjectDeleteMarkerTtl",
    ),
    rule(
        f"!has(self.mirror) || !({is_on('allowMsgCounter')} || {is_on('allowAtomicPublish')} "
        f"|| {is_on('allowBatched')} || {is_on('allowMsgSchedules')})",
        "nobody publishes to a mirror: remove allowMsgCounter, allowAtomicPublish, allowBatched "
        "and allowMsgSchedules",
        "mirror",
    ),
    rule(
        f"has(self.mirror) || !{is_on('mirrorDirect')}",
        "mirrorDirect is for mirrors: set mirror, or remove mirrorDirect",
        "mirrorDirect",
    ),
    rule(
        f"!(has(self.sources) && {is_on('allowMsgSchedules')})",
        "a stream with sources can't have message schedules: remove sources or allowMsgSchedules",
        "allowMsgSchedules",
    ),
    rule(
        "!has(self.sources) || self.sources.all(s, has(s.subjectTransforms) "
        f"|| self.sources.exists_one(t, !has(t.subjectTransforms) && {_SAME_SOURCE}))",
        "two sources are the same stream with the same filterSubject: remove one, or give each "
        "another filterSubject",
        "sources",
    ),
)
_ON_PUBLISHING = (
    rule(
        f"!({is_on('denyPurge')} && {is_on('allowRollup')})",
        "a roll-up purges: remove denyPurge or allowRollup",
        "denyPurge",
    ),
    rule(
        f"!(has(self.subjectDeleteMarkerTtl) && {is_off('allowMsgTtl')})",
        "subjectDeleteMarkerTtl turns on allowMsgTtl: remove allowMsgTtl: false",
        "allowMsgTtl",
    ),
    rule(
        f"!((has(self.subjectDeleteMarkerTtl) || {is_on('allowMsgSchedules')}) "
        f"&& ({is_off('allowRollup')} || {is_on('denyPurge')}))",
        "subjectDeleteMarkerTtl and allowMsgSchedules turn on allowRollup: remove "
        "allowRollup: false and denyPurge",
    ),
    # Servers before 2.14 let these two pass; a stream that has them would not survive an upgrade.
    rule(
        f"!({is_on('allowMsgSchedules')} && self.?discard.orValue('old') == 'new')",
        "message schedules need discard: old",
        "allowMsgSchedules",
    ),
    rule(
        f"!{is_on('allowMsgCounter')} || !(self.?discard.orValue('old') == 'new' "
        f"|| {is_on('allowMsgTtl')} || has(self.subjectDeleteMarkerTtl) "
        f"|| {is_on('allowMsgSchedules')} || self.?retention.orValue('limits') != 'limits')",
        "a counter stream needs retention: limits and discard: old, and can't have message TTLs, "
        "delete markers or schedules",
        "allowMsgCounter",
    ),
    rule(
        "self.?persistMode.orValue('default') != 'async' "
        "|| !(self.?storage.orValue('file') == 'memory' || self.?replicas.orValue(1) > 1 "
        f"|| {is_on('allowAtomicPublish')})",
        "persistMode: async needs file storage, one replica and no allowAtomicPublish",
        "persistMode",
    ),
)
_ON_SEALED = (
    rule(
        f"!{is_on('sealed')} || !(has(self.maxAge) || self.?discard.orValue('new') == 'old' "
        f"|| {is_off('denyDelete')} || {is_off('denyPurge')} || {is_on('allowRollup')} "
        f"|| has(self.subjectDeleteMarkerTtl) || {is_on('allowMsgSchedules')} "
        f"|| {is_on('allowMsgCounter')})",
        "a sealed stream keeps its messages for ever: remove maxAge, discard: old, denyDelete: "
        "false, denyPurge: false, allowRollup, subjectDeleteMarkerTtl, allowMsgSchedules and "
        "allowMsgCounter",
        "sealed",
    ),
)


class StreamSpec(Model):
    """What a stream shall be. Whatever is left out has the server's default."""

    name: Name | None = None
    """Name of the stream in JetStream. Default: metadata.name. Can't be changed."""
    description: Description | None = None
    """Free text, shown by `nats stream info`. Can be changed."""
    subjects: Subjects | None = None
    """Subjects whose messages are stored; wildcards allowed. Default: the stream's name, or none
    with a mirror or sources. Can be changed; messages already stored stay."""
    retention: Literal["limits", "interest", "workqueue"] | None = None
    """When messages are removed: `limits` when a limit is reached, `interest` also when all
    consumers have acknowledged them, `workqueue` also when any consumer has. Default: limits.
    Can be changed only between limits and interest."""
    storage: Literal["file", "memory"] | None = None
    """Where messages are kept; memory is lost when the servers stop. Default: file. Can't be
    changed."""
    replicas: Replicas | None = None
    """How many servers hold a copy: 1 to 5. Default: the operator's NATS_STREAM_REPLICAS, else 1.
    Can be changed; more than 1 needs a NATS cluster."""
    max_consumers: Limit32 | None = None
    """Most consumers the stream may have. Default: -1, unlimited. Can be changed on nats-server
    2.12 and newer."""
    max_msgs: Limit | None = None
    """Most messages the stream keeps. Default: -1, unlimited. Can be changed; a value below what
    is stored would discard messages and is held."""
    max_bytes: Size | None = None
    """Most bytes the stream keeps, such as `10Gi`. Default: -1, unlimited. Can be changed; a value
    below what is stored would discard messages and is held."""
    max_age: Age | None = None
    """How long messages are kept, such as `24h` or `7d`; at least 100ms, `0s` is for ever.
    Default: for ever. Can be changed; a value that would expire stored messages at once is held."""
    max_msg_size: Size32 | None = None
    """Largest message accepted, headers included, such as `1Mi`. Default: -1, the server's own
    limit. Can be changed."""
    max_msgs_per_subject: Limit | None = None
    """Most messages kept per subject. Default: -1, unlimited. Can be changed; a value that could
    discard stored messages is held."""
    discard: Literal["old", "new"] | None = None
    """What gives way when a limit is reached: the `old`est messages, or the `new` one, which is
    refused. Default: old. Can be changed."""
    discard_per_subject: bool | None = None
    """Refuse new messages when maxMsgsPerSubject is reached. Needs discard: new and
    maxMsgsPerSubject. Default: false. Can be changed."""
    no_ack: bool | None = None
    """Don't acknowledge messages to publishers. Default: false. Can be changed."""
    duplicate_window: AtLeast100ms | None = None
    """For how long a `Nats-Msg-Id` is remembered to drop duplicates; at least 100ms, at most
    maxAge. Default: 2m, or maxAge if that is shorter. Can be changed."""
    compression: Literal["none", "s2"] | None = None
    """How stored messages are compressed (file storage only). Default: none. Can be changed."""
    placement: Placement | None = None
    """Where in a super-cluster the replicas may live. Default: anywhere. Can be changed."""
    mirror: Source | None = None
    """Make this stream a read-only copy of another one. Excludes subjects and sources. Can't be
    added or changed; removing it makes a normal stream of it (nats-server 2.12 and newer)."""
    sources: (
        Annotated[
            tuple[Source, ...], Field(min_length=1, max_length=32, json_schema_extra=ATOMIC_LIST)
        ]
        | None
    ) = None
    """Streams whose messages are copied into this one. Excludes mirror. Can be changed."""
    subject_transform: SubjectTransform | None = None
    """Rewrites the subjects of messages before they are stored. Can be changed."""
    republish: Republish | None = None
    """Publishes stored messages once more on another subject. Can be changed."""
    first_sequence: Sequence | None = None
    """Sequence of the stream's first message. Default: 1. Has an effect only when the stream is
    created; can't be changed."""
    sealed: bool | None = None
    """Nothing can be added to or removed from the stream any more. Can't be undone. Default:
    false."""
    deny_delete: bool | None = None
    """Messages can't be deleted through the API. Can't be undone. Default: false."""
    deny_purge: bool | None = None
    """The stream can't be purged through the API. Can't be undone. Default: false."""
    allow_rollup: bool | None = None
    """Publishers may replace all earlier messages with one by the header `Nats-Rollup`. Default:
    false. Can be changed."""
    allow_direct: bool | None = None
    """Messages can be read directly from any replica. Default: false. Can be changed."""
    mirror_direct: bool | None = None
    """A mirror answers direct reads for its origin. The server gives a mirror its origin's
    allowDirect when it can see the origin. Default: false."""
    allow_msg_ttl: bool | None = None
    """Publishers may limit the life of single messages by the header `Nats-TTL` (2.11+). Can't be
    undone. Default: false, or true with subjectDeleteMarkerTtl."""
    subject_delete_marker_ttl: AtLeast1s | None = None
    """How long a delete marker stays for a subject whose last message expired, at least 1s (2.11+).
    Turns on allowMsgTtl and allowRollup. Default: no markers. Can be changed."""
    allow_msg_counter: bool | None = None
    """Every subject is a distributed counter (2.12+). Can't be changed. Default: false."""
    allow_atomic_publish: bool | None = None
    """Publishers may store batches of messages all or none (2.12+). Default: false. Can be
    changed."""
    allow_batched: bool | None = None
    """Publishers may use fast batch publishing (2.14+). Default: false. Can be changed."""
    allow_msg_schedules: bool | None = None
    """Publishers may schedule messages for later (2.12+). Turns on allowRollup. Can't be undone.
    Default: false."""
    persist_mode: Literal["default", "async"] | None = None
    """`async` acknowledges before messages are flushed to disk: faster, less safe (2.12+, file
    storage, one replica). Default: default. Can't be changed."""
    consumer_limits: ConsumerLimits | None = None
    """Upper bounds for this stream's consumers. Can be changed, but not below what existing
    consumers use."""
    metadata: Metadata | None = None
    """Key-value pairs kept with the stream in JetStream. Can be changed."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *_ON_SUBJECTS, *_ON_LIMITS, *_ON_COPIES, *_ON_PUBLISHING, *_ON_SEALED
        )
    )
