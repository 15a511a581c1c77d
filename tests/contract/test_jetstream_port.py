"""What every implementation of the JetStream port does: the gateway on real servers, and the fake.

Transport, time-outs and lost connections are the gateway's own: see test_gateway.py.
"""

import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controlplane.nats import NatsServer
from coze_nats.core.codec import instant_ns
from coze_nats.core.desired import Desired
from coze_nats.core.errors import (
    AlreadyExists,
    CapacityExceeded,
    Failure,
    NotFound,
    Rejected,
    SubjectOverlap,
)
from coze_nats.core.live import Config, LiveConsumer, LiveStream
from coze_nats.core.ownership import Live
from coze_nats.jetstream.gateway import Gateway
from coze_nats.ports import JetStream
from fakes.jetstream import FakeJetStream
from support import specs
from support.convergence import apply, consumer, stream

Publish = Callable[[str, int], Coroutine[Any, Any, None]]
ORDERS: dict[str, Any] = {"name": "orders", "subjects": ["orders.>"]}
READER: dict[str, Any] = {"name": "reader", "durable_name": "reader", "ack_policy": "explicit"}
SECOND = 1_000_000_000


@pytest.fixture(params=["fake", "server"])
async def port(
    request: pytest.FixtureRequest, nats_server: NatsServer, jetstream: Gateway
) -> AsyncIterator[JetStream]:
    """Each implementation in turn, empty, in each version."""
    if request.param == "server":
        yield jetstream
    else:
        yield FakeJetStream(nats_server.version)


@pytest.fixture
def publish(port: JetStream) -> Publish:
    """Store a number of messages on a subject of the stream `orders`."""

    async def publish(subject: str, count: int) -> None:
        if isinstance(port, FakeJetStream):
            port.publish("orders", count, subject)
            return
        assert isinstance(port, Gateway)
        for _ in range(count):
            await port._connection.request(subject, b"x" * 100)

    return publish


async def level(port: JetStream) -> int:
    return (await port.server()).api_level


async def the_stream(port: JetStream) -> LiveStream:
    found = await port.stream("orders")
    assert found is not None
    return found


async def the_consumer(port: JetStream) -> LiveConsumer:
    found = await port.consumer("orders", "reader")
    assert found is not None
    return found


# --- existence ------------------------------------------------------------------------------------


async def test_the_server_is_known_by_its_version_and_level(
    port: JetStream, nats_server: NatsServer
) -> None:
    server = await port.server()
    assert server.version == nats_server.version
    levels = {"2.10.26": 0, "2.12.8": 3, "2.14.6": 4, "2.15.1": 5}
    assert server.api_level == levels[nats_server.version]


async def test_what_does_not_exist_is_nothing(port: JetStream) -> None:
    assert await port.stream("orders") is None
    await port.create_stream(ORDERS)
    assert await port.consumer("orders", "reader") is None


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a*", "a>", "a\r\nPUB x"])
async def test_a_name_that_would_change_the_subject_is_rejected(port: JetStream, name: str) -> None:
    await port.create_stream(ORDERS)
    calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: port.stream(name),
        lambda: port.delete_stream(name),
        lambda: port.create_stream({**ORDERS, "name": name}),
        lambda: port.update_stream({**ORDERS, "name": name}),
        lambda: port.messages_on(name, ">"),
        lambda: port.consumer("orders", name),
        lambda: port.consumer(name, "reader"),
        lambda: port.consumers(name),
        lambda: port.create_consumer(name, READER),
        lambda: port.update_consumer(name, READER),
        lambda: port.delete_consumer("orders", name),
    ]
    for call in calls:
        with pytest.raises(Rejected, match="not a valid name"):
            await call()


async def test_a_consumer_of_a_missing_stream_is_an_error(port: JetStream) -> None:
    attempts = (
        port.consumer("orders", "reader"),
        port.consumers("orders"),
        port.create_consumer("orders", READER),
        port.update_consumer("orders", READER),
    )
    for attempt in attempts:
        with pytest.raises(NotFound) as caught:
            await attempt
        assert caught.value.stream_is_missing


async def test_updating_what_does_not_exist_is_an_error(port: JetStream) -> None:
    with pytest.raises(NotFound):
        await port.update_stream(ORDERS)
    await port.create_stream(ORDERS)
    with pytest.raises(NotFound) as caught:
        await port.update_consumer("orders", READER)
    assert not caught.value.stream_is_missing


async def test_deleting_what_does_not_exist_is_a_success(port: JetStream) -> None:
    await port.delete_stream("orders")
    await port.delete_consumer("orders", "reader")
    await port.create_stream(ORDERS)
    await port.delete_consumer("orders", "reader")


