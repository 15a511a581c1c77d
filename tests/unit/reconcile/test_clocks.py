"""The operator's clock is not NATS's: no decision about data depends on the difference."""

import pytest

from fakes.jetstream import FakeJetStream
from support.bench import Bench
from support.clock import StandingClock

HOUR = 3600
SKEWS = pytest.mark.parametrize("hours", [-48, -1, 0, 1, 48])
"""By how much the operator's clock is ahead of NATS's."""


@pytest.fixture
def nats_clock(clock: StandingClock) -> StandingClock:
    return StandingClock(clock.ns)


@pytest.fixture
def jetstream(nats_clock: StandingClock) -> FakeJetStream:
    return FakeJetStream(clock=nats_clock.time_ns)


@SKEWS
async def test_messages_are_as_old_as_nats_says(
    bench: Bench, jetstream: FakeJetStream, nats_clock: StandingClock, hours: int
) -> None:
    bench.clock.ns += hours * HOUR * 10**9
    orders = bench.stream(maxAge="24h")
    await bench.settle(orders)
    jetstream.publish("orders", 3)
    nats_clock.advance(1.5 * HOUR)
    bench.clock.advance(1.5 * HOUR)

    bench.stream(maxAge="1h")
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "WouldLoseData")
    stream = await jetstream.stream("orders")
    assert stream
    assert (stream.messages, stream.config["max_age"]) == (3, 24 * HOUR * 10**9)

    bench.stream(maxAge="2h")
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged"), bench.message(orders)
    stream = await jetstream.stream("orders")
    assert stream
    assert (stream.messages, stream.config["max_age"]) == (3, 2 * HOUR * 10**9)


@SKEWS
async def test_a_consumer_is_paused_until_nats_says_that_it_is_time(
    bench: Bench, jetstream: FakeJetStream, nats_clock: StandingClock, hours: int
) -> None:
    bench.clock.ns += hours * HOUR * 10**9
    # Both clocks begin at 20:26:40 on that day.
    until = "2026-05-28T20:56:40Z"
    await bench.settle(
        bench.stream(), bench.consumer("first", pauseUntil=until), bench.consumer("second")
    )
    await bench.settle(bench.consumer("second", pauseUntil=until))
    for name in ("first", "second"):
        consumer = await jetstream.consumer("orders", name)
        assert consumer
        assert (consumer.paused, consumer.config["pause_until"]) == (True, until), name

    nats_clock.advance(HOUR)
    bench.clock.advance(HOUR)
    jetstream.calls.clear()
    await bench.settle(bench.consumer("second"), bench.consumer("third", pauseUntil=until))
    for name in ("first", "second", "third"):
        consumer = await jetstream.consumer("orders", name)
        assert consumer
        assert not consumer.paused, name
    assert "pause_consumer" not in jetstream.calls, "what has passed is no difference"


@SKEWS
async def test_a_consumer_that_was_lost_with_its_stream_is_held(
    bench: Bench, jetstream: FakeJetStream, nats_clock: StandingClock, hours: int
) -> None:
    bench.clock.ns += hours * HOUR * 10**9
    orders, reader = bench.stream(), bench.consumer(policies={"missing": "Hold"})
    await bench.settle(orders, reader)
    nats_clock.advance(HOUR / 2)
    bench.clock.advance(HOUR / 2)
    jetstream.wipe()
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")
    assert bench.ready(reader) == ("False", "Missing")

    # Still so when the operator has made the stream anew since.
    bench.stream(storage="memory", policies={"replacement": "Recreate"})
    await bench.settle(orders)
    await bench.settle(reader)
    assert bench.ready(orders) == ("True", "Converged")
    assert bench.ready(reader) == ("False", "Missing")


@SKEWS
async def test_a_consumer_goes_with_its_replaced_stream_though_one_before_was_lost(
    bench: Bench, jetstream: FakeJetStream, nats_clock: StandingClock, hours: int
) -> None:
    bench.clock.ns += hours * HOUR * 10**9
    orders = bench.stream()
    await bench.settle(orders)
    jetstream.wipe()
    await bench.settle(orders)
    nats_clock.advance(60)
    bench.clock.advance(60)
    reader = bench.consumer(policies={"missing": "Hold"})
    await bench.settle(reader)
    nats_clock.advance(60)
    bench.clock.advance(60)
    bench.stream(storage="memory", policies={"replacement": "Recreate"})
    await bench.settle(orders)
    assert bench.ready(reader) == ("True", "Converged")
    assert await jetstream.consumer("orders", "reader") is not None
