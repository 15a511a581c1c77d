"""What changed sources copy again on real servers, and that the plan knows it.

The changes of a group are made side by side, each on streams of its own: a source takes its time.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from controlplane.nats import NatsServer
from coze_nats.core.configs import updated
from coze_nats.core.desired import Desired
from coze_nats.core.live import LiveStream
from coze_nats.core.names import Reason
from coze_nats.core.plan import Plan
from coze_nats.ports import JetStream
from support.convergence import OWNER, apply, planned, stream
from support.eventually import eventually_async

Spec = dict[str, Any]
COPIES = 6
LEVEL_2_12, LEVEL_2_14 = 2, 4
A = {"source": "ORIGIN.a.*", "destination": "copied.a.{{wildcard(1)}}"}
B = {"source": "ORIGIN.b.*", "destination": "copied.b.{{wildcard(1)}}"}
OTHER_A = {**A, "destination": "other.{{wildcard(1)}}"}
ALL = {"filterSubject": "ORIGIN.>"}
ONLY_A, ONLY_B = {"filterSubject": "ORIGIN.a.*"}, {"filterSubject": "ORIGIN.b.*"}
LONG_AGO = {"optStartTime": "2020-01-01T00:00:00Z"}
_numbers = itertools.count()


@dataclass(frozen=True)
class Change:
    """A change of the sources of a stream that has copied some of six messages.

    Attributes:
        before, after: the sources, each without its name; ORIGIN stands for the origin's.
        copies: how many messages are copied before the change.
        trimmed: whether the stream's own first message, older than the copies, is gone.
    """

    before: tuple[Spec, ...]
    after: tuple[Spec, ...]
    copies: int = COPIES
    trimmed: bool = False


AGAIN = (
    Change(({},), (ALL,)),
    Change((ONLY_A,), ({},), copies=3),
    Change((ONLY_A,), (ONLY_A, {"filterSubject": "ORIGIN.*.0"}), copies=3),
    Change((ONLY_A,), ({"subjectTransforms": [A]},), copies=3),
    Change(({"subjectTransforms": [A]},), ({"subjectTransforms": [A, B]},), copies=3),
    Change(({"subjectTransforms": [A]},), ({"subjectTransforms": [OTHER_A]},), copies=3),
    Change(({},), ({**ALL, "optStartSeq": 3},)),
    Change(({},), ({**ALL, "optStartSeq": 3},), trimmed=True),
)
ONCE = (
    Change((ONLY_A, ONLY_B), (ONLY_B, ONLY_A)),
    Change((ONLY_B, {"subjectTransforms": [A]}), (ONLY_B,)),
    Change(({},), ({"filterSubject": ">"},)),
    Change(({},), (ALL,), trimmed=True),
    Change(({},), ({**ALL, **LONG_AGO},)),
    Change(({"optStartSeq": 4},), ({},), copies=3),
)
MOVED = (
    Change(({},), ({"optStartSeq": 1},)),
    Change(({"optStartSeq": 4},), ({"optStartSeq": 1},), copies=3),
    Change(({},), (LONG_AGO,)),
)


class Hub:
    """A stream that has copied an origin's messages, after one of its own."""

    def __init__(self, jetstream: JetStream, client: Client) -> None:
        self.jetstream = jetstream
        self.client = client
        self.origin, self.name = (f"{word}-{next(_numbers)}" for word in ("origin", "hub"))

    def declared(self, *sources: Spec, **more: Any) -> Desired:
        found = json.loads(json.dumps(sources).replace("ORIGIN", self.origin))
        named = {"sources": [{"name": self.origin, **each} for each in found]} if found else {}
        subjects = {} if "mirror" in more else {"subjects": [f"{self.name}.>"]}
        return stream(self.name, {"storage": "memory", **subjects, **named, **more})

    async def filled(self, declared: Desired, copies: int, *, trimmed: bool = False) -> LiveStream:
        origin = {"subjects": [f"{self.origin}.>"], "storage": "memory"}
        await apply(self.jetstream, stream(self.origin, origin))
        await apply(self.jetstream, declared)
        own = 0 if "mirror" in declared.declared else 1
        for _ in range(own):
            await self.client.request(f"{self.name}.own", b"x", timeout=5)
        for number in range(COPIES // 2):
            await self.publish(f"a.{number}")
            await self.publish(f"b.{number}")
        found = await self.until_holding(own + copies)
        if not trimmed:
            return found
        request = f"$JS.API.STREAM.MSG.DELETE.{self.name}"
        await self.client.request(request, b'{"seq": 1}', timeout=5)
        return await self.until_holding(copies)

    async def publish(self, word: str) -> None:
        await self.client.request(f"{self.origin}.{word}", b"x", timeout=5)

    async def live(self) -> LiveStream:
        found = await self.jetstream.stream(self.name)
        assert found is not None
        return found

    async def until_holding(self, count: int) -> LiveStream:
        async def look() -> LiveStream | None:
            found = await self.live()
            return found if found.messages == count else None

        found = await eventually_async(look, what=f"{count} messages in {self.name}")
        assert found is not None
        return found

    async def force(self, desired: Desired, before: LiveStream, plan: Plan) -> None:
        """Make the changes that the plan refuses."""
        await self.jetstream.update_stream(updated(desired, before.config, plan.changes, OWNER))

    async def expect_held(self, desired: Desired, before: LiveStream, reason: Reason) -> Plan:
        plan = await planned(self.jetstream, desired)
        assert plan.refusal is not None
        assert plan.refusal.reason is reason, plan.refusal
        assert await self.live() == before
        return plan

    async def expect_copied_again(self, desired: Desired, before: LiveStream) -> None:
        plan = await self.expect_held(desired, before, Reason.WOULD_LOSE_DATA)
        assert f"could copy {self.origin} again from" in str(plan.refusal)
        await self.force(desired, before, plan)

        async def holds_more() -> bool:
            return (await self.live()).messages > before.messages

        await eventually_async(holds_more, what=f"more than {before.messages}: {desired.declared}")

    async def expect_nothing_but_what_is_new(self, before: LiveStream) -> None:
        """A source copies in the order of its origin: what it has copied again comes first."""
        await self.publish("b.new")

        async def has_the_new_one() -> bool:
            return bool(await self.jetstream.messages_on(self.name, f"{self.origin}.b.new"))

        await eventually_async(has_the_new_one)
        assert (await self.live()).messages == before.messages + 1


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


async def test_a_source_that_nats_takes_for_another_copies_again_and_is_held(
    jetstream: JetStream, client: Client
) -> None:
    async def check(change: Change) -> None:
        hub = Hub(jetstream, client)
        declared = hub.declared(*change.before)
        before = await hub.filled(declared, change.copies, trimmed=change.trimmed)
        await hub.expect_copied_again(hub.declared(*change.after), before)

    await asyncio.gather(*map(check, AGAIN))


async def test_a_source_that_stays_or_starts_at_the_end_copies_nothing_again(
    jetstream: JetStream, client: Client
) -> None:
    async def check(change: Change) -> None:
        hub = Hub(jetstream, client)
        declared = hub.declared(*change.before)
        before = await hub.filled(declared, change.copies, trimmed=change.trimmed)
        assert (await apply(jetstream, hub.declared(*change.after))).plan.refusal is None, change
        await hub.expect_nothing_but_what_is_new(before)

    await asyncio.gather(*map(check, ONCE))


async def test_a_start_has_no_effect_on_a_source_that_stays_and_is_refused(
    jetstream: JetStream, client: Client
) -> None:
    async def check(change: Change) -> None:
        hub = Hub(jetstream, client)
        before = await hub.filled(hub.declared(*change.before), change.copies)
        desired = hub.declared(*change.after)
        plan = await hub.expect_held(desired, before, Reason.IMMUTABLE_FIELD)
        assert f"where {hub.origin} starts has an effect only" in str(plan.refusal)
        await hub.force(desired, before, plan)
        await hub.expect_nothing_but_what_is_new(before)

    await asyncio.gather(*map(check, MOVED))


async def test_a_source_copies_again_what_the_stream_has_as_a_mirror(
    jetstream: JetStream, client: Client
) -> None:
    hub = Hub(jetstream, client)
    before = await hub.filled(hub.declared(mirror={"name": hub.origin}), COPIES)
    desired = hub.declared({})
    if (await jetstream.server()).api_level < LEVEL_2_12:
        await hub.expect_held(desired, before, Reason.UNSUPPORTED_BY_SERVER)
        return
    await hub.expect_copied_again(desired, before)


async def test_a_source_that_is_read_through_a_consumer_copies_again(
    jetstream: JetStream, client: Client
) -> None:
    hub = Hub(jetstream, client)
    before = await hub.filled(hub.declared({}), COPIES)
    desired = hub.declared({"consumer": {"name": "copier", "deliverSubject": "copies"}})
    if (await jetstream.server()).api_level < LEVEL_2_14:
        await hub.expect_held(desired, before, Reason.UNSUPPORTED_BY_SERVER)
        return
    copier = {"name": "copier", "durable_name": "copier", "deliver_subject": "copies"}
    await jetstream.create_consumer(hub.origin, {**copier, "ack_policy": "flow_control"})
    await hub.expect_copied_again(desired, before)
