"""What a resource's status remembers, as the situation that plans are made from."""

from collections.abc import Collection, Mapping
from typing import Any

from coze_nats.core import bounds, names
from coze_nats.core.codec import instant_ns
from coze_nats.core.conditions import Outcome, condition, is_known_loss, was_as_declared
from coze_nats.core.costs import counted
from coze_nats.core.fencing import is_fenced
from coze_nats.core.fields import in_spec_terms
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.intent import stream_name
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS
from coze_nats.core.live import LiveStream, Server
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Action, Plan, Situation
from coze_nats.core.policies import policies_of
from coze_nats.core.resource import Resource
from coze_nats.core.steps import Pause, Replacement

_SECOND = 1_000_000_000


def situation_of(
    resource: Resource,
    stream: Resource | None,
    owner: str,
    server: Server,
    defaults: Mapping[str, str],
    forbidden: Collection[tuple[str, str]] = (),
    newest: Mapping[str, Any] | None = None,
) -> Situation:
    """The situation of a resource.

    Args:
        stream: the CozeStream that a CozeConsumer refers to.
        owner: this resource as `<cluster id>/<namespace>/<name>`.
        defaults: the operator's policies for resources that name none.
        forbidden: policies, by name and value, that count for nobody.
        newest: figures by their names in status that are newer than these.
    """
    status = resource.status
    # What it owned goes with a stream that is being replaced, whatever a crash left undone of that.
    is_gone = stream is not None and ("replacing" in stream.status or went_with(stream, status))
    under_way = still_good(replacement_of(status), stream.status if stream else {})
    return Situation(
        owner=owner,
        server=server,
        policies=policies_of(resource.key.kind, resource.spec.get("policies"), defaults, forbidden),
        incarnation=None if is_gone else Incarnation.from_status(status),
        ack_floor=None if is_gone else status.get("ackFloor"),
        is_loss_told=is_known_loss(status),
        last_known=_last_known(resource, newest or {}),
        recorded=bool(status.get("created")) and not _is_elsewhere(stream, status),
        adopted=not is_gone and bool(status.get("adopted")),
        replacing=None if is_gone else under_way,
        chosen=status.get("chosen", {}),
        forbidden=forbidden,
    )


def is_observed(resource: Resource) -> bool:
    """Whether the status is about the spec of now."""
    return bool(resource.status.get("observedGeneration") == resource.generation)


def says(resource: Resource, reason: Reason) -> bool:
    """Whether the status gives that reason, and is about the spec of now."""
    ready = condition(resource.status, "Ready") or {}
    return ready.get("reason") == reason and is_observed(resource)


_IN_VAIN = (
    Reason.REJECTED_BY_SERVER,
    Reason.SUBJECT_OVERLAP,
    Reason.PERMISSION_DENIED,
    Reason.INSUFFICIENT_CAPACITY,
    Reason.NOT_CONVERGING,
)


def was_in_vain(resource: Resource) -> bool:
    """Whether NATS would not do what the resource declares now, when it was asked last."""
    return any(says(resource, reason) for reason in _IN_VAIN)


def was_told(resource: Resource, outcome: Outcome) -> bool:
    """Whether the status tells this very outcome already, and nothing was asked for since."""
    status = resource.status
    ready = condition(status, "Ready") or {}
    is_said = ready.get("message") == bounds.shortened(outcome.message)
    is_asked = resource.reconcile_requested_at not in ("", status.get("lastHandledReconcileAt"))
    return says(resource, outcome.reason) and is_said and not is_asked


def is_drift(resource: Resource, todo: Plan, live: Live | None) -> bool:
    """Whether the plan puts right what had been as declared, by this very spec.

    Where nobody touched the object, it is what it inherits from its stream that has changed. What
    is fenced, the operator was about to complete.
    """
    if todo.action is not Action.UPDATE or live is None or not is_observed(resource):
        return False
    if is_fenced(live.config):
        return False
    if not was_as_declared(resource.status):
        return says(resource, Reason.DRIFT_CONTESTED)
    if not todo.changes:
        # A missing mark alone is put right as often as it is taken off, and no news.
        return any(isinstance(step, Pause) for step in todo.steps)
    fields = STREAM_FIELDS if isinstance(live, LiveStream) else CONSUMER_FIELDS
    now, before = in_spec_terms(fields, live.config), resource.status.get("effective", {})
    return any(
        change.declared or now.get(change.name) != before.get(change.name)
        for change in todo.changes
    )


def replacement_of(status: Mapping[str, Any]) -> Replacement | None:
    """The replacement that a crash came between, if there is one."""
    found = status.get("replacing")
    return Replacement(found["created"], found.get("startSequence", 0)) if found else None


def still_good(replacement: Replacement | None, stream: Mapping[str, Any]) -> Replacement | None:
    """The replacement, unless the consumer's stream, given its status, was made anew since.

    In another stream, the position to go on at is anywhere.
    """
    if replacement is None or _is_newer(stream, replacement.created):
        return None
    return replacement


def _is_newer(stream: Mapping[str, Any], instant: str) -> bool:
    made = stream.get("created", "")
    return bool(made and instant) and instant_ns(made) > instant_ns(instant)


def went_with(stream: Resource, consumer: Mapping[str, Any]) -> bool:
    """Whether a consumer's status tells of another stream, or of this one before we made it anew.

    Then nobody took the consumer away, and its position there means nothing here.
    """
    if _is_elsewhere(stream, consumer):
        return True
    before = consumer.get("created", "")
    if not _is_newer(stream.status, before):
        return False
    loss = stream.status.get("dataLoss")
    return loss is None or not _may_have_taken(loss, instant_ns(before))


def _is_elsewhere(stream: Resource | None, consumer: Mapping[str, Any]) -> bool:
    """Whether a consumer's status tells of a stream of another name than its CozeStream's."""
    return stream is not None and consumer.get("stream") not in (None, stream_name(stream))


def _may_have_taken(loss: Mapping[str, Any], made_ns: int) -> bool:
    """Whether a consumer of that age was there before the recorded loss of its stream was over.

    Times that NATS gave are compared; when the loss was found is told by the operator's clock.
    """
    if made_ns < instant_ns(loss.get("successor", loss["created"])):
        return True
    # A former version recorded no successor, but when it found the loss, by the second: within the
    # consumer's own it may have been of its stream.
    same_second = made_ns // _SECOND * _SECOND
    return "successor" not in loss and instant_ns(loss["detectedAt"]) >= same_second


def _last_known(resource: Resource, newest: Mapping[str, Any]) -> str:
    status = resource.status
    if resource.key.kind != names.STREAM_KIND or "messages" not in status:
        return ""
    recorded = status["dataLoss"] if is_known_loss(status) else {}
    figures = {**status, **newest, **recorded}
    messages = counted(figures["messages"], "message")
    return f"{messages} up to sequence {figures.get('lastSequence', 0)}"