async def test_creating_the_same_again_returns_what_is_there(port: JetStream) -> None:
    for _ in range(2):
        made = await port.create_stream(ORDERS)
        assert made == await the_stream(port)
    for _ in range(2):
        assert (await port.create_consumer("orders", READER)).created == (
            await the_consumer(port)
        ).created


async def test_creating_something_else_under_the_name_is_an_error(port: JetStream) -> None:
    await port.create_stream(ORDERS)
    await port.create_consumer("orders", READER)
    with pytest.raises(AlreadyExists):
        await port.create_stream({**ORDERS, "description": "other"})
    with pytest.raises(AlreadyExists):
        await port.create_consumer("orders", {**READER, "description": "other"})


async def test_creating_a_consumer_again_changes_nothing_of_its_pause(port: JetStream) -> None:
    if (await port.server()).api_level < 1:
        with pytest.raises(Rejected):
            await port.pause_consumer("orders", "reader", "2126-01-02T03:04:05Z")
        return
    await port.create_stream(ORDERS)
    await port.create_consumer("orders", {**READER, "pause_until": "2126-01-02T03:04:05Z"})
    before = await the_consumer(port)
    # Which is why the answer is looked at: it may be paused otherwise than was asked for.
    for more in ({}, {"pause_until": "2127-01-02T03:04:05Z"}):
        again = await port.create_consumer("orders", {**READER, **more})
        assert again.config["pause_until"] == before.config["pause_until"]
    assert await the_consumer(port) == before


async def test_what_is_made_again_is_another_incarnation(port: JetStream) -> None:
    # In memory: for a moment after its deletion, a stream on disk may not be made again.
    first = await port.create_stream({**ORDERS, "storage": "memory"})
    reader = await port.create_consumer("orders", READER)
    await port.delete_consumer("orders", "reader")
    assert (await port.create_consumer("orders", READER)).created != reader.created
    await port.delete_stream("orders")
    assert (await port.create_stream({**ORDERS, "storage": "memory"})).created != first.created
    assert await port.consumer("orders", "reader") is None


async def test_an_update_keeps_the_incarnation(port: JetStream) -> None:
    made = await port.create_stream(ORDERS)
    reader = await port.create_consumer("orders", READER)
    updated = await port.update_stream({**made.config, "description": "new"})
    assert (updated.created, updated.config["description"]) == (made.created, "new")
    changed = await port.update_consumer("orders", {**reader.config, "description": "new"})
    assert (changed.created, changed.config["description"]) == (reader.created, "new")


async def test_lists_hold_everything_by_name(port: JetStream) -> None:
    await port.create_stream({**ORDERS, "metadata": {"team": "a"}})
    await port.create_stream({"name": "bills"})
    await port.create_consumer("orders", READER)
    streams, consumers = await port.streams(), await port.consumers("orders")
    assert set(streams.found) == {"orders", "bills"}
    assert streams.found["orders"] == as_listed(await the_stream(port))
    assert set(consumers.found) == {"reader"}
    assert consumers.found["reader"] == as_listed(await the_consumer(port))
    assert streams.missing == consumers.missing == frozenset()
    assert (await port.consumers("bills")).found == {}


def as_listed(live: Live) -> Live:
    """In lists, the server leaves out its own version, which it adds to other answers."""
    metadata = {**live.config.get("metadata", {})}
    metadata.pop("_nats.ver", None)
    metadata.pop("_nats.level", None)
    config = {key: value for key, value in live.config.items() if key != "metadata"}
    return replace(live, config=config | ({"metadata": metadata} if metadata else {}))


# --- subjects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "subject, holders",
    [
        ("orders.new", ("orders",)),
        ("orders.*", ("orders",)),
        ("*.new", ("orders", "others")),
        (">", ("bills", "orders", "others")),
        ("orders", ()),
        ("bills.a.c", ()),
        ("bills.*.b", ("bills",)),
    ],
)
async def test_streams_are_found_by_a_subject_that_overlaps_theirs(
    port: JetStream, subject: str, holders: tuple[str, ...]
) -> None:
    await port.create_stream(ORDERS)
    await port.create_stream({"name": "others", "subjects": ["others.new", "more"]})
    await port.create_stream({"name": "bills", "subjects": ["bills.*.b"]})
    assert await port.streams_on(subject) == holders


