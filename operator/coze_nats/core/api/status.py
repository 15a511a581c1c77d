"""What the operator reports: conditions after kstatus, a summary and the effective values."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel


class _Status(BaseModel):
    """Base of what the operator writes; the apiserver checks it against the schema."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
_Count = Annotated[int, Field(json_schema_extra={"format": "int64"})]

Effective = Annotated[
    dict[str, object],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]


class Condition(_Status):
    """One observation about the resource, after the Kubernetes API conventions."""

    type: Annotated[str, Field(max_length=316)]
    """Ready always; Reconciling while the operator is at it; Stalled while the user must act."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    observed_generation: _Count | None = None
    """The metadata.generation that the condition was judged by."""
    last_transition_time: _Time
    """When the condition's status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, as one of the documented reasons."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, for people: the field, the server's own words and what to do."""


_Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        }
    ),
]


class DataLoss(_Status):
    """A stream that vanished, or became another one, and not by the operator."""

    detected_at: _Time
    """When it was found."""
    created: _Time
    """Incarnation of the stream that was lost."""
    messages: _Count
    """How many messages it held when it was last looked at."""
    last_sequence: _Count
    """Sequence of its newest message then."""
    as_of: _Time | None = None
    """When that was, by NATS's clock."""
    successor: _Time | None = None
    """Incarnation of the stream that took its place, once there is one."""


class OriginStatus(_Status):
    """A stream that this one copies from."""

    name: str
    """Its name."""
    api_prefix: str | None = None
    """By which API prefix it is reached; left out: it is one of the same account."""
    filter_subject: str | None = None
    """What of it is copied; left out: everything."""
    lag: _Count | None = None
    """How many of its messages are not copied yet; left out: none. Refreshed at most once a
    minute."""
    last_seen: _Time | None = None
    """When the server heard from it last, which it does every second, also without messages; left
    out: never. Refreshed together with the other figures."""
    silent_since: _Time | None = None
    """Since when nothing is heard from it, or there is an error; left out: it is all right."""
    error: str | None = None
    """The server's words for what keeps it from copying."""


class Replacing(_Status):
    """An object that is being deleted to be created anew."""

    created: _Time
    """Incarnation of the object that goes."""
    start_sequence: _Count | None = None
    """Where in the stream the new consumer goes on; of a stream, which sequence its first message
    gets."""


class _Observed(_Status):
    observed_generation: _Count | None = None
    """The metadata.generation that this status is about, also after a failure; -1 before the
    operator has seen the resource."""
    conditions: _Conditions | None = None
    """Ready always; Reconciling and Stalled only while they are true."""
    last_handled_reconcile_at: str | None = None
    """The value of the annotation jetstream.coze.dev/reconcile-requested-at that was last acted
    on."""


class UsedConnection(_Status):
    """The connection by which the object was reached."""

    namespace: str
    """Namespace of the CozeConnection."""
    name: str
    """Name of the CozeConnection."""


class _Common(_Observed):
    connection: UsedConnection | None = None
    """The CozeConnection in use; left out: the operator's own connection."""
    stream: str | None = None
    """Name of the stream in JetStream."""
    created: _Time | None = None
    """When the object that this resource owns was created in JetStream, as it was told first; it
    stays while the object goes on."""
    adopted: bool | None = None
    """Whether the object was there before this resource; left out: it was made by the operator.
    What was adopted is kept when the resource is deleted, unless policies.deletion is Delete."""
    created_is_kept: bool | None = None
    """Whether the server that told `created` keeps it: before nats-server 2.14, consumers' before
    2.12, one that is in no cluster moves it at restarts."""
    leader: str | None = None
    """Name of the server that leads the object."""
    replicas: Annotated[int, Field(json_schema_extra={"format": "int32"})] | None = None
    """How many servers hold a copy."""
    current_replicas: Annotated[int, Field(json_schema_extra={"format": "int32"})] | None = None
    """How many of these are online and have everything; left out: all. Refreshed at most once a
    minute."""
    replica_lag: _Count | None = None
    """Operations that the replica furthest behind its leader lacks; left out: none. Refreshed at
    most once a minute."""
    policies: dict[str, str] | None = None
    """The policies in force, defaults included."""
    plan: str | None = None
    """What would be done, were it not refused or held back."""
    creating: bool | None = None
    """Set after a creation that NATS did not answer, until it is known whether the object is
    there."""
    replacing: Replacing | None = None
    """Set while the object is being replaced, so that a crash can't hide it."""
    effective: Effective | None = None
    """The configuration that JetStream really has, in the terms of spec; what is zero, off or empty
    is left out."""
    chosen: Effective | None = None
    """The part of it that the server chose, having limits of its own, where the spec says nothing;
    left out: the usual defaults hold."""


