"""What every step of a reconcile shares: the ports, the rules, and what they tell of a resource."""

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from coze_nats.core import names
from coze_nats.core.blocking import Refusal
from coze_nats.core.conditions import Health, Outcome, was_as_declared
from coze_nats.core.desired import Desired, InvalidField, Target
from coze_nats.core.fences import Fences
from coze_nats.core.incarnation import Incarnation, keeps_created
from coze_nats.core.intent import Waiting, consumer_limits, intent, target_of
from coze_nats.core.kinds.stream.fields import CONSUMER_LIMITS
from coze_nats.core.live import Config, LiveConsumer, LiveStream, Server
from coze_nats.core.login import DEFAULT_PREFIX
from coze_nats.core.names import EventReason, Reason
from coze_nats.core.neighbours import may_reach_others, shares
from coze_nats.core.ownership import Live, is_ours, owner_of
from coze_nats.core.plan import Plan, Situation, chosen_by_server, is_new
from coze_nats.core.references import (
    forbidden,
    has_moved,
    stream_key,
    ungranted,
    user_of_connection,
)
from coze_nats.core.remembered import situation_of, still_good
from coze_nats.core.resource import Key, Resource
from coze_nats.core.warnings import filter_warning
from coze_nats.ports import JetStream, Resources
from coze_nats.reconcile.blocked import Blocked
from coze_nats.reconcile.brake import Brake
from coze_nats.reconcile.reporting import Clock, Reporter
from coze_nats.reconcile.sightings import Sightings
from coze_nats.reconcile.surroundings import Surroundings

MANY = 6
"""Objects that are created or deleted within a few seconds as part of something larger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What holds for all resources of this operator.

    Attributes:
        cluster_id: first part of the owner that is written into JetStream objects.
        default_replicas: of streams that name no number; None leaves it to the server.
        default_policies: by name, for resources that name none.
        forbidden_policies: names and values that count for nobody.
        succeeds: ids of clusters whose place this one takes.
        dry_run: nothing is changed in JetStream; status says what would be.
        api_prefix: what requests over the operator's own connection begin with.
    """

    cluster_id: str
    default_replicas: int | None = None
    default_policies: Mapping[str, str] = field(default_factory=dict)
    forbidden_policies: frozenset[tuple[str, str]] = frozenset()
    succeeds: tuple[str, ...] = ()
    dry_run: bool = False
    api_prefix: str = DEFAULT_PREFIX


