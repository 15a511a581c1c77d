"""CozeStream: what a user declares about a JetStream stream."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from coze_nats.core.api.connection import ConnectionRef, Namespaces
from coze_nats.core.api.policies import StreamPolicies
from coze_nats.core.api.rules import begins_reserved, is_reserved, open_ended, rule, rules
from coze_nats.core.api.stream_rules import STREAM_RULES
from coze_nats.core.api.types import (
    ATOMIC_LIST,
    Age,
    AtLeast1s,
    AtLeast100ms,
    Description,
    Duration,
    EmptyOrMapping,
    EmptyOrSubject,
    Instant,
    Limit,
    LiteralSubject,
    Mapping,
    Metadata,
    Model,
    Name,
    Replicas,
    Sequence,
    Size,
    Size32,
    Subject,
    Subjects,
    distinct_list,
)

_BOTH_OPEN_ENDED = rule(
    "!has(self.destination) || self.destination == '' || (!has(self.source) || self.source == '' "
    f"|| {open_ended('self.source')}) == {open_ended('self.destination')}",
    "source (left out: >) and destination must both end in > or neither: what > stands for is kept",
    "destination",
)


class SubjectTransform(Model):
    """Rewrites the subject of a message."""

    source: EmptyOrSubject | None = None
    """Subjects to rewrite; wildcards allowed. Default: all."""
    destination: Mapping
    """The new subject; may use `{{wildcard(1)}}` and the other mapping functions of NATS."""

    model_config = ConfigDict(json_schema_extra=rules(_BOTH_OPEN_ENDED))


class SourceTransform(Model):
    """Chooses messages of an origin by their subject, and may rewrite it."""

    source: EmptyOrSubject | None = None
    """Subjects to copy; wildcards allowed. Default: all."""
    destination: EmptyOrMapping | None = None
    """The new subject; may use `{{wildcard(1)}}` and the other mapping functions of NATS. Default:
    subjects stay as they are, so that this is a filter alone."""

    model_config = ConfigDict(json_schema_extra=rules(_BOTH_OPEN_ENDED))


class Republish(Model):
    """Publishes every stored message once more on another subject."""

    source: Subject | None = None
    """Which stored subjects are published again; left out: all of them."""
    destination: Mapping
    """Where to; must not lead back into the stream. `>` from `>` is the destination of the stream's
    subjectTransform, if that is of its only subject (2.11+)."""
    headers_only: bool | None = None
    """Whether only headers are published, with the size in `Nats-Msg-Size`. Default: false."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"(!has(self.source) || {open_ended('self.source')}) "
                f"== {open_ended('self.destination')}",
                "source (left out: >) and destination must both end in > or neither: what > stands "
                "for is kept",
                "destination",
            ),
            rule(
                f"!{is_reserved('self.destination')}",
                "the server itself would publish where NATS and its clients talk ($JS., $JSC., "
                "$SYS., $NRG., $SRV., $MQTT., _INBOX., _R_., _GR_.): choose another destination",
                "destination",
            ),
        )
    )


class Placement(Model):
    """Where in a NATS super-cluster the replicas may live."""

    cluster: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Name of the NATS cluster."""
    tags: (
        Annotated[
            tuple[Annotated[str, Field(min_length=1, max_length=255)], ...],
            Field(min_length=1, max_length=32, json_schema_extra=distinct_list()),
        ]
        | None
    ) = None
    """A server must have all of these tags."""

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

    api_prefix: LiteralSubject | None = None
    """Prefix of the other side's JetStream API, such as `$JS.hub.API`. Default: this account's own,
    whose messages are then delivered on deliverPrefix."""
    deliver_prefix: LiteralSubject | None = None
    """Prefix of the subjects that messages are delivered on; left out: none."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.apiPrefix) || has(self.deliverPrefix)",
                "external says where the origin is: set apiPrefix, deliverPrefix, or both, or "
                "remove external",
            ),
            rule(
                "self.?apiPrefix.orValue('') != '$JS.API'",
                "$JS.API is this account's own JetStream: name the other side's, such as "
                "$JS.hub.API, or remove external",
                "apiPrefix",
            ),
            rule(
                f"!has(self.apiPrefix) || !{begins_reserved('self.apiPrefix')} "
                "|| self.apiPrefix.matches('^[$]JS([.][^.]+)?[.]API$')",
                "the server publishes there, and this is where NATS and its clients talk: name a "
                "JetStream API, such as $JS.hub.API, or the prefix that it is imported under",
                "apiPrefix",
            ),
            rule(
                f"!has(self.deliverPrefix) || !{begins_reserved('self.deliverPrefix')}",
                "messages are published there, and this is where NATS and its clients talk: choose "
                "another deliverPrefix",
                "deliverPrefix",
            ),
        )
    )


