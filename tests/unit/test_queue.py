"""The keyed queue: its promises one by one, and all of them under random use."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coze_nats.backoff import Backoff
from coze_nats.controller.queue import KeyedQueue
from coze_nats.core.resource import Key
from coze_nats.metrics import Load
from coze_nats.reconcile import Next
from support.clock import ManualClock

A, B, C, D = (Key("CozeStream", "coze", name) for name in "abcd")
DONE = Next()


class Bench:
    """A queue whose work goes on until the test ends it."""

    def __init__(self, concurrency: int = 32, ceiling: float = 60.0) -> None:
        self.clock = ManualClock()
        self.running: dict[Key, asyncio.Future[Next]] = {}
        self.started: list[Key] = []
        self.most_at_once = 0
        self.queue = KeyedQueue(
            self._work,
            concurrency=concurrency,
            backoff=Backoff(ceiling=ceiling),
            clock=self.clock,
        )

    async def _work(self, key: Key) -> Next:
        assert key not in self.running, "two runs of one key at once"
        self.started.append(key)
        self.running[key] = asyncio.get_running_loop().create_future()
        self.most_at_once = max(self.most_at_once, len(self.running))
        try:
            return await self.running[key]
        finally:
            del self.running[key]

    async def add(self, *keys: Key) -> None:
        for key in keys:
            self.queue.add(key)
        await breathe()

    async def end(self, key: Key, outcome: Next = DONE) -> None:
        self.running[key].set_result(outcome)
        await breathe()

    async def crash(self, key: Key) -> None:
        self.running[key].set_exception(ZeroDivisionError("oops"))
        await breathe()

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await breathe()


MakeBench = Callable[..., Bench]


@pytest.fixture
async def a_bench() -> AsyncIterator[MakeBench]:
    """Makes benches whose queues end with the test, so that none starts a run after it."""
    made: list[Bench] = []

    def make(**options: Any) -> Bench:
        made.append(Bench(**options))
        return made[-1]

    yield make
    for bench in made:
        await bench.queue.stop(grace=0)


async def breathe() -> None:
    """Let everything that is ready to run on the event loop run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_key_that_is_added_often_before_it_runs_is_run_once(a_bench: MakeBench) -> None:
    bench = a_bench(concurrency=1)
    await bench.add(A, B, B, B)
    await bench.end(A)
    await bench.end(B)
    assert bench.started == [A, B]


async def test_a_key_that_is_added_while_it_runs_is_run_once_more_and_not_at_once(
    a_bench: MakeBench,
) -> None:
    bench = a_bench()
    await bench.add(A)
    await bench.add(A, A)
    assert bench.started == [A]
    await bench.end(A)
    assert bench.started == [A, A]
    await bench.end(A)
    assert bench.started == [A, A]


async def test_no_more_runs_at_once_than_allowed_and_first_come_first_served(
    a_bench: MakeBench,
) -> None:
    bench = a_bench(concurrency=2)
    await bench.add(A, B, C, D)
    assert list(bench.running) == [A, B]
    await bench.end(B)
    assert list(bench.running) == [A, C]


async def test_namespaces_take_turns_in_a_lane(a_bench: MakeBench) -> None:
    bench = a_bench(concurrency=1)
    many = [Key("CozeStream", "many", f"{number}") for number in range(100)]
    await bench.add(*many, A, B)
    for _ in range(4):
        await bench.end(next(iter(bench.running)))
    assert bench.started == [many[0], many[1], A, many[2], B]


async def test_a_key_comes_back_after_the_time_it_asked_for(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A)
    await bench.end(A, Next(after=30))
    await bench.advance(29.9)
    assert not bench.running
    await bench.advance(0.1)
    assert A in bench.running


async def test_backoff_doubles_from_one_second_to_a_minute_with_full_jitter() -> None:
    backoff = Backoff()
    ceilings = [max(backoff.delay(failures) for _ in range(1000)) for failures in range(1, 9)]
    assert ceilings == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], rel=0.05)
    assert min(backoff.delay(8) for _ in range(1000)) < 1
    assert backoff.delay(10**6) <= 60


