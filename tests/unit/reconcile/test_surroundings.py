"""Whose streams a resource can't reach: other namespaces', and other clusters'."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.errors import Denied
from coze_nats.core.names import OWNER_METADATA
from coze_nats.core.resource import Key
from coze_nats.reconcile.surroundings import MOST_STREAMS, Surroundings
from fakes.jetstream import FakeJetStream
from support.bench import CLUSTER, NAMESPACE, Bench

ELSEWHERE = f"there/{NAMESPACE}/orders"
ORDERS = {"name": "ORDERS", "subjects": ["orders.>"]}
COPY: dict[str, Any] = {"mirror": {"name": "ORDERS"}}
INJECTING: dict[str, Any] = {
    "subjects": ["in.*"],
    "republish": {"source": "in.*", "destination": "orders.{{wildcard(1)}}"},
}
PUSHING: dict[str, Any] = {"deliverSubject": "orders.delivered"}


async def marked(jetstream: FakeJetStream, owner: str = ELSEWHERE, **config: Any) -> None:
    await jetstream.create_stream({**ORDERS, "metadata": {OWNER_METADATA: owner}, **config})


@pytest.mark.parametrize("spec", [COPY, {"sources": [{"name": "ORDERS"}]}, INJECTING])
async def test_a_stream_that_another_cluster_owns_is_out_of_reach(
    bench: Bench, jetstream: FakeJetStream, spec: dict[str, Any]
) -> None:
    await marked(jetstream)
    mine = bench.stream("mine", **spec)
    await bench.settle(mine)
    assert bench.ready(mine) == ("False", "NotGranted")
    assert f"stream ORDERS, which {ELSEWHERE} owns (cluster/namespace/name)" in bench.message(mine)
    assert await jetstream.stream("mine") is None


async def test_nor_does_a_consumer_deliver_into_it(bench: Bench, jetstream: FakeJetStream) -> None:
    await marked(jetstream)
    own, reader = bench.stream("own"), bench.consumer("reader", of="own", **PUSHING)
    await bench.settle(own, reader)
    assert bench.ready(reader) == ("False", "NotGranted")
    assert await jetstream.consumer("own", "reader") is None


@pytest.mark.parametrize(
    "owner",
    [f"{CLUSTER}/{NAMESPACE}/gone", f"former/{NAMESPACE}/orders", ""],
    ids=["ours, whose resource is gone", "of the cluster whose place this one takes", "nobody's"],
)
async def test_ones_own_and_nobodys_are_within_reach(owner: str, jetstream: FakeJetStream) -> None:
    bench = Bench(jetstream, succeeds=("former",))
    await marked(jetstream, owner)
    mine = bench.stream("mine", **COPY)
    await bench.settle(mine)
    assert bench.ready(mine) == ("True", "Converged")


async def test_a_namespace_over_another_connection_of_the_account_is_out_of_reach_until_it_shares(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await marked(jetstream, f"{CLUSTER}/shop/orders")
    spec = {**ORDERS, "connection": {"name": "hub", "namespace": "shop"}}
    bench.kubernetes.apply(names.STREAM_KIND, "shop", "orders", spec)
    mine = bench.stream("mine", **COPY)
    await bench.settle(mine)
    assert bench.ready(mine) == ("False", "NotGranted")
    assert "CozeStream shop/orders, another namespace" in bench.message(mine)
    shared = {**spec, "allowedNamespaces": [NAMESPACE]}
    bench.kubernetes.apply(names.STREAM_KIND, "shop", "orders", shared)
    await bench.settle(mine)
    assert bench.ready(mine) == ("True", "Converged")


async def test_what_a_comparison_sees_of_others_is_told_of_what_is_there_already(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    mine = bench.stream("mine", **INJECTING)
    await bench.settle(mine)
    assert bench.ready(mine) == ("True", "Converged")
    await marked(jetstream)
    bench.reconciler.saw((await jetstream.streams()).found.values())
    resource = bench.cache.get(mine)
    assert resource
    assert not bench.reconciler.is_settled(resource, await jetstream.stream("mine"))
    await bench.settle(mine)
    assert "stream mine does so already in JetStream" in bench.message(mine)
    await jetstream.delete_stream("ORDERS")
    bench.reconciler.saw((await jetstream.streams()).found.values())
    await bench.settle(mine)
    assert bench.ready(mine) == ("True", "Converged")


async def test_what_reaches_others_is_taken_off_though_the_spec_says_it_no_more(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    mine = bench.stream("mine", **INJECTING, policies={"deletion": "Retain"})
    await bench.settle(mine)
    await marked(jetstream)
    bench.reconciler.saw((await jetstream.streams()).found.values())
    plain = {"subjects": ["in.*"], "policies": {"deletion": "Retain"}}
    bench.kubernetes.apply(names.STREAM_KIND, NAMESPACE, "mine", plain)
    bench.kubernetes.delete(mine)
    await bench.settle(mine)
    kept = await jetstream.stream("mine")
    assert kept
    assert "republish" not in kept.config


async def test_who_may_not_ask_who_is_there_is_judged_by_what_is_known(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await marked(jetstream)
    jetstream.refusals["streams_on"] = Denied("$JS.API.STREAM.NAMES")
    mine = bench.stream("mine", **INJECTING)
    await bench.settle(mine)
    assert bench.ready(mine) == ("True", "Converged")


async def test_so_many_streams_are_looked_at_and_no_more(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    for number in range(MOST_STREAMS + 5):
        await jetstream.create_stream({"name": f"s{number}", "subjects": [f"orders.{number}"]})
    jetstream.calls.clear()
    mine = bench.stream("mine", **INJECTING)
    await bench.reconcile(mine)
    assert jetstream.calls.count("streams_on") == 1
    assert jetstream.calls.count("stream") <= MOST_STREAMS + 2


# --- what a look costs ----------------------------------------------------------------------------

GRANTS = [
    {
        "namespaces": [NAMESPACE, "shop"],
        "subjects": [">"],
        "publishTo": ["out.>"],
        "sourcesFrom": ["nothing"],
        "maxBytes": "1Ti",
    }
]


def calls_of(act: Callable[[], object]) -> int:
    """How many functions a call calls, those in C among them, and generators each time."""
    count = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def crowded(count: int) -> tuple[Bench, list[Key]]:
    """A connection that grants, with so many streams that copy and publish."""
    bench = Bench(FakeJetStream())
    hub = Key(names.CONNECTION_KIND, NAMESPACE, "hub")
    bench.kubernetes.apply(*hub, {"servers": ["nats://hub"], "grants": GRANTS})
    keys = []
    for number in range(count):
        subject = f"orders.n{number}"
        spec = {
            "connection": {"name": "hub", "namespace": NAMESPACE},
            "subjects": [subject],
            "maxBytes": number + 1,
            "sources": [{"name": f"s{number - 1}"}],
            "republish": {"source": subject, "destination": f"out.n{number}"},
        }
        namespace = (NAMESPACE, "shop")[number % 2]
        keys.append(bench.kubernetes.apply(names.STREAM_KIND, namespace, f"s{number}", spec))
        status = {"created": "2026-01-01T00:00:00Z", "effective": {"subjects": [subject]}}
        resource = bench.kubernetes.resources[keys[-1]].with_status(status)
        bench.kubernetes.resources[keys[-1]] = resource
    bench.hear()
    return bench, keys


def work_of(count: int) -> int:
    """What it takes to look at each of so many streams, and to hear of a change of each."""
    bench, keys = crowded(count)
    hub = Key(names.CONNECTION_KIND, NAMESPACE, "hub")
    surroundings = Surroundings(bench.cache, hub, (CLUSTER,))

    def look() -> None:
        for key in keys:
            resource = bench.cache.get(key)
            assert resource
            bench.cache.put(resource.with_status({**resource.status, "messages": 1}))
            bench.cache.givers_of(resource)
            config = {
                "name": key.name,
                "sources": resource.spec["sources"],
                "republish": {"src": ">", "dest": resource.spec["republish"]["destination"]},
            }
            fences = surroundings.fences(resource, [config], "")
            assert fences.granted
            assert fences.is_shared

    return calls_of(look)


def test_with_grants_a_look_costs_what_its_own_object_costs() -> None:
    few, many = work_of(200), work_of(400)
    assert many < 2.5 * few


def test_what_older_resources_declare_is_what_counts() -> None:
    bench, keys = crowded(20)
    hub = Key(names.CONNECTION_KIND, NAMESPACE, "hub")
    surroundings = Surroundings(bench.cache, hub, (CLUSTER,))
    streams = [resource for resource in bench.cache if resource.key in keys]
    for resource in streams:
        granted = surroundings.granted(resource)
        older = [
            other.spec["maxBytes"]
            for other in streams
            if other.key.namespace == resource.key.namespace
            and (other.created_at, other.key) < (resource.created_at, resource.key)
        ]
        assert granted
        assert granted.used == sum(older)
