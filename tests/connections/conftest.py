"""NATS systems that are secured in every way; identities live as long as the session."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connections.site import Site
from connections.systems import VERSIONS, Identities, Systems
from controlplane.certificates import Authority
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsCluster, NatsServer
from controlplane.operator import OperatorProcess
from controlplane.tls import tls_block
from support import crds
from support.resources import Resources


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    """One set of keys and certificates, known to all servers."""
    ours, foreign = (tmp_path_factory.mktemp(name) for name in ("authority", "foreign"))
    return Identities(Authority(ours), Authority(foreign))


@pytest.fixture(scope="session")
def systems(identities: Identities) -> Iterator[Systems]:
    """Servers that are shared by all tests."""
    found = Systems(identities)
    yield found
    found.stop()


@pytest.fixture
def run_server() -> Iterator[Callable[..., NatsServer]]:
    """Start servers of the test's own, with the arguments of NatsServer; stopped after the test."""
    servers: list[NatsServer] = []

    def run(version: str = "2.14.6", **arguments: Any) -> NatsServer:
        servers.append(NatsServer(version, name=f"nats-{len(servers)}", **arguments))
        return servers[-1].start()

    yield run
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """It lives as long as the session; each test has namespaces of its own."""
    with KubernetesAPI() as kubernetes:
        crds.install(kubernetes)
        kubernetes.kubectl("apply", "-k", str(crds.ROOT / "manifests" / "install"))
        resources = Resources(kubernetes)
        kubeconfig = kubernetes.service_account_kubeconfig("coze-nats-system", "coze-nats-operator")
        arguments = ("--log-level=debug", "--resync-interval=2s")
        with OperatorProcess(kubeconfig, "", arguments=arguments) as operator:
            yield Site(operator, resources)
        resources.close()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(each, marks=() if each == "2.14.6" else pytest.mark.slow) for each in VERSIONS
    ],
)
def cluster(request: pytest.FixtureRequest, identities: Identities) -> Iterator[NatsCluster]:
    """Three nodes; whoever stops one starts it again."""
    block = tls_block(identities.authority)
    config = f"{identities.operator.config}\n{block}"
    with NatsCluster(request.param, config=config, tls=block) as cluster:
        yield cluster
