"""Who owns an object in JetStream: by the mark in its own metadata, or as a status records it.

A mark is seen by every cluster, but keeps an application from declaring the same object: servers
compare metadata as they compare everything. So only what the operator makes is marked.
"""

from coze_nats.core import names
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import LiveConsumer, LiveStream

Live = LiveStream | LiveConsumer


def owner_of(live: Live) -> str:
    """The owner in the object's own metadata: `<cluster id>/<namespace>/<name>`, or "" for none."""
    return str((live.config.get("metadata") or {}).get(names.OWNER_METADATA, ""))


def is_ours(live: Live, owner: str, incarnation: Incarnation | None) -> bool:
    """Whether the object belongs to `owner`, also when somebody stripped its metadata by hand."""
    found = owner_of(live)
    if found or incarnation is None:
        return found == owner
    return incarnation.goes_on(live)


def mark_for(live: Live | None, owner: str, form: str, *, adopted: bool) -> str:
    """The mark that an object shall bear; "" for none. What was adopted and marked stays so.

    Args:
        live: None: it is about to be made.
        form: `policies.ownership`.
        adopted: whether it was there before its resource.
    """
    if form == "Record" or (adopted and live is not None and owner_of(live) != owner):
        return ""
    return owner


def was_taken(live: Live, owner: str) -> bool:
    """Whether the object was taken over from that owner by the one that it has."""
    former = (live.config.get("metadata") or {}).get(names.FORMER_OWNER_METADATA)
    return former == owner and owner_of(live) != owner
