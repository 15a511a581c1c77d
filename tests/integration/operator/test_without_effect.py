"""A mirror's mirrorDirect is its origin's to say: nothing is told to the server without effect."""

import functools
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from coze_nats.core import names
from support.eventually import eventually_async

STREAM = names.STREAM_KIND


async def test_a_mirror_that_contradicts_its_origin_is_ready_and_follows_it(
    tenant: Any, client: Client
) -> None:
    tenant.stream("origin", subjects=["origin"])
    await tenant.ready(STREAM, "origin")
    updates: list[Msg] = []

    async def heard(advisory: Msg) -> None:
        updates.append(advisory)

    await client.subscribe("$JS.EVENT.ADVISORY.STREAM.UPDATED.copy", cb=heard)
    await client.flush()

    tenant.stream("copy", mirror={"name": "origin"}, mirrorDirect=True)
    await tenant.ready(STREAM, "copy")
    for moment in ("now", "and now"):
        tenant.annotate(STREAM, "copy", reconcile_requested_at=moment)
        await eventually_async(
            functools.partial(handled, tenant, moment), 60, "the request to be handled"
        )
    assert updates == []

    tenant.stream("origin", subjects=["origin"], allowDirect=True)
    await tenant.ready(STREAM, "origin")
    tenant.annotate(STREAM, "copy", reconcile_requested_at="at last")
    await eventually_async(
        functools.partial(handled, tenant, "at last"), 60, "the request to be handled"
    )
    await tenant.ready(STREAM, "copy")
    assert tenant.status(STREAM, "copy")["effective"]["mirrorDirect"] is True
    await client.flush()
    assert len(updates) == 1


async def handled(tenant: Any, moment: str) -> bool:
    return bool(tenant.status(STREAM, "copy").get("lastHandledReconcileAt") == moment)
