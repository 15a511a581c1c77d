"""What an operator may tell: a status is held against JetStream at the moment of its report."""

from collections.abc import Mapping
from typing import Any

from coze_nats.core.api.status import ConsumerStatus, StreamStatus
from coze_nats.core.conditions import condition, is_true
from coze_nats.core.resource import Resource
from safety.declared import differences
from safety.identity import Identity
from safety.snapshot import ConsumerFound, Object, StreamFound
from safety.writes import Violation

_KNOWN = frozenset(
    field.alias for kind in (StreamStatus, ConsumerStatus) for field in kind.model_fields.values()
)


def judge_status(
    resource: Resource,
    status: Mapping[str, Any],
    found: Object | None,
    owner: str,
    identity: Identity,
) -> None:
    """Hold a status against what there is; raises Violation.

    Args:
        resource: as it was when its reconcile began.
        found: its object in JetStream.
        owner: the resource, as it stands in metadata.
        identity: tells what is the same.
    """
    about = f"status of {owner} ({resource.key.kind})"
    if unknown := status.keys() - _KNOWN:
        raise Violation("status has its schema", f"{about} has {unknown}")
    if status["observedGeneration"] != resource.generation:
        raise Violation("status is of its generation", about)
    others = [name for name in ("Reconciling", "Stalled") if condition(status, name)]
    if len(others) > 1 or (others and is_true(status, "Ready")):
        raise Violation("conditions exclude each other", f"{about}: {others}")
    if is_true(status, "Ready") and (why := _untruth(resource, status, found, owner, identity)):
        raise Violation("Ready is true", f"{about}: {why}")


def _untruth(
    resource: Resource,
    status: Mapping[str, Any],
    found: Object | None,
    owner: str,
    identity: Identity,
) -> str:
    if found is None:
        return "there is nothing"
    is_recorded = status.get("adopted") or status["policies"]["ownership"] == "Record"
    is_unmarked = is_recorded or resource.spec.get("suspend")
    if found.owner != owner and (found.owner or not is_unmarked):
        return f"the object belongs to {found.owner!r}"
    # An empty stream whose sequences go on can't be told from one that was made again in its place.
    is_alike = isinstance(found, StreamFound) and not found.messages and status.get("lastSequence")
    # Nor can a consumer that was made again at once, by servers that move the time of creation.
    is_alike = is_alike or (identity.is_vague and isinstance(found, ConsumerFound))
    known = identity.of(status.get("created", ""))
    if known != found.created and not is_alike:
        return f"says created {known}, is {found.created}"
    return "; ".join(differences(resource, found.config))
