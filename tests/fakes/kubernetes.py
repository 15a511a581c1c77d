"""The resources as an apiserver stores them, in memory: what outlives an operator's process.

Only what a reconcile needs of it is there: specs with generations, statuses, annotations, the
operator's finalizer, deletion, and events.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from coze_nats.core import names
from coze_nats.core.resource import Key, Resource


class Event(NamedTuple):
    """An event as it was posted."""

    key: Key
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class FakeKubernetes:
    """Implements `coze_nats.ports.Kubernetes`; `apply`, `delete` and `annotate` are the users'.

    Attributes:
        resources: as they are stored, with the finalizer that the operator put there.
        events: everything that was posted, the oldest first.
        writes: how many statuses were written.
    """

    resources: dict[Key, Resource] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    writes: int = 0
    _versions: Any = field(default_factory=lambda: itertools.count(1))

    # --- what users do ----------------------------------------------------------------------------

    def apply(self, kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Key:
        """Declare a resource, or declare it anew."""
        key = Key(kind, namespace, name)
        known = self.resources.get(key)
        spec = _as_json(spec)
        if known is None:
            version = self._version()
            self.resources[key] = Resource(
                key=key,
                uid=f"uid-{version}",
                generation=1,
                finalized=True,
                deleting=False,
                reconcile_requested_at="",
                spec=spec,
                status={},
                resource_version=version,
            )
        elif known.spec != spec:
            self._change(key, spec=spec, generation=known.generation + 1)
        return key

    def delete(self, key: Key) -> None:
        """Ask for the deletion; the resource goes with its finalizer."""
        known = self.resources[key]
        self._change(key, deleting=True, generation=known.generation + 1)

    def annotate(self, key: Key, annotation: str, value: str = "") -> None:
        """Set one of the operator's annotations, to `true` unless it has a value."""
        attribute = {
            names.RELEASE_ANNOTATION: "released",
            names.CONFIRM_DELETION_ANNOTATION: "confirmed",
            names.HAND_OVER_ANNOTATION: "handed_over_to",
        }[annotation]
        self._change(key, **{attribute: value or True})

    def ask(self, key: Key, moment: str) -> None:
        """Request a reconcile: set the annotation `reconcile-requested-at`."""
        self._change(key, reconcile_requested_at=moment)

    def forget_status(self, key: Key) -> None:
        """Have the resource as it was before the first report, or as a backup restores it."""
        self._change(key, status={})

    def status(self, key: Key) -> Mapping[str, Any]:
        """The status as it was last written."""
        return self.resources[key].status

    def reasons(self, key: Key | None = None) -> list[str]:
        """The reasons of all events, or of those about one resource."""
        return [event.reason for event in self.events if key in (None, event.key)]

    # --- the port ---------------------------------------------------------------------------------

    async def apply_status(self, resource: Resource, status: Mapping[str, Any]) -> str | None:
        """See `coze_nats.ports.Kubernetes`, here and below."""
        known = self.resources.get(resource.key)
        if known is None:
            return None
        self.writes += 1
        self._change(resource.key, status=_as_json(status))
        return self.resources[resource.key].resource_version if known.uid == resource.uid else None

    def emit(
        self, resource: Resource, type_: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        self.events.append(Event(resource.key, type_, reason, message))

    async def release_finalizer(self, resource: Resource, finalizers: tuple[str, ...] = ()) -> None:
        """Take the operator's finalizer off: the resource is gone, as there is no other."""
        known = self.resources.get(resource.key)
        if known and known.uid == resource.uid and known.deleting:
            del self.resources[resource.key]

    # --- inside -----------------------------------------------------------------------------------

    def _change(self, key: Key, **changes: Any) -> None:
        self.resources[key] = replace(
            self.resources[key], **changes, resource_version=self._version()
        )

    def _version(self) -> str:
        return str(next(self._versions))


def _as_json(value: Mapping[str, Any]) -> Any:
    """A copy that went over the wire: a value that is no JSON would fail here."""
    return json.loads(json.dumps(value))
