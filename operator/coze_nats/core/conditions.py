"""Outcome + previous conditions + now → the next conditions and status, computed once at the end.

Follows kstatus: Ready always, Reconciling and Stalled only while they are true. Messages hold no
times and no counters, so that an unchanged situation is an unchanged status.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from coze_nats.core import bounds
from coze_nats.core.desired import Desired
from coze_nats.core.diff import own_metadata
from coze_nats.core.fields import in_spec_terms
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.movement import COMPANIONS, COUNTERS
from coze_nats.core.names import AS_DECLARED, EventReason, Reason
from coze_nats.core.replication import as_status, heard
from coze_nats.core.resource import Resource
from coze_nats.core.words import LONGEST_MESSAGE, readable

FACTS = (
    COUNTERS
    | COMPANIONS
    | {"stream", "consumer", "created", "adopted", "replicas", "effective", "replacing"}
    | {"creating", "origins", "unmanagedConsumers"}
)
"""Fields of status that tell what JetStream has."""


class Health(Enum):
    """What a resource's conditions come to."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    HELD = "Held"
    """Not as declared, and nothing is done about it because somebody said so."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a reconcile ended, as the user shall read it.

    Attributes:
        observed: whether JetStream was looked at; if not, what status told about it stays.
        live: what JetStream has and this resource owns; None: nothing.
        nobodys: what JetStream has and nobody owns, for who wants to declare it as it is.
        todo: what would be done, were it not held back or refused.
        warnings: what is wrong although the resource is as declared: the type of the condition that
            says so → its message.
        adopted: whether `live` was there before its resource.
        lost: the resource's object was found gone, or another one, behind the operator's back.
        last_seen: of an object that is lost, by their names in status, figures that are newer than
            the ones that status tells.
        is_new: the object is another one than status tells of. One that goes on keeps the time of
            creation that was told first, whatever the server says since.
        created_is_kept: the server doesn't change the time of creation that it tells now.
        unanswered: a creation was asked for, and whether it was done is not known.
        unmanaged: of an interest stream, the durable consumers that no resource manages.
        chosen: of an object that is as declared, what the server chose: see `core.diff.choices`.
    """

    health: Health
    reason: Reason
    message: str
    observed: bool = True
    live: LiveStream | LiveConsumer | None = None
    nobodys: LiveStream | LiveConsumer | None = None
    todo: str = ""
    warnings: Mapping[EventReason, str] = field(default_factory=dict)
    adopted: bool = False
    lost: bool = False
    last_seen: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = False
    created_is_kept: bool = False
    unanswered: bool = False
    unmanaged: tuple[str, ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_as_declared(self) -> bool:
        """Whether JetStream has what is declared, though it may be on its way yet."""
        return self.reason in AS_DECLARED


def timestamp(now_ns: int) -> str:
    """The RFC 3339 time, in whole seconds, that Kubernetes uses."""
    moment = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any] | None:
    """The condition of that type in a status, if it has one."""
    found = status.get("conditions") or ()
    return next((item for item in found if item.get("type") == type_), None)


def is_true(status: Mapping[str, Any], type_: str) -> bool:
    """Whether a status has that condition, and true."""
    found = condition(status, type_)
    return found is not None and found.get("status") == "True"


def was_as_declared(status: Mapping[str, Any]) -> bool:
    """Whether a status says that there is what is declared."""
    ready = condition(status, "Ready") or {}
    return ready.get("status") == "True" or ready.get("reason") in AS_DECLARED


