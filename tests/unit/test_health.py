"""The health server: status codes, bodies, and a port that is taken."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from controlplane import ports
from coze_nats.health import HealthServer


class Checked:
    """A health server and what its checks find."""

    def __init__(self) -> None:
        self.port = ports.free()
        self.health: dict[str, str] = {}
        self.readiness: dict[str, str] = {}
        self.facts: dict[str, str] = {}
        self.server = HealthServer(
            self.port,
            ports.LOOPBACK,
            healthy=lambda: self.health,
            ready=lambda: self.readiness,
            facts=lambda: self.facts,
        )

    async def get(self, path: str) -> tuple[int, object]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{ports.LOOPBACK}:{self.port}{path}") as response,
        ):
            return response.status, await response.json()


@pytest.fixture
async def checked() -> AsyncIterator[Checked]:
    found = Checked()
    await found.server.start()
    yield found
    await found.server.stop()


async def test_all_is_well_when_nothing_is_found(checked: Checked) -> None:
    assert await checked.get("/healthz") == (200, {"ok": True})
    assert await checked.get("/readyz") == (200, {"ok": True})


async def test_what_is_found_is_told(checked: Checked) -> None:
    checked.readiness["nats"] = "not connected: connection refused"
    assert await checked.get("/healthz") == (200, {"ok": True})
    assert await checked.get("/readyz") == (
        503,
        {"ok": False, "nats": "not connected: connection refused"},
    )


async def test_readiness_tells_facts_that_are_no_fault(checked: Checked) -> None:
    checked.facts["leadership"] = "standing by"
    assert await checked.get("/readyz") == (200, {"ok": True, "leadership": "standing by"})
    assert await checked.get("/healthz") == (200, {"ok": True})


async def test_a_port_that_is_taken_is_an_error(checked: Checked) -> None:
    second = HealthServer(checked.port, ports.LOOPBACK, healthy=dict, ready=dict)
    with pytest.raises(OSError, match=r"--health-port: .* in use"):
        await second.start()
    await second.stop()


async def test_metrics_are_served_in_the_text_format(checked: Checked) -> None:
    url = f"http://{ports.LOOPBACK}:{checked.port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "# TYPE coze_nats_plans_carried_out_total counter" in await response.text()
