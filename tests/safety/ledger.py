"""What has become of the objects of a cluster's resources, and what the operator owes for it."""

from collections.abc import Callable, Mapping
from typing import Any

from coze_nats.core import names
from coze_nats.core.conditions import condition
from coze_nats.core.desired import Target
from coze_nats.core.names import EventReason, Reason
from coze_nats.core.resource import Key, Resource
from safety.cluster import Cluster
from safety.interests import Interests, is_consumer
from safety.snapshot import ConsumerFound, Object, Snapshot, StreamFound
from safety.writes import Position, is_own

_LETS_GO = frozenset({Reason.OWNED_BY_ANOTHER, Reason.NOT_IDENTICAL, Reason.ADOPTION_REFUSED})
"""Reasons that say of an object that it is not the resource's any more."""


class Ledger:
    """Outlives an operator's processes, as the truth does."""

    def __init__(self, cluster: Cluster, first: Callable[[str], str]) -> None:
        """`first` tells what stands for an object of which a server told this `created`."""
        self._cluster = cluster
        self.first = first
        # By uid of a resource, `created` of what it owned when its status last told; of what was
        # made for it and isn't told yet; and its consumer that is being replaced.
        self._known: dict[str, str] = {}
        self._untold: dict[str, str] = {}
        self._positions: dict[str, Position] = {}
        # `created` of all that strangers destroyed, and of what nobody need hold back any more.
        self._destroyed: set[str] = set()
        self._excused: set[str] = set()
        self._owed: set[tuple[Key, str]] = set()
        self.interests = Interests(cluster)

    # --- what is asked ----------------------------------------------------------------------------

    def known(self, resource: Resource | None) -> str:
        """`created` of what the resource owned when its status last told of it."""
        return self._known.get(resource.uid, "") if resource else ""

    def owns(self, resource: Resource, found: Object) -> bool:
        """Whether an object is the resource's, also when somebody stripped its metadata."""
        return is_own(found, self._cluster.owner(resource), self.known(resource))

    def claimed(self, resource: Resource) -> frozenset[str]:
        """`created` of all that other resources of the cluster own, as far as they know."""
        others = (other for other in self._cluster.resources if other.uid != resource.uid)
        return frozenset(self.known(other) for other in others) - {""}

    def is_robbed(self, resource: Resource) -> bool:
        """Whether somebody else destroyed what the resource owned."""
        return self.known(resource) in self._destroyed - self._excused

    def untold(self, resource: Resource) -> str:
        """`created` of what was made for it, and its status doesn't tell of yet."""
        return self._untold.get(resource.uid, "")

    def is_untold(self, resource: Resource) -> bool:
        """Whether its status doesn't tell yet of what was made for it."""
        return resource.uid in self._untold

    def never_told(self, found: Object) -> bool:
        """Whether no status ever told of this object: each process died before it."""
        return found.created in self._untold.values()

    def position(self, resource: Resource) -> Position | None:
        return self._positions.get(resource.uid)

    def unpaid(self) -> list[Key]:
        """Resources that lost a stream and never told."""
        found = []
        for key, uid in self._owed:
            resource = self._cluster.get(key)
            is_there = resource is not None and resource.uid == uid
            told = self._cluster.kubernetes.reasons(key)
            if is_there and EventReason.DATA_LOSS_DETECTED not in told:
                found.append(key)
        return found

    # --- what happens -----------------------------------------------------------------------------

    def wrote(
        self, resource: Resource, verb: str, target: Target, before: Snapshot, after: Snapshot
    ) -> None:
        """A write was made for the resource."""
        found = before.get(target)
        if verb == "delete" and found:
            if self._known.get(resource.uid) == found.created:
                del self._known[resource.uid]
            if isinstance(found, StreamFound):
                # They come back with it, whatever had become of them before.
                self.interests.went(target.stream, before, self._on(target.stream, before))
                self._excuse(self._cluster.consumers_on(target.stream))
            if isinstance(found, ConsumerFound):
                stream = before.streams[target.stream]
                self._positions[resource.uid] = Position(stream, found)
        if verb == "create" and (made := after.get(target)):
            self._positions.pop(resource.uid, None)
            if isinstance(made, StreamFound):
                self.interests.made(made)
            self.interests.excuse(resource)
            self._untold[resource.uid] = made.created

    def told(self, resource: Resource, status: Mapping[str, Any]) -> None:
        """A status was written."""
        ready = condition(status, "Ready") or {}
        if "created" in status:
            self._known[resource.uid] = known = self.first(status["created"])
            if self._untold.get(resource.uid) == known:
                del self._untold[resource.uid]
        elif self._cluster.policies(resource).missing == "Recreate" or (
            ready.get("reason") in _LETS_GO and not self.is_robbed(resource)
        ):
            self._known.pop(resource.uid, None)

    def gone(self, resource: Resource) -> None:
        """A resource is gone; with another CozeStream, nobody can tell where its consumers went."""
        orphans = (other for other in self._cluster.resources if _is_consumer_of(other, resource))
        self._excuse(list(orphans))

    def suffer(self, stream: str, before: Snapshot, incarnations: frozenset[str]) -> None:
        """These objects, given by `created`, are about to be destroyed by somebody else."""
        is_whole = stream in before.streams and before.streams[stream].created in incarnations
        for resource in self._on(stream, before):
            if self.known(resource) in incarnations and not is_whole:
                self.interests.excuse(resource)
        if is_whole:
            restored = [
                each
                for each in self._on(stream, before)
                if self._cluster.policies(each).missing == "Recreate"
            ]
            self.interests.went(stream, before, restored)
        self._destroyed |= incarnations
        for resource in self._cluster.resources:
            tells = resource.key.kind == names.STREAM_KIND and not resource.deleting
            is_hit = self.known(resource) in incarnations
            if is_hit and tells and "replacing" not in resource.status:
                self._owed.add((resource.key, resource.uid))

    def emptied(self, incarnations: frozenset[str]) -> None:
        """These streams, as old as before, have lost all messages that they ever had."""
        for resource in self._cluster.resources:
            if self.known(resource) in incarnations and not resource.deleting:
                self._owed.add((resource.key, resource.uid))

    def _on(self, stream: str, snapshot: Snapshot) -> list[Resource]:
        """The resources whose consumers are on a stream."""
        found = []
        for resource in filter(is_consumer, self._cluster.consumers_on(stream)):
            target = self._cluster.target(resource)
            live = snapshot.get(target) if target else None
            if live and self.known(resource) and self.owns(resource, live):
                found.append(resource)
        return found

    def _excuse(self, resources: list[Resource]) -> None:
        self._excused |= {self.known(resource) for resource in resources}


def _is_consumer_of(consumer: Resource, stream: Resource) -> bool:
    ref = consumer.spec.get("streamRef") or {}
    return (consumer.key.namespace, ref.get("name")) == (stream.key.namespace, stream.key.name)
