"""Real API servers to install into, and helm."""

from collections.abc import Iterator

import pytest

from controlplane.kubernetes import KubernetesAPI
from support import crds
from support.helm import Helm
from support.resources import Resources


@pytest.fixture(scope="session")
def apiserver() -> Iterator[KubernetesAPI]:
    """A running API server that serves our kinds; it stays for the session."""
    with KubernetesAPI() as api:
        crds.install(api)
        yield api


@pytest.fixture(scope="session")
def resources(apiserver: KubernetesAPI) -> Iterator[Resources]:
    client = Resources(apiserver)
    yield client
    client.close()


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster: lint and template."""
    return Helm(tmp_path_factory.mktemp("helm"))
