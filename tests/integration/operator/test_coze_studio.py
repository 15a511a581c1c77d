"""Coze Studio's back end, as its public code uses NATS, on the topology of the samples."""

from pathlib import Path
from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.jetstream.gateway import Gateway
from support.bus_client import BusClient, BusError, bus_client
from support.eventually import eventually_async

SAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "samples"
EXACT, HARDENED = SAMPLES / "coze-studio", SAMPLES / "coze-studio-hardened"
TOPIC, GROUP = "opencoze_knowledge", "cg_knowledge"
STREAM = f"{TOPIC}_STREAM"
OPERATOR_FIRST, APPLICATION_FIRST = "operator first", "application first"


async def declare(world: Any, tenant: Any, form: Path) -> None:
    """Apply one form of the topology, and wait until it is real."""
    world.kubernetes.kubectl("-n", tenant.namespace, "apply", "-f", form)
    await ready(tenant)


async def ready(tenant: Any) -> None:
    for name in ("search-app", "search-resource", "knowledge"):
        await tenant.ready(names.STREAM_KIND, f"opencoze-{name}")
        await tenant.ready(names.CONSUMER_KIND, f"cg-{name}")


async def sent(app: BusClient, text: str) -> None:
    """Send until it is acknowledged, as the back end's caller does."""

    async def attempt() -> bool:
        try:
            await app.send(text)
        except BusError:
            return False
        return True

    await eventually_async(attempt, 60, f"the acknowledgement of {text}")


async def taken(app: BusClient, count: int) -> set[str]:
    """Take until there were so many events; errors are passed over, as the back end does."""
    found: set[str] = set()

    async def attempt() -> bool:
        try:
            event = await app.take()
        except BusError:
            return False
        if event.text:
            found.add(event.text)
        return len(found) >= count

    await eventually_async(attempt, 60, f"{count} events, of {found}")
    return found


@pytest.fixture
async def nothing_there(jetstream: Gateway) -> None:
    for name in (await jetstream.streams()).found:
        await jetstream.delete_stream(name)


@pytest.mark.parametrize(
    "form, order",
    [
        pytest.param(EXACT, OPERATOR_FIRST, marks=pytest.mark.slow),
        (EXACT, APPLICATION_FIRST),
        pytest.param(HARDENED, OPERATOR_FIRST, marks=pytest.mark.slow),
        pytest.param(HARDENED, APPLICATION_FIRST, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "name", value),
)
async def test_its_events_arrive_also_when_the_stream_is_deleted_under_it(
    nothing_there: None, tenant: Any, world: Any, jetstream: Gateway, form: Path, order: str
) -> None:
    async with bus_client(world.nats.url, TOPIC, GROUP) as app:
        if order == OPERATOR_FIRST:
            await declare(world, tenant, form)
            await app.subscribe()
        else:
            await app.subscribe()
            await app.send("before")
            made = await jetstream.stream(STREAM), await jetstream.consumer(STREAM, GROUP)
            await declare(world, tenant, EXACT)
            assert (await jetstream.stream(STREAM), await jetstream.consumer(STREAM, GROUP)) == made
            await declare(world, tenant, form)
            assert await taken(app, 1) == {"before"}
        consumer = await jetstream.consumer(STREAM, GROUP)
        await app.send("first")
        assert (await app.refuse()).text == "first"
        assert (await app.take()).text == "first"
        await declare(world, tenant, form)
        again = await jetstream.consumer(STREAM, GROUP)
        assert consumer is not None
        assert again is not None
        assert (again.created, again.config) == (consumer.created, consumer.config)

        await jetstream.delete_stream(STREAM)
        events = {f"event-{number}" for number in range(5)}
        for event in sorted(events):
            await sent(app, event)
        assert await taken(app, len(events)) == events
        await ready(tenant)
        assert (await app.take()).text == ""
        # Who starts anew finds everything as it was.
        await app.subscribe()
        await app.send("last")
        assert await taken(app, 1) == {"last"}
