"""What the operator relies on from JetStream, against real servers of every supported version."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controlplane.nats import NatsServer
from coze_nats.core.errors import (
    AlreadyExists,
    CapacityExceeded,
    Failure,
    NotFound,
    OutcomeUnknown,
    Rejected,
    Transient,
)
from coze_nats.core.live import Server
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.connections import gateway_to

STREAM: dict[str, Any] = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}
CONSUMER: dict[str, Any] = {"name": "worker", "durable_name": "worker", "ack_policy": "explicit"}
SECOND = 1_000_000_000
API_LEVELS = {"2.10.26": 0, "2.12.8": 3, "2.14.6": 4, "2.15.1": 5}


def below_2_11(server: Server) -> bool:
    return server.api_level < 1


async def test_the_server_says_its_version_and_api_level(
    jetstream: Gateway, nats_server: NatsServer
) -> None:
    version = nats_server.version
    assert await jetstream.server() == Server(version, API_LEVELS[version])


async def test_a_stream_is_created_read_updated_and_deleted(jetstream: Gateway) -> None:
    created = await jetstream.create_stream(STREAM)
    assert created.config["subjects"] == ["orders.>"]
    read = await jetstream.stream("orders")
    assert read is not None
    assert (read.config, read.created) == (created.config, created.created)

    updated = await jetstream.update_stream({**created.config, "max_msgs": 7})
    assert updated.config["max_msgs"] == 7
    assert updated.created == created.created

    await jetstream.delete_stream("orders")
    assert await jetstream.stream("orders") is None


async def test_creating_an_identical_stream_again_changes_nothing(jetstream: Gateway) -> None:
    first = await jetstream.create_stream(STREAM)
    second = await jetstream.create_stream(STREAM)
    assert (second.created, second.config) == (first.created, first.config)


async def test_a_stream_that_was_made_again_has_another_creation_time(jetstream: Gateway) -> None:
    first = await jetstream.create_stream(STREAM)
    await jetstream.delete_stream("orders")
    second = await jetstream.create_stream(STREAM)
    assert second.created != first.created


async def test_creating_what_exists_and_differs_is_told_apart(jetstream: Gateway) -> None:
    await jetstream.create_stream(STREAM)
    with pytest.raises(AlreadyExists):
        await jetstream.create_stream({**STREAM, "max_msgs": 7})
    await jetstream.create_consumer("orders", CONSUMER)
    with pytest.raises(AlreadyExists):
        await jetstream.create_consumer("orders", {**CONSUMER, "max_deliver": 7})


async def test_updating_what_does_not_exist_is_not_found(jetstream: Gateway) -> None:
    with pytest.raises(NotFound) as failure:
        await jetstream.update_stream(STREAM)
    assert failure.value.stream_is_missing
    await jetstream.create_stream(STREAM)
    with pytest.raises(NotFound) as failure:
        await jetstream.update_consumer("orders", CONSUMER)
    assert not failure.value.stream_is_missing


async def test_deleting_what_does_not_exist_is_a_success(jetstream: Gateway) -> None:
    await jetstream.delete_stream("orders")
    await jetstream.delete_consumer("orders", "worker")
    await jetstream.create_stream(STREAM)
    await jetstream.delete_consumer("orders", "worker")


async def test_a_missing_consumer_and_a_missing_stream_are_told_apart(jetstream: Gateway) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: jetstream.consumer("orders", "worker"),
        lambda: jetstream.consumers("orders"),
        lambda: jetstream.create_consumer("orders", CONSUMER),
        lambda: jetstream.update_consumer("orders", CONSUMER),
    ]
    for call in calls:
        with pytest.raises(NotFound) as failure:
            await call()
        assert failure.value.stream_is_missing
    await jetstream.create_stream(STREAM)
    assert await jetstream.consumer("orders", "worker") is None
    assert (await jetstream.consumers("orders")).found == {}


async def test_a_consumer_is_created_read_updated_and_deleted(jetstream: Gateway) -> None:
    await jetstream.create_stream(STREAM)
    created = await jetstream.create_consumer("orders", CONSUMER)
    again = await jetstream.create_consumer("orders", CONSUMER)
    assert (again.created, again.config) == (created.created, created.config)

    updated = await jetstream.update_consumer("orders", {**created.config, "max_deliver": 7})
    assert (updated.config["max_deliver"], updated.stream) == (7, "orders")
    assert updated.created == created.created
    read = await jetstream.consumer("orders", "worker")
    assert read is not None
    assert read.config == updated.config

    await jetstream.delete_consumer("orders", "worker")
    assert await jetstream.consumer("orders", "worker") is None


async def test_a_durable_stays_durable_when_its_name_is_left_out_of_an_update(
    jetstream: Gateway,
) -> None:
    await jetstream.create_stream(STREAM)
    await jetstream.create_consumer("orders", {"name": "worker", "ack_policy": "explicit"})
    updated = await jetstream.update_consumer(
        "orders", {"name": "worker", "ack_policy": "explicit", "max_deliver": 7}
    )
    assert (updated.config["durable_name"], updated.config["max_deliver"]) == ("worker", 7)


async def test_long_lists_are_read_whole(jetstream: Gateway) -> None:
    # More than two pages of LIST (256) and more than one of NAMES (1024).
    streams = {f"stream-{number}" for number in range(1030)}
    consumers = {f"consumer-{number}" for number in range(300)}
    await asyncio.gather(
        *(
            jetstream.create_stream({"name": name, "subjects": [name], "storage": "memory"})
            for name in streams
        )
    )
    await asyncio.gather(
        *(
            jetstream.create_consumer(
                "stream-7", {"name": name, "ack_policy": "explicit", "mem_storage": True}
            )
            for name in consumers
        )
    )
    listed = await jetstream.streams()
    assert listed.found.keys() == streams
    assert not listed.missing
    assert listed.found["stream-7"].consumers == 300
    assert set(await jetstream.streams_on(">")) == streams
    assert (await jetstream.consumers("stream-7")).found.keys() == consumers


async def test_streams_that_vanish_while_a_list_is_read_hide_none_that_stays(
    jetstream: Gateway,
) -> None:
    names = [f"stream-{number:03}" for number in range(700)]
    await asyncio.gather(
        *(
            jetstream.create_stream({"name": name, "subjects": [name], "storage": "memory"})
            for name in names
        )
    )
    async with asyncio.TaskGroup() as tasks:
        listing = tasks.create_task(jetstream.streams())
        for name in names[:400]:
            tasks.create_task(jetstream.delete_stream(name))
    assert listing.result().found.keys() >= set(names[400:])


async def test_the_streams_on_a_subject_are_named(jetstream: Gateway) -> None:
    await jetstream.create_stream(STREAM)
    await jetstream.create_stream({"name": "bills", "subjects": ["bills.*"], "storage": "memory"})
    assert await jetstream.streams_on("orders.new") == ("orders",)
    assert await jetstream.streams_on("*.new") == ("bills", "orders")
    assert await jetstream.streams_on("letters") == ()


async def test_integers_and_times_survive_to_the_last_digit(jetstream: Gateway) -> None:
    beyond_a_double = 2**53 + 1
    # 300 days and one nanosecond.
    max_age = 300 * 86_400 * SECOND + 1
    stream = await jetstream.create_stream(
        {**STREAM, "max_msgs": beyond_a_double, "max_age": max_age, "duplicate_window": max_age}
    )
    assert (stream.config["max_msgs"], stream.config["max_age"]) == (beyond_a_double, max_age)

    config = {
        **CONSUMER,
        "ack_wait": max_age,
        "deliver_policy": "by_start_time",
        "opt_start_time": "2026-01-02T03:04:05.123456789Z",
    }
    consumer = await jetstream.create_consumer("orders", config)
    assert consumer.config["ack_wait"] == max_age
    assert consumer.config["opt_start_time"] == "2026-01-02T03:04:05.123456789Z"
    # A round trip through our hands changes nothing.
    assert (await jetstream.update_stream(stream.config)).config == stream.config
    updated = await jetstream.update_consumer("orders", consumer.config)
    assert updated.config == consumer.config


async def test_nulls_are_left_out_of_what_is_sent(jetstream: Gateway) -> None:
    stream = await jetstream.create_stream({**STREAM, "retention": None, "placement": None})
    assert stream.config["retention"] == "limits"


async def test_a_consumer_is_paused_and_resumed(jetstream: Gateway) -> None:
    server = await jetstream.server()
    await jetstream.create_stream(STREAM)
    await jetstream.create_consumer("orders", CONSUMER)
    until = "2126-01-02T03:04:05.123456789Z"
    if below_2_11(server):
        with pytest.raises(Rejected, match=r"needs nats-server 2.11; this one is 2.10.26"):
            await jetstream.pause_consumer("orders", "worker", until)
        return

    await jetstream.pause_consumer("orders", "worker", until)
    paused = await jetstream.consumer("orders", "worker")
    assert paused is not None
    assert (paused.paused, paused.config["pause_until"]) == (True, until)

    await jetstream.pause_consumer("orders", "worker", None)
    resumed = await jetstream.consumer("orders", "worker")
    assert resumed is not None
    assert (resumed.paused, resumed.config.get("pause_until")) == (False, None)

    # In the past: nothing is held back.
    await jetstream.pause_consumer("orders", "worker", "2020-01-01T00:00:00Z")
    expired = await jetstream.consumer("orders", "worker")
    assert expired is not None
    assert not expired.paused
    with pytest.raises(NotFound):
        await jetstream.pause_consumer("orders", "nobody", until)


async def test_a_consumer_may_be_created_paused_but_an_update_does_not_pause_it(
    jetstream: Gateway,
) -> None:
    if below_2_11(await jetstream.server()):
        pytest.skip("2.10 knows no pause")
    await jetstream.create_stream(STREAM)
    until = "2126-01-02T03:04:05Z"
    created = await jetstream.create_consumer("orders", {**CONSUMER, "pause_until": until})
    assert created.paused
    await jetstream.create_consumer("orders", {**CONSUMER, "name": "b", "durable_name": "b"})
    updated = await jetstream.update_consumer(
        "orders", {**CONSUMER, "name": "b", "durable_name": "b", "pause_until": until}
    )
    assert not updated.paused


async def test_the_state_of_streams_and_consumers_is_told(
    jetstream: Gateway, nats_server: NatsServer
) -> None:
    await jetstream.create_stream(STREAM)
    await jetstream.create_consumer("orders", CONSUMER)
    connection = Connection(ConnectionOptions(servers=(nats_server.url,)))
    await connection.start()
    await connection.wait_connected()
    for subject in ("orders.a", "orders.a", "orders.b"):
        answer = json.loads(await connection.request(subject, b"message"))
        assert answer["stream"] == "orders"
    await connection.close()

    stream = await jetstream.stream("orders")
    assert stream is not None
    assert (stream.messages, stream.subjects, stream.consumers) == (3, 2, 1)
    assert stream.bytes > 0
    assert stream.first_time > stream.created[:19]
    consumer = await jetstream.consumer("orders", "worker")
    assert consumer is not None
    assert (consumer.pending, consumer.ack_pending) == (3, 0)
    listed = (await jetstream.streams()).found["orders"]
    assert (listed.messages, listed.consumers) == (3, 1)
    assert listed.subjects == stream.subjects


async def test_a_server_without_jetstream_is_told_from_a_silent_one(
    run_server: Callable[..., NatsServer],
) -> None:
    accounts = """
        accounts {
          WITH { jetstream: enabled, users: [{user: with, password: with}] }
          WITHOUT { users: [{user: without, password: without}] }
        }
    """
    server = run_server(config=accounts)
    async with gateway_to(server.url, user="without", password="without") as gateway:
        with pytest.raises(Failure) as failure:
            await gateway.server()
    assert isinstance(failure.value, Transient | CapacityExceeded)
    assert "not enabled" in failure.value.description
    async with gateway_to(server.url, user="with", password="with") as gateway:
        assert (await gateway.server()).version == "2.14.6"


async def test_a_domain_is_reached_by_its_prefix(
    run_server: Callable[..., NatsServer], tmp_path: Path
) -> None:
    domain = f'jetstream {{ domain: hub, store_dir: "{tmp_path}" }}'
    server = run_server(config=domain, store_dir=tmp_path)
    async with gateway_to(server.url, api_prefix="$JS.hub.API") as gateway:
        await gateway.create_stream(STREAM)
        assert (await gateway.streams()).found.keys() == {"orders"}
    async with gateway_to(
        server.url, api_prefix="$JS.elsewhere.API", request_timeout=0.5
    ) as gateway:
        with pytest.raises((Transient, OutcomeUnknown)):
            await gateway.server()
