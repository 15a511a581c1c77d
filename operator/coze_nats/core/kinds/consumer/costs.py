"""What changes of a consumer, and its end, cost: messages that its stream keeps for it alone."""

from coze_nats.core.costs import Cost, Edit, counted
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.subjects import dropped, filters_of

ConsumerEdit = Edit[LiveConsumer]


def narrower_filter(edit: ConsumerEdit) -> Cost | None:
    """An interest stream deletes at once what no consumer waits for any more (2.10 to 2.15)."""
    live = edit.live
    lost = dropped(filters_of(live.config), filters_of(edit.after))
    if not lost:
        return None
    stream = edit.seen.stream(live.stream)
    if stream is None or not stream.messages or stream.config.get("retention") != "interest":
        return None
    return Cost(
        f"could discard what the stream keeps on {', '.join(lost)} for this consumer alone, as its "
        f"retention is interest; {counted(live.pending, 'message')} to be delivered"
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
