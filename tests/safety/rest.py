"""What must be true when nothing moves any more: each resource is Ready, or has the right reason.

A small oracle of its own: from what is declared, the policies and what JetStream holds, it says
which reasons are acceptable. It does not ask the operator's plans.
"""

from collections.abc import Mapping
from typing import Any

from coze_nats.core import names
from coze_nats.core.conditions import condition
from coze_nats.core.configs import kept_start
from coze_nats.core.desired import Desired
from coze_nats.core.diff import diff
from coze_nats.core.intent import Waiting
from coze_nats.core.live import Config, Server
from coze_nats.core.names import EventReason, Reason
from coze_nats.core.policies import Policies
from coze_nats.core.resource import Resource
from coze_nats.core.subjects import can_meet
from safety import tables
from safety.operators import Operator
from safety.snapshot import ConsumerFound, Object, Snapshot, StreamFound
from safety.world import World, is_moving
from safety.writes import Violation, is_own

_IMMUTABLE = frozenset(
    {"storage", "firstSequence", "deliverPolicy", "optStartSeq", "ackPolicy", "replayPolicy"}
    | {"maxWaiting", "memStorage"}
)
_ON_ONLY = {"denyDelete": "deny_delete", "denyPurge": "deny_purge"}
_STARTS = frozenset({"deliverPolicy", "optStartSeq"})

Reasons = frozenset[Reason]


async def judge_rest(world: World, snapshot: Snapshot, server: Server) -> None:
    """Hold everything against how it should stand; raises Violation."""
    for operator in world.operators:
        for resource in operator.cluster.resources:
            _judge_resource(operator, resource, snapshot, server)
        if unpaid := operator.ledger.unpaid():
            raise Violation("a lost stream is told of", f"{operator.cluster.id}: {unpaid}")
        unsettled = set(await operator.unsettled())
        ready = {r.key for r in operator.cache if _reason(r) is Reason.CONVERGED}
        if busy := {key for key in unsettled & ready if not is_moving(operator, key)}:
            raise Violation("a resync leaves alone what is Ready", f"{operator.cluster.id}: {busy}")
    _judge_orphans(world, snapshot)


def _reason(resource: Resource) -> Reason | None:
    ready = condition(resource.status, "Ready")
    return Reason(ready["reason"]) if ready else None


def _judge_resource(
    operator: Operator, resource: Resource, snapshot: Snapshot, server: Server
) -> None:
    owner = operator.cluster.owner(resource)
    if resource.deleting:
        raise Violation("a deleted resource goes", f"{owner}: {resource.status}")
    right = _acceptable(operator, resource, snapshot, server)
    if Reason.CONVERGED in right and is_moving(operator, resource.key):
        # How a copy gets on with its origin is told, too.
        right |= names.AS_DECLARED
    if resource.spec.get("mirror") or resource.spec.get("sources"):
        origin = snapshot.streams.get(tables.STREAM_NAMES[0])
        home = f"{operator.cluster.id}/{resource.key.namespace}/"
        if origin and origin.owner and not origin.owner.startswith(home):
            right |= {Reason.NOT_GRANTED}
    reason = _reason(resource)
    if reason not in right:
        ready = condition(resource.status, "Ready") or {}
        expected = ", ".join(sorted(right)) or "nothing that holds it back"
        raise Violation(
            "stands for the right reason",
            f"{owner} ({resource.key.kind}) says {reason}: {ready.get('message')}; "
            f"expected {expected}",
        )


def _acceptable(
    operator: Operator, resource: Resource, snapshot: Snapshot, server: Server
) -> Reasons:
    desired = operator.cluster.desired(resource)
    if isinstance(desired, Waiting):
        return frozenset({desired.reason})
    target = desired.target
    stream = snapshot.streams.get(target.stream)
    if target.consumer is None:
        return _by_object(operator, resource, desired, snapshot, server)
    if stream is None:
        return frozenset({Reason.WAITING_FOR_STREAM})
    managed = operator.cluster.stream_of(resource)
    if managed is None and (stream.owner or stream.created in operator.ledger.claimed(resource)):
        return frozenset({Reason.STREAM_IS_MANAGED})
    right = _by_object(operator, resource, desired, snapshot, server)
    if managed is None and operator.cluster.records(target.stream):
        # Somebody else made it anew; whether its resource has it, is for its policies.
        right |= {Reason.STREAM_IS_MANAGED}
    if managed is None or (
        operator.ledger.owns(managed, stream) and operator.ledger.known(managed) == stream.created
    ):
        return right
    # Nothing is written there; what else is wrong with the consumer may be said as well.
    return right - {Reason.CONVERGED} | {Reason.WAITING_FOR_STREAM}


