"""One stream, several who declare it: the owner stays, the others wait and harm nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from controlplane.nats import NatsServer
from coze_nats.core import names
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually_async

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
RETAIN = {"deletion": "Retain"}
HERE, NEXT_DOOR, THERE = "here", "next-door", "there"


@pytest.fixture(scope="module")
def world(run_operator: Callable[..., Any]) -> Any:
    """Two clusters on one NATS, played by two operators that look after namespaces of their own."""
    mine = ("--cluster-id=mine", f"--namespace={HERE}", f"--namespace={NEXT_DOOR}")
    found = run_operator("2.14.6", *mine)
    server: NatsServer = found.nats
    run_operator("2.14.6", "--cluster-id=yours", f"--namespace={THERE}", server=server)
    return found


@pytest.fixture
def here(world: Any, new_tenant: Callable[[str], Any]) -> Any:
    return new_tenant(HERE)


@pytest.fixture(params=[HERE, NEXT_DOOR, THERE])
def rival(request: pytest.FixtureRequest, world: Any, new_tenant: Callable[[str], Any]) -> Any:
    """Who else wants the stream: in the same namespace, in another one, in another cluster."""
    return new_tenant(request.param)


async def test_the_owner_stays_and_the_loser_harms_nothing(
    here: Any, rival: Any, jetstream: Gateway
) -> None:
    here.stream("owner", name="shared", subjects=["shared"])
    await here.ready(STREAM, "owner")
    rival.stream("loser", name="shared", subjects=["other"], policies={"adoption": "Always"})
    assert "mine/here/owner" in await rival.stalled(STREAM, "loser", "OwnedByAnother")
    assert "created" not in rival.status(STREAM, "loser")
    rival.consumer("work", streamRef={"name": "loser"})
    status = await rival.reports(CONSUMER, "work", "Reconciling", "WaitingForStream")
    assert "OwnedByAnother" in status["conditions"][0]["message"]
    before = await jetstream.stream("shared")
    for kind, name in ((CONSUMER, "work"), (STREAM, "loser")):
        rival.delete(kind, name)
        await rival.gone(kind, name)
    assert await jetstream.stream("shared") == before
    here.delete(STREAM, "owner")
    await here.gone(STREAM, "owner")
    assert await jetstream.stream("shared") is None


async def test_who_waits_takes_over_when_the_owner_lets_go(
    here: Any, rival: Any, jetstream: Gateway
) -> None:
    here.stream("owner", name="handed", subjects=["handed"], policies=RETAIN)
    before = await here.ready(STREAM, "owner")
    rival.stream("heir", name="handed", subjects=["handed"])
    await rival.stalled(STREAM, "heir", "OwnedByAnother")
    here.delete(STREAM, "owner")
    await here.gone(STREAM, "owner")
    after = await rival.ready(STREAM, "heir")
    assert after["created"] == before["created"]
    stream = await jetstream.stream("handed")
    assert stream
    assert owner_of(stream) == ""
    assert after["adopted"] is True
    rival.stream("heir", name="handed", subjects=["handed"], policies={"deletion": "Delete"})
    await rival.ready(STREAM, "heir")
    rival.delete(STREAM, "heir")
    await rival.gone(STREAM, "heir")
    assert await jetstream.stream("handed") is None


async def test_of_several_who_want_a_new_stream_one_owns_it_and_all_know_it(
    here: Any, rival: Any, jetstream: Gateway
) -> None:
    contenders = {"one": here, "two": rival}
    for name, tenant in contenders.items():
        tenant.stream(name, name="wanted", subjects=["wanted"], description=name)

    async def reasons() -> dict[str, str] | None:
        found = {_reason(tenant, name): name for name, tenant in contenders.items()}
        return found if set(found) == {"Converged", "OwnedByAnother"} else None

    decided = await eventually_async(reasons, what="one owner")
    assert decided
    found = await jetstream.stream("wanted")
    assert found
    assert found.config["description"] == decided["Converged"]
    assert owner_of(found).endswith(f"/{decided['Converged']}")
    for name, tenant in contenders.items():
        tenant.delete(STREAM, name)
        await tenant.gone(STREAM, name)
    assert await jetstream.stream("wanted") is None


async def test_an_overlap_names_the_other_stream_and_its_owner(here: Any, rival: Any) -> None:
    here.stream("first", subjects=["taken.*"])
    await here.ready(STREAM, "first")
    rival.stream("second", subjects=["free", "taken.one"])
    message = await rival.stalled(STREAM, "second", "SubjectOverlap")
    for words in ("taken.one", "stream first", "mine/here/first"):
        assert words in message
    for tenant, name in ((rival, "second"), (here, "first")):
        tenant.delete(STREAM, name)
        await tenant.gone(STREAM, name)


def _reason(tenant: Any, name: str) -> str:
    conditions = tenant.status(STREAM, name).get("conditions") or [{}]
    return str(conditions[0].get("reason", ""))
