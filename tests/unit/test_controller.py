"""The controller: which event leads to a reconcile, and how a deletion comes to its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from coze_nats.controller.cache import Cache
from coze_nats.controller.controller import Controller
from coze_nats.controller.duty import Duty
from coze_nats.core import names
from coze_nats.core.errors import NotLeading, Transient
from coze_nats.core.resource import Key, Resource
from coze_nats.core.shards import Shard
from coze_nats.reconcile import Next

ORDERS = Key(names.STREAM_KIND, "coze", "orders")
WORKER = Key(names.CONSUMER_KIND, "coze", "worker")
HUB = Key(names.CONNECTION_KIND, "coze", "hub")
NATS = Key(names.CONNECTION_KIND, "coze", "nats")
DONE = Next()
GONE = Next(finalized=True)


class ScriptedReconciler:
    """Ends every reconcile as it was told to, by default with nothing more to do."""

    def __init__(self) -> None:
        self.reconciled: list[Key] = []
        self.left_to_resync: list[Key] = []
        self.lost_connections: list[Key] = []
        self.changes: list[Key] = []
        self.warmed_up: list[Key] = []
        self.outcome: Next | Exception = DONE

    async def reconcile(self, key: Key) -> Next:
        self.reconciled.append(key)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def warm_up(self, connection: Resource) -> Next:
        self.warmed_up.append(connection.key)
        return DONE

    def lane_of(self, key: Key) -> None:
        """All in one."""

    def listed(self, resource: Resource) -> None:
        self.left_to_resync.append(resource.key)

    def changed(self, connection: Resource) -> None:
        self.changes.append(connection.key)

    def gone(self, connection: Resource) -> None:
        self.lost_connections.append(connection.key)


class Bench:
    """A controller on which events are played."""

    def __init__(self, shard: Shard | None = None, *, standing_by: bool = False) -> None:
        self.reconciler = ScriptedReconciler()
        self.cache = Cache()
        self.released: list[tuple[str, tuple[str, ...]]] = []
        self.release: Callable[[], Awaitable[None]] | None = None
        self.added: list[tuple[str, tuple[str, ...]]] = []
        self.add: Callable[[Resource], Awaitable[Resource | None]] = _finalized
        duty = Duty(self.cache, shard)
        if not standing_by:
            duty.begun.set()
        self.controller = Controller(self.reconciler, self.cache, self._add, self._release, duty)

    async def _add(self, resource: Resource, finalizers: tuple[str, ...]) -> Resource | None:
        self.added.append((resource.uid, finalizers))
        return await self.add(resource)

    async def _release(self, resource: Resource, finalizers: tuple[str, ...]) -> None:
        if self.release:
            await self.release()
        self.released.append((resource.uid, finalizers))

    async def observe(self, type_: str | None, body: dict[str, Any]) -> None:
        self.controller.observe(type_, body)
        await breathe()

    @property
    def reconciled(self) -> list[Key]:
        """The keys since the last look."""
        seen, self.reconciler.reconciled = self.reconciler.reconciled, []
        return seen


async def _finalized(resource: Resource) -> Resource | None:
    return replace(resource, finalized=True, resource_version="2")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    found = Bench()
    yield found
    await found.controller.queue.stop(grace=0)


async def breathe() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def body(key: Key = ORDERS, **changes: Any) -> dict[str, Any]:
    """A resource with our finalizer, as the apiserver serves it; `changes` are to its metadata."""
    status = changes.pop("status", {})
    spec = {"streamRef": {"name": "orders"}} if key == WORKER else {}
    metadata = {
        "namespace": key.namespace,
        "name": key.name,
        "uid": f"uid of {key.name}",
        "generation": 1,
        "finalizers": ["another.example.com/finalizer", names.FINALIZER],
    }
    return {"kind": key.kind, "metadata": metadata | changes, "spec": spec, "status": status}


def connection(**changes: Any) -> dict[str, Any]:
    return body(NATS, **changes)


def using(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource, with the connection coze/nats."""
    return {**resource, "spec": {**resource["spec"], "connection": {"name": "nats"}}}


