"""Much is deleted at once while NATS is away, and a namespace while it is being filled."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from controlplane.nats import NatsServer
from faults import site
from faults.conftest import Begin
from faults.work import Work
from support.connections import gateway_to
from support.declaring import Declaring
from support.until import until


@pytest.mark.parametrize(
    "count",
    [500, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
async def test_resources_are_deleted_during_an_outage(begin: Begin, count: int) -> None:
    """All of them wait, none is forgotten or let go, and then each costs one write."""
    work = await begin(count)
    work.site.nats_proxy.refuse()
    await until(lambda: work.site.operator.probe("/readyz")[0] == 503)
    await work.delete(list(work.declared))
    assert len(await work.declaring.all()) == count
    assert work.site.operator.probe("/healthz")[0] == 200
    work.site.nats_proxy.heal()
    work.survived(
        f"{count:,} resources deleted during an outage of NATS",
        stayed_up="the operator; all finalizers",
        retried="the deletions, when NATS is back",
        heal_seconds=await work.healed(within=max(60, count / 5)),
        # While it lasts for longer than 15 s, the status says why the deletion waits.
        bound=4,
    )


@pytest.fixture(scope="module")
def with_controllers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[site.Cluster]:
    """A cluster in which namespaces can be deleted."""
    directory = tmp_path_factory.mktemp("audit-of-namespaces")
    with site.cluster(directory, controllers=("namespace-controller",)) as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_namespace_is_deleted_while_it_is_being_filled(
    with_controllers: site.Cluster,
) -> None:
    """What was made goes, in any order; the namespace is not held up, and nothing is left over."""
    api, name = with_controllers.api, "short-lived"
    with NatsServer() as nats, site.site(with_controllers, name, nats) as running:
        async with Declaring(api, name) as declaring, gateway_to(nats.url) as jetstream:
            await declaring.make_namespace()
            await asyncio.to_thread(running.operator.start)
            work = Work(running, declaring)
            filling = asyncio.create_task(work.declare(400))

            async def is_begun() -> bool:
                return bool((await jetstream.streams()).found)

            await work.eventually(is_begun, "a first stream")
            await asyncio.to_thread(api.kubectl, "delete", "namespace", name, "--wait=false")
            # From then on the API server refuses to have more declared.
            await asyncio.gather(filling, return_exceptions=True)
            start = time.monotonic()
            await until(
                lambda: not api.kubectl("get", "ns", name, "--ignore-not-found").stdout, 120
            )
            seconds = time.monotonic() - start
            assert not (await jetstream.streams()).found
    work.survived(
        "namespace deleted while it is being filled",
        stayed_up="the operator",
        retried="consumers, when their stream went first",
        heal_seconds=seconds,
        bound=4,
    )
