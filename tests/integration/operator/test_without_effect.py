"""What a server takes and gives no effect to is told to it once, and once more when asked to."""

import asyncio
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from coze_nats.core import names
from support.eventually import eventually_async

STREAM = names.STREAM_KIND
REQUESTS = 4
"""Of two comparisons or more; one is made every two seconds, and a loop makes ten updates."""


async def test_a_mirror_that_contradicts_its_origin_is_updated_once(
    tenant: Any, world: Any, client: Client
) -> None:
    tenant.stream("origin", subjects=["origin"])
    await tenant.ready(STREAM, "origin")
    tenant.stream("copy", mirror={"name": "origin"})
    await tenant.ready(STREAM, "copy")
    updates: list[Msg] = []

    async def heard(advisory: Msg) -> None:
        updates.append(advisory)

    await client.subscribe("$JS.EVENT.ADVISORY.STREAM.UPDATED.copy", cb=heard)
    await client.flush()

    async def some_requests() -> None:
        def requests() -> int:
            return int(world.nats.monitor("/jsz")["api"]["total"])

        before = requests()

        async def made() -> bool:
            return await asyncio.to_thread(requests) >= before + REQUESTS

        await eventually_async(made, 60, f"{REQUESTS} requests")

    tenant.stream("copy", mirror={"name": "origin"}, mirrorDirect=True)
    message = await tenant.stalled(STREAM, "copy", "NotConverging")
    assert "mirrorDirect false → true" in message
    await some_requests()
    assert len(updates) == 1

    tenant.annotate(STREAM, "copy", reconcile_requested_at="now")
    await eventually_async(
        lambda: handled(tenant, "now"), 60, "the request to reconcile to be handled"
    )
    await some_requests()
    assert len(updates) == 2

    tenant.stream("origin", subjects=["origin"], allowDirect=True)
    await tenant.ready(STREAM, "origin")
    tenant.annotate(STREAM, "copy", reconcile_requested_at="and now")
    await tenant.ready(STREAM, "copy")


async def handled(tenant: Any, moment: str) -> bool:
    return bool(tenant.status(STREAM, "copy").get("lastHandledReconcileAt") == moment)