async def test_a_subject_belongs_to_one_stream(port: JetStream) -> None:
    await port.create_stream(ORDERS)
    with pytest.raises(SubjectOverlap):
        await port.create_stream({"name": "others", "subjects": ["others", "orders.*.new"]})
    assert await port.stream("others") is None
    await port.create_stream({"name": "others"})
    with pytest.raises(SubjectOverlap):
        await port.update_stream({"name": "others", "subjects": ["orders.new"]})
    others = await port.stream("others")
    assert others is not None
    assert others.config["subjects"] == ["others"]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before, after, err_code",
    [
        ({}, {"storage": "memory"}, 10052),
        ({}, {"retention": "workqueue"}, 10052),
        ({"retention": "workqueue"}, {"retention": "limits"}, 10052),
        ({"deny_delete": True}, {"deny_delete": False}, 10052),
        ({"deny_purge": True}, {"deny_purge": False}, 10052),
        ({}, {"subjects": [], "mirror": {"name": "far"}}, 10055),
        ({"subjects": [], "mirror": {"name": "far"}}, {"mirror": {"name": "near"}}, 10055),
    ],
)
async def test_a_stream_keeps_what_is_immutable(
    port: JetStream, before: Config, after: Config, err_code: int
) -> None:
    made = await port.create_stream({**ORDERS, **before})
    with pytest.raises(Rejected) as caught:
        await port.update_stream({**made.config, **after})
    assert caught.value.err_code == err_code
    assert (await the_stream(port)).config == made.config


@pytest.mark.parametrize(
    "before, after",
    [
        ({}, {"deliver_policy": "new"}),
        ({}, {"deliver_policy": "by_start_sequence", "opt_start_seq": 5}),
        ({}, {"ack_policy": "all"}),
        ({}, {"replay_policy": "original"}),
        ({}, {"max_waiting": 5}),
        ({}, {"deliver_subject": "there", "max_waiting": 0}),
        ({"deliver_subject": "there"}, {"deliver_subject": ""}),
        ({"deliver_subject": "there"}, {"idle_heartbeat": SECOND}),
    ],
)
async def test_a_consumer_keeps_what_is_immutable(
    port: JetStream, before: Config, after: Config
) -> None:
    await port.create_stream(ORDERS)
    made = await port.create_consumer("orders", {**READER, **before})
    with pytest.raises(Rejected) as caught:
        await port.update_consumer("orders", {**made.config, **after})
    assert caught.value.err_code == 10012
    assert (await the_consumer(port)).config == made.config


async def test_the_consumers_limit_is_fixed_on_older_servers(port: JetStream) -> None:
    made = await port.create_stream(ORDERS)
    change = port.update_stream({**made.config, "max_consumers": 5})
    if await level(port) >= 2:
        assert (await change).config["max_consumers"] == 5
    else:
        with pytest.raises(Rejected):
            await change


async def test_unknown_keys_are_refused_by_newer_servers_and_dropped_by_older(
    port: JetStream,
) -> None:
    creation = port.create_stream({**ORDERS, "unheard_of": 1})
    if await level(port) >= 2:
        with pytest.raises(Rejected) as caught:
            await creation
        assert caught.value.err_code == 10025
        assert await port.stream("orders") is None
    else:
        assert "unheard_of" not in (await creation).config


async def test_a_single_server_has_no_replicas(port: JetStream) -> None:
    with pytest.raises(Rejected) as caught:
        await port.create_stream({**ORDERS, "num_replicas": 3})
    assert caught.value.err_code == 10074


async def test_a_stream_takes_as_many_consumers_as_it_allows(port: JetStream) -> None:
    await port.create_stream({**ORDERS, "max_consumers": 1})
    await port.create_consumer("orders", READER)
    with pytest.raises(CapacityExceeded):
        await port.create_consumer("orders", {**READER, "name": "b", "durable_name": "b"})


async def test_backoff_must_not_be_longer_than_the_deliveries(port: JetStream) -> None:
    await port.create_stream(ORDERS)
    with pytest.raises(Rejected) as caught:
        await port.create_consumer("orders", {**READER, "max_deliver": 1, "backoff": [1, 2]})
    assert caught.value.err_code == 10116


# --- couplings ------------------------------------------------------------------------------------


async def test_a_stream_is_sealed_by_an_update_for_good(port: JetStream) -> None:
    with pytest.raises(Rejected):
        await port.create_stream({**ORDERS, "sealed": True})
    made = await port.create_stream({**ORDERS, "max_age": 3600 * SECOND, "allow_rollup_hdrs": True})
    sealed = (await port.update_stream({**made.config, "sealed": True})).config
    assert sealed["max_age"] == 0
    assert sealed["discard"] == "new"
    assert sealed["deny_delete"]
    assert sealed["deny_purge"]
    assert not sealed["allow_rollup_hdrs"]
    with pytest.raises(Rejected):
        await port.update_stream({**sealed, "sealed": False})