async def test_a_failing_key_is_tried_again_with_growing_delays_until_it_succeeds(
    a_bench: MakeBench,
) -> None:
    bench = a_bench()
    await bench.add(A)
    for ceiling in (1, 2, 4):
        await bench.end(A, Next(backoff=True))
        assert bench.queue.is_known(A)
        assert not bench.queue.is_active(A)
        await bench.advance(ceiling)
        assert A in bench.running
    await bench.end(A)
    await bench.add(A)
    await bench.end(A, Next(backoff=True))
    await bench.advance(1)
    assert A in bench.running, "a success makes the next failure the first again"


async def test_adding_a_key_ends_its_wait(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A)
    await bench.end(A, Next(after=30))
    await bench.add(A)
    await bench.end(A)
    await bench.advance(60)
    assert bench.started == [A, A], "the old timer is off"


async def test_parked_keys_wait_until_they_are_released(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A, B)
    await bench.end(A, Next(parked=True))
    await bench.end(B)
    await bench.advance(10**6)
    assert bench.started == [A, B]
    bench.queue.release_parked()
    await breathe()
    assert bench.started == [A, B, A]


async def test_a_parked_key_may_also_have_a_time_to_come_back(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A)
    await bench.end(A, Next(after=15, parked=True))
    await bench.advance(15)
    assert A in bench.running
    await bench.end(A)
    bench.queue.release_parked()
    await breathe()
    assert bench.started == [A, A], "once it runs it is no longer parked"


async def test_a_run_that_ends_parked_after_the_release_is_repeated(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A)
    bench.queue.release_parked()
    await bench.end(A, Next(parked=True))
    assert bench.started == [A, A]


async def test_a_release_leaves_the_runs_of_other_lanes_alone(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A)
    bench.queue.release_parked("another")
    await bench.end(A, Next(parked=True))
    assert bench.started == [A]


async def test_keys_that_failed_can_be_made_ready_at_once(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A, B, C)
    await bench.end(A, Next(backoff=True))
    await bench.end(B, Next(after=15))
    await bench.end(C, Next(parked=True))
    bench.queue.release_failed()
    await breathe()
    assert bench.started == [A, B, C, A]


async def test_a_run_after_a_failure_is_repeated_when_the_failed_are_released(
    a_bench: MakeBench,
) -> None:
    bench = a_bench()
    await bench.add(A, B)
    await bench.end(A, Next(backoff=True))
    await bench.add(A)
    bench.queue.release_failed()
    await bench.end(A, Next(backoff=True))
    await bench.end(B)
    assert bench.started == [A, B, A, A]


async def test_the_failed_of_other_lanes_are_not_released(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A)
    await bench.end(A, Next(backoff=True))
    bench.queue.release_failed("another")
    await breathe()
    assert bench.started == [A]
    await bench.add(A)
    bench.queue.release_failed("another")
    await bench.end(A)
    assert bench.started == [A, A]


@pytest.mark.parametrize(
    "outcome, expected",
    [
        (Next(backoff=True), True),
        (Next(parked=True), True),
        (Next(after=60), False),
        (Next(), False),
    ],
    ids=str,
)
async def test_only_what_failed_is_about_to_be_retried(
    a_bench: MakeBench, outcome: Next, expected: bool
) -> None:
    bench = a_bench()
    await bench.add(A)
    assert not bench.queue.is_retrying(A)
    await bench.end(A, outcome)
    assert bench.queue.is_retrying(A) is expected


async def test_a_run_can_wake_other_keys_and_itself(a_bench: MakeBench) -> None:
    bench = a_bench()
    await bench.add(A)
    await bench.end(A, Next(wake=(A, B)))
    assert set(bench.running) == {A, B}


async def test_a_discarded_key_does_not_come_back(a_bench: MakeBench) -> None:
    bench = a_bench(concurrency=1)
    await bench.add(A, B)
    bench.queue.discard(B)
    await bench.end(A, Next(after=5))
    bench.queue.discard(A)
    await bench.advance(10)
    assert bench.started == [A]


