"""The loop, once for every kind: gather, decide, act, report.

Decisions are `coze_nats.core`'s; the world is reached through `coze_nats.ports` only. When a key is
reconciled again is the queue's business: a reconcile says it with a `Next`.
"""

import logging
from dataclasses import dataclass, replace

from coze_nats.core import names
from coze_nats.core.conditions import Health, Outcome, condition, is_true
from coze_nats.core.desired import Desired, InvalidField, Target
from coze_nats.core.errors import Failure, NotFound, OutcomeUnknown, SubjectOverlap, Unavailable
from coze_nats.core.intent import Waiting, intent, stream_key, target_of
from coze_nats.core.judgement import judged
from coze_nats.core.live import LiveStream, Server
from coze_nats.core.names import Reason
from coze_nats.core.plan import (
    Action,
    Live,
    Refusal,
    Situation,
    is_ours,
    owner_of,
    plan,
    plan_deletion,
)
from coze_nats.core.resource import Key, Resource
from coze_nats.perform import observe, perform
from coze_nats.ports import JetStream, Resources, Session
from coze_nats.report import Clock, News, Reporter, news_of, news_of_release

log = logging.getLogger(__name__)

AWAY_GRACE = 15.0
"""Seconds that NATS may be away before a resource's status says so."""

QUIET = 3.0
"""Seconds without a created or deleted object after which a status says that it waits for one.

While many resources are applied or deleted in any order, waiting is nothing worth a write.
"""

PATIENCE = 120.0
"""Seconds after which it says so in any case."""

HICCUPS = 2
"""How many passing failures in a row are nobody's business yet."""


@dataclass(frozen=True, slots=True)
class Next:
    """What the queue does with a key after its reconcile.

    Attributes:
        after: look again after so many seconds; None: not before something happens.
        backoff: look again after the key's own exponential backoff (resets with a Next without it).
        parked: look again when NATS is back.
        finalized: the resource is being deleted and nothing of it is left to do in JetStream.
        wake: other keys that something changed for.
    """

    after: float | None = None
    backoff: bool = False
    parked: bool = False
    finalized: bool = False
    wake: tuple[Key, ...] = ()


