"""CozeConsumer: what a user declares about a durable JetStream consumer."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from coze_nats.core.api.connection import ConnectionRef
from coze_nats.core.api.consumer_rules import CONSUMER_RULES
from coze_nats.core.api.policies import ConsumerPolicies
from coze_nats.core.api.rules import matching, rules
from coze_nats.core.api.types import (
    ATOMIC_LIST,
    AtLeast1ms,
    AtLeast100ms,
    Description,
    Duration,
    Instant,
    Limit,
    LiteralSubject,
    Metadata,
    Model,
    Name,
    Namespace,
    Percentage,
    Positive64,
    QueueGroup,
    Replicas,
    ResourceName,
    Sequence,
    Size,
    Subject,
    Subjects,
)


class StreamRef(Model):
    """A CozeStream."""

    name: ResourceName
    """metadata.name of the CozeStream."""
    namespace: Namespace | None = None
    """Namespace of the CozeStream, whose consumersFrom must allow this one. Default: this
    namespace."""


class ConsumerSpec(Model):
    """What a durable consumer shall be. Whatever is left out has the server's default."""

    stream_ref: StreamRef | None = None
    """The CozeStream whose stream is consumed. Excludes streamName. Can't be changed."""
    stream_name: Name | None = None
    """Name of a stream that no CozeStream manages. Excludes streamRef. Can't be changed, but for
    streamRef: when a CozeStream has come to manage the stream, the consumer goes on as it is."""
    name: Name | None = None
    """Name of the durable consumer in JetStream. Default: metadata.name. Can't be changed."""
    description: Description | None = None
    """Free text, shown by `nats consumer info`. Can be changed."""
    deliver_policy: (
        Literal["all", "last", "new", "byStartSequence", "byStartTime", "lastPerSubject"] | None
    ) = None
    """Where in the stream the consumer starts: at the first message (`all`), at the last one
    (`last`), after it (`new`), at optStartSeq, at optStartTime, or at the last message of each
    subject. Default: all. Can't be changed."""
    opt_start_seq: Sequence | None = None
    """Sequence of the first message delivered; needs deliverPolicy: byStartSequence. Can't be
    changed."""
    opt_start_time: Instant | None = None
    """Time of the first message delivered, such as `2026-01-31T12:00:00Z`; needs deliverPolicy:
    byStartTime. Can't be changed."""
    ack_policy: Literal["none", "all", "explicit", "flowControl"] | None = None
    """How messages are acknowledged: each one (`explicit`), all up to one (`all`), not at all
    (`none`), or by flow control (2.14+, push only). Default: explicit. Can't be changed."""
    ack_wait: Duration | None = None
    """How long the server waits for an acknowledgement before it delivers again: a duration such
    as `30s`. Default: 30s, or the first backoff. Can be changed."""
    max_deliver: Limit | None = None
    """How often a message is delivered at most. Default: -1, without end. Can be changed."""
    backoff: (
        Annotated[
            tuple[Duration, ...], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC_LIST)
        ]
        | None
    ) = None
    """How long the server waits for an acknowledgement of the first, second, … delivery before the
    next one, such as `[30s, 5m]`; the last value repeats. Takes the place of ackWait. No more
    values than maxDeliver. Default: ackWait every time. Can be changed."""
    filter_subject: Subject | None = None
    """Deliver only messages on these subjects; wildcards allowed. Excludes filterSubjects. Default:
    all. Can be changed."""
    filter_subjects: Subjects | None = None
    """Deliver only messages on any of these subjects, which must not overlap. Excludes
    filterSubject. Can be changed."""
    replay_policy: Literal["instant", "original"] | None = None
    """How fast stored messages are delivered: at once, or in their original rhythm. Default:
    instant. Can't be changed."""
    max_ack_pending: Limit | None = None
    """Most messages that may be delivered and not yet acknowledged; -1 is unlimited. Without
    acknowledgements it means nothing; a push consumer then takes only -1, which it needs where the
    stream's consumerLimits has a maxAckPending. Default: the stream's consumerLimits, else 1000, or
    none without acknowledgements. Can be changed."""
    max_waiting: Positive64 | None = None
    """Pull: most waiting pull requests. Default: 512. Can't be changed."""
    max_batch: Positive64 | None = None
    """Pull: most messages in one pull request. Default: unlimited. Can be changed."""
    max_expires: AtLeast1ms | None = None
    """Pull: longest time a pull request may wait: a duration such as `30s`, at least 1ms. Default:
    unlimited. Can be changed."""
    max_bytes: Size | None = None
    """Pull: most bytes in one pull request: a number of bytes, or a quantity such as `1Mi`.
    Default: unlimited. Can be changed."""
    inactive_threshold: Duration | None = None
    """NATS removes the consumer after so long without interest, such as `72h`; the operator then
    makes it anew, without its position. Default: the stream's consumerLimits, else never. Can be
    changed."""
    headers_only: bool | None = None
    """Deliver only headers, with the size in `Nats-Msg-Size`. Default: false. Can be changed."""
    sample_freq: Percentage | None = None
    """Share of acknowledgements that are sampled for monitoring, such as `30%` or 30. Default:
    none. Can be changed."""
    rate_limit_bps: Positive64 | None = None
    """Push: most bits per second delivered. Default: unlimited. Can be changed."""
    replicas: Replicas | None = None
    """How many servers hold the consumer's state; at most the stream's replicas. Default: as many
    as the stream. Can be changed."""
    mem_storage: bool | None = None
    """Keep the consumer's state in memory, whatever the stream's storage. Default: false. Can't be
    changed."""
    priority_groups: (
        Annotated[
            tuple[
                Annotated[
                    str,
                    Field(
                        min_length=1,
                        max_length=16,
                        json_schema_extra=matching(
                            "^[a-zA-Z0-9/_=-]+$",
                            "a priority group's name has only letters, digits and / _ = -",
                        ),
                    ),
                ],
                ...,
            ],
            Field(min_length=1, max_length=64, json_schema_extra=ATOMIC_LIST),
        ]
        | None
    ) = None
    """Pull: names of the priority groups, each of 1 to 16 letters, digits, / _ = - (2.11+). Needs
    priorityPolicy. Can be changed."""
    priority_policy: Literal["overflow", "pinnedClient", "prioritized"] | None = None
    """Pull: how clients of the group share the messages (2.11+; prioritized 2.12+). Needs
    priorityGroups. Can be changed."""
    priority_timeout: Duration | None = None
    """Pull: how long a pinned client may stay silent before another one takes over, such as `2m`
    (2.11+). Needs priorityPolicy, and has an effect with pinnedClient only. Default: 2m with
    pinnedClient. Can be changed."""
    pause_until: Instant | None = None
    """Deliver nothing until this time, such as `2026-01-31T12:00:00Z` (2.11+). Default: not paused.
    Can be changed and removed; a time that has passed means nothing."""
    metadata: Metadata | None = None
    """Key-value pairs kept with the consumer in JetStream. Can be changed."""
    connection: ConnectionRef | None = None
    """The CozeConnection to the NATS system that holds the stream; with streamName only. Default:
    the connection of the CozeStream, or with streamName the operator's own. Can't be changed."""
    policies: ConsumerPolicies | None = None
    """What the operator may do with the consumer. Default: the operator's own. Can be changed."""
    suspend: bool | None = None
    """Change nothing in JetStream; what would be changed is reported. Deletion works. Default:
    false. Can be changed."""
    deliver_subject: LiteralSubject | None = None
    """Push: the subject that messages are delivered to; makes this a push consumer. Can be changed
    while nobody listens on it, but not added or removed."""
    deliver_group: QueueGroup | None = None
    """Push: queue group that shares the deliveries. Can be changed."""
    flow_control: bool | None = None
    """Push: slow down for slow clients. Needs idleHeartbeat. Default: false. Can't be changed."""
    idle_heartbeat: AtLeast100ms | None = None
    """Push: after so long without a message the server sends a sign of life; a duration such as
    `5s`, at least 100ms. Default: none. Can't be changed."""

    model_config = ConfigDict(json_schema_extra=rules(*CONSUMER_RULES))