def deleting(key: Key = ORDERS, **changes: Any) -> dict[str, Any]:
    return body(key, deletionTimestamp="2026-01-01T00:00:00Z", generation=2, **changes)


async def test_a_resource_is_reconciled_once_it_bears_the_finalizer(bench: Bench) -> None:
    await bench.observe("ADDED", body(finalizers=["another.example.com/finalizer"]))
    assert bench.added == [("uid of orders", ("another.example.com/finalizer",))]
    assert bench.reconciled == [ORDERS]
    await bench.observe("MODIFIED", body(resourceVersion="2"))
    assert bench.reconciled == [], "that was the echo"


async def test_an_echo_that_overtakes_its_answer_leads_to_nothing_more(bench: Bench) -> None:
    async def add(resource: Resource) -> Resource | None:
        await bench.observe("MODIFIED", body(resourceVersion="2", status={"mark": "echo"}))
        return await _finalized(resource)

    bench.add = add
    await bench.observe("ADDED", body(finalizers=[], resourceVersion="1"))
    await bench.controller.queue.idle()
    assert bench.reconciled == [ORDERS]


async def test_a_change_while_the_finalizer_is_put_on_is_not_lost(bench: Bench) -> None:
    async def add(resource: Resource) -> Resource | None:
        await bench.observe("MODIFIED", body(resourceVersion="3", generation=2))
        return await _finalized(resource)

    bench.add = add
    await bench.observe("ADDED", body(finalizers=[], resourceVersion="1"))
    await bench.controller.queue.idle()
    assert bench.reconciled == [ORDERS, ORDERS]
    found = bench.cache.get(ORDERS)
    assert found
    assert found.generation == 2


async def test_a_resource_that_goes_before_it_bears_the_finalizer_is_let_go(bench: Bench) -> None:
    async def add(resource: Resource) -> Resource | None:
        return None

    bench.add = add
    await bench.observe("ADDED", body(finalizers=[]))
    assert bench.reconciled == []
    assert not bench.controller.queue.is_known(ORDERS)


async def test_a_finalizer_that_could_not_be_put_on_is_tried_again(bench: Bench) -> None:
    async def add(resource: Resource) -> Resource | None:
        raise Transient("the list has changed")

    bench.add = add
    await bench.observe("ADDED", body(finalizers=[]))
    assert bench.reconciled == []
    assert bench.controller.queue.is_known(ORDERS)


async def test_a_finalizer_that_somebody_took_off_is_put_on_again(bench: Bench) -> None:
    await bench.observe("ADDED", body())
    await bench.observe("MODIFIED", body(finalizers=[]))
    assert bench.added == [("uid of orders", ())]


async def test_the_echo_of_a_status_write_leads_to_nothing(bench: Bench) -> None:
    await bench.observe("ADDED", body())
    assert bench.reconciled == [ORDERS]
    await bench.observe("MODIFIED", body(status={"observedGeneration": 1}))
    assert bench.reconciled == []
    found = bench.cache.get(ORDERS)
    assert found
    assert found.status == {"observedGeneration": 1}


def lent(*namespaces: str, **changes: Any) -> dict[str, Any]:
    """The stream `orders`, with these namespaces allowed to consume it."""
    return {**body(**changes), "spec": {"consumersFrom": list(namespaces)}}


async def test_who_consumes_a_stream_is_reconciled_when_its_grants_change(bench: Bench) -> None:
    elsewhere = Key(names.CONSUMER_KIND, "shop", "app")
    reference = {"streamRef": {"name": "orders", "namespace": "coze"}}
    await bench.observe("ADDED", {**body(elsewhere), "spec": reference})
    assert bench.reconciled == [elsewhere]
    for generation, (event, stream, told) in enumerate(
        [
            ("ADDED", lent("shop", generation=1), [ORDERS, elsewhere]),
            ("MODIFIED", lent("shop", generation=2), [ORDERS]),
            ("MODIFIED", body(generation=3), [ORDERS, elsewhere]),
        ],
        start=1,
    ):
        stream["metadata"]["resourceVersion"] = str(generation)
        await bench.observe(event, stream)
        assert bench.reconciled == told