class StreamStatus(_Common):
    """How the stream stands."""

    messages: _Count | None = None
    """How many messages are stored; refreshed at most once a minute."""
    bytes: _Count | None = None
    """How many bytes are stored; refreshed at most once a minute."""
    last_sequence: _Count | None = None
    """Sequence of the newest message; refreshed at most once a minute."""
    first_sequence: _Count | None = None
    """Sequence of the oldest message, or of the next one while there is none; refreshed together
    with the other figures."""
    first_time: _Time | None = None
    """When that message was stored; left out: there was none."""
    as_of: _Time | None = None
    """When NATS told the figures, by its clock."""
    data_loss: DataLoss | None = None
    """The last time that the stream was found gone, or another one."""
    origins: tuple[OriginStatus, ...] | None = None
    """The streams that this one copies from, as a mirror or by sources."""
    consumers: _Count | None = None
    """How many consumers the stream has; refreshed together with the other figures."""
    unmanaged_consumers: Annotated[tuple[str, ...], Field(max_length=8)] | None = None
    """Durable consumers of a stream with interest retention that no resource manages, eight at
    most: the stream keeps messages for them until they are acknowledged, or the consumers deleted.
    Left out: there are none."""


class ConsumerStatus(_Common):
    """How the consumer stands."""

    consumer: str | None = None
    """Name of the consumer in JetStream."""
    pending: _Count | None = None
    """Messages not delivered yet; refreshed at most once a minute."""
    ack_pending: _Count | None = None
    """Messages delivered and not yet acknowledged; refreshed at most once a minute."""
    ack_floor: _Count | None = None
    """Sequence of the stream up to which nothing was left to deliver or to acknowledge when the
    server last told; refreshed together with the other figures."""
    deliveries: _Count | None = None
    """How often messages were delivered; refreshed together with the other figures."""
    redelivered: _Count | None = None
    """Messages among these that were delivered more than once; left out: none. Refreshed at most
    once a minute."""


class Server(_Status):
    """The NATS server that the operator is connected to."""

    version: str | None = None
    """Its version, such as `2.14.6`."""
    api_level: Annotated[int, Field(json_schema_extra={"format": "int32"})] | None = None
    """Its JetStream API level; 0 for nats-server 2.10, which has none."""
    cluster: str | None = None
    """Name of its NATS cluster; left out where there is none."""


class Use(_Status):
    """How much of something the account uses."""

    used: _Count
    """How much is used."""
    limit: _Count | None = None
    """How much may be used; left out: unlimited."""


class Limits(_Status):
    """What the account uses and may use."""

    memory: Use | None = None
    """Bytes in memory."""
    storage: Use | None = None
    """Bytes in files."""
    streams: Use | None = None
    """Streams."""
    consumers: Use | None = None
    """Consumers."""


class Account(Limits):
    """What the user's account has in JetStream; refreshed at most once a minute."""

    tiers: dict[str, Limits] | None = None
    """The same for each tier, such as `R1` and `R3`, of an account that has them."""


class ConnectionStatus(_Observed):
    """How the connection stands."""

    server: Server | None = None
    """The server that the operator is connected to, or was last."""
    account: Account | None = None
    """What the user's account has in JetStream, and how much of it is used."""
