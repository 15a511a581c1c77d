"""The core's four promises, against real servers: whatever is declared, the plan is true.

EXAMPLES sets how many examples are tried for each promise and server version.
"""

import itertools
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from nats.aio.client import Client

from controlplane.nats import NatsServer
from coze_nats.core.configs import creation
from coze_nats.core.desired import Desired
from coze_nats.core.live import Config, LiveConsumer, LiveStream
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Action
from coze_nats.core.steps import Create
from coze_nats.ports import JetStream
from coze_nats.reconcile.performing import observe
from support import specs
from support.convergence import Applied, apply, consumer, planned, stream

promise = settings(
    max_examples=int(os.environ.get("EXAMPLES", "40")),
    deadline=None,
    print_blob=True,
    # The server outlives an example, and each example removes what it made.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FOREIGN = {"_nats.hint": "a", "coze.dev/note": "b"}
_names = (f"work-{number}" for number in itertools.count())


@pytest.fixture
async def publisher(nats_server: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


async def level(jetstream: JetStream) -> int:
    return (await jetstream.server()).api_level


@asynccontextmanager
async def stream_of(jetstream: JetStream, spec: specs.Spec | None = None) -> AsyncIterator[str]:
    """A stream under a name of its own, as declared."""
    name = next(_names)
    try:
        spec = {"subjects": ["in.>"]} if spec is None else spec
        await create(jetstream, stream(name, specs.unsealed(spec)))
        if spec.get("sealed"):
            await change(jetstream, stream(name, spec))
        yield name
    finally:
        await jetstream.delete_stream(name)


async def create(jetstream: JetStream, desired: Desired) -> Live:
    """Promise (a): create, read back, plan again is empty."""
    found = await apply(jetstream, desired)
    note(f"created: {found.live}")
    assert found.plan.action is Action.CREATE
    assert (await planned(jetstream, desired)).action is Action.NOTHING
    assert found.live is not None
    return found.live


async def change(jetstream: JetStream, desired: Desired) -> Applied:
    """Promise (b): the plan reaches the spec, or refuses and changes nothing."""
    found = await apply(jetstream, desired)
    note(f"planned: {found.plan}")
    refusal = found.plan.refusal
    event(refusal.reason if refusal else found.plan.action.value)
    if refusal:
        assert refusal.reason in (
            Reason.IMMUTABLE_FIELD,
            Reason.UNSUPPORTED_BY_SERVER,
            Reason.WOULD_LOSE_DATA,
        )
        assert found.live == found.before
    else:
        assert found.left == ()
        assert (await planned(jetstream, desired)).action is Action.NOTHING
    return found


def comparable(live: Live) -> dict[str, Any]:
    """A configuration without what tells two objects of the same spec apart, and what is over."""
    config = {**live.config}
    name = config.pop("name")
    config.pop("durable_name", None)
    if config.get("subjects") == [name]:
        del config["subjects"]
    if config.get("sample_freq") == "0":
        del config["sample_freq"]
    if isinstance(live, LiveConsumer) and not live.paused:
        config.pop("pause_until", None)
    metadata = config["metadata"]
    config["metadata"] = {k: v for k, v in metadata.items() if not k.startswith("_nats.")}
    return specs.comparable(config)


def chosen_freely(spec: Mapping[str, Any]) -> frozenset[str]:
    """What the server may choose anew or keep, where the spec says nothing."""
    found = set()
    if "sources" in spec and "duplicateWindow" not in spec:
        found.add("duplicate_window")
    if "external" not in spec.get("mirror", {"external"}) and "mirrorDirect" not in spec:
        found.add("mirror_direct")
    return frozenset(found)


async def publish(publisher: Client, live: Live, count: int) -> None:
    """Publish to each subject of a stream, as far as it takes messages."""
    if live.config.get("no_ack"):
        return
    for subject in live.config.get("subjects", ()):
        literal = subject.replace("*", "x").replace(">", "x")
        for _ in range(count):
            await publisher.request(literal, b"message", timeout=5)


async def with_foreign_metadata(jetstream: JetStream, live: Live, stream_name: str) -> None:
    """Do by hand what another tool might do."""
    config = {**live.config, "metadata": {**live.config["metadata"], **FOREIGN}}
    if isinstance(live, LiveStream):
        await jetstream.update_stream(config)
    else:
        await jetstream.update_consumer(stream_name, config)


def foreign_metadata(config: Config) -> dict[str, str]:
    return {key: config["metadata"].get(key) for key in FOREIGN}


class TestStreams:
    @promise
    @given(data=st.data())
    async def test_any_spec_is_reached_from_any_other_or_refused_as_a_whole(
        self, jetstream: JetStream, publisher: Client, data: st.DataObject
    ) -> None:
        before, after = data.draw(specs.stream_changes(await level(jetstream)))
        messages = data.draw(st.integers(0, 2))
        async with stream_of(jetstream, before) as name:
            first = await observe(jetstream, stream(name, before).target)
            assert isinstance(first, LiveStream)
            await publish(publisher, first, messages)
            found = await change(jetstream, stream(name, after))
        assert isinstance(found.live, LiveStream)
        assert isinstance(found.before, LiveStream)
        assert found.live.messages == found.before.messages
        if not found.plan.refusal:
            async with stream_of(jetstream, after) as name:
                twin = await observe(jetstream, stream(name, after).target)
            assert twin is not None
            assert_same(found.live, twin, chosen_freely(after))

    @promise
    @given(data=st.data())
    async def test_a_field_that_is_removed_returns_to_the_default(
        self, jetstream: JetStream, data: st.DataObject
    ) -> None:
        spec = data.draw(specs.new_stream_specs(await level(jetstream)))
        removed = data.draw(st.sampled_from(sorted(spec) or [""]))
        rest = specs.coherent_stream({k: v for k, v in spec.items() if k != removed})
        async with stream_of(jetstream, spec) as name:
            found = await change(jetstream, stream(name, rest))
        if not found.plan.refusal:
            async with stream_of(jetstream, rest) as name:
                twin = await observe(jetstream, stream(name, rest).target)
            assert found.live is not None
            assert twin is not None
            assert_same(found.live, twin, chosen_freely(rest))

    @promise
    @given(data=st.data())
    async def test_what_the_operator_does_not_know_survives_an_update(
        self, jetstream: JetStream, data: st.DataObject
    ) -> None:
        before, after = data.draw(specs.stream_changes(await level(jetstream)))
        async with stream_of(jetstream, before) as name:
            live = await observe(jetstream, stream(name, before).target)
            assert live is not None
            await with_foreign_metadata(jetstream, live, name)
            found = await change(jetstream, stream(name, after))
        assert found.live is not None
        assert foreign_metadata(found.live.config) == FOREIGN

    @promise
    @given(data=st.data())
    async def test_what_another_tool_made_is_adopted_as_it_is(
        self, jetstream: JetStream, data: st.DataObject
    ) -> None:
        spec = data.draw(specs.new_stream_specs(await level(jetstream)))
        name = next(_names)
        desired = stream(name, spec)
        config = data.draw(specs.said_otherwise(as_created(desired)))
        try:
            live = await jetstream.create_stream(config)
            if data.draw(st.booleans(), label="restored from what a server told"):
                await jetstream.delete_stream(name)
                await jetstream.create_stream(live.config)
            await expect_adoption(jetstream, desired)
        finally:
            await jetstream.delete_stream(name)


class TestConsumers:
    @promise
    @given(data=st.data())
    async def test_any_spec_is_reached_from_any_other_or_refused_as_a_whole(
        self, jetstream: JetStream, data: st.DataObject
    ) -> None:
        before, after = data.draw(specs.consumer_changes(await level(jetstream)))
        async with stream_of(jetstream) as name:
            await create(jetstream, consumer(name, "reader", before))
            found = await change(jetstream, consumer(name, "reader", after))
            if not found.plan.refusal:
                twin = await create(jetstream, consumer(name, "twin", after))
                assert found.live is not None
                assert_same(found.live, twin)

    @promise
    @given(data=st.data())
    async def test_a_field_that_is_removed_returns_to_the_default(
        self, jetstream: JetStream, data: st.DataObject
    ) -> None:
        spec = data.draw(specs.consumer_specs(await level(jetstream)))
        removed = data.draw(st.sampled_from(sorted(spec) or [""]))
        rest = specs.coherent_consumer({k: v for k, v in spec.items() if k != removed})
        async with stream_of(jetstream) as name:
            await create(jetstream, consumer(name, "reader", spec))
            found = await change(jetstream, consumer(name, "reader", rest))
            if not found.plan.refusal:
                twin = await create(jetstream, consumer(name, "twin", rest))
                assert found.live is not None
                assert_same(found.live, twin)

    @promise
    @given(data=st.data())
    async def test_what_the_operator_does_not_know_survives_an_update(
        self, jetstream: JetStream, data: st.DataObject
    ) -> None:
        before, after = data.draw(specs.consumer_changes(await level(jetstream)))
        async with stream_of(jetstream) as name:
            live = await create(jetstream, consumer(name, "reader", before))
            await with_foreign_metadata(jetstream, live, name)
            found = await change(jetstream, consumer(name, "reader", after))
        assert found.live is not None
        assert foreign_metadata(found.live.config) == FOREIGN

    @promise
    @given(data=st.data())
    async def test_what_another_tool_made_is_adopted_as_it_is(
        self, jetstream: JetStream, data: st.DataObject
    ) -> None:
        spec = data.draw(specs.consumer_specs(await level(jetstream)))
        async with stream_of(jetstream) as name:
            desired = consumer(name, "reader", spec)
            config = data.draw(specs.said_otherwise(as_created(desired)))
            live = await jetstream.create_consumer(name, config)
            if data.draw(st.booleans(), label="restored from what a server told"):
                await jetstream.delete_consumer(name, "reader")
                await jetstream.create_consumer(name, live.config)
            await expect_adoption(jetstream, desired)


def as_created(desired: Desired) -> dict[str, Any]:
    """The configuration that the operator would create the object with, but for its mark."""
    (step,) = creation(desired, "")
    assert isinstance(step, Create)
    return dict(step.config)


async def expect_adoption(jetstream: JetStream, desired: Desired) -> None:
    """It is as declared, and nothing is written."""
    found = await planned(jetstream, desired)
    assert found.changes == ()
    assert (found.action, found.steps) == (Action.ADOPT, ())


def assert_same(changed: Live, twin: Live, free: frozenset[str] = frozenset()) -> None:
    """An object that was changed to a spec is the same as one that was created from it."""
    one, other = comparable(changed), comparable(twin)
    for key in free:
        one.pop(key, None)
        other.pop(key, None)
    assert one == other
