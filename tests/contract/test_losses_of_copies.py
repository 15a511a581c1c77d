"""What becomes of copies when TTLs or schedules are turned on, and that the plan knows it."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
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
COPIES = 5
LEVEL_2_12, LEVEL_2_14 = 2, 4
SOURCES: Spec = {"sources": [{"name": "origin"}]}
MIRROR: Spec = {"mirror": {"name": "origin"}}


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


@pytest.fixture(params=["file", "memory"])
def storage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def publish(client: Client, headers: Mapping[str, str]) -> None:
    for number in range(COPIES):
        await client.request(f"origin.{number}", b"x", timeout=5, headers=dict(headers))


async def until_messages(jetstream: JetStream, name: str, count: int) -> LiveStream:
    async def look() -> LiveStream | None:
        live = await jetstream.stream(name)
        assert live is not None
        return live if live.messages == count else None

    found = await eventually_async(look, what=f"{count} messages in {name}")
    assert found is not None
    return found


async def make(jetstream: JetStream, plan: Plan, desired: Desired, live: LiveStream) -> None:
    """Make the changes that the plan holds."""
    await jetstream.update_stream(updated(desired, live.config, plan.changes, OWNER))


@pytest.mark.parametrize(
    "copying, change",
    [
        (SOURCES, {"allowMsgTtl": True}),
        (SOURCES, {"subjectDeleteMarkerTtl": "1h"}),
        (MIRROR, {"allowMsgTtl": True}),
    ],
)
async def test_copies_whose_ttl_is_over_go_when_ttls_are_turned_on(
    jetstream: JetStream, client: Client, storage: str, copying: Spec, change: Spec
) -> None:
    archive = stream("archive", {"storage": storage, **copying})
    with_ttl = stream("archive", {"storage": storage, **copying, **change})
    origin = stream("origin", {"subjects": ["origin.*"], "allowMsgTtl": True})
    if (await jetstream.server()).api_level < 1:
        refusal = (await planned(jetstream, with_ttl)).refusal
        assert refusal is not None
        assert refusal.reason is Reason.UNSUPPORTED_BY_SERVER
        return
    await apply(jetstream, origin)
    await apply(jetstream, archive)
    await publish(client, {"Nats-TTL": "1s"})
    await until_messages(jetstream, "origin", 0)
    before = await until_messages(jetstream, "archive", COPIES)

    plan = await planned(jetstream, with_ttl)
    assert plan.refusal is not None
    assert plan.refusal.reason is Reason.WOULD_LOSE_DATA
    assert plan.refusal.message.startswith("allowMsgTtl false → true: ")
    assert "could discard up to 5 messages" in plan.refusal.message

    await make(jetstream, plan, with_ttl, before)
    # Each may leave a marker where it was, and markers expire as well, after an hour.
    await eventually_async(lambda: _has_none_of_the_copies(client))


async def _has_none_of_the_copies(client: Client) -> bool:
    for sequence in range(1, COPIES + 1):
        request = f'{{"seq": {sequence}}}'.encode()
        answer = await client.request("$JS.API.STREAM.MSG.GET.archive", request, timeout=5)
        if b"no message found" not in answer.data:
            return False
    return True


async def test_copied_schedules_are_carried_out_again_when_schedules_are_turned_on(
    jetstream: JetStream, client: Client
) -> None:
    """In memory; from files the servers take up no schedules that they stored unawares.

    Before 2.14 nothing is copied from a stream with schedules, so the plan is only careful there.
    """
    level = (await jetstream.server()).api_level
    turned_on = stream(
        "archive", {"subjects": ["archive.*"], "storage": "memory", "allowMsgSchedules": True}
    )
    if level < LEVEL_2_12:
        refusal = (await planned(jetstream, turned_on)).refusal
        assert refusal is not None
        assert refusal.reason is Reason.UNSUPPORTED_BY_SERVER
        return
    has_schedules = level >= LEVEL_2_14
    origin = {"subjects": ["origin.*"], "storage": "memory", "allowMsgSchedules": has_schedules}
    await apply(jetstream, stream("origin", origin))
    await apply(jetstream, stream("archive", {"storage": "memory", **SOURCES}))
    due = datetime.now(UTC) + timedelta(seconds=2)
    schedule = {
        "Nats-Schedule": f"@at {due:%Y-%m-%dT%H:%M:%SZ}",
        "Nats-Schedule-Target": "origin.done",
    }
    await publish(client, schedule if has_schedules else {})
    before = await until_messages(jetstream, "archive", 2 * COPIES if has_schedules else COPIES)

    plan = await planned(jetstream, turned_on)
    assert plan.refusal is not None
    assert plan.refusal.reason is Reason.WOULD_LOSE_DATA
    assert "allowMsgSchedules false → true: could discard up to" in plan.refusal.message

    await make(jetstream, plan, turned_on, before)

    async def are_carried_out() -> bool:
        found = await jetstream.messages_on("archive", "origin.*")
        return dict(found) == {"origin.done": 2 * COPIES}

    if has_schedules:
        await eventually_async(are_carried_out)
