"""Who owns an object in JetStream, by what stands in the object's own metadata."""

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