async def test_grants_that_are_listed_wake_nobody(bench: Bench) -> None:
    await bench.observe(None, body(WORKER, status={"observedGeneration": 1}))
    await bench.observe(None, lent("shop", status={"observedGeneration": 1}))
    assert bench.reconciled == []


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"uid": "of another resource with that name"},
        {"annotations": {names.RECONCILE_REQUESTED_ANNOTATION: "now"}},
    ],
)
async def test_a_change_that_matters_leads_to_a_reconcile(
    bench: Bench, change: dict[str, Any]
) -> None:
    await bench.observe("ADDED", body())
    await bench.observe("MODIFIED", body(**change))
    assert bench.reconciled == [ORDERS, ORDERS]


async def test_an_event_that_was_overtaken_is_ignored(bench: Bench) -> None:
    await bench.observe("ADDED", body(resourceVersion="12", generation=2))
    await bench.observe("MODIFIED", body(resourceVersion="11", generation=1))
    assert bench.reconciled == [ORDERS]


async def test_a_listed_resource_that_looks_settled_is_left_to_the_resync(bench: Bench) -> None:
    settled = body(status={"observedGeneration": 1})
    await bench.observe(None, settled)
    assert bench.reconciler.left_to_resync == [ORDERS]
    assert bench.reconciled == []
    await bench.observe(None, settled)
    assert bench.reconciler.left_to_resync == [ORDERS], "listed again, it is known"
    await bench.observe(None, body(generation=2))
    assert bench.reconciled == [ORDERS]


async def test_a_listed_connection_is_looked_at_whatever_its_status_says(bench: Bench) -> None:
    await bench.observe(None, body(HUB, status={"observedGeneration": 1}))
    assert bench.reconciled == [HUB]


async def test_the_end_of_a_connection_is_told(bench: Bench) -> None:
    await bench.observe("ADDED", body(HUB))
    await bench.observe("DELETED", deleting(HUB))
    assert bench.reconciler.lost_connections == [HUB]


async def test_a_connection_that_is_deleted_hears_that_its_last_user_has_gone(
    bench: Bench,
) -> None:
    await bench.observe("MODIFIED", deleting(HUB))
    user = body()
    user["spec"] = {"connection": {"name": HUB.name}}
    await bench.observe("ADDED", user)
    bench.reconciler.reconciled.clear()
    await bench.observe("DELETED", user)
    assert bench.reconciled == [HUB]


@pytest.mark.parametrize(
    "unsettled",
    [
        body(),
        body(generation=2, status={"observedGeneration": 1}),
        deleting(status={"observedGeneration": 2}),
    ],
)
async def test_a_listed_resource_that_is_not_settled_is_reconciled(
    bench: Bench, unsettled: dict[str, Any]
) -> None:
    await bench.observe(None, unsettled)
    assert bench.reconciled == [ORDERS]


async def test_a_streams_end_wakes_its_consumers(bench: Bench) -> None:
    await bench.observe("ADDED", body(WORKER))
    await bench.observe("ADDED", body())
    bench.reconciled.clear()
    await bench.observe("DELETED", deleting())
    assert bench.reconciled == [WORKER]
    assert bench.cache.get(ORDERS) is None


async def test_the_end_of_a_former_resource_does_not_touch_its_successor(bench: Bench) -> None:
    await bench.observe("ADDED", body(uid="successor"))
    await bench.observe("DELETED", deleting(uid="former"))
    assert bench.cache.get(ORDERS)


