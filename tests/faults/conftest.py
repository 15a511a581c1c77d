"""A cluster for all faults; for each of them a namespace, a NATS server and an operator."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from controlplane.nats import NatsCluster, NatsServer
from faults import site
from faults.work import Work
from support.declaring import Declaring

log = logging.getLogger("operator")

Begin = Callable[..., Awaitable[Work]]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[site.Cluster]:
    with site.cluster(tmp_path_factory.mktemp("audit")) as running:
        yield running


@pytest.fixture
async def begin(request: pytest.FixtureRequest, cluster: site.Cluster) -> AsyncIterator[Begin]:
    """Start an operator with so many resources, all of them Ready; none: nothing is started yet."""
    async with AsyncExitStack() as running:

        async def begin(
            count: int = 100,
            *,
            nats: NatsServer | NatsCluster | None = None,
            over_http: bool = False,
            also: Sequence[str] = (),
            environment: Mapping[str, str] | None = None,
            **spec: Any,
        ) -> Work:
            name = request.node.name.translate(str.maketrans("_[]", "---"))
            namespace = name.removeprefix("test-")[:60].strip("-")
            nats = nats or running.enter_context(NatsServer())
            running_site = running.enter_context(
                site.site(
                    cluster,
                    namespace,
                    nats,
                    over_http=over_http,
                    also=also,
                    environment=environment,
                )
            )
            declaring = await running.enter_async_context(Declaring(cluster.api, namespace))
            await declaring.make_namespace()
            work = Work(running_site, declaring, **spec)
            # Shown by pytest when the test failed.
            running.callback(lambda: log.warning("%s", running_site.operator.log[-6000:]))
            if count:
                running_site.operator.start()
                await work.declare(count)
                await work.healed(within=max(60, count / 5))
            return work

        yield begin
