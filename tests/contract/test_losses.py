"""What the plan calls a loss of messages loses some on a real server, and nothing else does."""

import itertools
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
from coze_nats.ports import JetStream
from coze_nats.reconcile.performing import observe
from support.convergence import OWNER, apply, consumer, planned, stream
from support.eventually import eventually_async

Spec = dict[str, Any]
MESSAGES = 10
FULLEST = 5
_names = (f"work-{number}" for number in itertools.count())


@dataclass(frozen=True)
class Change:
    """A change of a stream that holds ten messages, half of them on each of two subjects.

    Attributes:
        before: what is declared when the messages are published; `between`: afterwards.
        after: what is declared then.
        loses: the field that is blamed for a loss of messages; "" when nothing is lost.
        acknowledged: how many messages a consumer has acknowledged; None: there is no consumer.
        since: the API level from which on messages are lost; before that, the plan is only careful.
    """

    says: str
    after: Spec
    loses: str = ""
    before: Spec | None = None
    between: Spec | None = None
    acknowledged: int | None = None
    since: int = 0

    def __str__(self) -> str:
        return self.says


CHANGES = (
    Change("a limit below the number of messages", {"maxMsgs": 5}, loses="maxMsgs"),
    Change("a limit of as many messages as there are", {"maxMsgs": MESSAGES}),
    Change("a limit below, and new messages give way", {"maxMsgs": 5, "discard": "new"}),
    Change(
        "old messages give way again, with more than the limit",
        {"maxMsgs": 5, "discard": "old"},
        between={"maxMsgs": 5, "discard": "new"},
        loses="discard",
    ),
    Change("a limit below the bytes stored", {"maxBytes": 500}, loses="maxBytes"),
    Change("a limit above the bytes stored", {"maxBytes": "64Ki"}),
    Change("bytes below, and new messages give way", {"maxBytes": 500, "discard": "new"}),
    Change(
        "old messages give way again, with more bytes than the limit",
        {"maxBytes": 500},
        between={"maxBytes": 500, "discard": "new"},
        loses="discard",
    ),
    Change(
        "a limit below the fullest subject", {"maxMsgsPerSubject": 2}, loses="maxMsgsPerSubject"
    ),
    Change(
        "a lower limit per subject, though new messages give way",
        {"maxMsgsPerSubject": 2, "discard": "new", "discardPerSubject": True},
        before={"maxMsgsPerSubject": FULLEST, "discard": "new", "discardPerSubject": True},
        loses="maxMsgsPerSubject",
    ),
    Change(
        "a higher limit per subject",
        {"maxMsgsPerSubject": FULLEST + 1},
        before={"maxMsgsPerSubject": FULLEST},
    ),
    Change("a limit that no subject can exceed", {"maxMsgsPerSubject": MESSAGES}),
    Change("no limit per subject any more", {}, before={"maxMsgsPerSubject": FULLEST}),
    Change("an age that the oldest has passed", {"maxAge": "100ms"}, loses="maxAge"),
    Change("an age that none has reached", {"maxAge": "1h"}),
    Change(
        "an age that the oldest has passed, though new messages give way",
        {"maxAge": "100ms", "discard": "new"},
        before={"discard": "new"},
        loses="maxAge",
    ),
    Change(
        "interest, and nobody is interested", {"retention": "interest"}, loses="retention", since=5
    ),
    Change(
        "interest, and the interested have seen some",
        {"retention": "interest"},
        loses="retention",
        acknowledged=3,
    ),
    Change("limits after interest", {}, before={"retention": "interest"}, acknowledged=0),
    Change("sealing", {"sealed": True}),
    Change("everything that has nothing to do with it", {
        "description": "x",
        "subjects": ["other"],
        "maxMsgSize": 1,
        "compression": "s2",
        "duplicateWindow": "100ms",
        "denyDelete": True,
        "consumerLimits": {"maxAckPending": 1},
    }),
)  # fmt: skip


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


@pytest.fixture(params=["file", "memory"])
def storage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def publish(client: Client, name: str, count: int) -> None:
    for number in range(count):
        await client.request(f"{name}.in.{number % 2}", b"x" * 100, timeout=5)


async def acknowledge(client: Client, jetstream: JetStream, name: str, count: int) -> None:
    for _ in range(count):
        request = f"$JS.API.CONSUMER.MSG.NEXT.{name}.reader"
        message = await client.request(request, b"1", timeout=5, old_style=True)
        await client.request(message.reply, b"+ACK", timeout=5, old_style=True)


async def held(jetstream: JetStream, desired: Desired) -> LiveStream:
    live = await observe(jetstream, desired.target)
    assert isinstance(live, LiveStream)
    return live


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_a_change_loses_messages_only_where_the_plan_says_so(
    jetstream: JetStream, client: Client, storage: str, change: Change
) -> None:
    name = next(_names)

    def declared(spec: Spec) -> Desired:
        return stream(name, {"subjects": [f"{name}.in.*"], "storage": storage, **spec})

    await apply(jetstream, declared(change.before or {}))
    if change.acknowledged is not None:
        await apply(jetstream, consumer(name, "reader", {}))
    await publish(client, name, MESSAGES)
    await acknowledge(client, jetstream, name, change.acknowledged or 0)
    if change.between is not None:
        await apply(jetstream, declared(change.between))
    desired = declared(change.after)
    before = await held(jetstream, desired)
    assert before.messages == MESSAGES

    async def is_old_enough() -> bool:
        refusal = (await planned(jetstream, desired)).refusal
        return refusal is not None

    if not change.loses:
        assert (await apply(jetstream, desired)).plan.refusal is None
        assert (await held(jetstream, desired)).messages == MESSAGES
        return
    await eventually_async(is_old_enough)
    plan = await planned(jetstream, desired)
    assert plan.refusal is not None
    assert plan.refusal.reason is Reason.WOULD_LOSE_DATA
    assert plan.refusal.message.startswith(change.loses)
    assert await held(jetstream, desired) == before

    await jetstream.update_stream(updated(desired, before.config, plan.changes, OWNER))
    # Servers before 2.14 enforce a new limit per subject when they store the next message.
    await publish(client, name, 2)

    async def has_lost() -> bool:
        return (await held(jetstream, desired)).messages < MESSAGES

    if (await jetstream.server()).api_level >= change.since:
        await eventually_async(has_lost)
    else:
        assert not await has_lost()
