"""What the operator may do, apart from what NATS is told: `spec.policies`."""

from typing import Literal

from coze_nats.core.api.types import Model


class StreamPolicies(Model):
    """What the operator may do with the stream. Left out: the operator's own defaults."""

    deletion: Literal["DeleteIfEmpty", "Delete", "Retain"] | None = None
    """When this resource is deleted: `DeleteIfEmpty` deletes the stream unless it holds messages,
    was adopted, or has a consumer that is in use or that no resource stands for; else keeps it
    without an owner; `Delete` deletes it with its messages and consumers; `Retain` keeps it.
    Default: DeleteIfEmpty. Can be changed."""
    adoption: Literal["IfIdentical", "Always", "Never"] | None = None
    """When a stream of that name exists and nobody owns it: `IfIdentical` takes it over if it is as
    declared; `Always` takes it over and changes what differs; `Never` leaves it alone. What another
    resource owns is never taken. Default: IfIdentical. Can be changed."""
    data_loss: Literal["Block", "Allow"] | None = None
    """When a change, or creating a copy, would discard stored messages, of this stream or of its
    origin: `Block` changes nothing and says what it would cost; `Allow` changes it. Default: Block.
    Can be changed."""
    replacement: Literal["Block", "Recreate"] | None = None
    """When NATS can't make a change in place: `Block` changes nothing; `Recreate` deletes the
    stream and creates it anew, if it is empty or dataLoss is Allow. Default: Block. Can be
    changed."""
    ownership: Literal["Mark", "Record"] | None = None
    """How it is known whose a stream is that the operator creates: `Mark` writes the owner into
    its metadata, where every cluster sees it; `Record` leaves its metadata alone, so that an
    application can declare the same stream, and only this resource's status tells. What is adopted
    is always recorded. Default: Mark. Can be changed."""
    missing: Literal["Recreate", "Hold"] | None = None
    """When the stream vanished, or was replaced, behind the operator's back: `Recreate` makes it
    anew or goes on with the new one; `Hold` touches nothing until told. Default: Recreate. Can be
    changed."""


class ConsumerPolicies(Model):
    """What the operator may do with the consumer. Left out: the operator's own defaults."""

    deletion: Literal["DeleteIfEmpty", "Delete", "Retain"] | None = None
    """When this resource is deleted: `DeleteIfEmpty` deletes the consumer unless a client is
    attached to it, it has moved from its start, was adopted, or messages of a stream with interest
    retention could go with it: then it is kept without an owner;
    `Delete` deletes it, whatever goes with it; `Retain` keeps it. Default: DeleteIfEmpty. Can be
    changed."""
    adoption: Literal["IfIdentical", "Always", "Never"] | None = None
    """When a consumer of that name exists and nobody owns it: `IfIdentical` takes it over if it is
    as declared; `Always` takes it over and changes what differs; `Never` leaves it alone. Default:
    IfIdentical. Can be changed."""
    data_loss: Literal["Block", "Allow"] | None = None
    """When a narrower filter, or a shorter inactiveThreshold, would discard messages that a stream
    with interest retention keeps for this consumer alone: `Block` changes nothing and says so;
    `Allow` changes it. Default: Block. Can be changed."""
    replacement: Literal["Block", "Recreate"] | None = None
    """When NATS can't make a change in place: `Block` changes nothing; `Recreate` deletes the
    consumer and creates it anew, see position. Default: Block. Can be changed."""
    position: Literal["Keep", "Reset"] | None = None
    """Where a consumer that is created anew goes on: `Keep` at the first message that was not
    acknowledged, so that none is skipped; `Reset` where deliverPolicy says, which can skip messages
    or deliver them again. A change of deliverPolicy or optStart* needs Reset. Default: Keep. Can be
    changed."""
    ownership: Literal["Mark", "Record"] | None = None
    """How it is known whose a consumer is that the operator creates: `Mark` writes the owner into
    its metadata, where every cluster sees it; `Record` leaves its metadata alone, so that an
    application can declare the same consumer, and only this resource's status tells. What is
    adopted is always recorded. Default: Mark. Can be changed."""
    missing: Literal["Recreate", "Hold"] | None = None
    """When the consumer vanished behind the operator's back: `Recreate` makes it anew, `Hold`
    touches nothing until told. Default: Recreate. Can be changed."""
