"""A bench whose JetStream, in memory, goes by the same clock."""

import pytest

from fakes.jetstream import FakeJetStream
from support.bench import Bench
from support.clock import StandingClock


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def jetstream(clock: StandingClock) -> FakeJetStream:
    return FakeJetStream(clock=clock.time_ns)


@pytest.fixture
def bench(jetstream: FakeJetStream, clock: StandingClock) -> Bench:
    return Bench(jetstream, clock=clock)
