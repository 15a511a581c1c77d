"""When a resource says that it waits for its stream: bad news is told at once, other news late."""

import pytest

from coze_nats.core import names
from coze_nats.core.resource import Key
from coze_nats.reconcile import Next
from coze_nats.reconcile.waiting import BAD_NEWS, LATEST, PATIENCE, QUIET
from fakes.jetstream import FakeJetStream
from support.bench import Bench

WAITS = ("False", "WaitingForStream")


@pytest.fixture
async def reader(bench: Bench) -> Key:
    """A consumer that is Ready, on the stream of the CozeStream orders."""
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    return reader


async def make_others_for(bench: Bench, reader: Key, seconds: float) -> None:
    """Have the consumer looked at while streams are being created all the time."""
    steps = int(seconds / BAD_NEWS) + 1
    for number in range(steps):
        await bench.reconcile(bench.stream(f"another-{bench.clock.monotonic() * 10:.0f}-{number}"))
        await bench.reconcile(reader)
        bench.clock.advance(BAD_NEWS)


async def test_a_stream_that_is_deleted_leaves_its_consumer_ready_for_no_second(
    bench: Bench, reader: Key
) -> None:
    orders = Key(names.STREAM_KIND, reader.namespace, "orders")
    bench.kubernetes.delete(orders)
    assert reader in (await bench.reconcile(orders)).wake
    bench.clock.advance(BAD_NEWS)
    await make_others_for(bench, reader, BAD_NEWS)
    assert bench.ready(reader) == WAITS


async def test_a_stream_that_is_held_missing_leaves_its_consumer_ready_for_no_second(
    bench: Bench, reader: Key, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(policies={"missing": "Hold"})
    await bench.settle(orders, reader)
    jetstream.wipe()
    assert (await bench.reconcile(reader)).after == BAD_NEWS
    assert reader in (await bench.reconcile(orders)).wake
    assert bench.ready(orders) == ("False", "Missing")
    assert (await bench.reconcile(reader)).after == BAD_NEWS
    await make_others_for(bench, reader, BAD_NEWS)
    assert bench.ready(reader) == WAITS


async def test_a_consumer_is_not_bad_news_while_its_stream_is_about_to_be_made_again(
    bench: Bench, reader: Key, jetstream: FakeJetStream
) -> None:
    jetstream.wipe()
    writes = bench.kubernetes.writes
    for _ in range(3):
        assert (await bench.reconcile(reader)).after == BAD_NEWS
        bench.clock.advance(BAD_NEWS)
    assert bench.kubernetes.writes == writes
    bench.clock.advance(LATEST)
    await bench.reconcile(reader)
    assert bench.ready(reader) == WAITS


async def test_whoever_deletes_many_streams_may_delete_their_consumers_without_a_word_from_these(
    bench: Bench, reader: Key
) -> None:
    others = [bench.stream(f"another-{number}") for number in range(40)]
    await bench.settle(*others)
    bench.kubernetes.delete(Key(names.STREAM_KIND, reader.namespace, "orders"))
    await bench.reconcile(Key(names.STREAM_KIND, reader.namespace, "orders"))
    writes = bench.kubernetes.writes
    for other in others[:4]:
        bench.kubernetes.delete(other)
        await bench.reconcile(other)
        assert await bench.reconcile(reader) == Next(after=BAD_NEWS)
        bench.clock.advance(BAD_NEWS / 2)
    assert bench.ready(reader) == ("True", "Converged")
    for other in others[4:]:
        bench.kubernetes.delete(other)
        await bench.reconcile(other)
        await bench.reconcile(reader)
        bench.clock.advance(LATEST / 30)
    assert bench.ready(reader) == WAITS
    assert bench.kubernetes.writes > writes


async def test_who_never_was_ready_says_so_within_patience_though_many_are_created(
    bench: Bench,
) -> None:
    waiting = bench.consumer(of="later")
    await make_others_for(bench, waiting, PATIENCE - 2 * BAD_NEWS)
    assert bench.ready(waiting) == ("", "")
    await make_others_for(bench, waiting, 2 * BAD_NEWS)
    assert bench.ready(waiting) == WAITS


async def test_who_never_was_ready_says_so_soon_though_one_or_the_other_is_created(
    bench: Bench,
) -> None:
    waiting = bench.consumer(of="later")
    for number in range(3):
        await bench.reconcile(bench.stream(f"another-{number}"))
        await bench.reconcile(waiting)
        bench.clock.advance(QUIET / 3)
    assert bench.ready(waiting) == ("", "")
    await bench.reconcile(waiting)
    assert bench.ready(waiting) == WAITS
