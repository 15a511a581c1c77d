"""Queue, hints and comparison together: what the operator does itself keeps nobody busy."""

from collections.abc import AsyncIterator

import pytest

from coze_nats.controller.hints import PREFIX, Hints
from coze_nats.controller.queue import KeyedQueue
from coze_nats.controller.resync import Resync
from coze_nats.core.live import Config, LiveStream
from coze_nats.core.resource import Key
from coze_nats.reconcile import Next
from fakes.jetstream import FakeJetStream
from support.bench import Bench
from support.clock import StandingClock
from support.eventually import eventually_async

ROUNDS = 4
A_WHILE = 60.0
"""Seconds; longer than a hint can be taken for the echo of what the operator did."""


class Heard(FakeJetStream):
    """Makes an advisory of every update, as a server does also when it changes nothing.

    It takes allow_direct, and gives it no effect.
    """

    hints: Hints

    async def update_stream(self, config: Config) -> LiveStream:
        found = await super().update_stream({**config, "allow_direct": False})
        self.hints.heard(f"{PREFIX}STREAM.UPDATED.{config['name']}")
        return found


class Running:
    """One operator's parts that decide when a resource is looked at."""

    def __init__(self) -> None:
        clock = StandingClock()
        self.jetstream = Heard(clock=clock.time_ns)
        self.bench = Bench(self.jetstream, clock=clock)
        self.looked_at: list[str] = []
        self.queue = KeyedQueue(self._look)
        self.resync = Resync(
            self.queue, self.bench.reconciler, lambda: self.bench.cache, self.jetstream, interval=1
        )
        self.jetstream.hints = self.hints = Hints(
            self.bench.cache,
            self.queue,
            None,
            self.bench.context.reporter.written_ago,
            self.resync.request,
        )
        self.resync.connected()

    async def _look(self, key: Key) -> Next:
        self.looked_at.append(key.name)
        following = await self.bench.reconcile(key)
        # What is heard of it is no echo of a status that was written long before.
        self.bench.clock.advance(A_WHILE)
        return following

    async def round(self) -> None:
        """Compare everything, and act on what was heard until nothing more is."""
        await self.resync.round()
        await self.queue.idle()
        before = self.looked_at.count("marker")
        self.hints.heard(f"{PREFIX}STREAM.DELETED.marker")

        async def acted() -> bool:
            return self.looked_at.count("marker") > before

        await eventually_async(acted, 60, "the hints to be acted on")
        await self.queue.idle()


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    found = Running()
    found.bench.stream("marker")
    yield found
    found.hints.stop()


async def test_a_change_without_effect_is_sent_once_and_no_more(running: Running) -> None:
    bench, jetstream = running.bench, running.jetstream
    copy = bench.stream("copy")
    bench.hear()
    await running.round()
    assert bench.ready(copy) == ("True", "Converged")
    bench.stream("copy", allowDirect=True)
    bench.hear()
    running.looked_at.clear()
    for _ in range(ROUNDS):
        await running.round()
    assert bench.ready(copy) == ("False", "NotConverging")
    assert jetstream.calls.count("update_stream") == 1
    assert running.looked_at.count("copy") == 2, "for the comparison, and for the advisory"
