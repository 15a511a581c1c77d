"""Two namespaces on one account: a shop, and somebody who may edit in another namespace."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from connections.tenants.account import Account
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from support import crds
from support.resources import Resources
from support.tenant import Tenant

INSTALL = Path(__file__).resolve().parents[3] / "manifests" / "install"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[KubernetesAPI]:
    with KubernetesAPI() as api:
        crds.install(api)
        api.kubectl("apply", "-k", INSTALL)
        yield api


EARLIER = [
    pytest.param(version, marks=pytest.mark.slow) for version in ("2.10.26", "2.12.8", "2.14.6")
]


@pytest.fixture(scope="module", params=[*EARLIER, "2.15.1"])
def account(request: pytest.FixtureRequest, kubernetes: KubernetesAPI) -> Iterator[Account]:
    """One account of a server of each version, with an operator for these two namespaces."""
    number = next(_numbers)
    shop, other = f"shop-{number}", f"other-{number}"
    resources = Resources(kubernetes)
    for namespace in (shop, other):
        resources.create_namespace(namespace)
    kubeconfig = kubernetes.service_account_kubeconfig("coze-nats-system", "coze-nats-operator")
    arguments = ("--resync-interval=2s", f"--namespace={shop}", f"--namespace={other}")
    with (
        NatsServer(request.param) as server,
        OperatorProcess(kubeconfig, server.url, arguments=arguments),
    ):
        yield Account(server, kubernetes, Tenant(shop, resources), Tenant(other, resources))
    resources.close()
