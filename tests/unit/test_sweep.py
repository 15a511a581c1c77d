"""The sweep: what vanished unseen is found, and deletions that nobody is at go on."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from coze_nats.controller.cache import Cache
from coze_nats.controller.controller import Controller
from coze_nats.controller.duty import Duty
from coze_nats.controller.sweep import PastChanged, Sweep
from coze_nats.core import names
from coze_nats.core.errors import Transient
from coze_nats.core.resource import Key, Resource, Stamp
from coze_nats.reconcile import Next
from support.eventually import eventually_async

STREAMS = (names.STREAM_KIND, None)


class Finalizing:
    """A reconciler that has nothing to do in JetStream."""

    def __init__(self) -> None:
        self.reconciled: list[str] = []

    async def reconcile(self, key: Key) -> Next:
        self.reconciled.append(key.name)
        return Next()

    async def warm_up(self, connection: Resource) -> Next:
        raise NotImplementedError

    def lane_of(self, key: Key) -> None:
        """All in one."""

    def listed(self, resource: Resource) -> None:
        """Nothing is listed here."""

    def changed(self, connection: Resource) -> None:
        """Nobody changes any."""

    def gone(self, connection: Resource) -> None:
        """No connections here."""


class Bench:
    def __init__(self, interval: float = 3600) -> None:
        self.reconciler = Finalizing()
        self.cache = Cache()
        self.existing: frozenset[str] | Exception = frozenset()
        self.version = "1000"
        self.asked: list[tuple[str, str | None]] = []
        self.was_asked, self.answering = asyncio.Event(), asyncio.Event()
        self.answering.set()
        duty = Duty(self.cache)
        duty.begun.set()
        self.controller = Controller(self.reconciler, self.cache, self._add, self._release, duty)
        self.sweep = Sweep(self.controller, self.cache, self, interval=interval, retry_after=0.001)

    async def _add(self, resource: Resource, finalizers: tuple[str, ...]) -> Resource | None:
        raise NotImplementedError

    async def _release(self, resource: Resource, finalizers: tuple[str, ...]) -> None:
        """Nothing is released here."""

    async def list_stamps(self, kind: str, namespace: str | None) -> Mapping[Key, Stamp]:
        """What exists; all of it was changed at the newest version. Names serve as uids."""
        self.asked.append((kind, namespace))
        existing = self.existing
        self.was_asked.set()
        await self.answering.wait()
        if isinstance(existing, Exception):
            raise existing
        return {Key(kind, "coze", name): Stamp(name, self.version) for name in existing}

    async def newest_version(self, kind: str, namespace: str | None) -> str:
        self.asked.append((kind, namespace))
        if isinstance(self.existing, Exception):
            raise self.existing
        return self.version

    def put(self, kind: str, name: str, **metadata: str) -> None:
        common = {"namespace": "coze", "name": name, "uid": name, "finalizers": [names.FINALIZER]}
        self.cache.put(Resource.from_body({"kind": kind, "metadata": common | metadata}))

    @property
    def known(self) -> set[str]:
        return {resource.key.name for resource in self.cache}


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def test_a_sweep_forgets_what_vanished_of_that_kind_and_namespace(bench: Bench) -> None:
    bench.put(names.STREAM_KIND, "orders")
    bench.put(names.STREAM_KIND, "left")
    bench.put(names.CONSUMER_KIND, "worker")
    bench.existing = frozenset({"left"})
    bench.sweep.request((names.STREAM_KIND, "elsewhere"))
    await bench.sweep.sweep()
    assert bench.known == {"orders", "left", "worker"}
    bench.sweep.request(STREAMS)
    await bench.sweep.sweep()
    assert bench.known == {"left", "worker"}


async def test_a_sweep_that_fails_is_done_again(bench: Bench) -> None:
    bench.existing = Transient("the apiserver is away")
    bench.sweep.request(STREAMS)
    with pytest.raises(Transient):
        await bench.sweep.sweep()
    bench.existing = frozenset()
    await bench.sweep.sweep()
    await bench.sweep.sweep()
    assert len(bench.asked) == 2


async def test_what_vanishes_during_a_sweep_is_found_when_it_is_asked_for_again(
    bench: Bench,
) -> None:
    bench.put(names.STREAM_KIND, "orders")
    bench.existing = frozenset({"orders"})
    bench.answering.clear()
    bench.sweep.request(STREAMS)
    sweeping = asyncio.create_task(bench.sweep.sweep())
    await bench.was_asked.wait()
    bench.existing = frozenset()
    bench.sweep.request(STREAMS)
    bench.answering.set()
    await sweeping
    assert bench.known == set()
    assert bench.asked == [STREAMS, STREAMS]


async def test_a_resource_that_is_older_than_it_was_is_of_another_past(bench: Bench) -> None:
    bench.put(names.STREAM_KIND, "orders", resourceVersion="999")
    bench.put(names.STREAM_KIND, "vanished")
    bench.existing = frozenset({"orders"})
    bench.version = "100"
    bench.sweep.request(STREAMS)
    with pytest.raises(PastChanged, match="CozeStream coze/orders was at resourceVersion 999 and"):
        await bench.sweep.sweep()
    assert bench.known == {"orders", "vanished"}, "nothing is concluded from such a list"


async def test_a_resource_under_the_name_of_another_is_older_too(bench: Bench) -> None:
    bench.put(names.STREAM_KIND, "orders", resourceVersion="999", uid="made again")
    bench.existing = frozenset({"orders"})
    bench.version = "100"
    bench.sweep.request(STREAMS)
    with pytest.raises(PastChanged):
        await bench.sweep.sweep()


async def test_a_watch_that_goes_on_from_the_future_is_of_another_past(bench: Bench) -> None:
    bench.sweep.resumed(STREAMS, "1001")
    with pytest.raises(PastChanged, match="CozeStream was at resourceVersion 1001 and is at 1000"):
        await bench.sweep.sweep()


async def test_a_watch_that_goes_on_where_it_was_is_asked_about_once(bench: Bench) -> None:
    bench.sweep.resumed(STREAMS, "1000")
    bench.sweep.resumed((names.CONSUMER_KIND, "coze"), "")
    await bench.sweep.sweep()
    await bench.sweep.sweep()
    assert sorted(bench.asked, key=str) == [(names.CONSUMER_KIND, "coze"), STREAMS]


async def test_a_watch_is_asked_about_until_there_is_an_answer(bench: Bench) -> None:
    bench.existing = Transient("the apiserver is away")
    bench.sweep.resumed(STREAMS, "1001")
    with pytest.raises(Transient):
        await bench.sweep.sweep()
    bench.existing = frozenset()
    with pytest.raises(PastChanged):
        await bench.sweep.sweep()


async def test_another_past_ends_the_sweep(running: Bench, task: asyncio.Task[None]) -> None:
    running.sweep.resumed(STREAMS, "1001")
    with pytest.raises(PastChanged):
        await asyncio.wait_for(task, 60)


@pytest.fixture
async def task(bench: Bench) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bench.sweep.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def running(bench: Bench, task: asyncio.Task[None]) -> Bench:
    await asyncio.sleep(0)
    return bench


async def test_a_request_is_answered_at_once_and_until_it_succeeds(running: Bench) -> None:
    running.put(names.STREAM_KIND, "orders")
    running.existing = Transient("the apiserver is away")
    running.sweep.request(STREAMS)

    async def asked_twice() -> bool:
        return len(running.asked) > 1

    await eventually_async(asked_twice, 5, "a second attempt")
    running.existing = frozenset()

    async def forgotten() -> bool:
        return not running.known

    await eventually_async(forgotten, 5, "the end of what vanished")


async def test_a_deletion_that_nobody_is_at_is_gone_on_with() -> None:
    bench = Bench(interval=0.001)
    task = asyncio.create_task(bench.sweep.run())
    bench.put(names.STREAM_KIND, "orders", deletionTimestamp="2026-01-01T00:00:00Z")

    async def resumed() -> bool:
        return "orders" in bench.reconciler.reconciled

    await eventually_async(resumed, 5, "the reconcile of what is being deleted")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
