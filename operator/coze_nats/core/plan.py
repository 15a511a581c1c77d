"""Desired + live + owner → a Plan: the steps to take, or the refusal that says why none is taken.

Plans are values: what prints is what runs. All fields of a change are applied or none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from coze_nats.core import names
from coze_nats.core.codec import instant_ns
from coze_nats.core.desired import Desired, Target
from coze_nats.core.diff import FieldChange, Verdict, diff, unsupported
from coze_nats.core.live import Config, LiveConsumer, LiveStream, Server
from coze_nats.core.losses import with_losses
from coze_nats.core.names import Reason

Live = LiveStream | LiveConsumer


class Action(Enum):
    """What a plan comes to."""

    NOTHING = "nothing"
    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    DELETE = "delete"
    RELEASE = "release"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Create:
    """Create the object with this configuration."""

    target: Target
    config: Config


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the object's whole configuration."""

    target: Target
    config: Config


@dataclass(frozen=True, slots=True)
class Pause:
    """Pause a consumer until an RFC 3339 time; None resumes it."""

    target: Target
    until: str | None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object."""

    target: Target


Step = Create | Update | Pause | Delete


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is done, and what the user can do."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one object.

    Attributes:
        steps: calls to JetStream, in order; empty when nothing is to be done or it is refused.
        changes: the fields that differ, also when the plan is refused because of them.
    """

    action: Action
    steps: tuple[Step, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan is made from, besides the desired and the live object.

    Attributes:
        owner: this resource as `<cluster id>/<namespace>/<name>`.
        server: what the server is and can do.
        now_ns: the time in nanoseconds since 1970.
        incarnation: `created` of the object that this resource owned when it was last seen.
        chosen: see `core.diff.diff`.
    """

    owner: str
    server: Server
    now_ns: int
    incarnation: str = ""
    chosen: Mapping[str, Any] | None = None


def owner_of(live: Live) -> str:
    """The owner in the object's own metadata: `<cluster id>/<namespace>/<name>`, or "" for none."""
    return str((live.config.get("metadata") or {}).get(names.OWNER_METADATA, ""))


def is_ours(live: Live, owner: str, incarnation: str) -> bool:
    """Whether the object belongs to `owner`, also when somebody stripped its metadata by hand."""
    found = owner_of(live)
    return found == owner or (not found and bool(incarnation) and live.created == incarnation)


def _refused(reason: Reason, message: str, changes: tuple[FieldChange, ...] = ()) -> Plan:
    return Plan(Action.REFUSE, changes=changes, refusal=Refusal(reason, message))


def plan(desired: Desired, live: Live | None, situation: Situation) -> Plan:
    """How to bring JetStream to what is desired."""
    lacking = unsupported(desired, situation.server)
    if lacking:
        return _refused(
            Reason.UNSUPPORTED_BY_SERVER,
            f"{'; '.join(lacking)}: remove the field or upgrade the server",
        )
    if live is None:
        return Plan(Action.CREATE, _creation(desired, situation))
    owner = owner_of(live)
    if owner not in ("", situation.owner):
        return _refused(
            Reason.OWNED_BY_ANOTHER,
            f"{desired.target} belongs to {owner} (cluster/namespace/name): choose another name, "
            "or delete that resource first",
        )
    changes = diff(desired, live.config, situation.server, situation.chosen)
    if not is_ours(live, situation.owner, situation.incarnation):
        return _adoption(desired, live, changes, situation)
    return _update(desired, live, changes, situation)


def _creation(desired: Desired, situation: Situation) -> tuple[Step, ...]:
    config = {
        **desired.declared,
        "metadata": {**desired.metadata, names.OWNER_METADATA: situation.owner},
    }
    until = _future(desired.pause_until, situation)
    if until:
        config["pause_until"] = until
    if not config.get("sealed"):
        return (Create(desired.target, config),)
    unsealed = {key: value for key, value in config.items() if key != "sealed"}
    return (Create(desired.target, unsealed), Update(desired.target, config))


def _future(instant: str | None, situation: Situation) -> str | None:
    """The instant, unless it has passed and so means nothing any more."""
    return instant if instant and instant_ns(instant) > situation.now_ns else None


def _adoption(
    desired: Desired, live: Live, changes: tuple[FieldChange, ...], situation: Situation
) -> Plan:
    if changes:
        return _refused(
            Reason.NOT_IDENTICAL,
            f"{desired.target} exists, has no owner, and is not as declared "
            f"({_listed(changes)}): make the spec say what it is, or remove it from NATS",
            changes,
        )
    steps = (
        Update(desired.target, _updated(desired, live.config, changes, situation.owner)),
        *_pausing(desired, live, situation),
    )
    return Plan(Action.ADOPT, steps)


def _update(
    desired: Desired, live: Live, changes: tuple[FieldChange, ...], situation: Situation
) -> Plan:
    if isinstance(live, LiveStream):
        changes = with_losses(changes, desired, live, situation.now_ns)
    refusal = _refusal(changes)
    if refusal:
        return Plan(Action.REFUSE, changes=changes, refusal=refusal)
    steps: tuple[Step, ...] = ()
    if changes or owner_of(live) != situation.owner:
        config = _updated(desired, live.config, changes, situation.owner)
        steps = tuple(
            Update(desired.target, item) for item in _staged(desired, config, live.config, changes)
        )
    steps += _pausing(desired, live, situation)
    return Plan(Action.UPDATE if steps else Action.NOTHING, steps, changes)


_REFUSALS = (
    (
        Verdict.UNSUPPORTED,
        Reason.UNSUPPORTED_BY_SERVER,
        "set the field back or upgrade the server",
    ),
    (
        Verdict.IMMUTABLE,
        Reason.IMMUTABLE_FIELD,
        "set the field back, or delete the object and let it be created anew",
    ),
    (
        Verdict.LOSES_DATA,
        Reason.WOULD_LOSE_DATA,
        "choose a value that keeps the messages, or purge them first",
    ),
)


def _refusal(changes: tuple[FieldChange, ...]) -> Refusal | None:
    for verdict, reason, remedy in _REFUSALS:
        found = [f"{change}: {change.why}" for change in changes if change.verdict is verdict]
        if found:
            return Refusal(reason, f"{'; '.join(found)}. Nothing was changed: {remedy}")
    return None


def _listed(changes: tuple[FieldChange, ...], most: int = 8) -> str:
    shown = [str(change) for change in changes[:most]]
    return "; ".join(shown) + (f" and {len(changes) - most} more" if len(changes) > most else "")


def _updated(
    desired: Desired, live: Config, changes: tuple[FieldChange, ...], owner: str | None
) -> dict[str, Any]:
    """The live config with only the changed fields set or, to get the server's default, dropped.

    Everything else stays as the server gave it, so that what the operator doesn't know survives.
    """
    changed = {change.name for change in changes}
    config = dict(live)
    for item in desired.fields:
        if item.name in changed:
            value = item.codec.merged(live.get(item.wire), desired.declared.get(item.wire))
            config[item.wire] = item.removal if value is None else value
            if config[item.wire] is None:
                del config[item.wire]
    reserved = (names.SERVER_METADATA_PREFIX, names.OPERATOR_METADATA_PREFIX)
    kept = {k: v for k, v in (live.get("metadata") or {}).items() if k.startswith(reserved)}
    config["metadata"] = {**kept, **desired.metadata, names.OWNER_METADATA: owner}
    return config


def _staged(
    desired: Desired, config: Config, live: Config, changes: tuple[FieldChange, ...]
) -> tuple[Config, ...]:
    """A cluster refuses replicas and placement in one update (10123): the first step does one.

    Replicas are made where they shall be in the end, and removed before the rest has to move.
    """
    if not {"replicas", "placement"} <= {change.name for change in changes}:
        return (config,)
    replicas = desired.after("num_replicas")
    if replicas < live["num_replicas"]:
        return ({**live, "num_replicas": replicas}, config)
    moved = {key: value for key, value in live.items() if key != "placement"}
    if "placement" in config:
        moved["placement"] = config["placement"]
    return (moved, config)


def _pausing(desired: Desired, live: Live, situation: Situation) -> tuple[Step, ...]:
    if desired.target.consumer is None:
        return ()
    have = _future(live.config.get("pause_until"), situation)
    want = _future(desired.pause_until, situation)
    if (have and instant_ns(have)) == (want and instant_ns(want)):
        return ()
    return (Pause(desired.target, want),)


def plan_deletion(target: Target, live: Live | None, owner: str, incarnation: str = "") -> Plan:
    """What to do with the object of a resource that is being deleted.

    A stream that holds messages is kept, without an owner; what isn't ours isn't touched.
    """
    if live is None or not is_ours(live, owner, incarnation):
        return Plan(Action.NOTHING)
    if isinstance(live, LiveStream) and live.messages:
        metadata = {**(live.config.get("metadata") or {})}
        metadata.pop(names.OWNER_METADATA, None)
        return Plan(Action.RELEASE, (Update(target, {**live.config, "metadata": metadata}),))
    return Plan(Action.DELETE, (Delete(target),))
