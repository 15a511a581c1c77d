"""Somebody keeps changing what is declared: after a few rounds the operator says so and waits."""

import asyncio
from typing import Any

from coze_nats.core import names
from coze_nats.jetstream.gateway import Gateway
from support.eventually import POLL_SECONDS

STREAM = names.STREAM_KIND


async def contest(jetstream: Gateway) -> None:
    """Set maxMsgs back whenever it was put right."""
    while True:
        stream = await jetstream.stream("contested")
        if stream and stream.config["max_msgs"] != 5:
            await jetstream.update_stream({**stream.config, "max_msgs": 5})
        await asyncio.sleep(POLL_SECONDS)


async def test_a_contest_is_told_with_both_values_and_floods_nobody(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("contested", subjects=["contested"], maxMsgs=10)
    await tenant.ready(STREAM, "contested")
    writer = asyncio.create_task(contest(jetstream))
    try:
        message = await tenant.stalled(STREAM, "contested", "DriftContested")
        assert "maxMsgs 5 → 10" in message
        for moment in ("now", "and now"):
            tenant.annotate(STREAM, "contested", reconcile_requested_at=moment)
            status = await tenant.reports(STREAM, "contested", "Stalled", "DriftContested")
            assert "maxMsgs 5 → 10" in status["plan"]
        assert len(tenant.told("contested", "DriftContested")) == 1
        assert 1 <= len(tenant.told("contested", "DriftCorrected")) <= 3
    finally:
        writer.cancel()
    tenant.stream("contested", subjects=["contested"], maxMsgs=11)
    await tenant.ready(STREAM, "contested")
