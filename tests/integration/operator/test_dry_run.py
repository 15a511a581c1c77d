"""--dry-run: the whole operator, and nothing changes in JetStream."""

from collections.abc import Callable
from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually_async

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
NAMESPACE = "rehearsed"


@pytest.fixture(scope="module")
def owned(run_operator: Callable[..., Any]) -> Any:
    """An operator as any other, that stops before the one under test starts."""
    return run_operator("2.14.6", f"--namespace={NAMESPACE}")


@pytest.fixture
async def rehearsal(owned: Any, run_operator: Callable[..., Any], tenant: Any) -> Any:
    """A namespace in which one stream is real and as declared, left to an operator that is dry."""
    tenant.stream("equal", subjects=["equal"])
    tenant.stream("differing", subjects=["differing"], maxMsgs=10)
    tenant.stream("going", subjects=["going"])
    for name in ("equal", "differing", "going"):
        await tenant.ready(STREAM, name)
    owned.operator.stop()
    run_operator("2.14.6", "--dry-run", f"--namespace={NAMESPACE}", server=owned.nats)
    return tenant


@pytest.fixture
def world(owned: Any) -> Any:
    return owned


@pytest.fixture
def tenant(owned: Any, new_tenant: Callable[[str], Any]) -> Any:
    return new_tenant(NAMESPACE)


async def test_nothing_changes_and_status_says_what_would(
    rehearsal: Any, jetstream: Gateway
) -> None:
    await jetstream.create_stream({"name": "foreign", "subjects": ["foreign"]})
    before = await jetstream.streams()
    rehearsal.stream("differing", subjects=["differing"], maxMsgs=20)
    rehearsal.stream("new", subjects=["new"])
    rehearsal.stream("foreign", subjects=["foreign"])
    rehearsal.consumer("work", streamRef={"name": "equal"})
    rehearsal.delete(STREAM, "going")
    expected = {
        (STREAM, "differing"): "maxMsgs 10 → 20",
        (STREAM, "new"): "create stream new",
        (STREAM, "foreign"): "adopt stream foreign",
        (CONSUMER, "work"): "create consumer work of stream equal",
    }
    for (kind, name), words in expected.items():

        async def plan(kind: str = kind, name: str = name) -> str:
            status = rehearsal.status(kind, name)
            ready = (status.get("conditions") or [{}])[0]
            return str(status["plan"]) if ready.get("reason") == "DryRun" else ""

        assert words in await eventually_async(plan, what=f"the plan of {name}")
    await rehearsal.ready(STREAM, "equal")
    await rehearsal.gone(STREAM, "going")
    assert "delete stream going" in await rehearsal.event("going", "Released")
    assert await jetstream.streams() == before
    assert (await jetstream.consumers("equal")).found == {}
    foreign = before.found["foreign"]
    assert owner_of(foreign) == ""
