"""A cluster that is made anew, and a resource that is renamed: the object goes along, undeleted."""

import pytest

from coze_nats.core.names import (
    FORMER_OWNER_METADATA,
    HAND_OVER_ANNOTATION,
    OWNER_METADATA,
)
from coze_nats.core.resource import Key
from fakes.jetstream import FakeJetStream
from support.bench import Bench

RECORD = {"ownership": "Record"}


async def metadata(jetstream: FakeJetStream) -> dict[str, str]:
    found = await jetstream.stream("orders")
    assert found
    return dict(found.config["metadata"])


@pytest.fixture
def green(jetstream: FakeJetStream) -> Bench:
    """A cluster that is to take the place of the bench's own."""
    return Bench(jetstream, cluster_id="green", succeeds=("here",))


async def test_a_cluster_that_succeeds_another_takes_over_and_the_other_says_that_it_lost(
    bench: Bench, green: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    jetstream.publish("orders", 5)
    jetstream.deliver("orders", "reader", True, True)
    before = await jetstream.consumer("orders", "reader")
    assert (green.stream(), green.consumer()) == (orders, reader)
    await green.settle(orders, reader)
    after = await jetstream.consumer("orders", "reader")
    assert before
    assert after
    assert (after.created, after.acknowledged) == (before.created, 2)
    for key in (orders, reader):
        assert green.ready(key) == ("True", "Converged")
        (event,) = green.events(key)
        assert (event.type, event.reason) == ("Normal", "TakenOver")
        assert event.message.endswith(f" was {bench.owner(key)}'s and is this resource's now")
    await bench.settle(orders)
    assert bench.ready(orders) == ("False", "OwnedByAnother")
    assert bench.message(orders).endswith(
        "belongs to green/coze/orders (cluster/namespace/name), which took it over from this "
        "resource: delete this resource, which changes nothing in JetStream"
    )
    assert [(event.type, event.reason) for event in bench.events(orders)] == [
        ("Warning", "OwnedByAnother")
    ]
    bench.kubernetes.delete(orders)
    await bench.settle(orders)
    assert (await metadata(jetstream))[OWNER_METADATA] == "green/coze/orders"


async def test_two_clusters_that_succeed_each_other_take_nothing_back(
    green: Bench, jetstream: FakeJetStream
) -> None:
    blue = Bench(jetstream, cluster_id="here", succeeds=("green",))
    orders = blue.stream()
    await blue.settle(orders)
    green.stream()
    await green.settle(orders)
    await blue.settle(orders)
    assert blue.ready(orders) == ("False", "OwnedByAnother")
    assert (await metadata(jetstream))[FORMER_OWNER_METADATA] == "here/coze/orders"


@pytest.mark.parametrize("how", ["dry run", "suspended"])
async def test_what_would_be_taken_over_is_said_before(
    bench: Bench, jetstream: FakeJetStream, how: str
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    before = await metadata(jetstream)
    is_dry = how == "dry run"
    green = Bench(jetstream, cluster_id="green", succeeds=("here",), dry_run=is_dry)
    green.stream(**({} if is_dry else {"suspend": True}))
    await green.settle(orders)
    assert green.status(orders)["plan"] == "take over stream orders from here/coze/orders"
    assert await metadata(jetstream) == before


async def test_who_was_not_told_to_succeed_takes_nothing_and_says_how_it_would(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await bench.settle(bench.stream())
    green = Bench(jetstream, cluster_id="green")
    orders = green.stream()
    await green.settle(orders)
    assert green.ready(orders) == ("False", "OwnedByAnother")
    assert "or start this operator with --succeeds-cluster-id=here" in green.message(orders)
    other = green.stream("other", name="orders")
    await green.settle(other)
    assert green.message(other).endswith("create one with another name")


def hand_over(bench: Bench, key: Key, to: str) -> None:
    bench.kubernetes.annotate(key, HAND_OVER_ANNOTATION, to)


@pytest.mark.parametrize("policies", [{}, RECORD])
async def test_a_resource_that_is_renamed_hands_its_object_over(
    bench: Bench, jetstream: FakeJetStream, policies: dict[str, str]
) -> None:
    old = bench.stream("old", name="orders", policies=policies)
    await bench.settle(old)
    before = await jetstream.stream("orders")
    new = bench.stream("new", name="orders", policies=policies, maxMsgs=9)
    await bench.settle(new)
    assert "annotate that resource with jetstream.coze.dev/hand-over-to=coze/new" in (
        bench.message(new)
    )
    hand_over(bench, old, "coze/new")
    await bench.settle(old)
    assert bench.ready(new) == ("True", "Converged")
    assert "TakenOver" in {event.reason for event in bench.events(new)}
    await bench.settle(old, new)
    assert bench.ready(old) == ("False", "OwnedByAnother")
    assert "which took it over from this resource" in bench.message(old)
    bench.kubernetes.delete(old)
    await bench.settle(old)
    after = await jetstream.stream("orders")
    assert before
    assert after
    assert (after.created, after.config["max_msgs"]) == (before.created, 9)
    assert after.config["metadata"].get(OWNER_METADATA, "") == ("" if policies else "here/coze/new")


async def test_a_resource_that_goes_before_its_heir_is_there_leaves_the_object(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    old = bench.stream("old", name="orders")
    await bench.settle(old)
    hand_over(bench, old, "coze/new")
    bench.kubernetes.delete(old)
    await bench.settle(old)
    assert OWNER_METADATA not in await metadata(jetstream)
    new = bench.stream("new", name="orders")
    await bench.settle(new)
    assert bench.ready(new) == ("True", "Converged")


async def test_what_was_adopted_stays_so_when_it_is_handed_over(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "orders"})
    old = bench.stream("old", name="orders")
    await bench.settle(old)
    hand_over(bench, old, "coze/new")
    new = bench.stream("new", name="orders")
    await bench.settle(old, new)
    assert bench.ready(new) == ("True", "Converged")
    assert bench.status(new)["adopted"] is True
    assert OWNER_METADATA not in await metadata(jetstream)


async def test_nobody_is_handed_what_is_not_meant_for_him(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    old = bench.stream("old", name="orders")
    await bench.settle(old)
    hand_over(bench, old, "coze/new")
    thief = bench.stream("thief", name="orders", policies={"adoption": "Always"})
    await bench.settle(old, thief)
    assert bench.ready(thief) == ("False", "OwnedByAnother")
    assert (await metadata(jetstream))[OWNER_METADATA] == "here/coze/old"