async def test_the_limits_of_a_stream_hold_for_its_consumers(port: JetStream) -> None:
    limits = {"max_ack_pending": 50, "inactive_threshold": 3600 * SECOND}
    made = await port.create_stream({**ORDERS, "consumer_limits": limits})
    reader = (await port.create_consumer("orders", READER)).config
    assert reader["max_ack_pending"] == 50
    assert reader["inactive_threshold"] == 3600 * SECOND
    for beyond in ({"max_ack_pending": 51}, {"inactive_threshold": 3601 * SECOND}):
        with pytest.raises(Rejected):
            await port.update_consumer("orders", {**reader, **beyond})
    with pytest.raises(Rejected) as caught:
        await port.update_stream({**made.config, "consumer_limits": {"max_ack_pending": 49}})
    assert caught.value.err_code == 10069


async def test_older_servers_keep_the_limits_that_consumers_live_by(port: JetStream) -> None:
    made = await port.create_stream({**ORDERS, "consumer_limits": {"max_ack_pending": 50}})
    await port.create_consumer("orders", READER)
    removal = port.update_stream({**made.config, "consumer_limits": {}})
    if await level(port) >= 4:
        assert (await removal).config["consumer_limits"] == {}
    else:
        with pytest.raises(Rejected) as caught:
            await removal
        assert caught.value.err_code == 10069


async def test_a_mirror_follows_its_origin_in_direct_reads(port: JetStream) -> None:
    await port.create_stream({**ORDERS, "allow_direct": True})
    made = await port.create_stream({"name": "copy", "mirror": {"name": "orders"}})
    assert made.config["mirror_direct"]


async def test_all_is_republished_where_the_transform_leads(port: JetStream) -> None:
    everywhere = {**ORDERS, "republish": {"dest": ">", "headers_only": True}}
    transform = {"src": "orders.>", "dest": "sorted.>"}
    for refused in (
        everywhere,
        {**everywhere, "subjects": ["orders.>", "more"], "subject_transform": transform},
        {**everywhere, "subject_transform": {**transform, "src": "orders.a.>"}},
        {**everywhere, "subject_transform": {**transform, "dest": "orders.b.>"}},
    ):
        with pytest.raises(Rejected) as caught:
            await port.create_stream(refused)
        assert caught.value.err_code == 10052
    creation = port.create_stream({**everywhere, "subject_transform": transform})
    if await level(port) < 1:
        with pytest.raises(Rejected, match="cycle"):
            await creation
        return
    made = (await creation).config["republish"]
    assert made == {"src": "sorted.>", "dest": "sorted.>", "headers_only": True}
    transform["dest"] = "again.>"
    found = await port.update_stream({**everywhere, "subject_transform": transform})
    assert found.config["republish"]["dest"] == "again.>"


async def test_metadata_of_the_server_comes_back_when_it_is_left_out(port: JetStream) -> None:
    made = await port.create_stream({**ORDERS, "metadata": {"team": "a", "_nats.hint": "b"}})
    updated = await port.update_stream({**made.config, "metadata": {"team": "a"}})
    expected = {"team": "a"}
    if await level(port) >= 1:
        server = await port.server()
        expected |= {
            "_nats.req.level": "0",
            "_nats.ver": server.version,
            "_nats.level": str(server.api_level),
        }
    assert updated.config["metadata"] == expected
    assert made.config["metadata"] == {**expected, "_nats.hint": "b"}


async def test_a_consumer_is_paused_and_resumed_by_its_own_request(port: JetStream) -> None:
    await port.create_stream(ORDERS)
    await port.create_consumer("orders", READER)
    later = "2099-01-31T12:00:00.000000001Z"
    if await level(port) < 1:
        with pytest.raises(Rejected):
            await port.pause_consumer("orders", "reader", later)
        return
    await port.pause_consumer("orders", "reader", later)
    paused = await the_consumer(port)
    assert paused.paused
    assert paused.config["pause_until"] == later
    config = {key: value for key, value in paused.config.items() if key != "pause_until"}
    await port.update_consumer("orders", config)
    assert (await the_consumer(port)).paused
    await port.pause_consumer("orders", "reader", None)
    assert not (await the_consumer(port)).paused


async def test_a_consumer_can_be_created_with_a_pause_that_is_over(port: JetStream) -> None:
    if await level(port) < 1:
        return
    await port.create_stream(ORDERS)
    over = {**READER, "pause_until": "2026-01-02T03:04:05Z"}
    made = await port.create_consumer("orders", over)
    assert (made.paused, made.config["pause_until"]) == (False, over["pause_until"])
    assert await port.create_consumer("orders", over) == made


