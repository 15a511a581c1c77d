"""Resources come and go, and a running application has nothing to notice, on real servers."""

import json
from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, StorageType, StreamConfig
from nats.js.errors import BadRequestError

from controlplane.nats import NatsServer
from coze_nats.core.live import LiveConsumer
from coze_nats.core.resource import Key
from coze_nats.jetstream.gateway import Gateway
from support.bench import Bench
from support.clock import WallClock
from support.eventually import eventually_async
from support.traffic import Traffic

NEXT = "$JS.API.CONSUMER.MSG.NEXT.orders.reader"
SUBJECTS = {"subjects": ["orders"], "storage": "memory"}


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    found = await nats.connect(nats_server.url)
    yield found
    await found.close()


@pytest.fixture
def traffic(client: Client) -> Traffic:
    return Traffic(client)


@pytest.fixture
def bench(jetstream: Gateway) -> Bench:
    return Bench(jetstream, clock=WallClock())


async def delete(bench: Bench, *keys: Key) -> None:
    for key in keys:
        bench.kubernetes.delete(key)
    for key in keys:
        await bench.reconcile(key)
        assert key not in bench.kubernetes.resources


async def the_consumer(jetstream: Gateway) -> LiveConsumer:
    found = await jetstream.consumer("orders", "reader")
    assert found
    return found


def stands(found: LiveConsumer) -> tuple[str, int | None, int, int]:
    return found.created, found.acknowledged, found.ack_pending, found.pending


@pytest.mark.parametrize("consumer_first", [True, False])
async def test_a_worker_goes_on_where_it_was_when_its_resources_went_and_came_back(
    bench: Bench, jetstream: Gateway, traffic: Traffic, *, consumer_first: bool
) -> None:
    orders, reader = bench.stream(**SUBJECTS), bench.consumer()
    await bench.settle(orders, reader)
    await traffic.publish(*["orders"] * 10)
    await traffic.receive("orders", "reader", *[True] * 6)
    before = stands(await the_consumer(jetstream))
    await delete(bench, *((reader, orders) if consumer_first else (orders, reader)))
    assert (bench.stream(**SUBJECTS), bench.consumer()) == (orders, reader)
    await bench.settle(orders, reader)
    assert bench.ready(reader) == ("True", "Converged")
    assert stands(await the_consumer(jetstream)) == before
    found = await traffic.receive("orders", "reader", *[True] * 20)
    assert [message.sequence for message in found] == [7, 8, 9, 10]


async def test_a_worker_that_waits_for_its_first_message_gets_it(
    bench: Bench, jetstream: Gateway, traffic: Traffic, client: Client
) -> None:
    orders, reader = bench.stream(**SUBJECTS), bench.consumer()
    await bench.settle(orders, reader)
    inbox = client.new_inbox()
    waiting = await client.subscribe(inbox)
    await client.publish(NEXT, b'{"batch": 1, "expires": 30000000000}', reply=inbox)

    async def is_attached() -> bool:
        return (await the_consumer(jetstream)).waiting > 0

    await eventually_async(is_attached)
    await delete(bench, orders, reader)
    await traffic.publish("orders")
    assert (await waiting.next_msg(timeout=10)).subject == "orders"


async def test_a_client_that_listens_where_a_consumer_pushes_goes_on_listening(
    bench: Bench, jetstream: Gateway, traffic: Traffic, client: Client
) -> None:
    orders, reader = bench.stream(**SUBJECTS), bench.consumer(deliverSubject="to.me")
    await bench.settle(orders, reader)
    listening = await client.subscribe("to.me")

    async def is_attached() -> bool:
        return (await the_consumer(jetstream)).is_bound

    await eventually_async(is_attached)
    await delete(bench, orders, reader)
    await traffic.publish("orders")
    assert (await listening.next_msg(timeout=10)).reply.startswith("$JS.ACK.orders.reader.")


async def test_what_nobody_has_used_goes(bench: Bench, jetstream: Gateway) -> None:
    orders, reader = bench.stream(**SUBJECTS), bench.consumer()
    await bench.settle(orders, reader)
    await delete(bench, orders, reader)
    assert await jetstream.stream("orders") is None


async def test_an_application_keeps_the_empty_stream_and_the_consumer_that_it_made(
    bench: Bench, jetstream: Gateway
) -> None:
    await jetstream.create_stream({"name": "orders", **SUBJECTS})
    config = {"name": "reader", "durable_name": "reader", "ack_policy": "explicit"}
    await jetstream.create_consumer("orders", config)
    before = stands(await the_consumer(jetstream))
    orders, reader = bench.stream(**SUBJECTS), bench.consumer()
    await bench.settle(orders, reader)
    assert bench.ready(reader) == ("True", "Converged")
    await delete(bench, reader, orders)
    assert stands(await the_consumer(jetstream)) == before