@dataclass(kw_only=True, slots=True)
class Context:
    """The parts that a reconcile works with: one for each connection.

    Attributes:
        brake: counts the deletions of all connections, by namespace.
        connection: whose JetStream it is; None: the operator's own.
        server: the server as it was when something was last reconciled; None before that.
        unanswered: of which resources, by uid, a creation was not answered, and when it was sent.
        blocked: who is refused for what others are like.
        sightings: what streams held when they were last looked at.
        changes: when, on the monotonic clock, objects were last created or deleted.
        streams: names of the streams without a mark that there were when all were last listed.
        surroundings: what others have on the connection.
        last_creation: when a stream was last created.
        last_deletion: when a deleted resource last left nothing more to do.
    """

    resources: Resources
    jetstream: JetStream
    reporter: Reporter
    clock: Clock
    rules: Rules
    brake: Brake
    connection: Key | None = None
    server: Server | None = None
    unanswered: dict[str, float] = field(default_factory=dict)
    blocked: Blocked = field(default_factory=Blocked)
    sightings: Sightings = field(default_factory=Sightings)
    changes: deque[float] = field(default_factory=lambda: deque(maxlen=MANY))
    last_creation: float = float("-inf")
    last_deletion: float = float("-inf")
    streams: Collection[str] = ()
    surroundings: Surroundings = field(init=False)

    def __post_init__(self) -> None:
        rules = self.rules
        self.surroundings = Surroundings(
            self.resources,
            self.connection,
            (rules.cluster_id, *rules.succeeds),
            rules.api_prefix,
        )

    @property
    def busy_until(self) -> float:
        """When many objects had been created or deleted in a row: the first of the last few."""
        return self.changes[0] if len(self.changes) == MANY else float("-inf")

    def stream_of(self, resource: Resource) -> Resource | None:
        key = stream_key(resource)
        return self.resources.get(key) if key else None

    def may_use(self, resource: Resource) -> bool:
        """Whether the resource's namespace may use this connection, and its stream."""
        if ungranted(resource, self.stream_of(resource)):
            return False
        if self.connection is None:
            return True
        declared = self.resources.get(self.connection)
        return forbidden(user_of_connection(resource), self.connection, declared) is None

    @property
    def is_suspended(self) -> bool:
        """Whether nothing may be changed through this connection."""
        declared = self.resources.get(self.connection) if self.connection else None
        return bool(declared and declared.spec.get("suspend"))

    def owner(self, key: Key) -> str:
        return f"{self.rules.cluster_id}/{key.namespace}/{key.name}"

    def situation(
        self,
        resource: Resource,
        server: Server,
        stream: LiveStream | None = None,
        live: Live | None = None,
    ) -> Situation:
        """What a plan is made from; `stream` is a consumer's, if it has no CozeStream."""
        if has_moved(resource, self.connection):
            resource = resource.with_status({})
        found = situation_of(
            resource,
            self.stream_of(resource),
            self.owner(resource.key),
            server,
            self.rules.default_policies,
            self.rules.forbidden_policies,
            self.sightings.figures(resource),
        )
        givers = self.resources.givers_of(resource)
        name = f"{resource.key.namespace}/{resource.key.name}"
        predecessors = [f"{cluster}/{name}" for cluster in self.rules.succeeds]
        is_first = not resource.status.get("created")
        found = replace(
            found,
            fences=self.fences(resource, server, live),
            is_held=bool(self.rules.dry_run or self.is_suspended or resource.spec.get("suspend")),
            predecessors=frozenset([*predecessors, *(self.owner(it.key) for it in givers)]),
            successor=resource.handed_over_to,
            adopted=found.adopted or (is_first and any(it.status.get("adopted") for it in givers)),
        )
        if stream is None:
            return found
        return replace(found, replacing=still_good(found.replacing, {"created": stream.created}))

    def heirs(self, resource: Resource) -> tuple[Key, ...]:
        """The resource that this one hands its object over to, if it is there."""
        heir = resource.handed_over_to
        others = self.resources.namesakes_of(resource) if heir else ()
        return tuple(o.key for o in others if f"{o.key.namespace}/{o.key.name}" == heir)

    def rivals(self, resource: Resource) -> tuple[Key, ...]:
        """The other resources that declare the same object, who may have it when this one goes."""
        others = self.resources.namesakes_of(resource)
        return tuple(other.key for other in others if other.key != resource.key)

    def fences(self, resource: Resource, server: Server, live: Live | None = None) -> Fences:
        """What the resource's object may not reach, as it is declared and as it is."""
        configs = self.reaching(resource, live)
        return self.surroundings.fences(resource, configs, server.domain)

    def reaching(self, resource: Resource, live: Live | None) -> tuple[Config, ...]:
        """The configs (wire) of the resource's object that publish or copy."""
        wanted = self.intent(resource) if may_reach_others(resource.spec) else None
        declared = wanted.declared if isinstance(wanted, Desired) else {}
        configs = (declared, live.config if live else {})
        return tuple(config for config in configs if may_reach_others(config))

    def intent(self, resource: Resource) -> Desired | Waiting | None:
        """What the resource desires, or what it waits for; None when its spec has no meaning."""
        try:
            return intent(resource, self.stream_of(resource), self.rules.default_replicas)
        except InvalidField:
            return None

    def claimant(self, resource: Resource, live: Live) -> str:
        """The owner that an object without a mark has all the same; "" for none, or the resource.

        That is who records this very object, or else the first by name to record one of its name.
        """
        if owner_of(live):
            return ""
        first = min(
            filter(self._records, self.resources.namesakes_of(resource)),
            key=lambda other: (not self._knows(other, live), other.key),
            default=resource,
        )
        return "" if first.key == resource.key else self.owner(first.key)

    def owner_of_stream(self, stream: LiveStream) -> str:
        """The owner by its mark or, in this cluster, by a CozeStream's status; "" for none."""
        found = (
            self.owner(other.key)
            for other in self.resources.standing_for(self.connection, stream.name)
            if self._records(other)
        )
        return owner_of(stream) or next(found, "")

    def _records(self, resource: Resource) -> bool:
        """Whether the resource's status tells of an object that it owns here, and has yet."""
        if not resource.status.get("created") or has_moved(resource, self.connection):
            return False
        heirs = (self.resources.get(key) for key in self.heirs(resource))
        return not any(heir and heir.status.get("created") for heir in heirs)

    def _knows(self, resource: Resource, live: Live) -> bool:
        """Whether that object is this one."""
        known = Incarnation.from_status(resource.status)
        return known is not None and known.goes_on(live)

    def owned_among(self, stream: str, consumers: Mapping[str, LiveConsumer]) -> frozenset[str]:
        """Names of the consumers of a stream that resources of this cluster own."""
        found = set()
        for resource in self.resources.on_stream(self.connection, stream):
            target = target_of(resource, self.stream_of(resource))
            live = consumers.get(target.consumer or "") if target else None
            known = Incarnation.from_status(resource.status)
            if live and is_ours(live, self.owner(resource.key), known):
                found.add(live.name)
        return frozenset(found)

    def managed(self, consumer: Resource, stream: LiveStream) -> Refusal | None:
        """Only its owner's namespace decides who consumes a stream that a resource manages."""
        owner = self.owner_of_stream(stream)
        granted = self.surroundings.granted(consumer)
        is_granted = granted is not None and granted.copies(stream.name)
        if granted and not owner and not is_granted:
            return Refusal(
                Reason.NOT_GRANTED,
                f"streamName: {stream.name} is not within sourcesFrom of what {granted.connection} "
                f"grants namespace {granted.namespace}: have its grants extended",
            )
        namespace = consumer.key.namespace
        if not owner or is_granted or self.surroundings.is_shared_with(owner, namespace):
            return None
        cluster, _, stream_of = owner.partition("/")
        namespace, _, name = stream_of.partition("/")
        is_near = cluster == self.rules.cluster_id and not consumer.spec.get("connection")
        remedy = (
            "declare the consumer with streamRef in that namespace, and delete this resource: a "
            "consumer that is used stays with its position and is adopted there"
        )
        if is_near and namespace == consumer.key.namespace:
            remedy = f"write streamRef: {{name: {name}}} in place of it, and the consumer goes on"
        elif is_near:
            remedy = (
                f"have {consumer.key.namespace} added to the consumersFrom of that CozeStream, and "
                f"write streamRef: {{name: {name}, namespace: {namespace}}} in place of it; or "
                f"{remedy}"
            )
        return Refusal(
            Reason.STREAM_IS_MANAGED,
            f"streamName: stream {stream.name} is managed by {owner} (cluster/namespace/name): "
            f"{remedy}",
        )

    def may_consume(self, consumer: Resource, stream: str) -> bool:
        """Whether a consumer may be on a stream, as far as it can be told without a look at it."""
        granted = self.surroundings.granted(consumer)
        if granted and not granted.copies(stream):
            return False
        near = consumer.key.namespace
        return not any(
            other.key.kind == names.STREAM_KIND
            and other.key.namespace != near
            and not shares(other, near)
            for other in self.resources.on_stream(self.connection, stream)
        )

    def warnings(
        self, resource: Resource, desired: Desired, stream: LiveStream | None
    ) -> dict[EventReason, str]:
        if desired.target.consumer is None:
            return {}
        managed = self.stream_of(resource)
        config = stream.config if stream else {}
        if managed is not None:
            config = managed.status.get("effective") or {}
        message = filter_warning(desired, config)
        return {EventReason.FILTER_MATCHES_NOTHING: message} if message else {}


