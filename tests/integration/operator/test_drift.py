"""Drift is found by advisories, within seconds, long before the next comparison of everything."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually_async

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND


@pytest.fixture(scope="module")
def world(run_operator: Callable[..., Any]) -> Any:
    """An operator that compares everything once an hour."""
    return run_operator("2.14.6", "--resync-interval=1h")


async def back(look: Callable[[], Awaitable[Any]], created: str) -> None:
    """Wait until the object is there again."""

    async def is_back() -> bool:
        found = await look()
        return found is not None and found.created != created

    await eventually_async(is_back, 20, "the object to be back")


async def test_a_stream_and_a_consumer_that_were_deleted_come_back(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("orders", subjects=["orders"], storage="memory")
    tenant.consumer("reader", streamRef={"name": "orders"})
    await tenant.ready(CONSUMER, "reader")
    consumer = await jetstream.consumer("orders", "reader")
    assert consumer
    await jetstream.delete_consumer("orders", "reader")
    await back(lambda: jetstream.consumer("orders", "reader"), consumer.created)
    stream = await jetstream.stream("orders")
    assert stream
    await jetstream.delete_stream("orders")
    await back(lambda: jetstream.stream("orders"), stream.created)
    await tenant.ready(CONSUMER, "reader")


async def test_an_edit_of_a_stream_and_a_pause_are_put_right(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("edited", subjects=["edited"], storage="memory", description="as declared")
    tenant.consumer("running", streamRef={"name": "edited"})
    await tenant.ready(CONSUMER, "running")
    stream = await jetstream.stream("edited")
    assert stream
    await jetstream.update_stream({**stream.config, "description": "edited"})
    await jetstream.pause_consumer("edited", "running", "2100-01-01T00:00:00Z")

    async def put_right() -> bool:
        found = await jetstream.stream("edited")
        consumer = await jetstream.consumer("edited", "running")
        return bool(
            found
            and consumer
            and found.config["description"] == "as declared"
            and not consumer.paused
        )

    await eventually_async(put_right, 20, "both to be put right")


async def test_a_resource_can_ask_to_be_looked_at_more_often(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("watched", subjects=["watched"], storage="memory")
    tenant.consumer("reader", streamRef={"name": "watched"}, description="as declared")
    tenant.annotate(CONSUMER, "reader", resync_interval="1s")
    await tenant.ready(CONSUMER, "reader")
    consumer = await jetstream.consumer("watched", "reader")
    assert consumer
    # A changed consumer makes no advisory.
    await jetstream.update_consumer("watched", {**consumer.config, "description": "edited"})

    async def put_right() -> bool:
        found = await jetstream.consumer("watched", "reader")
        return found is not None and found.config["description"] == "as declared"

    await eventually_async(put_right, 20, "the consumer to be put right")


async def test_who_is_refused_for_a_neighbours_sake_is_woken_when_that_one_gives_way(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("work", subjects=["work.>", "bills"], retention="workqueue", storage="memory")
    tenant.consumer("first", streamRef={"name": "work"}, filterSubject="work.a")
    await tenant.ready(CONSUMER, "first")
    tenant.consumer("second", streamRef={"name": "work"}, filterSubject="work.a")
    tenant.stream("bills", subjects=["bills"], storage="memory")
    await jetstream.create_stream({"name": "theirs", "subjects": ["theirs"], "storage": "memory"})
    tenant.stream("logs", subjects=["theirs"], storage="memory")
    await tenant.stalled(CONSUMER, "second", "RejectedByServer")
    await tenant.stalled(STREAM, "bills", "SubjectOverlap")
    await tenant.stalled(STREAM, "logs", "SubjectOverlap")
    tenant.consumer("first", streamRef={"name": "work"}, filterSubject="work.b")
    tenant.stream("work", subjects=["work.>"], retention="workqueue", storage="memory")
    await jetstream.delete_stream("theirs")
    await tenant.ready(CONSUMER, "second")
    await tenant.ready(STREAM, "bills")
    await tenant.ready(STREAM, "logs")


async def test_a_deleted_streams_consumer_is_not_ready_though_others_are_being_created(
    tenant: Any,
) -> None:
    tenant.stream("going", subjects=["going"], storage="memory")
    tenant.consumer("left", streamRef={"name": "going"})
    await tenant.ready(CONSUMER, "left")
    tenant.delete(STREAM, "going")
    for number in range(30):
        tenant.stream(f"other-{number}", subjects=[f"other-{number}"], storage="memory")
    await tenant.held(CONSUMER, "left", "WaitingForStream")