# --- the time -------------------------------------------------------------------------------------


async def test_every_answer_tells_the_servers_time(port: JetStream, publish: Publish) -> None:
    times = [time.time_ns()]
    answers: list[Live] = [await port.create_stream(ORDERS)]
    answers.append(await port.update_stream({**ORDERS, "description": "new"}))
    answers.append(await port.create_consumer("orders", READER))
    answers.append(await port.update_consumer("orders", {**READER, "description": "new"}))
    await publish("orders.a", 1)
    answers += [await the_stream(port), await the_consumer(port)]
    answers += [(await port.streams()).found["orders"]]
    answers += [(await port.consumers("orders")).found["reader"]]
    times += [instant_ns(answer.as_of) for answer in answers]
    times.insert(5, instant_ns((await the_stream(port)).first_time))
    assert times == sorted(times), "by the clock that it stores messages by"


# --- messages -------------------------------------------------------------------------------------


async def test_a_stream_tells_what_it_holds(port: JetStream, publish: Publish) -> None:
    await port.create_stream(ORDERS)
    await port.create_consumer("orders", READER)
    empty = await the_stream(port)
    assert (empty.messages, empty.bytes, empty.subjects, empty.consumers) == (0, 0, 0, 1)
    await publish("orders.a", 2)
    await publish("orders.b", 1)
    full = await the_stream(port)
    assert (full.messages, full.subjects) == (3, 2)
    assert full.bytes > 300
    assert full.first_time > full.created
    assert (full.first_sequence, full.last_sequence) == (1, 3)
    await port.update_stream({**ORDERS, "max_msgs": 2})
    assert (await the_stream(port)).first_sequence == 2


@pytest.mark.parametrize(
    "limits, left",
    [
        ({"max_msgs": 2}, 2),
        ({"max_bytes": 200}, 1),
        ({"max_msgs": 2, "discard": "new"}, 6),
    ],
)
async def test_lower_limits_remove_the_oldest(
    port: JetStream, publish: Publish, limits: Config, left: int
) -> None:
    made = await port.create_stream(ORDERS)
    await publish("orders.a", 3)
    await publish("orders.b", 3)
    await port.update_stream({**made.config, **limits})
    assert (await the_stream(port)).messages == left


async def test_a_stream_is_deleted_with_its_messages(port: JetStream, publish: Publish) -> None:
    await port.create_stream(ORDERS)
    await publish("orders.a", 3)
    await port.delete_stream("orders")
    assert await port.stream("orders") is None


async def test_interest_of_nobody_empties_a_stream_on_the_newest_servers(
    port: JetStream, publish: Publish
) -> None:
    made = await port.create_stream(ORDERS)
    await publish("orders.a", 3)
    await port.update_stream({**made.config, "retention": "interest"})
    assert (await the_stream(port)).messages == (0 if await level(port) >= 5 else 3)


# --- the fake against the servers, configuration by configuration ---------------------------------

compared = settings(
    max_examples=int(os.environ.get("EXAMPLES", "40")),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def outcome(port: JetStream, desired: Desired) -> object:
    """What comes of a spec: the configuration, or the failure's class and code."""
    try:
        found = await apply(port, desired)
    except Failure as failure:
        return type(failure), failure.err_code
    return found.plan.action, found.live and specs.comparable(found.live.config)


@compared
@given(data=st.data())
async def test_the_fake_makes_of_a_stream_what_the_server_does(
    jetstream: Gateway, nats_server: NatsServer, data: st.DataObject
) -> None:
    fake = FakeJetStream(nats_server.version)
    await jetstream.delete_stream("work")
    for spec in data.draw(specs.stream_changes(await level(jetstream))):
        desired = stream("work", spec)
        assert await outcome(fake, desired) == await outcome(jetstream, desired)


@compared
@given(data=st.data())
async def test_the_fake_makes_of_a_consumer_what_the_server_does(
    jetstream: Gateway, nats_server: NatsServer, data: st.DataObject
) -> None:
    fake = FakeJetStream(nats_server.version)
    await jetstream.delete_consumer("work", "reader")
    for implementation in (fake, jetstream):
        await implementation.create_stream({"name": "work", "subjects": ["in.>"]})
    for spec in data.draw(specs.consumer_changes(await level(jetstream))):
        desired = consumer("work", "reader", spec)
        assert await outcome(fake, desired) == await outcome(jetstream, desired)
