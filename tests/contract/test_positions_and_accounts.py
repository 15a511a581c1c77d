"""What every implementation of the JetStream port tells of positions, contents and the account.

The fake and the gateway on real servers, as in test_jetstream_port.py.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import nats
import pytest

from controlplane.nats import NatsServer
from coze_nats.core.errors import CapacityExceeded, Rejected
from coze_nats.core.live import Config, LiveConsumer, LiveStream
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from coze_nats.ports import JetStream
from fakes.jetstream import FakeJetStream
from support.connections import PatientGateway
from support.traffic import Traffic

Receive = Callable[..., Coroutine[Any, Any, list[int]]]
ORDERS: dict[str, Any] = {"name": "orders", "subjects": ["orders.>"]}
READER: dict[str, Any] = {"name": "reader", "durable_name": "reader", "ack_policy": "explicit"}
LIMIT = 1024 * 1024


@pytest.fixture(params=["fake", "server"])
async def port(
    request: pytest.FixtureRequest, nats_server: NatsServer, jetstream: Gateway
) -> JetStream:
    """Each implementation in turn, empty, in each version."""
    return jetstream if request.param == "server" else FakeJetStream(nats_server.version)


@pytest.fixture
async def traffic(nats_server: NatsServer) -> AsyncIterator[Traffic]:
    client = await nats.connect(nats_server.url)
    yield Traffic(client)
    await client.close()


async def publish(port: JetStream, traffic: Traffic, *subjects: str) -> None:
    if isinstance(port, FakeJetStream):
        for subject in subjects:
            port.publish("orders", subject=subject)
    else:
        await traffic.publish(*subjects)


async def receive(port: JetStream, traffic: Traffic, *acknowledged: bool) -> list[int]:
    """Sequences of the messages that were received, one for each flag."""
    if isinstance(port, FakeJetStream):
        return port.deliver("orders", "reader", *acknowledged)
    return [each.sequence for each in await traffic.receive("orders", "reader", *acknowledged)]


async def the_stream(port: JetStream) -> LiveStream:
    found = await port.stream("orders")
    assert found is not None
    return found


async def the_consumer(port: JetStream) -> LiveConsumer:
    found = await port.consumer("orders", "reader")
    assert found is not None
    return found


# --- positions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config, received, acknowledged, ack_pending, pending",
    [
        ({}, [1, 2, 3], 1, 1, 3),
        ({"ack_policy": "none"}, [1, 2, 3], 3, 0, 3),
        ({"filter_subject": "orders.1"}, [2, 4, 6], 2, 1, 0),
        ({"deliver_policy": "by_start_sequence", "opt_start_seq": 3}, [3, 4, 5], 3, 1, 1),
    ],
    ids=["explicit", "without acknowledgements", "filtered", "from a sequence on"],
)
async def test_a_consumer_tells_how_far_it_is(
    port: JetStream,
    traffic: Traffic,
    config: Config,
    received: list[int],
    acknowledged: int,
    ack_pending: int,
    pending: int,
) -> None:
    await port.create_stream(ORDERS)
    await publish(port, traffic, *(f"orders.{number % 2}" for number in range(6)))
    before = (await port.create_consumer("orders", {**READER, **config})).acknowledged
    assert before == config.get("opt_start_seq", 1) - 1
    acknowledges = config.get("ack_policy") != "none"
    assert await receive(port, traffic, acknowledges, False, acknowledges) == received
    found = await the_consumer(port)
    shown = (found.acknowledged, found.ack_pending, found.pending)
    assert shown == (acknowledged, ack_pending, pending)


@pytest.mark.parametrize("start, before", [("all", 0), ("new", 6), ("last", 5)])
async def test_a_new_consumer_stands_before_its_start(
    port: JetStream, traffic: Traffic, start: str, before: int
) -> None:
    await port.create_stream(ORDERS)
    await publish(port, traffic, *["orders.a"] * 6)
    made = await port.create_consumer("orders", {**READER, "deliver_policy": start})
    assert made.acknowledged == before


@pytest.mark.parametrize("retention, left", [("limits", 6), ("interest", 0), ("workqueue", 4)])
async def test_what_only_a_consumer_kept_goes_with_it(
    port: JetStream, traffic: Traffic, retention: str, left: int
) -> None:
    await port.create_stream({**ORDERS, "retention": retention})
    await port.create_consumer("orders", READER)
    await publish(port, traffic, *["orders.a"] * 6)
    assert await receive(port, traffic, True, False, True) == [1, 2, 3]
    await port.delete_consumer("orders", "reader")
    found = await the_stream(port)
    assert (found.messages, found.last_sequence) == (left, 6)


async def test_a_work_queue_is_worked_off_from_its_beginning(port: JetStream) -> None:
    await port.create_stream({**ORDERS, "retention": "workqueue"})
    start = {"deliver_policy": "by_start_sequence", "opt_start_seq": 2}
    with pytest.raises(Rejected) as caught:
        await port.create_consumer("orders", {**READER, **start})
    assert caught.value.err_code == 10101


@pytest.mark.parametrize(
    "config, err_code",
    [
        ({"filter_subject": "orders.b"}, None),
        ({}, 10099),
        ({"filter_subject": "orders.a"}, 10100),
        ({"filter_subjects": ["orders.b", "orders.*.c", "orders.a"]}, 10100),
        ({"filter_subject": "orders.*"}, 10100),
        ({"filter_subject": "orders.b", "ack_policy": "none"}, 10084),
    ],
)
async def test_a_work_queue_gives_a_message_to_one_consumer_only(
    port: JetStream, config: Config, err_code: int | None
) -> None:
    await port.create_stream({**ORDERS, "retention": "workqueue"})
    await port.create_consumer("orders", {**READER, "filter_subject": "orders.a"})
    second = port.create_consumer("orders", {**READER, "name": "b", "durable_name": "b", **config})
    if err_code is None:
        await second
        return
    with pytest.raises(Rejected) as caught:
        await second
    assert caught.value.err_code == err_code


async def test_a_stream_tells_what_it_holds_on_some_subjects(
    port: JetStream, traffic: Traffic
) -> None:
    await port.create_stream({**ORDERS, "subjects": ["orders.>", "bills.>"]})
    await publish(port, traffic, "orders.a", "orders.b.c", "bills.a", "orders.a")
    assert await port.messages_on("orders", "orders.>") == {"orders.a": 2, "orders.b.c": 1}
    assert await port.messages_on("orders", "*.a") == {"orders.a": 2, "bills.a": 1}
    assert await port.messages_on("orders", "orders.x") == {}


# --- the account ----------------------------------------------------------------------------------


@pytest.fixture(params=["fake", "server"])
async def limited(
    request: pytest.FixtureRequest, nats_server: NatsServer, run_server: Callable[..., NatsServer]
) -> AsyncIterator[JetStream]:
    """Each implementation with an account of a mebibyte on disk and in memory."""
    if request.param == "fake":
        yield FakeJetStream(nats_server.version, max_storage=LIMIT, max_memory=LIMIT)
        return
    user = "{ user: tenant, password: secret }"
    limits = f"{{ max_store: {LIMIT}, max_mem: {LIMIT} }}"
    config = f"accounts {{ TENANT {{ users: [{user}], jetstream: {limits} }} }}"
    server = run_server(nats_server.version, config=config)
    options = ConnectionOptions(servers=(server.url,), user="tenant", password="secret")
    connection = Connection(options)
    await connection.start()
    await connection.wait_connected()
    yield PatientGateway(connection)
    await connection.close()


async def test_an_account_tells_its_limits_and_what_is_reserved(limited: JetStream) -> None:
    for name, storage in (("orders", "file"), ("bills", "memory")):
        await limited.create_stream({"name": name, "max_bytes": 600_000, "storage": storage})
    account = await limited.account()
    assert (account["reserved_storage"], account["reserved_memory"]) == (600_000, 600_000)
    assert account["limits"]["max_storage"] == account["limits"]["max_memory"] == LIMIT
    assert not account.get("tiers")


@pytest.mark.parametrize("storage", ["file", "memory"])
async def test_no_more_can_be_reserved_than_an_account_has(
    limited: JetStream, storage: str
) -> None:
    made = await limited.create_stream({"name": "orders", "max_bytes": 600_000, "storage": storage})
    with pytest.raises(CapacityExceeded):
        await limited.create_stream({"name": "bills", "max_bytes": 600_000, "storage": storage})
    with pytest.raises(CapacityExceeded):
        await limited.update_stream({**made.config, "max_bytes": LIMIT + 1})
    changed = await limited.update_stream({**made.config, "max_bytes": LIMIT})
    assert changed.config["max_bytes"] == LIMIT


async def test_an_account_without_limits_says_so(port: JetStream) -> None:
    limits = (await port.account())["limits"]
    assert limits["max_storage"] == limits["max_memory"] == -1