def converged(
    desired: Desired,
    live: Live | None,
    todo: Plan,
    situation: Situation,
) -> Outcome:
    """That an object is as declared: what the plan for it would still change is not."""
    message = f"{desired.target} is as declared"
    some_was_chosen = bool(todo.changes or situation.chosen)
    chosen = chosen_by_server(desired, live) if live and some_was_chosen else {}
    return Outcome(Health.READY, Reason.CONVERGED, message, live=live, chosen=chosen)


def identified(outcome: Outcome, live: Live | None, situation: Situation, todo: Plan) -> Outcome:
    """The outcome with what it takes to know the object again."""
    keeps = live is not None and keeps_created(situation.server, live)
    return replace(outcome, is_new=is_new(live, situation, todo), created_is_kept=keeps)


def without_effect(live: Live, todo: Plan) -> Outcome | None:
    """The outcome when the server was told everything and `todo` is left; None when nothing is.

    What the spec leaves to the server and is still different, the server has chosen.
    """
    left = "; ".join(str(change) for change in todo.changes if change.declared)
    if not left:
        return None
    message = (
        f"the server took the change but not its effect ({left}): make the spec say what the "
        "server has, or report this as a bug"
    )
    return Outcome(Health.STALLED, Reason.NOT_CONVERGING, message, live=live)


def held(resource: Resource, context: Context, target: Target, would: str) -> Outcome | None:
    """The outcome when somebody said that nothing shall be done; `would` is what is not."""
    whose = ""
    if context.rules.dry_run:
        reason = Reason.DRY_RUN
    elif context.is_suspended:
        reason, whose = Reason.SUSPENDED, f", as {context.connection} is suspended"
    elif resource.spec.get("suspend"):
        reason = Reason.SUSPENDED
    else:
        return None
    message = f"{target} is not as declared and is left so{whose}; without this: {would}"
    return Outcome(Health.HELD, reason, message, todo=would)


def refused(refusal: Refusal, live: Live | None) -> Outcome:
    return Outcome(Health.STALLED, refusal.reason, refusal.message, live=live)


def deletion_waits(outcome: Outcome) -> Outcome:
    """The outcome of a deletion that can't be done now, with the way out of it."""
    message = (
        f"deletion waits: {outcome.message}; to let the resource go and leave JetStream as it is, "
        f"annotate it with {names.RELEASE_ANNOTATION}=true"
    )
    return replace(outcome, message=message)


def concerns_consumers(stream: Resource, outcome: Outcome) -> bool:
    """Whether the stream, or what its consumers get from it, isn't what its status tells."""
    live = outcome.live
    if not isinstance(live, LiveStream):
        return was_as_declared(stream.status)
    limits = CONSUMER_LIMITS.canonical(live.config.get("consumer_limits") or {})
    known = CONSUMER_LIMITS.canonical(consumer_limits(stream.status))
    return outcome.is_new or limits != known