class Reconciler:
    """Brings JetStream to what a resource declares, and its status to what is there."""

    def __init__(
        self,
        *,
        resources: Resources,
        jetstream: JetStream,
        session: Session,
        reporter: Reporter,
        clock: Clock,
        cluster_id: str,
        default_replicas: int | None = None,
    ) -> None:
        self._resources = resources
        self._jetstream = jetstream
        self._session = session
        self._reporter = reporter
        self._clock = clock
        self._cluster_id = cluster_id
        self._default_replicas = default_replicas
        self._server: Server | None = None
        self._last_change = clock.monotonic()
        self._waiting_since: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}

    async def reconcile(self, key: Key) -> Next:
        """Gather, decide, act and report for one resource.

        Raises:
            Failure: the apiserver didn't take the status; everything else is reported there.
        """
        resource = self._resources.get(key)
        if resource is None:
            self._forget(key)
            return Next()
        if resource.deleting:
            return await self._finalize(resource)
        try:
            desired = intent(resource, self._stream_of(resource), self._default_replicas)
        except InvalidField as error:
            invalid = Outcome(Health.STALLED, Reason.INVALID_SPEC, str(error), observed=False)
            await self._reporter.report(resource, None, invalid)
            return Next()
        if isinstance(desired, Waiting):
            return await self._wait(resource, desired)
        self._waiting_since.pop(key, None)
        news: list[News] = []
        try:
            outcome = await self._converge(resource, desired, news)
        except Failure as failure:
            return await self._retry(resource, desired, failure)
        self._failures.pop(key, None)
        await self._reporter.report(resource, desired, outcome, news)
        appeared = outcome.live and outcome.live.created != resource.status.get("created")
        return Next(wake=self._dependents(resource) if appeared else ())

    def is_settled(
        self, resource: Resource, live: Live | None, stream: LiveStream | None = None
    ) -> bool:
        """Whether reconciling the resource now would change nothing, given what JetStream has.

        Args:
            live: the object that is the resource's `target`.
            stream: for a consumer, the stream that it is on.
        """
        if resource.deleting or not resource.finalized:
            return True
        if self._server is None:
            return False
        try:
            desired = intent(resource, self._stream_of(resource), self._default_replicas)
        except InvalidField:
            return _says(resource, Reason.INVALID_SPEC)
        if isinstance(desired, Waiting):
            return _says(resource, desired.reason)
        if resource.spec.get("streamName") and stream and _managed(stream):
            return _says(resource, Reason.STREAM_IS_MANAGED)
        todo = plan(desired, live, self._situation(resource, self._server))
        return todo.action is Action.NOTHING and not self._reporter.would_change(
            resource, desired, _converged(desired, live)
        )

    def target(self, resource: Resource) -> Target | None:
        """Which object in JetStream is the resource's, as far as it can be told."""
        return target_of(resource, self._stream_of(resource))

    def _stream_of(self, resource: Resource) -> Resource | None:
        key = stream_key(resource)
        return self._resources.get(key) if key else None

    def _dependents(self, resource: Resource) -> tuple[Key, ...]:
        if resource.key.kind != names.STREAM_KIND:
            return ()
        return tuple(self._resources.consumers_of(resource.key.namespace, resource.key.name))

    def _owner(self, key: Key) -> str:
        return f"{self._cluster_id}/{key.namespace}/{key.name}"

    def _situation(self, resource: Resource, server: Server) -> Situation:
        status = resource.status
        as_it_was = (
            is_true(status, "Ready") and status.get("observedGeneration") == resource.generation
        )
        return Situation(
            owner=self._owner(resource.key),
            server=server,
            now_ns=self._clock.time_ns(),
            incarnation=status.get("created", ""),
            chosen=status.get("effective", {}) if as_it_was else None,
        )

    async def _converge(self, resource: Resource, desired: Desired, news: list[News]) -> Outcome:
        self._server = await self._jetstream.server()
        live = await observe(self._jetstream, desired.target)
        if resource.spec.get("streamName"):
            stream = await self._jetstream.stream(desired.target.stream)
            if stream and (refusal := _managed(stream)):
                return _refused(refusal, None)
        situation = self._situation(resource, self._server)
        todo = plan(desired, live, situation)
        if todo.refusal:
            ours = live and is_ours(live, situation.owner, situation.incarnation)
            return _refused(todo.refusal, live if ours else None)
        if todo.action is Action.NOTHING:
            return _converged(desired, live)
        live = await perform(self._jetstream, todo.steps)
        log.info("%s %s", todo.action.value, desired.target)
        news.extend(news_of(resource, desired.target, todo))
        if todo.action is Action.CREATE:
            self._last_change = self._clock.monotonic()
        # What the spec leaves to the server and is still different, the server has chosen.
        left = [change for change in plan(desired, live, situation).changes if change.declared]
        if left:
            return Outcome(
                Health.STALLED,
                Reason.NOT_CONVERGING,
                f"the server took the change but not its effect ({'; '.join(map(str, left))}): "
                "make the spec say what the server has, or report this as a bug",
                live=live,
            )
        return _converged(desired, live)

    async def _finalize(self, resource: Resource) -> Next:
        target = self.target(resource)
        if target is not None:
            try:
                await self._remove(resource, target)
            except Failure as failure:
                return await self._retry(resource, None, failure)
        self._forget(resource.key)
        return Next(finalized=True, wake=self._dependents(resource))

    async def _remove(self, resource: Resource, target: Target) -> None:
        try:
            live = await observe(self._jetstream, target)
        except NotFound:
            return
        incarnation = resource.status.get("created", "")
        todo = plan_deletion(target, live, self._owner(resource.key), incarnation)
        await perform(self._jetstream, todo.steps)
        self._last_change = self._clock.monotonic()
        if todo.action is not Action.NOTHING:
            log.info("%s %s", todo.action.value, target)
        if todo.action is Action.RELEASE and isinstance(live, LiveStream):
            self._reporter.emit(resource, news_of_release(target, live))

    async def _wait(self, resource: Resource, waiting: Waiting) -> Next:
        now = self._clock.monotonic()
        since = self._waiting_since.setdefault(resource.key, now)
        still_busy = now - max(since, self._last_change) < QUIET and now - since < PATIENCE
        if still_busy and not _says(resource, waiting.reason):
            return Next(after=QUIET)
        outcome = Outcome(Health.RECONCILING, waiting.reason, waiting.message, observed=False)
        await self._reporter.report(resource, None, outcome)
        return Next()

    async def _retry(self, resource: Resource, desired: Desired | None, failure: Failure) -> Next:
        count = self._failures[resource.key] = self._failures.get(resource.key, 0) + 1
        if isinstance(failure, Unavailable):
            away = self._clock.monotonic() - (self._session.away_since or 0.0)
            if away < AWAY_GRACE:
                return Next(after=AWAY_GRACE - away, parked=True)
        outcome = judged(failure)
        passing = outcome.reason in (Reason.RETRYING, Reason.WAITING_FOR_STREAM)
        if passing and count <= HICCUPS and not isinstance(failure, OutcomeUnknown):
            return Next(backoff=True, wake=self._vanished_stream(resource, failure))
        if isinstance(failure, SubjectOverlap) and desired is not None:
            outcome = replace(outcome, message=await self._overlap(desired, failure))
        if resource.deleting:
            outcome = replace(outcome, message=f"deletion waits: {outcome.message}")
        await self._reporter.report(resource, desired, outcome)
        if isinstance(failure, Unavailable):
            return Next(parked=True)
        return Next(backoff=outcome.health is Health.RECONCILING or resource.deleting)

    def _vanished_stream(self, resource: Resource, failure: Failure) -> tuple[Key, ...]:
        key = stream_key(resource)
        return (key,) if key and isinstance(failure, NotFound) else ()

    async def _overlap(self, desired: Desired, failure: Failure) -> str:
        for subject in desired.declared.get("subjects") or (desired.target.stream,):
            others = set(await self._jetstream.streams_on(subject)) - {desired.target.stream}
            if others:
                return (
                    f"subjects: {subject} overlaps with the subjects of stream "
                    f"{', '.join(sorted(others))}, and a message can be stored by one stream only: "
                    "change one of the two"
                )
        return f"subjects: {failure}"

    def _forget(self, key: Key) -> None:
        self._reporter.forget(key)
        self._waiting_since.pop(key, None)
        self._failures.pop(key, None)


def _managed(stream: LiveStream) -> Refusal | None:
    """Only its owner's namespace decides who consumes a stream that a resource manages."""
    owner = owner_of(stream)
    if not owner:
        return None
    return Refusal(
        Reason.STREAM_IS_MANAGED,
        f"streamName: stream {stream.name} is managed by {owner} (cluster/namespace/name): "
        "use streamRef in that namespace",
    )


def _says(resource: Resource, reason: Reason) -> bool:
    ready = condition(resource.status, "Ready") or {}
    observed = resource.status.get("observedGeneration")
    return ready.get("reason") == reason and observed == resource.generation


def _converged(desired: Desired, live: Live | None) -> Outcome:
    return Outcome(Health.READY, Reason.CONVERGED, f"{desired.target} is as declared", live=live)


def _refused(refusal: Refusal, live: Live | None) -> Outcome:
    return Outcome(Health.STALLED, refusal.reason, refusal.message, live=live)
