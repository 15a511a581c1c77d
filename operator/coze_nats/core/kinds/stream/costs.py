"""What changes of a stream cost: messages that go, judged by what the stream holds now.

Follows what the servers' stores do on an update: with discard new, message and byte limits remove
nothing; the limit per subject and the age always do; turning on TTLs or schedules, they heed the
headers of what is stored already (nats-server, server/filestore.go and memstore.go).
"""

from collections.abc import Callable

from coze_nats.core.bounds import FEW, listed
from coze_nats.core.codec import InvalidValue, format_duration, instant_ns
from coze_nats.core.costs import Cost, Edit, Rule, Verdict, counted, either
from coze_nats.core.kinds.consumer.costs import lost_with
from coze_nats.core.kinds.stream import copying
from coze_nats.core.kinds.stream.holding import messages_on
from coze_nats.core.kinds.stream.sources import copied_again
from coze_nats.core.live import LiveStream
from coze_nats.core.ownership import owner_of
from coze_nats.core.subjects import Subjects, dropped

StreamEdit = Edit[LiveStream]


def _if_it_holds_any(loss: Callable[[StreamEdit, LiveStream], str]) -> Rule:
    """A rule for messages that go, in words; a new or empty stream has none to lose."""

    def rule(edit: StreamEdit) -> Cost | None:
        live = edit.live
        why = loss(edit, live) if live and live.messages else ""
        return Cost(why) if why else None

    return rule


def left_behind(edit: StreamEdit) -> Cost | None:
    """A change of subjects discards nothing; it leaves messages behind."""
    live, after = edit.live, edit.after["subjects"] or ()
    if live is None or not live.messages:
        return None
    gone = dropped(live.config.get("subjects") or (), after)
    if not gone:
        return None
    left = _left_on(gone, Subjects(after), edit, live)
    return Cost(f"{left} stored, and takes no new ones there", Verdict.IN_PLACE) if left else None


def _left_on(gone: tuple[str, ...], taken: Subjects, edit: StreamEdit, live: LiveStream) -> str:
    found = messages_on(edit.seen, live, gone)
    if found is None:
        return f"leaves up to {counted(live.messages, 'message')} on {listed(gone, FEW)}"
    subjects = sorted(name for name in found if not taken.meet(name))
    total = counted(sum(found[name] for name in subjects), "message")
    return f"leaves {total} on {listed(subjects, FEW)}" if subjects else ""


def _over_max_msgs(edit: StreamEdit, live: LiveStream) -> str:
    limit = edit.after["max_msgs"]
    if edit.after["discard"] == "new" or limit <= 0 or live.messages <= limit:
        return ""
    return f"would discard {live.messages - limit:,} of {counted(live.messages, 'message')}"


def _over_max_bytes(edit: StreamEdit, live: LiveStream) -> str:
    limit = edit.after["max_bytes"]
    if edit.after["discard"] == "new" or limit <= 0 or live.bytes <= limit:
        return ""
    return f"would discard the oldest {live.bytes - limit:,} of {live.bytes:,} bytes"


def _over_either(edit: StreamEdit, live: LiveStream) -> str:
    return _over_max_msgs(edit, live) or _over_max_bytes(edit, live)


def _over_max_msgs_per_subject(edit: StreamEdit, live: LiveStream) -> str:
    limit = edit.after["max_msgs_per_subject"]
    # The fullest subject holds at most what the other subjects' one message each leave over.
    fullest = live.messages - max(live.subjects - 1, 0)
    is_raised = 0 < live.config.get("max_msgs_per_subject", -1) <= limit
    if limit <= 0 or is_raised or fullest <= limit:
        return ""
    return f"could discard up to {fullest - limit:,} of {counted(live.messages, 'message')}"


def _over_max_age(edit: StreamEdit, live: LiveStream) -> str:
    limit = edit.after["max_age"]
    if not limit:
        return ""
    try:
        age = instant_ns(live.as_of) - instant_ns(live.first_time)
    except InvalidValue:
        return "could discard messages of unknown age"
    if age < limit:
        return ""
    return (
        f"would discard messages older than {format_duration(limit)}; "
        f"the oldest of {live.messages:,} is from {live.first_time}"
    )


def _without_interest(edit: StreamEdit, live: LiveStream) -> str:
    if edit.after["retention"] != "interest":
        return ""
    return (
        f"could discard up to {live.messages:,} messages: with interest retention only "
        "those stay that a consumer still needs"
    )


def _copied_again(edit: StreamEdit, live: LiveStream) -> str:
    after = edit.after
    again = copied_again(
        live.config.get("sources") or (),
        live.config.get("mirror"),
        after["sources"] or (),
        live.first_sequence,
    )
    if not again:
        return ""
    limits = ("maxMsgs", "max_msgs"), ("maxBytes", "max_bytes")
    gives_way = after["discard"] == "old"
    tight = [name for name, wire in limits if gives_way and after[wire] > 0]
    tight += ["maxMsgsPerSubject"] if after["max_msgs_per_subject"] > 0 else []
    evicting = f"; by {' and '.join(tight)} older messages would give way" if tight else ""
    return (
        f"could copy {', '.join(again)}, so that messages of the {live.messages:,} that are there "
        f"would be there twice{evicting}"
    )


# Only copies, and what an older server took in, can carry a header that is not yet heeded.


def _expiring(edit: StreamEdit, live: LiveStream) -> str:
    turned_on = "" if edit.declared else "turned on by subjectDeleteMarkerTtl, "
    return (
        f"{turned_on}could discard up to {counted(live.messages, 'message')}: those that "
        "carry a Nats-TTL expire from then on, at once where it is over"
    )


def _scheduled(_: StreamEdit, live: LiveStream) -> str:
    return (
        f"could discard up to {counted(live.messages, 'message')}: those that carry a "
        "Nats-Schedule are carried out from then on, once more where it is over, and deleted when "
        "they are done"
    )


def idle_consumers(edit: StreamEdit) -> Cost | None:
    """A limit to their life has NATS remove idle consumers, and what is kept for them alone.

    NATS gives it to new consumers. The operator gives it to those, too, that have a resource which
    says nothing else; those that have one already keep it, or NATS refuses to lower the limit.
    """
    live, after = edit.live, (edit.after["consumer_limits"] or {}).get("inactive_threshold", 0)
    if live is None or not (live.messages and live.consumers and after):
        return None
    if live.config.get("retention") != "interest":
        return None
    consumers = edit.seen.consumers(live.name).found
    found = {
        name: at_stake
        for name, consumer in consumers.items()
        if owner_of(consumer)
        and not consumer.config.get("inactive_threshold")
        and (at_stake := lost_with(consumer, live))
    }
    if not found:
        return None
    named = [f"{name} (up to {counted(count, 'message')})" for name, count in sorted(found.items())]
    return Cost(
        f"would have NATS remove consumers once they are idle for {format_duration(after)}, and "
        f"what the stream keeps for them, as its retention is interest: {listed(named, FEW)}"
    )


over_max_msgs = _if_it_holds_any(_over_max_msgs)
over_max_bytes = _if_it_holds_any(_over_max_bytes)
over_either = _if_it_holds_any(_over_either)
over_max_msgs_per_subject = _if_it_holds_any(_over_max_msgs_per_subject)
over_max_age = _if_it_holds_any(_over_max_age)
without_interest = _if_it_holds_any(_without_interest)
new_sources = either(_if_it_holds_any(_copied_again), copying.from_sources)
new_mirror = copying.from_mirror
expiring = _if_it_holds_any(_expiring)
scheduled = _if_it_holds_any(_scheduled)