class SourceConsumer(Model):
    """An existing durable consumer on the origin that the messages are read through (2.14+)."""

    name: Name
    """Name of the consumer on the origin stream."""
    deliver_subject: LiteralSubject
    """The subject that this consumer delivers to."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"!{is_reserved('self.deliverSubject')}",
                "the stream takes all that comes there, and this is where NATS and its clients "
                "talk: choose another deliverSubject",
                "deliverSubject",
            )
        )
    )


class Source(Model):
    """A stream that messages are copied from."""

    name: Name
    """Name of the origin stream."""
    opt_start_seq: Sequence | None = None
    """First sequence to copy. Counts when the source is added, and can't be moved afterwards.
    Default: the first that there is."""
    opt_start_time: Instant | None = None
    """Copy only messages from this time on, such as `2026-01-31T12:00:00Z`. Counts when the source
    is added, and can't be moved afterwards. optStartSeq goes before it."""
    filter_subject: Subject | None = None
    """Copy only messages on these subjects; wildcards allowed. Excludes subjectTransforms.
    Default: all."""
    subject_transforms: (
        Annotated[
            tuple[SourceTransform, ...],
            Field(
                min_length=1,
                max_length=32,
                json_schema_extra=rules(
                    rule(
                        "[self.map(each, has(each.source) ? each.source : '')].all(sources, "
                        "sources.all(one, sources.exists_one(other, one == other)))",
                        "this list has an item twice by its source: remove one of the two",
                    ),
                    **ATOMIC_LIST,
                ),
            ),
        ]
        | None
    ) = None
    """Copy only messages whose subject matches a source, and rewrite it, or not, which makes it a
    filter: several of these are several filters, and one is the same as filterSubject. Excludes
    filterSubject."""
    external: External | None = None
    """Set when the origin lives in another account or domain."""
    consumer: SourceConsumer | None = None
    """Read through a durable consumer that exists on the origin (nats-server 2.14 and newer)."""

    model_config = ConfigDict(
        json_schema_extra=rules(
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
    """Longest inactiveThreshold of a consumer, such as `72h`; also what a consumer without one
    gets. Default: no bound."""
    max_ack_pending: Limit | None = None
    """Highest maxAckPending of a consumer; also what a consumer without one gets. -1 is no bound,
    and makes consumers without one unlimited. Default: no bound."""


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
    max_consumers: Limit | None = None
    """Most consumers the stream may have. Default: -1, unlimited. Can be changed on nats-server
    2.12 and newer."""
    max_msgs: Limit | None = None
    """Most messages the stream keeps. Default: -1, unlimited. Can be changed; a value below what
    is stored is held back, because it would discard messages."""
    max_bytes: Size | None = None
    """Most bytes the stream keeps: a number of bytes, or a quantity such as `10Gi`. Default: -1,
    unlimited. Can be changed; a value below what is stored is held back, because it would discard
    messages."""
    max_age: Age | None = None
    """How long messages are kept: a duration such as `24h` or `7d`, at least 100ms; `0s` is for
    ever. Default: for ever. Can be changed; a value below the age of stored messages is held back,
    because it would discard them."""
    max_msg_size: Size32 | None = None
    """Largest message accepted, headers included: a number of bytes, or a quantity such as `1Mi`,
    below 2Gi. Default: -1, the server's own limit. Can be changed."""
    max_msgs_per_subject: Limit | None = None
    """Most messages kept per subject. Default: -1, unlimited. Can be changed; a value that could
    discard stored messages is held back."""
    discard: Literal["old", "new"] | None = None
    """What gives way when a limit is reached: `old`, the oldest messages; `new`, the new one, which
    is refused. Default: old. Can be changed."""
    discard_per_subject: bool | None = None
    """Refuse new messages when maxMsgsPerSubject is reached. Needs discard: new and
    maxMsgsPerSubject. Default: false. Can be changed."""
    no_ack: bool | None = None
    """Don't acknowledge messages to publishers. Default: false. Can be changed."""
    duplicate_window: AtLeast100ms | None = None
    """For how long a `Nats-Msg-Id` is remembered to drop duplicates: a duration such as `2m`, at
    least 100ms, at most maxAge. Default: 2m, or maxAge if that is shorter. Can be changed."""
    compression: Literal["none", "s2"] | None = None
    """How stored messages are compressed (file storage only). Default: none. Can be changed."""
    placement: Placement | None = None
    """Where in a super-cluster the replicas may live. Default: anywhere. Can be changed."""
    mirror: Source | None = None
    """Make this stream a read-only copy of another one. Excludes subjects and sources. Can't be
    added or changed; removing it makes a normal stream of it (nats-server 2.12 and newer)."""
    sources: (
        Annotated[
            tuple[Source, ...], Field(min_length=1, max_length=128, json_schema_extra=ATOMIC_LIST)
        ]
        | None
    ) = None
    """Streams whose messages are copied into this one. Excludes mirror. Can be changed, but not
    where a source starts that stays; one with another filter is another source."""
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
    """A mirror answers direct reads for its origin. Default: false. Can be changed, but where the
    server can see the origin, it gives the mirror the origin's allowDirect."""
    allow_msg_ttl: bool | None = None
    """Publishers may limit the life of single messages by the header `Nats-TTL` (2.11+). Can't be
    undone. Default: false, or true with subjectDeleteMarkerTtl."""
    subject_delete_marker_ttl: AtLeast1s | None = None
    """How long a delete marker stays for a subject whose last message expired: a duration such as
    `1h`, at least 1s (2.11+). Turns on allowMsgTtl and allowRollup. Default: no markers. Can be
    changed."""
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
    allowed_namespaces: Namespaces | None = None
    """Namespaces, besides its own, whose resources may copy this stream, consume it and
    publish into it, where they use the same connection; `*` allows all. Default: none. Can be
    changed."""
    consumers_from: Namespaces | None = None
    """Namespaces, besides its own, whose CozeConsumers may consume this stream by `streamRef`
    and do nothing else with it; `*` allows all. Default: none. Can be changed."""
    connection: ConnectionRef | None = None
    """The CozeConnection to the NATS system that holds the stream. Default: the operator's own
    connection. Can't be changed."""
    policies: StreamPolicies | None = None
    """What the operator may do with the stream. Default: the operator's own. Can be changed."""
    suspend: bool | None = None
    """Change nothing in JetStream; what would be changed is reported. Deletion works. Default:
    false. Can be changed."""

    model_config = ConfigDict(json_schema_extra=rules(*STREAM_RULES))