def conditions_of(
    outcome: Outcome, previous: Mapping[str, Any], generation: int, now_ns: int
) -> list[dict[str, Any]]:
    said = (str(outcome.reason), readable(outcome.message, LONGEST_MESSAGE))
    wanted = [("Ready", "True" if outcome.health is Health.READY else "False", *said)]
    if outcome.health in (Health.RECONCILING, Health.STALLED):
        wanted.append((outcome.health.value, "True", *said))
    for name, message in sorted(outcome.warnings.items()):
        wanted.append((str(name), "True", str(name), readable(message, LONGEST_MESSAGE)))
    found = []
    for type_, value, reason, message in wanted:
        before = condition(previous, type_)
        unchanged = before is not None and before.get("status") == value
        since = before.get("lastTransitionTime") if before and unchanged else None
        found.append(
            {
                "type": type_,
                "status": value,
                "observedGeneration": generation,
                "lastTransitionTime": since or timestamp(now_ns),
                "reason": reason,
                "message": bounds.shortened(message),
            }
        )
    return found


def next_status(
    resource: Resource,
    desired: Desired | None,
    outcome: Outcome,
    now_ns: int,
    policies: Mapping[str, str],
) -> dict[str, Any]:
    """The whole status that the resource shall have after this outcome.

    Args:
        policies: the ones in force, by their names in the spec.
    """
    previous = resource.status
    status: dict[str, Any] = {
        "observedGeneration": resource.generation,
        "conditions": conditions_of(outcome, previous, resource.generation, now_ns),
        "policies": dict(policies),
        **_kept(resource, outcome, now_ns),
    }
    if outcome.todo:
        status["plan"] = bounds.shortened(outcome.todo)
    if not outcome.observed:
        if outcome.unanswered:
            status["creating"] = True
        return status | {key: previous[key] for key in FACTS if key in previous}
    if desired is not None:
        status["stream"] = desired.target.stream
        if desired.target.consumer is not None:
            status["consumer"] = desired.target.consumer
    facts = _ack_floor(previous, outcome) | _facts(outcome.live) | _age(previous, outcome)
    if isinstance(outcome.live, LiveStream) and outcome.live.origins:
        facts["origins"] = as_status(heard(outcome.live, previous))
    if outcome.nobodys and not outcome.live:
        facts["effective"] = _effective(outcome.nobodys)
    if outcome.live and outcome.adopted:
        facts["adopted"] = True
    if outcome.live and outcome.unmanaged:
        facts["unmanagedConsumers"] = list(outcome.unmanaged[: bounds.ITEMS])
    return status | facts


