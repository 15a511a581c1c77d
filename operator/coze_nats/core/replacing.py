"""What deleting an object and creating it anew would cost, and where a new consumer goes on."""

from coze_nats.core import configs
from coze_nats.core.costs import counted
from coze_nats.core.desired import Desired
from coze_nats.core.diff import FieldChange
from coze_nats.core.live import Config, LiveConsumer, LiveStream
from coze_nats.core.looks import Seen
from coze_nats.core.ownership import Live, owner_of
from coze_nats.core.policies import Policies
from coze_nats.core.steps import Replacement

_START_FIELDS = frozenset({"deliverPolicy", "optStartSeq", "optStartTime"})


def cost(live: Live, changes: tuple[FieldChange, ...], policies: Policies, seen: Seen) -> str:
    """What replacing the object costs that no policy accepts, and the remedy; "" for nothing."""
    if isinstance(live, LiveStream):
        return _cost_of_stream(live, policies, seen)
    return _cost_of_consumer(live, changes, policies, seen)


def _cost_of_stream(live: LiveStream, policies: Policies, seen: Seen) -> str:
    if policies.data_loss == "Allow":
        return ""
    remedy = "Nothing was changed: set policies.dataLoss: Allow to accept, or set the field back"
    if live.messages:
        consumers = f" and {counted(live.consumers, 'consumer')}" if live.consumers else ""
        held = f"{counted(live.messages, 'message')} ({live.bytes:,} bytes){consumers}"
        return f"would discard {held}. {remedy}"
    gone = _unmanaged(live, seen)
    if gone:
        return f"would delete what no resource brings back: consumer {gone}. {remedy}"
    return ""


def _unmanaged(live: LiveStream, seen: Seen) -> str:
    """The consumers that no resource would bring back; those that didn't answer count as such."""
    if not live.consumers:
        return ""
    listing = seen.consumers(live.name)
    found = {name for name, consumer in listing.found.items() if not owner_of(consumer)}
    return ", ".join(sorted(found | listing.missing))


def stream_config(live: LiveConsumer, seen: Seen) -> Config:
    """The configuration of a consumer's stream; empty when that is gone."""
    stream = seen.stream(live.stream)
    return stream.config if stream else {}


def _retention(live: LiveConsumer, seen: Seen) -> str:
    return str(stream_config(live, seen).get("retention", "limits"))


def _cost_of_consumer(
    live: LiveConsumer,
    changes: tuple[FieldChange, ...],
    policies: Policies,
    seen: Seen,
) -> str:
    if policies.position == "Reset":
        return ""
    held = (
        f"{counted(live.pending, 'message')} to be delivered and {live.ack_pending:,} not "
        "acknowledged. Nothing was changed: set policies.position: Reset to accept, or set the "
        "field back"
    )
    if any(change.name in _START_FIELDS for change in changes):
        return f"would lose its position, with {held}"
    starts_alike = live.config.get("deliver_policy") == "by_start_time"
    if live.acknowledged is None and _retention(live, seen) != "workqueue" and not starts_alike:
        return (
            "would lose its position: the server doesn't tell where it stands before what was "
            f"delivered first is acknowledged; it has {held}"
        )
    if _retention(live, seen) == "interest":
        return (
            "could discard what the stream keeps for it alone, and what is published before it is "
            f"back, as retention is interest; it has {held}"
        )
    return ""


def replacement(desired: Desired, live: Live, policies: Policies, seen: Seen) -> Replacement:
    """What is to be remembered of the object that goes.

    A consumer of a work queue has to start at the beginning: what is left there is for it.
    """
    if isinstance(live, LiveStream):
        return Replacement(live.created)
    begins_anew = policies.position == "Reset" or _retention(live, seen) == "workqueue"
    if begins_anew or live.acknowledged is None:
        return Replacement(live.created)
    start = live.acknowledged + 1
    if start == 1 and configs.declared_start(desired) == "all":
        start = 0
    return Replacement(live.created, start)
