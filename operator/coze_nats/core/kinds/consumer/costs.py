"""What changes of a consumer, and its end, cost: messages that its stream keeps for it alone."""

from coze_nats.core.bounds import listed
from coze_nats.core.codec import format_duration
from coze_nats.core.costs import Cost, Edit, Verdict, counted
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.subjects import dropped, filters_of

ConsumerEdit = Edit[LiveConsumer]


def changed_filter(edit: ConsumerEdit) -> Cost | None:
    """An interest stream deletes at once what no consumer waits for any more (2.10 to 2.15)."""
    live = edit.live
    if live is None:
        return None
    if forgotten := _forgotten_filters(edit, live):
        return Cost(forgotten, Verdict.IMMUTABLE)
    lost = dropped(filters_of(live.config), filters_of(edit.after))
    if not lost:
        return None
    stream = edit.seen.stream(live.stream)
    if stream is None or not stream.messages or stream.config.get("retention") != "interest":
        return None
    return Cost(
        f"could discard what the stream keeps on {listed(lost)} for this consumer alone, as its "
        f"retention is interest; {counted(live.pending, 'message')} to be delivered"
    )


_FILTERS_ARE_KEPT = (2, 12, 4)
"""The first nats-server whose consumers keep filters that were edited in place."""
_FORGOTTEN = (
    "on nats-server {}, a replicated consumer whose {} in place gets nothing that is published "
    "after its next change of leader, and an interest stream stores none of it ({})"
)


def _forgotten_filters(edit: ConsumerEdit, live: LiveConsumer) -> str:
    """What becomes of filters that are changed in place, where servers forget them; "" elsewhere.

    Measured with streams of every retention: 2.10.26, 2.11.11 and 2.12.3 forget them at the next
    change of leader, 2.12.4 and newer ones only where none is left. A consumer with one replica
    changes its leader by a restart alone, which makes it know its filters again.
    """
    version = edit.server.version
    if not live.raft.replicas:
        return ""
    if edit.server.release < _FILTERS_ARE_KEPT:
        cure = "nats-server #7760, mended in 2.12.4: upgrade, and it can be changed"
        return _FORGOTTEN.format(version, "filter is changed", cure)
    if edit.after["filter_subject"] or edit.after["filter_subjects"]:
        return ""
    return _FORGOTTEN.format(
        version, "only filter is removed", "filterSubject: '>' means the same and can be set"
    )


def shorter_life(edit: ConsumerEdit) -> Cost | None:
    """NATS removes an idle consumer, and an interest stream then deletes what it kept for it."""
    live, after = edit.live, edit.after["inactive_threshold"]
    if live is None or not after or 0 < live.config.get("inactive_threshold", 0) <= after:
        return None
    stream = edit.seen.stream(live.stream)
    at_stake = lost_with(live, stream) if stream else 0
    if not at_stake:
        return None
    given = "" if edit.declared else "it comes from the stream's consumerLimits: "
    return Cost(
        f"{given}NATS would remove the consumer once it is idle for {format_duration(after)}, and "
        f"with it up to {counted(at_stake, 'message')} that the stream keeps for it, as its "
        "retention is interest"
    )


def lost_with(consumer: LiveConsumer, stream: LiveStream) -> int:
    """How many messages could go with a consumer, at most, when it is deleted.

    An interest stream deletes then what no other consumer waits for, and everything if it was the
    last one (nats-server 2.10 to 2.15, `cleanupNoInterestMessages`). Streams of other retention
    lose nothing. Whether others wait for the same is not asked: they may be about to go, too.
    """
    if stream.config.get("retention") != "interest":
        return 0
    # What was delivered as often as it may be is kept for the consumer, and counted nowhere.
    may_have_given_up = consumer.config.get("max_deliver", -1) > 0 and consumer.deliveries > 0
    if stream.consumers <= 1 or may_have_given_up:
        return stream.messages
    return min(consumer.pending + consumer.ack_pending, stream.messages)