def _age(previous: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """When the object was created, as it was told first, and whether that was told for good."""
    live = outcome.live
    if live is None:
        return {}
    created = live.created if outcome.is_new else previous.get("created", live.created)
    is_kept = outcome.created_is_kept and live.created == created
    return {"created": created} | ({"createdIsKept": True} if is_kept else {})


def _kept(resource: Resource, outcome: Outcome, now_ns: int) -> dict[str, Any]:
    """What status remembers beyond the present."""
    previous = resource.status
    found = handled_request(resource, outcome)
    chosen = outcome.chosen if outcome.is_as_declared else previous.get("chosen")
    if chosen:
        found["chosen"] = chosen
    loss = previous.get("dataLoss")
    if outcome.lost and not is_known_loss(previous):
        figures = {"messages": 0, "lastSequence": 0, **previous, **outcome.last_seen}
        loss = {
            "detectedAt": timestamp(now_ns),
            "created": previous["created"],
            **{key: figures[key] for key in ("messages", "lastSequence", "asOf") if key in figures},
        }
    if loss:
        found["dataLoss"] = _followed(loss, previous, outcome)
    return found


def _followed(
    loss: Mapping[str, Any], previous: Mapping[str, Any], outcome: Outcome
) -> Mapping[str, Any]:
    """The record of a loss, with the stream that took the place of the lost one, once it is there.

    That can be the lost one itself, restored, or one that is empty and as old. A record without a
    successor, in a status that knows a later stream, is of a former version.
    """
    lost, live = loss["created"], outcome.live
    is_past = "successor" in loss or previous.get("created", lost) != lost
    if is_past or not outcome.observed or live is None:
        return loss
    return {**loss, "successor": live.created}


def handled_request(resource: Resource, outcome: Outcome) -> dict[str, Any]:
    """The request to reconcile that status tells of: the one of now, once it was acted on."""
    was_handled = outcome.observed or outcome.health is Health.STALLED
    asked = resource.reconcile_requested_at if was_handled else ""
    handled = asked or resource.status.get("lastHandledReconcileAt")
    return {"lastHandledReconcileAt": handled} if handled else {}


def is_known_loss(status: Mapping[str, Any]) -> bool:
    """Whether the loss of the object that status tells of is recorded there already."""
    recorded = status.get("dataLoss") or {}
    if not recorded or "successor" in recorded:
        return False
    return bool(recorded.get("created") == status.get("created"))


def _ack_floor(previous: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """How far a consumer is, or was when the server last told."""
    if not isinstance(outcome.live, LiveConsumer):
        return {}
    floor = outcome.live.acknowledged
    if floor is None and not outcome.is_new:
        floor = previous.get("ackFloor")
    return {} if floor is None else {"ackFloor": floor}


def _effective(live: LiveStream | LiveConsumer) -> dict[str, Any]:
    """What JetStream has, in the spec's terms."""
    fields = STREAM_FIELDS if isinstance(live, LiveStream) else CONSUMER_FIELDS
    effective = in_spec_terms(fields, live.config)
    metadata = own_metadata(live.config.get("metadata"))
    if metadata:
        effective["metadata"] = metadata
    if live.config.get("pause_until"):
        effective["pauseUntil"] = live.config["pause_until"]
    return effective


def _facts(live: LiveStream | LiveConsumer | None) -> dict[str, Any]:
    if live is None:
        return {}
    facts = {
        "effective": _effective(live),
        "replicas": 1 + len(live.raft.replicas),
        **_counters(live),
        **Incarnation.of(live).as_status(),
    }
    raft = {"leader": readable(live.raft.leader), "replicaLag": live.raft.lag}
    if live.raft.behind:
        facts["currentReplicas"] = live.raft.members - len(live.raft.behind)
    return facts | {key: value for key, value in raft.items() if value}


def _counters(live: LiveStream | LiveConsumer) -> dict[str, Any]:
    if isinstance(live, LiveStream):
        counters = {
            "messages": live.messages,
            "bytes": live.bytes,
            "lastSequence": min(live.last_sequence, bounds.LARGEST_COUNT),
        }
        further = {"consumers": live.consumers, "asOf": live.as_of}
        return counters | {key: value for key, value in further.items() if value}
    counters = {"pending": live.pending, "ackPending": live.ack_pending}
    return counters | ({"redelivered": live.redelivered} if live.redelivered else {})


_SMALL = 512
"""Characters of a message, or of an effective value as JSON, in a reduced status."""


def reduced(status: Mapping[str, Any], refusal: str) -> dict[str, Any]:
    """A status that any API server takes, in place of one that was refused with these words.

    It keeps what the operator must not forget; messages become short and plain, and what is large
    or beyond ASCII goes.
    """
    note = f"; the API server refused the full status: {refusal}"
    conditions = [
        item | {"message": _plain(item["message"], _SMALL) + _plain(note, _SMALL)}
        for item in status.get("conditions", ())
    ]
    kept = {key: value for key, value in status.items() if key not in {"plan", "account"}}
    for name in ("effective", "chosen"):
        if name in kept:
            kept[name] = {key: value for key, value in kept[name].items() if _is_small(value)}
    return kept | {"conditions": conditions}


def _plain(text: str, most: int) -> str:
    shown = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return f"{shown[: most - 3]}..." if len(shown) > most else shown


def _is_small(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return len(text) <= _SMALL and text.isascii()


def turns(previous: Mapping[str, Any], following: Sequence[Mapping[str, Any]]) -> str:
    """What became of the resource between two sets of conditions: "stalled", "recovered" or ""."""
    after = {"conditions": following}
    stalled, before = condition(after, "Stalled"), condition(previous, "Stalled")
    if stalled is not None:
        same = before is not None and before.get("reason") == stalled["reason"]
        return "" if same else "stalled"
    return "recovered" if before is not None and is_true(after, "Ready") else ""
