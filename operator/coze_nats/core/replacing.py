"""What deleting an object and creating it anew would cost, and where a new consumer goes on."""

from coze_nats.core import configs, fencing
from coze_nats.core.costs import counted
from coze_nats.core.desired import Desired, Target
from coze_nats.core.diff import FieldChange
from coze_nats.core.live import Config, LiveConsumer, LiveStream
from coze_nats.core.looks import Seen
from coze_nats.core.ownership import Live, is_ours
from coze_nats.core.policies import Policies
from coze_nats.core.steps import Create, Fence, Replacement

SPARE = 1_000
"""How many messages may come in between the last look at a stream and its end."""

MARGIN = 1_000_000
"""How many messages may have come into a stream since its status was written, before it vanished.

Mirrors take such a gap in their stride, also replicated ones (nats-server 2.10 to 2.15).
"""

_START_FIELDS = frozenset({"deliverPolicy", "optStartSeq", "optStartTime"})
_START_LATE = frozenset({"new", "last", "last_per_subject"})


def cost(
    desired: Desired,
    live: Live,
    changes: tuple[FieldChange, ...],
    policies: Policies,
    seen: Seen,
) -> str:
    """What replacing the object costs that no policy accepts, and the remedy; "" for nothing."""
    if isinstance(live, LiveStream):
        return _cost_of_stream(desired, live, policies, seen)
    return _cost_of_consumer(live, changes, policies, seen)


def _cost_of_stream(desired: Desired, live: LiveStream, policies: Policies, seen: Seen) -> str:
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
    if "mirror" in desired.declared:
        cost = _cost_of_mirror(desired, live, seen)
        return f"{cost}. {remedy}" if cost else ""
    return ""


def _cost_of_mirror(desired: Desired, live: LiveStream, seen: Seen) -> str:
    """What it costs that a mirror is never without its origin and has its origin's sequences."""
    back = returning(live, seen)
    starts = {step.config.get("deliver_policy", "all") for step in back.values()}
    if back and (desired.after("retention") == "interest" or starts & _START_LATE):
        return (
            f"would let in what consumer {', '.join(sorted(back))} misses before it is back, as a "
            "mirror can't be made without its origin"
        )
    copies = () if "mirror" in live.config else seen.copies(live.name)
    if copies:
        return (
            f"would leave stream {', '.join(copies)}, which copies from it, without what comes "
            "before the sequences, which will be the origin's, are as high as the former ones"
        )
    return ""


def _unmanaged(live: LiveStream, seen: Seen) -> str:
    """The consumers that no resource would bring back; those that didn't answer count as such."""
    if not live.consumers:
        return ""
    listing = seen.consumers(live.name)
    return ", ".join(sorted(listing.found.keys() - returning(live, seen).keys() | listing.missing))


def returning(live: LiveStream, seen: Seen) -> dict[str, Create]:
    """Consumer → its creation, for those that come back when the stream is replaced.

    A resource brings back none but its own, and one that never was there comes by itself.
    """
    there = seen.consumers(live.name).found if live.consumers else {}
    return {
        name: Create(Target(live.name, name), each.config)
        for name, each in seen.returning(live.name, was_lost=False).items()
        if (
            is_ours(there[name], each.owner, each.incarnation)
            if name in there
            else each.incarnation is not None
        )
    }


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
        return Replacement(live.created, continued(desired, live.last_sequence, SPARE))
    begins_anew = policies.position == "Reset" or _retention(live, seen) == "workqueue"
    if begins_anew or live.acknowledged is None:
        return Replacement(live.created)
    start = live.acknowledged + 1
    if start == 1 and configs.declared_start(desired) == "all":
        start = 0
    return Replacement(live.created, start)


def continued(desired: Desired, last: int, spare: int) -> int:
    """The first sequence of a stream whose forerunner was known to have got so far.

    Who copies from the stream waits for what comes after the last sequence that it has seen. A
    mirror has the sequences of its origin.
    """
    return 0 if "mirror" in desired.declared else last + 1 + spare


def fence(live: LiveStream, policies: Policies, replacement: Replacement) -> tuple[Fence, ...]:
    """The step that lets nothing more into a stream before it goes."""
    if not live.config.get("subjects") or live.config.get("sealed"):
        return ()
    is_done = fencing.is_fenced(live.config)
    config = live.config if is_done else fencing.fenced(live.config, "subjects")
    most = None if policies.data_loss == "Allow" else live.messages
    target = Target(live.name)
    return (Fence(target, config, fencing.opened(live.config), most, replacement.start),)
