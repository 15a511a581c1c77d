"""Whose messages an interest stream takes: what it acknowledges and drops, somebody misses."""

from coze_nats.core import names
from coze_nats.core.conditions import is_true
from coze_nats.core.desired import Desired
from coze_nats.core.resource import Resource
from coze_nats.core.subjects import can_meet
from safety.cluster import Cluster
from safety.snapshot import Snapshot, StreamFound


class Interests:
    """The consumers of a cluster's resources that were on a stream when it went.

    They have to be there before the stream takes anything in, if the operator makes it anew.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._awaited: dict[str, set[str]] = {}
        self._made: set[str] = set()

    def went(self, stream: str, before: Snapshot, owned: list[Resource]) -> None:
        """A stream is gone; these are the resources whose consumers were on it."""
        if stream in before.streams:
            self._awaited.setdefault(stream, set()).update(each.uid for each in owned)

    def made(self, stream: StreamFound) -> None:
        """The operator made a stream."""
        self._made.add(stream.created)

    def excuse(self, resource: Resource) -> None:
        """Its consumer was made again, or somebody else is to blame that it isn't there."""
        for awaited in self._awaited.values():
            awaited.discard(resource.uid)

    def missing(self, name: str, stream: StreamFound, subject: str) -> list[str]:
        """Whose consumer isn't there to get a message that the stream took and dropped."""
        if stream.config["retention"] != "interest" or stream.created not in self._made:
            return []
        return [
            str(resource.key)
            for resource in self._cluster.consumers_on(name)
            if resource.uid in self._awaited.get(name, ())
            and self._is_due(resource, stream, subject)
        ]

    def _is_due(self, resource: Resource, stream: StreamFound, subject: str) -> bool:
        desired = self._cluster.desired(resource)
        stands = resource.deleting or resource.spec.get("suspend")
        if stands or is_true(resource.status, "Stalled") or not isinstance(desired, Desired):
            return False
        is_there = desired.target.consumer in stream.consumers
        return not is_there and can_meet(desired.declared.get("filter_subject", ">"), subject)


def is_consumer(resource: Resource) -> bool:
    """Whether it is a CozeConsumer."""
    return resource.key.kind == names.CONSUMER_KIND
