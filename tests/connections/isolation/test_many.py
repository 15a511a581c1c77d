"""Fifty connections, three of them to servers that make trouble: the others don't notice."""

from pathlib import Path

import pytest

from connections.isolation.estate import CONNECTION, STREAM, Estate
from coze_nats.core.conditions import condition
from support.declaring import Declaring
from support.many_systems import estate as everything
from support.many_systems import seconds_until_ready, servers, troubles
from support.tenant import Tenant

HEALTHY = 47


@pytest.mark.slow
async def test_servers_that_make_trouble_hold_up_only_their_own_resources(
    estate: Estate, host: Tenant, tmp_path: Path
) -> None:
    healthy = [f"h{number}" for number in range(HEALTHY)]
    async with (
        troubles(tmp_path) as found,
        Declaring(estate.kubernetes, host.namespace) as declaring,
    ):
        connections = {trouble.name: trouble.spec for trouble in found} | {
            name: servers(estate.own.url) for name in healthy
        }
        resources = everything(declaring, connections)
        await declaring.create(resources)
        await seconds_until_ready(declaring, healthy)
        for trouble in found:
            # Patience with what is away ends after fifteen seconds.
            await host.reports(CONNECTION, trouble.name, *trouble.condition, within=60)
            away = ("Reconciling", "NATSUnavailable")
            await host.reports(STREAM, f"{trouble.name}-0", *away, within=60)
        for name in healthy:
            ready = condition(host.status(STREAM, f"{name}-0"), "Ready")
            assert ready
            assert ready["status"] == "True"
        await declaring.delete(resources)
        await declaring.release(await declaring.all())
