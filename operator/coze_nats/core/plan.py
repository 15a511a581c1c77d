"""Desired + live + owner + policies → a Plan: the steps to take, or why none is taken.

Plans are values: what prints is what runs. All fields of a change are applied or none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from coze_nats.core import bounds, configs, fences, fencing, names, replacing
from coze_nats.core.blocking import Refusal, another, refusal_of
from coze_nats.core.costs import Verdict
from coze_nats.core.creating import ACCEPT, costs_of_creation
from coze_nats.core.desired import Desired, Target
from coze_nats.core.diff import (
    FieldChange,
    choices,
    diff,
    in_the_specs_hands,
    unsupported,
    with_costs,
    without_followers,
)
from coze_nats.core.fences import Fences
from coze_nats.core.foreseen import refused_by
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import LiveStream, Server
from coze_nats.core.looks import Look, NotSeen, Seen
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live, mark_for, owner_of, was_taken
from coze_nats.core.policies import Policies
from coze_nats.core.positions import gone_with
from coze_nats.core.remedies import complete
from coze_nats.core.steps import Create, Delete, Note, Replacement, Step, Update


class Action(Enum):
    """What a plan comes to."""

    NOTHING = "nothing"
    CREATE = "create"
    ADOPT = "adopt"
    TAKE_OVER = "take over"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    RELEASE = "release"
    LOOK = "look"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do about one object.

    Attributes:
        steps: calls to JetStream, in order; empty when nothing is to be done or it is refused.
        changes: the fields that differ, also when the plan is refused because of them.
        looks: what has to be seen before anything can be decided, or before a refusal can tell all
            that the change takes; then plan again.
        at_stake: of a deletion, how many messages go with the object, or would if it weren't kept.
        why: of a deletion or a replacement, what goes with the object besides; or why it is kept.
        former: the owner from whom the object is taken over.
    """

    action: Action
    steps: tuple[Step, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    refusal: Refusal | None = None
    looks: tuple[Look, ...] = ()
    at_stake: int = 0
    why: tuple[str, ...] = ()
    former: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a plan is made from, besides the desired and the live object.

    Attributes:
        owner: this resource as `<cluster id>/<namespace>/<name>`.
        server: what the server is and can do.
        policies: what the operator may do.
        incarnation: the object that this resource owned when it was last seen.
        ack_floor: up to where a consumer was done when that was last told; None: it never was.
        is_loss_told: whether status tells that it was lost, and of none in its place yet.
        last_known: what it held then, for a person: "12 messages up to sequence 40".
        recorded: whether this resource's status tells of an object of this name, be it another one.
        adopted: whether that object was there before this resource.
        replacing: the replacement that is under way, if a crash came between its steps.
        chosen: see `core.diff.diff`.
        claimant: the owner that an object without a mark has all the same, as the status of
            another resource records it; "" for none.
        predecessors: owners in whose place this resource is, because somebody said so.
        successor: to whom this resource hands its object over: `<namespace>/<name>`, "" for none.
        first: the owner to be that comes before this one, of an object that is nobody's; "" for
            none.
        seen: what was found around the object, as earlier plans had to know.
        fences: what the object may not reach.
        is_held: whether somebody said that nothing shall be changed.
        forbidden: policies, by name and value, that count for nobody.
    """

    owner: str
    server: Server
    policies: Policies = field(default_factory=Policies)
    incarnation: Incarnation | None = None
    ack_floor: int | None = None
    is_loss_told: bool = False
    last_known: str = ""
    recorded: bool = False
    adopted: bool = False
    replacing: Replacement | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)
    claimant: str = ""
    predecessors: frozenset[str] = frozenset()
    successor: str = ""
    first: str = ""
    seen: Seen = field(default_factory=Seen)
    fences: Fences = field(default_factory=Fences)
    is_held: bool = False
    forbidden: Collection[tuple[str, str]] = ()


def _refused(
    reason: Reason, message: str, changes: tuple[FieldChange, ...] = (), held_by: str = ""
) -> Plan:
    return Plan(Action.REFUSE, changes=changes, refusal=Refusal(reason, message, held_by))


def has_vanished(live: Live | None, situation: Situation) -> bool:
    """Whether what this resource owned is gone or another one, and it wasn't us."""
    if situation.incarnation is None or situation.replacing:
        return False
    return live is None or not situation.incarnation.goes_on(live)


def is_new(live: Live | None, situation: Situation, todo: Plan) -> bool:
    """Whether, after the plan, the object is another one than this resource owned before."""
    known = situation.incarnation
    if known is None or live is None or todo.action in (Action.CREATE, Action.REPLACE):
        return True
    if situation.is_loss_told:
        return True
    # A replacement of ours can go on where the other one stopped.
    return live.created != known.created if situation.replacing else not known.goes_on(live)


def hides_loss(todo: Plan, situation: Situation) -> bool:
    """Whether a stream that goes on where a lost one stopped may be taken for that one later.

    Where servers don't keep the time of creation, sequences alone tell.
    """
    known = situation.incarnation
    makes = any(isinstance(s, Create) and s.target.consumer is None for s in todo.steps)
    return makes and known is not None and not known.created_tells and not situation.replacing


def stays_known(live: Live | None, situation: Situation) -> bool:
    """Whether a status goes on telling of what this resource owned, while nothing is done.

    Or the next look would find nothing missing. With `missing: Hold` that holds also while another
    one is in its place, whosever that is: when it goes, there is still something to be restored.
    """
    if live is None:
        return situation.incarnation is not None
    return situation.policies.missing == "Hold" and has_vanished(live, situation)


def owns(live: Live, situation: Situation) -> bool:
    """Whether the object is this resource's: it bears the mark, or none, and its status records it.

    Whoever made it anew: an application can be quicker than the operator.
    """
    found = owner_of(live) or situation.claimant
    return found == situation.owner or (not found and situation.recorded)


def is_adopted(action: Action, live: Live | None, situation: Situation) -> bool:
    """Whether the object, once the plan is carried out, is one that the operator didn't make."""
    if live is None or action in (Action.CREATE, Action.REPLACE):
        return False
    is_known = situation.incarnation is not None and situation.incarnation.goes_on(live)
    made_anew = situation.recorded and not owner_of(live) and not is_known
    return action is Action.ADOPT or situation.adopted or made_anew


def plan(desired: Desired, live: Live | None, situation: Situation) -> Plan:
    """How to bring JetStream to what is desired."""

    def again(policies: Policies) -> Refusal | None:
        found = _planned(desired, live, replace(situation, policies=policies))
        if found.looks:
            raise NotSeen(found.looks[0])
        return found.refusal

    try:
        found = _planned(desired, live, situation)
    except NotSeen as unseen:
        return Plan(Action.LOOK, looks=(unseen.look,))
    if found.refusal is None or not found.refusal.held_by:
        return found
    try:
        whole = complete(found.refusal, situation.policies, again, situation.forbidden)
    except NotSeen as unseen:
        return replace(found, looks=(unseen.look,))
    return replace(found, refusal=whole)


def _planned(desired: Desired, live: Live | None, situation: Situation) -> Plan:
    lacking = unsupported(desired, situation.server)
    if lacking:
        return _refused(
            Reason.UNSUPPORTED_BY_SERVER,
            f"{'; '.join(lacking)}: remove the field or upgrade the server",
        )
    owner = (owner_of(live) or situation.claimant) if live else ""
    is_heir = owner in situation.predecessors and live and not was_taken(live, situation.owner)
    if live and not is_heir and (why := _anothers(desired.target, live, owner, situation)):
        return _refused(Reason.OWNED_BY_ANOTHER, why)
    trespass = fences.refused(desired, live, situation.fences)
    if trespass:
        return _refused(*trespass)
    if has_vanished(live, situation) and situation.policies.missing == "Hold":
        return _held(desired, live, situation)
    if live is None:
        return _created(desired, situation)
    config = configs.kept_start(desired, live.config)
    changes = diff(desired, config, situation.server, situation.chosen)
    changes = in_the_specs_hands(changes, desired, situation.seen)
    if is_heir:
        return replace(_changed(Action.TAKE_OVER, desired, live, changes, situation), former=owner)
    if owns(live, situation):
        return _changed(Action.UPDATE, desired, live, changes, situation)
    return _adopted(desired, live, changes, situation)


def _anothers(target: Target, live: Live, owner: str, situation: Situation) -> str:
    """Why the object is left to somebody else; "" when it isn't."""
    if owner not in ("", situation.owner):
        taken = was_taken(live, situation.owner)
        return another(target, owner, situation.owner, situation.successor, taken=taken)
    if situation.first:
        return (
            f"{target} has no owner yet, and {situation.first} (cluster/namespace/name), which "
            "would take it over as well, comes first by its name: delete that resource, or "
            f"{names.ANOTHER_NAME}"
        )
    return ""


_SEALED = (
    "sealed: {target} would have to be created, and NATS creates no sealed stream, which would be "
    "empty for ever: declare a new resource without sealed, and seal it when all is in it"
)


def _created(desired: Desired, situation: Situation) -> Plan:
    """What creating the object costs others is held as any change; not if we took it away."""
    if desired.declared.get("sealed"):
        return _refused(Reason.REJECTED_BY_SERVER, _SEALED.format(target=desired.target))
    costs: tuple[FieldChange, ...] = ()
    if not situation.replacing:
        costs, looks = costs_of_creation(desired, situation.server, situation.seen)
        if looks:
            return Plan(Action.LOOK, looks=looks)
    if costs and situation.policies.data_loss == "Block":
        what = "; ".join(f"{item.name}: creating {desired.target} {item.why}" for item in costs)
        return _refused(
            Reason.WOULD_LOSE_DATA, f"{what}. Nothing was created: {ACCEPT}", costs, "data_loss"
        )
    former = situation.replacing or _vanished(desired, situation)
    back = _returning(desired, None, situation) if former else ()
    mark = _mark(Action.CREATE, None, situation)
    return Plan(Action.CREATE, configs.creation(desired, mark, former, back), costs)


def _vanished(desired: Desired, situation: Situation) -> Replacement | None:
    """What is known of a stream that is gone, for the one that takes its place."""
    known = situation.incarnation
    if desired.target.consumer is not None or known is None:
        return None
    first = replacing.continued(desired, known.last_sequence, replacing.MARGIN)
    return Replacement(known.created, first)


def _returning(desired: Desired, live: LiveStream | None, situation: Situation) -> tuple[Step, ...]:
    """The steps that create the consumers which a stream that takes another's place lacks.

    One that never was there has nothing to miss, and doesn't keep the stream closed if NATS refuses
    it.
    """
    stream, seen = desired.target.stream, situation.seen
    if desired.target.consumer is not None or "mirror" in desired.declared:
        return ()
    there = seen.consumers(stream).found if live and live.consumers else {}
    back = seen.returning(stream, was_lost=situation.replacing is None)
    return tuple(
        Create(Target(stream, name), each.config)
        for name, each in back.items()
        if name not in there and each.incarnation is not None
    )


def chosen_by_server(desired: Desired, live: Live) -> dict[str, Any]:
    """What the server chose for an object that is as desired: see `core.diff.choices`."""
    return choices(desired, configs.kept_start(desired, live.config))


def _held(desired: Desired, live: Live | None, situation: Situation) -> Plan:
    what = "vanished from JetStream" if live is None else "was replaced in JetStream"
    held = f" (last seen with {situation.last_known})" if situation.last_known else ""
    return _refused(
        Reason.MISSING,
        f"{desired.target} {what}{held}, and policies.missing is Hold: restore it, or set "
        "policies.missing: Recreate to go on without what it held",
        held_by="missing",
    )


def _adopted(
    desired: Desired, live: Live, changes: tuple[FieldChange, ...], situation: Situation
) -> Plan:
    found = f"{desired.target} exists and has no owner"
    if situation.policies.adoption == "Never":
        return _refused(
            Reason.ADOPTION_REFUSED,
            f"{found}, and policies.adoption is Never: set it to IfIdentical or Always, "
            f"{names.ANOTHER_NAME}, or remove it from NATS",
            changes,
            "adoption",
        )
    if situation.policies.adoption == "IfIdentical":
        # What any server might have made of a default is identical, and stays.
        changes = tuple(change for change in changes if not change.by_limits)
        if changes or configs.pausing(desired, live):
            differing = _listed(without_followers(changes)) or "pauseUntil"
            return _refused(
                Reason.NOT_IDENTICAL,
                f"{found}, but it is not as declared (JetStream → spec: {differing}): make the "
                "spec say what it is, set policies.adoption: Always, or remove it from NATS",
                changes,
                "adoption",
            )
    return _changed(Action.ADOPT, desired, live, changes, situation)


def _changed(
    action: Action,
    desired: Desired,
    live: Live,
    changes: tuple[FieldChange, ...],
    situation: Situation,
) -> Plan:
    if isinstance(live, LiveStream) and fencing.is_fenced(live.config):
        return _completed(action, desired, live, changes, situation)
    return _whole(action, desired, live, changes, situation)


def _completed(
    action: Action,
    desired: Desired,
    live: LiveStream,
    changes: tuple[FieldChange, ...],
    situation: Situation,
) -> Plan:
    """How to go on with a stream that is fenced: its consumers come before what it takes in.

    Whatever else is refused, it doesn't stay fenced. Its first sequence is the operator's own.
    """
    changes = tuple(
        replace(change, verdict=Verdict.IN_PLACE) if change.name == "firstSequence" else change
        for change in changes
    )
    found = _whole(action, desired, live, changes, situation)
    if found.action in (Action.REPLACE, Action.LOOK):
        return found
    steps = found.steps or (Update(desired.target, configs.opened(desired, live.config)),)
    back = _returning(desired, live, situation)
    closed = _still_closed(steps) if back and _is_changed(found.changes) else ()
    return Plan(action, (*closed, *back, *steps), found.changes)


def _is_changed(changes: tuple[FieldChange, ...]) -> bool:
    """Whether a fenced stream is otherwise than declared, besides that it is fenced."""
    return any(change.name not in fencing.FIELDS for change in changes)


def _still_closed(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The same updates before the stream is opened: its consumers may need what they change."""
    updates = (step for step in steps if isinstance(step, Update))
    return tuple(replace(step, config=fencing.fenced(step.config)) for step in updates)


def _whole(
    action: Action,
    desired: Desired,
    live: Live,
    changes: tuple[FieldChange, ...],
    situation: Situation,
) -> Plan:
    changes, looks = with_costs(changes, desired, live, situation.server, situation.seen)
    refusal = refusal_of(changes, situation.policies)
    if looks and (refusal is None or refusal.reason is Reason.WOULD_LOSE_DATA):
        return Plan(Action.LOOK, changes=changes, looks=looks)
    if refusal:
        return Plan(Action.REFUSE, changes=changes, refusal=refusal)
    if any(change.verdict is Verdict.IMMUTABLE for change in changes):
        return _replaced(desired, live, changes, situation)
    steps: tuple[Step, ...] = ()
    mark = _mark(action, live, situation)
    # Where nothing shall be changed, one that is missing, or too many, is no difference.
    lacks_mark = owner_of(live) != mark and bool((owner_of(live) and mark) or not situation.is_held)
    if changes or lacks_mark:
        former = owner_of(live) if action is Action.TAKE_OVER else ""
        config = configs.updated(desired, live.config, changes, mark, former)
        stages = configs.staged(desired, config, live.config, changes)
        steps = tuple(Update(desired.target, item) for item in stages)
    steps += configs.pausing(desired, live)
    is_done = not steps and action is Action.UPDATE
    return Plan(Action.NOTHING if is_done else action, steps, changes)


def _mark(action: Action, live: Live | None, situation: Situation) -> str:
    adopted = is_adopted(action, live, situation)
    if action is Action.TAKE_OVER and live and owner_of(live):
        # It stays marked: the other one has to see who has it now.
        return situation.owner
    return mark_for(live, situation.owner, situation.policies.ownership, adopted=adopted)


def _replaced(
    desired: Desired, live: Live, changes: tuple[FieldChange, ...], situation: Situation
) -> Plan:
    what = "; ".join(str(item) for item in changes if item.verdict is Verdict.IMMUTABLE)
    foreseen = _foreseen(desired, live, changes, situation.seen)
    if foreseen:
        message = f"{foreseen.message}. Nothing was changed, as {what} needs a new object"
        return _refused(foreseen.reason, message, changes)
    live = _placed(live, situation)
    cost = replacing.cost(desired, live, changes, situation.policies, situation.seen)
    costs, looks = costs_of_creation(desired, situation.server, situation.seen)
    if looks:
        return Plan(Action.LOOK, changes=changes, looks=looks)
    is_position = bool(cost and desired.target.consumer)
    if costs and not cost and situation.policies.data_loss == "Block":
        cost = f"{'; '.join(change.why for change in costs)}. Nothing was changed: {ACCEPT}"
    if cost:
        message = f"{what}: replacing {desired.target} {cost}"
        held_by = "position" if is_position else "data_loss"
        return _refused(Reason.WOULD_LOSE_DATA, message, changes, held_by)
    replacement = replacing.replacement(desired, live, situation.policies, situation.seen)
    fence: tuple[Step, ...] = ()
    back: tuple[Step, ...] = ()
    if isinstance(live, LiveStream):
        fence = replacing.fence(live, situation.policies, replacement)
        back = tuple(replacing.returning(live, situation.seen).values())
    mark = _mark(Action.REPLACE, live, situation)
    creation = configs.creation(desired, mark, replacement, back)
    steps = (*fence, Note(desired.target, replacement), Delete(desired.target), *creation)
    return Plan(Action.REPLACE, steps, changes, why=_positions(live, situation.seen))


def _positions(live: Live, seen: Seen) -> tuple[str, ...]:
    """The positions that go with a stream, also of consumers that come back."""
    if not isinstance(live, LiveStream) or not live.consumers:
        return ()
    return gone_with(seen.consumers(live.name).found)


def _placed(live: Live, situation: Situation) -> Live:
    """A consumer with where it stood when the server last told, if it doesn't tell now.

    It doesn't before what was delivered first is acknowledged, so nothing was done since.
    """
    if isinstance(live, LiveStream) or live.acknowledged is not None:
        return live
    known = None if has_vanished(live, situation) else situation.ack_floor
    return replace(live, acknowledged=known)


def _foreseen(
    desired: Desired, live: Live, changes: tuple[FieldChange, ...], seen: Seen
) -> Refusal | None:
    """Why the new object would be refused when the old one is gone already, as far as is known."""
    if desired.declared.get("sealed"):
        return Refusal(Reason.REJECTED_BY_SERVER, _SEALED.format(target=desired.target))
    if isinstance(live, LiveStream):
        stores_others = any(change.name == "subjects" for change in changes)
        subjects = tuple(desired.after("subjects") or ())
        rivals = seen.rivals(live.name, subjects) if stores_others else ""
        return Refusal(Reason.SUBJECT_OVERLAP, rivals) if rivals else None
    refused = refused_by(replacing.stream_config(live, seen), desired)
    return Refusal(Reason.REJECTED_BY_SERVER, f"{refused}: correct it first") if refused else None


def _listed(changes: tuple[FieldChange, ...]) -> str:
    shown = "; ".join(str(change) for change in changes[: bounds.ITEMS])
    more = len(changes) - bounds.ITEMS
    return f"{shown} and {more} more" if more > 0 else shown


def described(todo: Plan, target: Target) -> str:
    """What a plan would do, and what that costs, for a person."""
    costs = "".join(f"; {change.why}" for change in todo.changes if change.is_costly)
    changes = f": {_listed(todo.changes)}{costs}" if todo.changes else ""
    former = f" from {todo.former}" if todo.former else ""
    return f"{todo.action.value} {target}{former}{changes}"