def _by_object(
    operator: Operator, resource: Resource, desired: Desired, snapshot: Snapshot, server: Server
) -> Reasons:
    """The reasons that lie in the resource's own object."""
    found = snapshot.get(desired.target)
    owner, policies = operator.cluster.owner(resource), operator.cluster.policies(resource)
    known = operator.ledger.first(str(resource.status.get("created", "")))
    if found and found.owner not in ("", owner):
        return frozenset({Reason.OWNED_BY_ANOTHER})
    if found and not found.owner and found.created in operator.ledger.claimed(resource):
        return frozenset({Reason.OWNED_BY_ANOTHER})
    right = _by_difference(resource, desired, found, owner, policies, snapshot, server)
    if policies.missing == "Hold" and known and (found is None or found.created != known):
        if operator.ledger.is_robbed(resource):
            return frozenset({Reason.MISSING})
        # Deleted by the operator itself, with the stream that it was on, it comes back.
        return right | ({Reason.MISSING} if _is_uncertain(operator, resource) else set())
    is_unowned = found is not None and not operator.ledger.owns(resource, found)
    cluster = operator.cluster
    others = cluster.rivals(resource, desired.target) or cluster.recorders(resource, desired.target)
    if is_unowned and others:
        return right | {Reason.OWNED_BY_ANOTHER}
    return right


def _is_uncertain(operator: Operator, resource: Resource) -> bool:
    """Whether nobody can tell who took the object away: what is stored says too little."""
    managed = operator.cluster.stream_of(resource)
    lost = managed is not None and "dataLoss" in managed.status
    return lost or operator.ledger.is_untold(resource)


def _by_difference(
    resource: Resource,
    desired: Desired,
    found: StreamFound | ConsumerFound | None,
    owner: str,
    policies: Policies,
    snapshot: Snapshot,
    server: Server,
) -> Reasons:
    changes = set()
    if found is not None:
        config = kept_start(desired, found.config)
        changes = _changes(desired, config, server, resource.status.get("chosen", {}))
        if not is_own(found, owner, str(resource.status.get("created", ""))):
            if policies.adoption == "Never":
                return frozenset({Reason.ADOPTION_REFUSED})
            if changes and policies.adoption == "IfIdentical":
                return frozenset({Reason.NOT_IDENTICAL})
        if blocked := _blocked(
            changes, desired, found, policies, snapshot.streams[desired.target.stream]
        ):
            # What NATS would refuse to make anew is told first.
            is_refused = desired.declared.get("num_replicas", 1) > 1
            return blocked | ({Reason.REJECTED_BY_SERVER} if is_refused else set())
        if not changes and is_own(found, owner, str(resource.status.get("created", ""))):
            return frozenset({Reason.CONVERGED})
    if resource.spec.get("suspend"):
        return frozenset({Reason.SUSPENDED})
    if found is not None and not changes:
        # It is adopted without a write, so NATS can't refuse that.
        return frozenset({Reason.CONVERGED})
    return _refusals(desired, snapshot)


def _changes(
    desired: Desired, config: Config, server: Server, chosen: Mapping[str, Any]
) -> set[str]:
    found = {item.name for item in diff(desired, config, server, chosen)}
    is_paused = config.get("pause_until") is not None
    return found | ({"pauseUntil"} if is_paused != bool(desired.pause_until) else set())


