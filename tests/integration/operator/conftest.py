"""The operator as a process of its own, with the rights of its ServiceAccount, on real servers."""

import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.connections import PatientGateway
from support.tenant import Resources, Tenant

ROOT = Path(__file__).resolve().parents[3]
OPERATOR = ("coze-nats-system", "coze-nats-operator")
"""Namespace and name of the operator's ServiceAccount in manifests/install."""

RESYNC_SECONDS = 2
_numbers = itertools.count(1)


@dataclass(slots=True)
class World:
    """A NATS server and the operator that looks after it."""

    nats: NatsServer
    operator: OperatorProcess
    kubernetes: KubernetesAPI


@pytest.fixture(scope="session")
def installed(apiserver: KubernetesAPI) -> KubernetesAPI:
    """The apiserver with manifests/install applied; nothing runs the Deployment here."""
    apiserver.kubectl("apply", "-k", ROOT / "manifests" / "install")
    return apiserver


RunOperator = Callable[..., World]


@pytest.fixture(scope="module")
def nothing_declared(installed: KubernetesAPI, resources: Resources) -> None:
    """What other tests have declared is gone: an operator would make it real."""
    for kind in names.PLURALS:
        listed = installed.kubectl("get", names.PLURALS[kind], "-A", "-o", "json").stdout
        for resource in json.loads(listed)["items"]:
            resources.delete(resource)
            resources.release(resource)


@pytest.fixture(scope="module")
def run_operator(installed: KubernetesAPI, nothing_declared: None) -> Iterator[RunOperator]:
    """Start an operator, on a NATS server of its own or a given one; both end with the module."""
    with ExitStack() as running:

        def run(
            version: str = "2.14.6",
            *arguments: str,
            server: NatsServer | None = None,
            config: str | None = None,
            **environment: str,
        ) -> World:
            server = server or running.enter_context(NatsServer(version, config=config))
            process = OperatorProcess(
                installed.service_account_kubeconfig(*OPERATOR),
                server.url,
                arguments=(f"--resync-interval={RESYNC_SECONDS}s", *arguments),
                environment=environment,
            )
            running.callback(process.remove)
            return World(server, process.start(), installed)

        yield run


@pytest.fixture(scope="module")
def world(run_operator: RunOperator) -> World:
    """The operator that the tests of a module share."""
    return run_operator()


@pytest.fixture
async def tenant(world: World, resources: Resources) -> AsyncIterator[Tenant]:
    """A namespace of the test's own; afterwards all in it is deleted and must go away."""
    found = Tenant(f"tenant-{next(_numbers)}", resources)
    resources.create_namespace(found.namespace)
    start = len(world.operator.log)
    yield found
    # Shown by pytest when the test failed.
    logging.getLogger("operator").warning("%s", world.operator.log[start:][-6000:])
    kinds = (names.CONSUMER_KIND, names.STREAM_KIND, names.CONNECTION_KIND)
    if not world.operator.running:
        return
    left = [(kind, r) for kind in kinds for r in resources.all_of(kind, found.namespace)]
    for kind, resource in left:
        found.delete(kind, resource["metadata"]["name"])
    for kind, resource in left:
        await found.gone(kind, resource["metadata"]["name"])


@pytest.fixture
def new_tenant(resources: Resources) -> Callable[[str], Tenant]:
    """Make a namespace of that name; what is in it stays when the test ends."""

    def make(namespace: str) -> Tenant:
        resources.create_namespace(namespace)
        return Tenant(namespace, resources)

    return make


@pytest.fixture
async def jetstream(world: World) -> AsyncIterator[Gateway]:
    """JetStream as the operator of the module sees it, to act behind its back."""
    connection = Connection(ConnectionOptions(servers=(world.nats.url,), request_timeout=10))
    await connection.start()
    await connection.wait_connected()
    yield PatientGateway(connection)
    await connection.close()


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """An application's own connection."""
    connection = await nats.connect(world.nats.url)
    yield connection
    await connection.close()
