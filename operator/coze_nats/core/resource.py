"""A custom resource as the operator holds it: identity, generation, raw spec and raw status.

Specs are parsed by the models in `core.api` when a resource is reconciled, not here: a cache of ten
thousand parsed models would cost more memory than it saves time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from coze_nats.core import names
from coze_nats.core.codec import InvalidValue, parse_duration


class Key(NamedTuple):
    """Which resource: what the queue works on and the cache is sorted by."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Stamp(NamedTuple):
    """Which resource bears a key, and which state of it: its uid and resourceVersion."""

    uid: str
    version: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One CozeStream or CozeConsumer, pared down to what a reconcile reads.

    Attributes:
        finalized: whether the operator's finalizer is set, so that nothing can be lost on deletion.
        deleting: whether a deletionTimestamp is set.
        reconcile_requested_at: value of the annotation `jetstream.coze.dev/reconcile-requested-at`.
        resync_interval: seconds between two looks at this resource alone; 0: none are asked for, or
            the annotation `jetstream.coze.dev/resync-interval` makes no sense.
        released: whether deletion shall leave JetStream alone (`jetstream.coze.dev/release`).
        handed_over_to: `<namespace>/<name>` of the resource that takes the object over
            (`jetstream.coze.dev/hand-over-to`); "" for none.
        confirmed: whether deletion is confirmed (`jetstream.coze.dev/confirm-deletion`).
        status: as the operator wrote it last; empty when it never did.
        created_at: RFC 3339, by the apiserver's clock.
        resource_version: the apiserver's; tells which of two states of the resource is newer.
    """

    key: Key
    uid: str
    generation: int
    finalized: bool
    deleting: bool
    reconcile_requested_at: str
    spec: Mapping[str, Any]
    status: Mapping[str, Any]
    resource_version: str = ""
    resync_interval: float = 0.0
    released: bool = False
    confirmed: bool = False
    created_at: str = ""
    handed_over_to: str = ""

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Read a resource as the apiserver serves it."""
        metadata = body["metadata"]
        annotations = metadata.get("annotations") or {}
        status = body.get("status") or {}
        return cls(
            key=Key(body["kind"], metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            finalized=names.FINALIZER in (metadata.get("finalizers") or ()),
            deleting=bool(metadata.get("deletionTimestamp")),
            reconcile_requested_at=annotations.get(names.RECONCILE_REQUESTED_ANNOTATION, ""),
            spec=body.get("spec") or {},
            status={} if status == names.UNSEEN else status,
            resource_version=metadata.get("resourceVersion", ""),
            resync_interval=_seconds(annotations.get(names.RESYNC_INTERVAL_ANNOTATION, "")),
            released=annotations.get(names.RELEASE_ANNOTATION) == "true",
            handed_over_to=annotations.get(names.HAND_OVER_ANNOTATION, ""),
            confirmed=annotations.get(names.CONFIRM_DELETION_ANNOTATION) == "true",
            created_at=metadata.get("creationTimestamp", ""),
        )

    @property
    def revision(self) -> tuple[object, ...]:
        """What must change for a watch event to be worth a reconcile: never the status."""
        return (
            self.uid,
            self.generation,
            self.finalized,
            self.deleting,
            self.reconcile_requested_at,
            self.resync_interval,
            self.released,
            self.confirmed,
            self.handed_over_to,
        )

    @property
    def is_let_go(self) -> bool:
        """Whether it is being deleted, and the operator is done with it."""
        return self.deleting and not self.finalized

    def with_status(self, status: Mapping[str, Any]) -> Self:
        """The same resource after its status was written."""
        return replace(self, status=status)


def is_older(version: str, known: str) -> bool:
    """Whether one resourceVersion is older than another of the same kind.

    Kubernetes guarantees from 1.35 on that they are decimal numbers which grow, over all objects of
    a kind; before, they were so without a promise. Anything else is taken for newer: an event too
    many is harmless, one too few is not.
    """
    return version.isdecimal() and known.isdecimal() and int(version) < int(known)


SHORTEST_INTERVAL = 1.0
"""Seconds; a resource is not looked at more often, whatever its annotation says."""


def _seconds(interval: str) -> float:
    try:
        return max(parse_duration(interval) / 1e9, SHORTEST_INTERVAL) if interval else 0.0
    except InvalidValue:
        return 0.0