async def test_an_exception_is_logged_with_its_traceback_and_retried(
    a_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench = a_bench(concurrency=1)
    await bench.add(A, B)
    await bench.crash(A)
    assert B in bench.running, "the others go on"
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert "CozeStream coze/a" in record.getMessage()
    await bench.end(B)
    await bench.advance(1)
    assert A in bench.running


async def test_idle_waits_until_nothing_is_ready_or_running(a_bench: MakeBench) -> None:
    bench = a_bench(concurrency=1)
    await bench.queue.idle()
    await bench.add(A, B)
    idle = asyncio.create_task(bench.queue.idle())
    await bench.end(A, Next(parked=True))
    still_busy = not idle.done()
    await bench.end(B, Next(after=5))
    await asyncio.wait_for(idle, 1)
    assert still_busy


async def test_the_oldest_run_tells_whether_one_is_stuck(a_bench: MakeBench) -> None:
    bench = a_bench()
    seen = []
    await bench.add(A)
    await bench.advance(10)
    await bench.add(B)
    await bench.advance(5)
    seen.append(bench.queue.oldest_run)
    await bench.end(A)
    seen.append(bench.queue.oldest_run)
    await bench.end(B)
    seen.append(bench.queue.oldest_run)
    assert seen == [(A, 15), (B, 5), None]


async def test_a_stop_lets_runs_finish_and_starts_nothing_more(a_bench: MakeBench) -> None:
    bench = a_bench(concurrency=2)
    await bench.add(A, B, C)
    await bench.add(A)
    stopping = asyncio.create_task(bench.queue.stop(grace=60))
    await breathe()
    await bench.add(D)
    await bench.end(A, Next(wake=(D,)))
    await bench.end(B, Next(backoff=True))
    await asyncio.wait_for(stopping, 1)
    await bench.advance(120)
    assert bench.started == [A, B]


async def test_a_stop_cuts_off_what_takes_too_long(
    a_bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench = a_bench()
    await bench.add(A, B)
    await bench.queue.stop(grace=0.01)
    assert not bench.running
    assert "2 reconciles were cut off" in caplog.text


async def test_work_does_not_run_in_the_context_of_whoever_added_the_key() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="clean")
    seen: list[str] = []

    async def work(_: Key) -> Next:
        seen.append(variable.get())
        return DONE

    queue = KeyedQueue(work)
    variable.set("a whole resource")
    queue.add(A)
    await queue.idle()
    assert seen == ["clean"]


keys = st.sampled_from([A, B, C, D])
outcomes = st.builds(
    Next,
    after=st.none() | st.floats(0, 50),
    backoff=st.booleans(),
    parked=st.booleans(),
    wake=st.lists(keys, max_size=2).map(tuple),
)
steps = st.one_of(
    st.tuples(st.just("add"), keys),
    st.tuples(st.just("end"), outcomes),
    st.tuples(st.just("crash"), st.none()),
    st.tuples(st.just("advance"), st.floats(0, 100)),
    st.tuples(st.just("release"), st.none()),
)


@settings(max_examples=300, deadline=None)
@given(script=st.lists(steps, max_size=60), concurrency=st.integers(1, 3))
def test_every_add_is_followed_by_a_run_that_starts_after_it(
    script: list[tuple[str, Any]], concurrency: int
) -> None:
    asyncio.run(play(script, concurrency))


async def play(script: list[tuple[str, Any]], concurrency: int) -> None:
    bench = Bench(concurrency)
    runs_wanted: dict[Key, int] = {}

    def note(key: Key) -> None:
        runs_wanted[key] = bench.started.count(key) + 1

    for action, argument in script:
        oldest = next(iter(bench.running), None)
        match action:
            case "add":
                note(argument)
                await bench.add(argument)
            case "end" if oldest:
                for woken in argument.wake:
                    note(woken)
                await bench.end(oldest, argument)
            case "crash" if oldest:
                await bench.crash(oldest)
            case "advance":
                await bench.advance(argument)
            case "release":
                bench.queue.release_parked()
                await breathe()
    while bench.running:
        await bench.end(next(iter(bench.running)))
    await asyncio.wait_for(bench.queue.idle(), 1)
    assert bench.most_at_once <= concurrency
    assert all(bench.started.count(key) >= runs for key, runs in runs_wanted.items())


async def test_what_is_in_the_queue_is_told_by_state_and_age(a_bench: MakeBench) -> None:
    bench = a_bench(concurrency=1)
    assert bench.queue.load == Load()
    await bench.add(A, B)
    await bench.advance(3)
    assert bench.queue.load == Load(ready=1, running=1, oldest=3, longest=3)
    await bench.end(A, Next(parked=True))
    await bench.end(B, Next(after=30))
    assert bench.queue.load == Load(delayed=1, parked=1)