@pytest.mark.parametrize("policy", ["all", "new"])
async def test_a_consumer_goes_on_when_a_resource_comes_to_manage_its_stream(
    bench: Bench, jetstream: Gateway, traffic: Traffic, policy: str
) -> None:
    await jetstream.create_stream({"name": "orders", **SUBJECTS})
    reader = bench.consumer(streamName="orders", deliverPolicy=policy)
    await bench.settle(reader)
    await traffic.publish(*["orders"] * 10)
    if policy == "all":
        await traffic.receive("orders", "reader", *[True] * 6)
    before = stands(await the_consumer(jetstream))
    orders = bench.stream(**SUBJECTS)
    await bench.settle(orders)
    bench.consumer(deliverPolicy=policy)
    await bench.settle(reader)
    assert bench.ready(reader) == ("True", "Converged")
    assert stands(await the_consumer(jetstream)) == before


async def test_an_interest_stream_names_the_consumers_that_no_resource_manages(
    bench: Bench, traffic: Traffic, client: Client
) -> None:
    orders, reader = bench.stream(**SUBJECTS, retention="interest"), bench.consumer()
    await bench.settle(orders, reader)
    passing = ConsumerConfig(name="passing", ack_policy=AckPolicy.EXPLICIT, inactive_threshold=900)
    await client.jetstream().add_consumer("orders", passing)
    await bench.settle(orders)
    assert "unmanagedConsumers" not in bench.kubernetes.status(orders)
    await traffic.publish(*["orders"] * 3)
    await delete(bench, reader)
    assert orders in bench.last.wake
    await bench.settle(orders)
    assert bench.kubernetes.status(orders)["unmanagedConsumers"] == ["reader"]
    writes = bench.kubernetes.writes
    await bench.settle(orders)
    assert bench.kubernetes.writes == writes
    bench.consumer()
    await bench.reconcile(reader)
    assert orders in bench.last.wake
    await bench.settle(orders)
    assert "unmanagedConsumers" not in bench.kubernetes.status(orders)


async def test_the_positions_that_go_with_a_replaced_stream_are_told_with_their_numbers(
    bench: Bench, traffic: Traffic
) -> None:
    policies = {"replacement": "Recreate", "dataLoss": "Allow"}
    orders, reader = bench.stream(**SUBJECTS, policies=policies), bench.consumer()
    await bench.settle(orders, reader)
    await traffic.publish(*["orders"] * 10)
    await traffic.receive("orders", "reader", *[True] * 6)
    bench.stream(**{**SUBJECTS, "storage": "file"}, policies=policies)
    await bench.settle(orders, reader)
    (event,) = [event for event in bench.kubernetes.events if event.reason == "Replaced"]
    assert event.type == "Warning"
    assert event.message.endswith(
        "; its consumers went with it: reader (done up to sequence 6, with 4 messages to be "
        "delivered and 0 not acknowledged)"
    )


@pytest.mark.parametrize("kind", ["mirror", "sources"])
async def test_an_empty_stream_that_others_copy_is_kept_for_them(
    bench: Bench, jetstream: Gateway, traffic: Traffic, client: Client, kind: str
) -> None:
    # Of its own name: one that is made right after another went may have that one's messages.
    name, origin = f"copy-{kind}", {"name": "orders"}

    async def copies(count: int) -> None:
        async def are_there() -> bool:
            live = await jetstream.stream(name)
            return live is not None and live.messages == count

        await eventually_async(are_there, within=30)

    orders = bench.stream(**SUBJECTS)
    await bench.settle(orders)
    config = {"name": name, "storage": "memory", kind: origin if kind == "mirror" else [origin]}
    await jetstream.create_stream(config)
    await traffic.publish(*["orders"] * 3)
    await copies(3)
    await client.jetstream().purge_stream("orders")
    await delete(bench, orders)
    assert bench.stream(**SUBJECTS) == orders
    await bench.settle(orders)
    await traffic.publish(*["orders"] * 3)
    await copies(6)


# --- applications that declare their own ----------------------------------------------------------

STREAM = StreamConfig(
    name="orders", subjects=["orders"], storage=StorageType.MEMORY, max_msgs=1_000_000
)
CONSUMER = ConsumerConfig(name="reader", durable_name="reader", ack_policy=AckPolicy.EXPLICIT)
SAME = {**SUBJECTS, "maxMsgs": 1_000_000}