async def test_a_failure_that_escapes_is_retried_with_backoff(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.reconciler.outcome = Transient("the apiserver is away")
    await bench.observe("ADDED", body())
    assert bench.controller.queue.is_known(ORDERS)
    assert "the apiserver is away" in caplog.text
    assert not caplog.records[0].exc_info, "no bug, no traceback"


async def test_the_finalizer_is_taken_off_when_jetstreams_side_is_done(bench: Bench) -> None:
    bench.reconciler.outcome = GONE
    await bench.observe("MODIFIED", deleting())
    assert bench.released == [("uid of orders", ("another.example.com/finalizer", names.FINALIZER))]


@pytest.mark.parametrize("outcome", [Next(parked=True), Next(backoff=True), Next(after=9)])
async def test_the_finalizer_stays_while_a_deletion_has_to_wait(
    bench: Bench, outcome: Next
) -> None:
    bench.reconciler.outcome = outcome
    await bench.observe("MODIFIED", deleting())
    assert bench.reconciled == [ORDERS]
    assert bench.released == []
    bench.reconciler.outcome = GONE
    bench.controller.queue.add(ORDERS)
    await bench.controller.queue.idle()
    assert len(bench.released) == 1


async def test_what_is_released_is_left_alone_although_others_wake_it(bench: Bench) -> None:
    bench.reconciler.outcome = GONE
    await bench.observe("MODIFIED", deleting())
    bench.reconciler.reconciled.clear()
    bench.controller.queue.add(ORDERS)
    await bench.controller.queue.idle()
    assert bench.reconciled == []
    assert len(bench.released) == 1


async def test_a_finalizer_that_could_not_be_taken_off_is_tried_again(bench: Bench) -> None:
    async def fail() -> None:
        raise Transient("the list has changed")

    bench.release = fail
    bench.reconciler.outcome = GONE
    await bench.observe("MODIFIED", deleting())
    assert bench.controller.queue.is_known(ORDERS)
    bench.release = None
    bench.controller.queue.add(ORDERS)
    await bench.controller.queue.idle()
    assert len(bench.released) == 1


async def test_a_change_of_what_is_being_deleted_ends_its_wait(bench: Bench) -> None:
    bench.reconciler.outcome = Next(backoff=True)
    await bench.observe("MODIFIED", deleting())
    bench.reconciler.outcome = GONE
    await bench.observe("MODIFIED", deleting(status={"conditions": []}))
    assert bench.released == [], "a status is no change"
    changed = deleting()
    changed["metadata"]["generation"] = 3
    await bench.observe("MODIFIED", changed)
    assert len(bench.released) == 1


async def test_a_deletion_that_is_in_nobodys_hands_is_resumed(bench: Bench) -> None:
    bench.reconciler.outcome = DONE
    await bench.observe("MODIFIED", deleting())
    await bench.observe("ADDED", body(WORKER))
    bench.reconciler.reconciled.clear()
    bench.controller.resume_deletions()
    await bench.controller.queue.idle()
    assert bench.reconciled == [ORDERS]


async def test_a_deletion_that_waits_is_not_hurried(bench: Bench) -> None:
    bench.reconciler.outcome = Next(backoff=True)
    await bench.observe("MODIFIED", deleting())
    bench.controller.resume_deletions()
    await bench.controller.queue.idle()
    assert bench.reconciled == [ORDERS]


async def test_a_deletion_without_our_finalizer_is_not_ours(bench: Bench) -> None:
    await bench.observe("MODIFIED", deleting(finalizers=["another.example.com/finalizer"]))
    assert bench.reconciled == []
    assert bench.added == []


async def test_a_sweep_forgets_what_no_longer_exists_and_nothing_else(bench: Bench) -> None:
    await bench.observe("ADDED", body(WORKER))
    await bench.observe("ADDED", body())
    known_before = {resource.key: resource.uid for resource in bench.cache}
    await bench.observe("MODIFIED", body(uid="made again meanwhile"))
    bench.controller.sweep(known_before, frozenset())
    assert [resource.uid for resource in bench.cache] == ["made again meanwhile"]


async def test_a_standby_remembers_and_acts_on_nothing() -> None:
    bench = Bench(standing_by=True)
    await bench.observe("ADDED", body(finalizers=[]))
    await bench.observe("MODIFIED", deleting(WORKER))
    bench.controller.resume_deletions()
    await breathe()
    assert (bench.reconciled, bench.added, bench.released) == ([], [], [])
    assert len(bench.cache) == 2


async def test_a_standby_keeps_its_connections_ready_without_a_finalizer() -> None:
    bench = Bench(standing_by=True)
    await bench.observe("ADDED", connection(finalizers=[]))
    assert bench.reconciler.warmed_up == [NATS]
    assert (bench.reconciled, bench.added) == ([], [])


async def test_whoever_takes_over_goes_on_with_what_is_not_settled() -> None:
    bench = Bench(standing_by=True)
    other = Key(names.STREAM_KIND, "coze", "settled")
    await bench.observe(None, body(other, status={"observedGeneration": 1}))
    await bench.observe(None, body())
    await bench.observe(None, body(WORKER, finalizers=[]))
    await bench.observe(None, connection())
    bench.reconciler.warmed_up.clear()
    bench.controller.take_over()
    await bench.controller.queue.idle()
    assert sorted(bench.reconciled) == sorted([ORDERS, WORKER, NATS])
    assert bench.added == [("uid of worker", ())]
    assert bench.reconciler.left_to_resync == [other]
    assert bench.reconciler.warmed_up == []


async def test_a_moment_without_the_lead_puts_work_off_and_drops_none(bench: Bench) -> None:
    bench.reconciler.outcome = NotLeading("the lead is lost")
    await bench.observe("ADDED", body())
    assert bench.reconciled == [ORDERS]
    assert bench.controller.queue.is_retrying(ORDERS)


async def test_a_new_resource_without_its_finalizer_is_not_dropped_either(bench: Bench) -> None:
    async def refuse(_: Resource) -> Resource | None:
        raise NotLeading("the lead is lost")

    bench.add = refuse
    await bench.observe("ADDED", body(finalizers=[]))
    assert bench.controller.queue.is_retrying(ORDERS)


async def test_a_changed_connection_is_told_of_while_its_reconcile_still_waits(
    bench: Bench,
) -> None:
    answer = asyncio.Event()

    async def wait(resource: Resource) -> Resource | None:
        await answer.wait()
        return await _finalized(resource)

    bench.add = wait
    await bench.observe("ADDED", connection(finalizers=[]))
    changed = connection(finalizers=[])
    changed["metadata"] |= {"resourceVersion": "7", "generation": 2}
    await bench.observe("MODIFIED", changed)
    assert bench.reconciler.changes == [NATS, NATS]
    assert bench.reconciled == []
    answer.set()


def shards() -> tuple[Bench, Bench]:
    """Two shards: the one that has the connection coze/nats, and the one that has it not."""
    first, second = Bench(Shard(0, 2)), Bench(Shard(1, 2))
    return (first, second) if Shard(0, 2).holds("coze/nats") else (second, first)


async def test_a_shard_ignores_what_uses_the_connections_of_others() -> None:
    ours, theirs = shards()
    for bench in (ours, theirs):
        await bench.observe("ADDED", connection(finalizers=[]))
        await bench.observe("ADDED", using(body(finalizers=[])))
        await bench.observe("ADDED", body(WORKER, finalizers=[]))
    assert ours.reconciled == [NATS, ORDERS, WORKER]
    assert len(ours.added) == 3
    assert (theirs.reconciled, theirs.added) == ([], [])


async def test_a_shard_remembers_of_others_only_whose_they_are() -> None:
    _, theirs = shards()
    of_others = using(body(status={"observedGeneration": 1}))
    of_others["spec"]["subjects"] = ["a", "b"]
    await theirs.observe("ADDED", of_others)
    found = theirs.cache.get(ORDERS)
    assert found
    assert found.spec == {"connection": {"name": "nats"}}
    assert found.status == {}


async def test_a_consumer_belongs_to_the_shard_of_its_stream_once_that_is_seen() -> None:
    ours, theirs = shards()
    for bench in (ours, theirs):
        await bench.observe("ADDED", body(WORKER))
    holders = [bench for bench in (ours, theirs) if bench.reconciled]
    assert len(holders) == 1, "as long as nobody knows, it is one's all the same"
    for bench in (ours, theirs):
        await bench.observe("ADDED", using(body()))
    assert ours.reconciled == [ORDERS, WORKER]
    assert theirs.reconciled == []


async def test_what_went_to_another_shard_while_it_waited_is_left_to_it() -> None:
    _, theirs = shards()
    await theirs.observe("ADDED", body(WORKER))
    theirs.reconciler.reconciled.clear()
    theirs.cache.put(Resource.from_body(using(body())))
    assert not theirs.controller.queue.is_known(WORKER)
    theirs.controller.queue.add(WORKER)
    await theirs.controller.queue.idle()
    assert theirs.reconciled == []
