"""Brings every write and every status before its judges, with all that they have to know."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from coze_nats.core import names
from coze_nats.core.desired import Desired, Target
from coze_nats.core.diff import diff
from coze_nats.core.errors import Failure
from coze_nats.core.live import Server
from coze_nats.core.resource import Resource
from coze_nats.ports import JetStream
from safety.cluster import Cluster
from safety.ledger import Ledger
from safety.outsider import Outsider
from safety.snapshot import ConsumerFound, Object, Snapshot, changed
from safety.statuses import judge_status
from safety.watched import Reconciling
from safety.writes import Violation, Write, judge


class Judging:
    """What watches one operator's ports.

    Attributes:
        writes: how many writes JetStream took.
    """

    def __init__(
        self,
        cluster: Cluster,
        ledger: Ledger,
        jetstream: JetStream,
        outsider: Outsider,
        heard: Callable[[], Iterable[Resource]],
    ) -> None:
        """`heard` tells the resources as the operator knows them."""
        self.writes = 0
        self._heard = heard
        self._cluster = cluster
        self._ledger = ledger
        self._real = jetstream
        self._outsider = outsider

    async def write(
        self, who: Reconciling, verb: str, target: Target, make: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Make a write and judge it; raises Violation, or the Failure of the write."""
        before = await self._outsider.snapshot()
        try:
            answer = await make()
        except Failure:
            after = await self._outsider.snapshot()
            if changes := changed(before, after):
                raise Violation("a refused write changes nothing", f"{changes}") from None
            raise
        self.writes += 1
        after = await self._outsider.snapshot()
        resource = self._beneficiary(who.resource, target, after)
        judge(await self._described(who, resource, verb, target, before, after))
        self._ledger.wrote(resource, verb, target, before, after)
        return answer

    def _beneficiary(self, resource: Resource, target: Target, after: Snapshot) -> Resource:
        """For whom a write is: a stream that is made anew brings back its resources' consumers."""
        made = after.get(target)
        if resource.key.kind != names.STREAM_KIND or target.consumer is None or made is None:
            return resource
        found = [
            other
            for other in self._heard()
            if other.key.kind == names.CONSUMER_KIND and self._cluster.target(other) == target
        ]
        return next((each for each in found if self._may_own(each, made)), resource)

    def _may_own(self, resource: Resource, made: Object) -> bool:
        """Whether an object that was just made can be for the resource."""
        is_recorded = self._cluster.policies(resource).ownership == "Record"
        return made.owner == ("" if is_recorded else self._cluster.owner(resource))

    async def _described(
        self,
        who: Reconciling,
        resource: Resource,
        verb: str,
        target: Target,
        before: Snapshot,
        after: Snapshot,
    ) -> Write:
        cluster, ledger = self._cluster, self._ledger
        desired = None if resource.deleting else cluster.desired(resource)
        found, seen = before.get(target), who.seen.get(target)
        told = seen and (ledger.first(seen.created), seen.config)
        stream, server = cluster.stream_of(resource), await self._real.server()
        return Write(
            resource=resource,
            owner=cluster.owner(resource),
            policies=cluster.policies(resource),
            desired=desired if isinstance(desired, Desired) else None,
            known=self._known(resource, found),
            robbed=ledger.is_robbed(resource),
            claimed=ledger.claimed(resource),
            stream_owner=cluster.owner(stream) if stream else "",
            stream_known=ledger.known(stream) or (ledger.untold(stream) if stream else ""),
            first=self._first(resource, target, found, server),
            position=ledger.position(resource),
            server=server,
            verb=verb,
            target=target,
            before=before,
            after=after,
            blind=who.unaware and told != (found and (found.created, found.config)),
            raced=who.unaware,
        )

    def _known(self, resource: Resource, found: Object | None) -> str:
        """What the resource has; what was made again at once may count as that."""
        known = self._ledger.known(resource) or self._ledger.untold(resource)
        is_vague = self._outsider.identity.is_vague and isinstance(found, ConsumerFound)
        return found.created if known and found and is_vague else known

    def _first(
        self, resource: Resource, target: Target, found: Object | None, server: Server
    ) -> tuple[str, ...]:
        """The resources that come first in adopting the object, which is as they declare it."""
        first = []
        for rival in self._cluster.rivals(resource, target):
            desired, policies = self._cluster.desired(rival), self._cluster.policies(rival)
            if found is None or policies.missing == "Hold" or not isinstance(desired, Desired):
                continue
            if not diff(desired, found.config, server):
                first.append(str(rival.key))
        return tuple(first)

    async def status(self, who: Reconciling, resource: Resource, status: Mapping[str, Any]) -> None:
        """Judge a status that is about to be written; raises Violation."""
        desired = self._cluster.desired(resource)
        found: Object | None = None
        if isinstance(desired, Desired):
            found = (await self._outsider.snapshot()).get(desired.target)
            if who.unaware:
                seen = who.seen.get(desired.target)
                found = Object(seen.config, self._ledger.first(seen.created)) if seen else None
        judge_status(
            resource, status, found, self._cluster.owner(resource), self._outsider.identity
        )
        self._ledger.told(resource, status)
