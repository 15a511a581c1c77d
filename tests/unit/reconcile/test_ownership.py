"""Applications that declare their own: whose an object is, with a mark in it and without one."""

from typing import Any

from coze_nats.core.names import OWNER_METADATA
from coze_nats.core.resource import Key
from coze_nats.reconcile.contests import ROUNDS
from fakes.jetstream import FakeJetStream
from support.bench import Bench

RECORD = {"ownership": "Record"}


async def config_of(jetstream: FakeJetStream, name: str = "orders") -> dict[str, Any]:
    found = await jetstream.stream(name)
    assert found
    return dict(found.config)


async def mark(jetstream: FakeJetStream) -> str:
    metadata: dict[str, str] = (await config_of(jetstream))["metadata"]
    return metadata.get(OWNER_METADATA, "")


async def strip(jetstream: FakeJetStream, **changes: Any) -> None:
    """As an application that updates its stream with what it declares."""
    config = {**(await config_of(jetstream)), **changes}
    del config["metadata"]
    await jetstream.update_stream(config)


def told(bench: Bench, key: Key) -> list[str]:
    return [event.reason for event in bench.events(key)]


async def test_adoption_writes_nothing_and_is_told_once(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    await jetstream.create_stream({"name": "orders"})
    jetstream.calls.clear()
    orders = bench.stream()
    await bench.settle(orders)
    bench.restart()
    await bench.settle(orders)
    assert set(jetstream.calls) == {"server", "stream"}
    assert told(bench, orders) == ["Adopted"]
    assert bench.status(orders)["adopted"] is True
    assert bench.ready(orders) == ("True", "Converged")


async def test_what_is_recorded_bears_no_mark_and_belongs_to_its_resource_all_the_same(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(policies=RECORD), bench.consumer(policies=RECORD)
    await bench.settle(orders, reader)
    assert await mark(jetstream) == ""
    rival = bench.stream("rival", name="orders", policies={"adoption": "Always"}, maxMsgs=3)
    await bench.settle(rival)
    assert bench.ready(rival) == ("False", "OwnedByAnother")
    await jetstream.update_stream({**await config_of(jetstream), "max_msgs": 9})
    await bench.settle(orders)
    assert (await config_of(jetstream))["max_msgs"] == -1
    bench.kubernetes.delete(rival)
    await bench.settle(rival)
    for key in (reader, orders):
        bench.kubernetes.delete(key)
        await bench.settle(key)
    assert await jetstream.stream("orders") is None, "nobody has used it"


async def test_what_is_recorded_is_looked_for_before_it_is_created(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    """An equal one of nobody's would be taken by creating it, as it would bear no other mark."""
    policies = {**RECORD, "adoption": "Never"}
    await bench.settle(bench.stream())
    await jetstream.create_consumer("orders", {"name": "reader", "ack_policy": "explicit"})
    reader = bench.consumer(policies=policies)
    await bench.settle(reader)
    assert bench.ready(reader) == ("False", "AdoptionRefused")


async def test_a_mark_goes_where_the_resource_says_record_later(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    assert await mark(jetstream) == "here/coze/orders"
    bench.stream(policies=RECORD)
    await bench.settle(orders)
    assert await mark(jetstream) == ""
    assert told(bench, orders) == []
    bench.stream()
    await bench.settle(orders)
    assert await mark(jetstream) == "here/coze/orders", "as it was made by the operator"


async def test_a_mark_that_is_taken_off_again_and_again_is_put_back_without_a_word(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    for _ in range(3 * ROUNDS):
        await strip(jetstream)
        await bench.settle(orders)
        assert bench.ready(orders) == ("True", "Converged")
        assert await mark(jetstream) == "here/coze/orders"
    assert told(bench, orders) == []
    assert bench.last.after is None


async def test_a_tug_of_war_over_a_field_is_named_with_the_field(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(maxMsgs=7)
    await bench.settle(orders)
    for _ in range(ROUNDS + 1):
        await strip(jetstream, max_msgs=3)
        await bench.settle(orders)
    assert bench.ready(orders) == ("False", "DriftContested")
    assert "maxMsgs 3 → 7" in bench.message(orders)


async def test_what_an_application_makes_anew_before_the_operator_is_put_right(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders, reader = bench.stream(maxMsgs=7), bench.consumer(maxDeliver=3)
    await bench.settle(orders, reader)
    bench.clock.advance(60)
    await jetstream.delete_stream("orders")
    await jetstream.create_stream({"name": "orders", "max_msgs": 1_000_000})
    await jetstream.create_consumer("orders", {"name": "reader", "ack_policy": "explicit"})
    await bench.settle(orders, reader)
    for key in (orders, reader):
        assert bench.ready(key) == ("True", "Converged")
        assert bench.status(key)["adopted"] is True
    config = await config_of(jetstream)
    assert config["max_msgs"] == 7
    assert OWNER_METADATA not in config["metadata"], "it is the application's now"
    consumer = await jetstream.consumer("orders", "reader")
    assert consumer
    assert consumer.config["max_deliver"] == 3
    for key in (reader, orders):
        bench.kubernetes.delete(key)
        await bench.settle(key)
    assert await jetstream.consumer("orders", "reader") is not None


async def test_what_was_never_seen_since_it_was_made_anew_is_not_deleted(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(policies={"deletion": "Delete"})
    await bench.settle(orders)
    await jetstream.delete_stream("orders")
    await jetstream.create_stream({"name": "orders"})
    bench.kubernetes.delete(orders)
    await bench.settle(orders)
    assert await jetstream.stream("orders") is not None


async def test_a_stream_that_is_recorded_is_managed_for_consumers_that_name_it(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream(policies=RECORD)
    await bench.settle(orders)
    reader = bench.consumer(streamName="orders")
    await bench.settle(reader)
    assert bench.ready(reader) == ("False", "StreamIsManaged")
    assert "managed by here/coze/orders" in bench.message(reader)


async def test_who_records_the_object_that_is_there_owns_it_and_not_who_lost_one_of_its_name(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    missed = bench.stream("a-missed", name="orders", policies={**RECORD, "missing": "Hold"})
    await bench.settle(missed)
    await jetstream.delete_stream("orders")
    owned = {OWNER_METADATA: "here/coze/b-heir"}
    await jetstream.create_stream({"name": "orders", "metadata": owned})
    heir = bench.stream("b-heir", name="orders")
    await bench.settle(heir, missed)
    assert bench.ready(heir) == ("True", "Converged")
    bench.stream("a-missed", name="orders", policies=RECORD)
    await strip(jetstream)
    await bench.settle(missed)
    assert bench.ready(missed) == ("False", "OwnedByAnother")
    await bench.settle(heir)
    assert await mark(jetstream) == "here/coze/b-heir"


async def test_a_mark_that_is_missing_is_no_difference_where_nothing_shall_be_changed(
    bench: Bench, jetstream: FakeJetStream
) -> None:
    orders = bench.stream()
    await bench.settle(orders)
    bench.stream(suspend=True)
    await bench.settle(orders)
    await strip(jetstream)
    await bench.settle(orders)
    assert bench.ready(orders) == ("True", "Converged")
    assert OWNER_METADATA not in (await config_of(jetstream)).get("metadata", {})
    bench.stream()
    await bench.settle(orders)
    assert await mark(jetstream) == "here/coze/orders"
