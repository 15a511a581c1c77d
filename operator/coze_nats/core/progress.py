"""What is as declared may still be on its way: replicas that catch up, copies that get nothing.

A pure step from the outcome "as declared" to what can honestly be called Ready.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from coze_nats.core import bounds
from coze_nats.core.conditions import Health, Outcome, condition
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.names import EventReason, Reason
from coze_nats.core.plan import Action, Plan
from coze_nats.core.replication import GRACE, heard, stalled

_ON_THE_WAY = {str(reason): reason for reason in (Reason.SCALING, Reason.MOVING)}


def as_far_as_it_is(
    outcome: Outcome,
    previous: Mapping[str, Any],
    live: LiveStream | LiveConsumer | None,
    done: Plan | None = None,
) -> Outcome:
    """The outcome of a resource whose object is as declared, by how far that object is.

    Args:
        previous: the status that was written last.
        done: the plan that was carried out just now.
    """
    if outcome.health is not Health.READY or live is None:
        return outcome
    if isinstance(live, LiveStream) and live.origins:
        outcome = _by_its_origins(outcome, previous, live)
    reason = _under_way(previous, live, done)
    if reason is None or outcome.health is not Health.READY:
        return outcome
    message = f"{outcome.message}, but {_progress(live, reason)}"
    return replace(outcome, health=Health.RECONCILING, reason=reason, message=message)


def is_incomplete(live: LiveStream | LiveConsumer) -> bool:
    """Whether not every replica that is declared is there and current, or others are yet."""
    raft, declared = live.raft, _declared(live)
    if not raft.is_clustered:
        return False
    return bool(raft.is_leaderless or raft.behind or (declared and raft.members != declared))


def _by_its_origins(outcome: Outcome, previous: Mapping[str, Any], live: LiveStream) -> Outcome:
    told = heard(live, previous)
    message = stalled(told)
    if not message:
        return outcome
    warnings = {**outcome.warnings, EventReason.REPLICATION_STALLED: message}
    outcome = replace(outcome, warnings=warnings)
    faults = [item for item in told if item.is_fault]
    if not faults:
        return outcome
    lasts = any(item.lasts >= GRACE for item in faults)
    health = Health.STALLED if lasts else Health.RECONCILING
    return replace(outcome, health=health, reason=Reason.REPLICATION_STALLED, message=message)


def _under_way(
    previous: Mapping[str, Any], live: LiveStream | LiveConsumer, done: Plan | None
) -> Reason | None:
    """Whether replicas are being made or moved; that one lags in between is no reason."""
    if not is_incomplete(live):
        return None
    if done is not None and done.action in (Action.CREATE, Action.REPLACE):
        return Reason.SCALING
    changed = {change.name for change in done.changes} if done else set()
    if "placement" in changed:
        return Reason.MOVING
    if "replicas" in changed:
        return Reason.SCALING
    said = (condition(previous, "Ready") or {}).get("reason", "")
    declared = _declared(live)
    if said in _ON_THE_WAY:
        return _ON_THE_WAY[said]
    if live.raft.is_leaderless or not declared or live.raft.members == declared:
        return None
    return Reason.MOVING if live.raft.members > declared else Reason.SCALING


def _declared(live: LiveStream | LiveConsumer) -> int:
    """How many replicas there shall be; 0: as many as the consumer's stream has."""
    return int(live.config.get("num_replicas") or 0)


def _progress(live: LiveStream | LiveConsumer, reason: Reason) -> str:
    """How far it is, in words that change with each step only."""
    raft, declared = live.raft, _declared(live)
    if raft.is_leaderless:
        return "its servers have not agreed on a leader yet"
    current = raft.members - len(raft.behind)
    if reason is Reason.MOVING and declared and raft.members > declared:
        return (
            f"it moves: {current} of {raft.members} servers that have it now are current, and "
            f"{declared} shall stay"
        )
    waits = f": waiting for {bounds.listed(raft.behind)}" if raft.behind else ""
    return f"{current} of {max(declared, raft.members)} replicas are current{waits}"
