"""A CozeConsumer in the states that are a consumer's own, and in some that a stream has, too."""

from coze_nats.core.names import CONSUMER_KIND, OWNER_METADATA
from coze_nats.core.resource import Key
from coze_nats.reconcile.waiting import QUIET
from support.recorded_streams import UNSEEN_SAYS
from support.recording import HEALTHY, HELD, STUCK, WORKING, Scenario, Stage


async def _converged(stage: Stage) -> Key:
    return await stage.consumer(maxDeliver=3)


async def _filter_matches_nothing(stage: Stage) -> Key:
    await stage.stream(subjects=["orders.*"])
    reader = stage.bench.consumer("reader", filterSubject="order.new")
    await stage.bench.settle(reader)
    return reader


async def _unseen(stage: Stage) -> Key:
    return stage.bench.consumer("reader")


async def _outdated(stage: Stage) -> Key:
    await stage.consumer(maxDeliver=3)
    return stage.bench.consumer("reader", maxDeliver=4)


async def _waiting_for_stream(stage: Stage) -> Key:
    reader = await stage.once(stage.bench.consumer("reader"))
    stage.bench.clock.advance(QUIET)
    return await stage.once(reader)


async def _suspended(stage: Stage) -> Key:
    return await stage.consumer(suspend=True)


async def _immutable_field(stage: Stage) -> Key:
    await stage.consumer()
    return await stage.consumer(deliverPolicy="new")


async def _would_lose_data(stage: Stage) -> Key:
    await stage.consumer()
    stage.jetstream.publish("orders", 3)
    return await stage.consumer(deliverPolicy="new", policies={"replacement": "Recreate"})


async def _missing(stage: Stage) -> Key:
    reader = await stage.consumer(policies={"missing": "Hold"})
    await stage.jetstream.delete_consumer("orders", "reader")
    return await stage.once(reader)


async def _stream_is_managed(stage: Stage) -> Key:
    owned = {OWNER_METADATA: "elsewhere/shop/orders"}
    await stage.jetstream.create_stream({"name": "theirs", "metadata": owned})
    return await stage.once(stage.bench.consumer("reader", streamName="theirs"))


WARNED_SAYS = (
    "filterSubject: order.new can never match a message of stream orders, which stores orders.*: "
    "correct one of the two"
)

CONSUMERS = tuple(
    Scenario(CONSUMER_KIND, *row)
    for row in (
        ("converged", HEALTHY, _converged),
        ("filter-matches-nothing", HEALTHY, _filter_matches_nothing, WARNED_SAYS),
        ("unseen", WORKING, _unseen, UNSEEN_SAYS),
        ("outdated", WORKING, _outdated, UNSEEN_SAYS),
        ("waiting-for-stream", WORKING, _waiting_for_stream),
        ("suspended", HELD, _suspended),
        ("immutable-field", STUCK, _immutable_field),
        ("would-lose-data", STUCK, _would_lose_data),
        ("missing", STUCK, _missing),
        ("stream-is-managed", STUCK, _stream_is_managed),
    )
)