def _blocked(
    changes: set[str], desired: Desired, found: Object, policies: Policies, stream: StreamFound
) -> Reasons:
    reasons: set[Reason] = set()
    declared, is_interest = desired.declared, stream.config["retention"] == "interest"
    immutable = changes & _IMMUTABLE
    if "first_seq" not in declared:
        # It can be left out again.
        immutable.discard("firstSequence")
    immutable |= {name for name in changes & _ON_ONLY.keys() if not declared.get(_ON_ONLY[name])}
    retention = (found.config.get("retention"), declared.get("retention", "limits"))
    if "retention" in changes and "workqueue" in retention:
        immutable.add("retention")
    if immutable and policies.replacement == "Block":
        reasons.add(Reason.IMMUTABLE_FIELD)
    if isinstance(found, ConsumerFound):
        keeps = policies.replacement != "Block" and policies.position == "Keep"
        if keeps and (immutable & _STARTS or (immutable and is_interest)):
            reasons.add(Reason.WOULD_LOSE_DATA)
        narrows = "filterSubject" in changes and "filter_subject" in declared
        if narrows and is_interest and policies.data_loss == "Block":
            reasons.add(Reason.WOULD_LOSE_DATA)
        return frozenset(reasons)
    assert isinstance(found, StreamFound)
    if policies.data_loss == "Block":
        is_replaced = immutable and policies.replacement == "Recreate"
        unmanaged = any(not consumer.owner for consumer in found.consumers.values())
        if is_replaced and (found.messages or unmanaged):
            reasons.add(Reason.WOULD_LOSE_DATA)
        if found.messages and _loses(changes, desired, found):
            reasons.add(Reason.WOULD_LOSE_DATA)
    return frozenset(reasons)


def _loses(changes: set[str], desired: Desired, found: StreamFound) -> bool:
    """Whether a change could cost a message, by the numbers that a plan may go by."""
    declared, count = desired.declared, len(found.messages)
    keeps_new = declared.get("discard") == "new"
    most, most_bytes = declared.get("max_msgs", -1), declared.get("max_bytes", -1)
    over = 0 < most < count or 0 < most_bytes < found.bytes
    if changes & {"maxMsgs", "maxBytes", "discard"} and over and not keeps_new:
        return True
    # At most so many can be on one subject.
    fullest = count - max(found.subjects - 1, 0)
    per_subject = declared.get("max_msgs_per_subject", -1)
    is_raised = 0 < found.config["max_msgs_per_subject"] <= per_subject
    if "maxMsgsPerSubject" in changes and 0 < per_subject < fullest and not is_raised:
        return True
    wants_interest: bool = declared.get("retention") == "interest"
    return "retention" in changes and wants_interest


def _refusals(desired: Desired, snapshot: Snapshot) -> Reasons:
    """Why the server may refuse what nothing else forbids."""
    reasons: set[Reason] = set()
    stream = snapshot.streams.get(desired.target.stream)
    if desired.declared.get("num_replicas", 1) > 1:
        reasons.add(Reason.REJECTED_BY_SERVER)
    if desired.target.consumer is None:
        others = [item for name, item in snapshot.streams.items() if name != desired.target.stream]
        mine = desired.declared.get("subjects", ())
        taken = [subject for item in others for subject in item.config.get("subjects", ())]
        if any(can_meet(a, b) for a in mine for b in taken):
            reasons.add(Reason.SUBJECT_OVERLAP)
    elif stream and stream.config["retention"] == "workqueue":
        reasons.add(Reason.REJECTED_BY_SERVER)
    if stream and desired.target.consumer and _is_full(stream):
        reasons.add(Reason.INSUFFICIENT_CAPACITY)
    return frozenset(reasons)


def _is_full(stream: StreamFound) -> bool:
    most: int = stream.config.get("max_consumers", -1)
    return 0 < most <= len(stream.consumers)


def _judge_orphans(world: World, snapshot: Snapshot) -> None:
    """An object whose owner is gone must have been told of."""
    owners = {operator.cluster.id: operator for operator in world.operators}
    for target, found in snapshot.objects():
        cluster, _, rest = found.owner.partition("/")
        operator = owners.get(cluster)
        if operator is None or target in world.restored:
            continue
        if target.consumer is not None and operator.ledger.never_told(found):
            # Nothing that is stored tells of its stream, once the CozeStream is gone.
            continue
        namespace, _, name = rest.partition("/")
        kind = names.STREAM_KIND if target.consumer is None else names.CONSUMER_KIND
        targets = {
            operator.cluster.target(resource)
            for key, resource in operator.cluster.kubernetes.resources.items()
            if (key.kind, key.namespace, key.name) == (kind, namespace, name)
        }
        if target not in targets and not operator.cluster.tells_of(target, EventReason.RELEASED):
            raise Violation("no orphan without a record", f"{target} of {found.owner}")
