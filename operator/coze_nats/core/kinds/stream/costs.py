"""What changes of a stream cost: messages that go, judged by what the stream holds now.

Follows what the servers' stores do on an update: with discard new, message and byte limits remove
nothing; the limit per subject and the age always do; turning on TTLs or schedules, they heed the
headers of what is stored already (nats-server, server/filestore.go and memstore.go).
"""

from collections.abc import Callable

from coze_nats.core.codec import InvalidValue, format_duration, instant_ns
from coze_nats.core.costs import Cost, Edit, Rule, Verdict, counted
from coze_nats.core.kinds.stream.sources import copied_again
from coze_nats.core.live import LiveStream
from coze_nats.core.subjects import dropped, reaches

StreamEdit = Edit[LiveStream]


def _if_it_holds_any(loss: Callable[[StreamEdit], str]) -> Rule:
    """A rule for messages that go, in words; an empty stream has none to lose."""

    def rule(edit: StreamEdit) -> Cost | None:
        why = loss(edit) if edit.live.messages else ""
        return Cost(why) if why else None

    return rule


def left_behind(edit: StreamEdit) -> Cost | None:
    """A change of subjects discards nothing; it leaves messages behind."""
    live, after = edit.live, edit.after.get("subjects") or ()
    gone = dropped(live.config.get("subjects") or (), after)
    if not live.messages or not gone:
        return None
    found = edit.seen.messages_on(live.name, gone)
    subjects = sorted(name for name in found if not reaches([name], after))
    if not subjects:
        return None
    total = counted(sum(found[name] for name in subjects), "message")
    why = f"leaves {total} on {_listed(subjects)} stored, and takes no new ones there"
    return Cost(why, Verdict.IN_PLACE)


def _listed(subjects: list[str], most: int = 3) -> str:
    more = f" and {len(subjects) - most:,} more" if len(subjects) > most else ""
    return f"{', '.join(subjects[:most])}{more}"


def _over_max_msgs(edit: StreamEdit) -> str:
    limit, live = edit.after["max_msgs"], edit.live
    if edit.after["discard"] == "new" or limit <= 0 or live.messages <= limit:
        return ""
    return f"would discard {live.messages - limit:,} of {counted(live.messages, 'message')}"


def _over_max_bytes(edit: StreamEdit) -> str:
    limit, live = edit.after["max_bytes"], edit.live
    if edit.after["discard"] == "new" or limit <= 0 or live.bytes <= limit:
        return ""
    return f"would discard the oldest {live.bytes - limit:,} of {live.bytes:,} bytes"


def _over_either(edit: StreamEdit) -> str:
    return _over_max_msgs(edit) or _over_max_bytes(edit)


def _over_max_msgs_per_subject(edit: StreamEdit) -> str:
    limit, live = edit.after["max_msgs_per_subject"], edit.live
    # The fullest subject holds at most what the other subjects' one message each leave over.
    fullest = live.messages - max(live.subjects - 1, 0)
    is_raised = 0 < live.config.get("max_msgs_per_subject", -1) <= limit
    if limit <= 0 or is_raised or fullest <= limit:
        return ""
    return f"could discard up to {fullest - limit:,} of {counted(live.messages, 'message')}"


def _over_max_age(edit: StreamEdit) -> str:
    limit, live = edit.after["max_age"], edit.live
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


def _without_interest(edit: StreamEdit) -> str:
    if edit.after["retention"] != "interest":
        return ""
    return (
        f"could discard up to {edit.live.messages:,} messages: with interest retention only "
        "those stay that a consumer still needs"
    )


def _copied_again(edit: StreamEdit) -> str:
    live, after = edit.live, edit.after
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


def _expiring(edit: StreamEdit) -> str:
    turned_on = "" if edit.declared else "turned on by subjectDeleteMarkerTtl, "
    return (
        f"{turned_on}could discard up to {counted(edit.live.messages, 'message')}: those that "
        "carry a Nats-TTL expire from then on, at once where it is over"
    )


def _scheduled(edit: StreamEdit) -> str:
    return (
        f"could discard up to {counted(edit.live.messages, 'message')}: those that carry a "
        "Nats-Schedule are carried out from then on, once more where it is over, and deleted when "
        "they are done"
    )


over_max_msgs = _if_it_holds_any(_over_max_msgs)
over_max_bytes = _if_it_holds_any(_over_max_bytes)
over_either = _if_it_holds_any(_over_either)
over_max_msgs_per_subject = _if_it_holds_any(_over_max_msgs_per_subject)
over_max_age = _if_it_holds_any(_over_max_age)
without_interest = _if_it_holds_any(_without_interest)
again = _if_it_holds_any(_copied_again)
expiring = _if_it_holds_any(_expiring)
scheduled = _if_it_holds_any(_scheduled)