async def start(client: Client) -> None:
    """As an application does: what it needs is created, or there already and equal."""
    await client.jetstream().add_stream(STREAM)
    config = {"name": "reader", "durable_name": "reader", "ack_policy": "explicit"}
    request = json.dumps({"stream_name": "orders", "config": config, "action": "create"}).encode()
    subject = "$JS.API.CONSUMER.CREATE.orders.reader"
    answer = json.loads((await client.request(subject, request, timeout=10)).data)
    assert "error" not in answer, answer


@pytest.mark.parametrize("made_by", ["the application", "the operator"])
async def test_an_application_that_creates_its_own_at_each_start_never_fails(
    bench: Bench, jetstream: Gateway, client: Client, made_by: str
) -> None:
    policies = {} if made_by == "the application" else {"ownership": "Record"}
    if made_by == "the application":
        await start(client)
    orders = bench.stream(**SAME, policies=policies)
    reader = bench.consumer(policies=policies)
    await bench.settle(orders, reader)
    assert bench.ready(reader) == ("True", "Converged")
    await start(client)
    bench.stream(**SAME, policies=policies, description="changed for a while")
    await bench.settle(orders)
    bench.stream(**SAME, policies=policies)
    await bench.settle(orders)
    await start(client)
    await delete(bench, reader, orders)
    await start(client)


async def test_what_was_marked_can_be_created_by_its_application_once_it_is_recorded(
    bench: Bench, jetstream: Gateway, client: Client
) -> None:
    orders, reader = bench.stream(**SAME), bench.consumer()
    await bench.settle(orders, reader)
    with pytest.raises(BadRequestError) as refused:
        await start(client)
    assert refused.value.err_code == 10058
    bench.stream(**SAME, policies={"ownership": "Record"})
    bench.consumer(policies={"ownership": "Record"})
    await bench.settle(orders, reader)
    await start(client)


async def test_what_was_let_go_can_be_created_by_its_application(
    bench: Bench, jetstream: Gateway, traffic: Traffic, client: Client
) -> None:
    orders, reader = bench.stream(**SAME), bench.consumer()
    await bench.settle(orders, reader)
    await traffic.publish("orders")
    await traffic.receive("orders", "reader", True)
    await delete(bench, orders, reader)
    await start(client)


async def test_an_application_that_updates_with_what_is_declared_is_no_rival(
    bench: Bench, jetstream: Gateway, client: Client
) -> None:
    orders, reader = bench.stream(**SAME), bench.consumer()
    await bench.settle(orders, reader)
    for _ in range(6):
        await client.jetstream().update_stream(STREAM)
        await client.jetstream().add_consumer("orders", CONSUMER)
        await bench.settle(orders, reader)
        for key in (orders, reader):
            assert bench.ready(key) == ("True", "Converged")
    assert bench.events(orders) + bench.events(reader) == []


async def test_what_its_application_makes_anew_first_is_put_right(
    bench: Bench, jetstream: Gateway, client: Client
) -> None:
    orders, reader = bench.stream(**SUBJECTS, maxMsgs=7), bench.consumer(maxDeliver=3)
    await bench.settle(orders, reader)
    await jetstream.delete_stream("orders")
    await start(client)
    await bench.settle(orders, reader)
    for key in (orders, reader):
        assert bench.ready(key) == ("True", "Converged")
    stream = await jetstream.stream("orders")
    assert stream
    assert stream.config["max_msgs"] == 7
    assert (await the_consumer(jetstream)).config["max_deliver"] == 3


# --- handing over ---------------------------------------------------------------------------------


async def test_a_cluster_that_is_made_anew_takes_over_streams_and_positions(
    bench: Bench, jetstream: Gateway, traffic: Traffic
) -> None:
    orders, reader = bench.stream(**SUBJECTS), bench.consumer()
    await bench.settle(orders, reader)
    await traffic.publish(*["orders"] * 10)
    await traffic.receive("orders", "reader", *[True] * 6)
    before = stands(await the_consumer(jetstream))
    green = Bench(jetstream, clock=WallClock(), cluster_id="green", succeeds=("here",))
    green.stream(**SUBJECTS)
    green.consumer()
    await green.settle(orders, reader)
    for key in (orders, reader):
        assert green.ready(key) == ("True", "Converged")
        assert [event.reason for event in green.events(key)] == ["TakenOver"]
    assert stands(await the_consumer(jetstream)) == before
    await bench.settle(orders)
    assert "which took it over from this resource" in bench.message(orders)
    await delete(bench, reader, orders)
    assert stands(await the_consumer(jetstream)) == before
