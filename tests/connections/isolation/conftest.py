"""An operator with its own NATS system, and two more systems that only connections lead to."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from connections.isolation.estate import Estate, System
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from support import crds
from support.resources import Resources
from support.tenant import Tenant

INSTALL = Path(__file__).resolve().parents[3] / "manifests" / "install"
OPERATOR = ("coze-nats-system", "coze-nats-operator")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def estate() -> Iterator[Estate]:
    """All of it lives as long as the session; each test has namespaces of its own."""
    with (
        KubernetesAPI() as kubernetes,
        NatsServer() as own,
        NatsServer(name="red", token="red-token") as red,
        NatsServer(name="blue", token="blue-token") as blue,
    ):
        crds.install(kubernetes)
        kubernetes.kubectl("apply", "-k", INSTALL)
        process = OperatorProcess(
            kubernetes.service_account_kubeconfig(*OPERATOR),
            own.url,
            arguments=("--resync-interval=2s",),
        )
        resources = Resources(kubernetes)
        with process:
            yield Estate(
                System(own, ""),
                System(red, "red-token"),
                System(blue, "blue-token"),
                process,
                kubernetes,
                resources,
            )
        resources.close()


@pytest.fixture
def tenant_of(estate: Estate) -> Callable[[str], Tenant]:
    """Make a namespace of the test's own; the name says what for."""
    number = next(_numbers)

    def make(name: str) -> Tenant:
        namespace = f"{name}-{number}"
        estate.resources.create_namespace(namespace)
        return Tenant(namespace, estate.resources)

    return make


@pytest.fixture
def host(tenant_of: Callable[[str], Tenant]) -> Tenant:
    """Who has a connection."""
    return tenant_of("host")


@pytest.fixture
def guest(tenant_of: Callable[[str], Tenant]) -> Tenant:
    """Who would like to use it; its name sorts before the host's."""
    return tenant_of("guest")


@pytest.fixture
async def watched(estate: Estate) -> AsyncIterator[Estate]:
    """The estate, with somebody who listens to all requests to JetStream in each system."""
    for system in estate.systems:
        await system.listen()
    yield estate
    for system in estate.systems:
        await system.close()
