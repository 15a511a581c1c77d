"""A real Kubernetes API server with our CRDs, and a fast way to ask it for its verdict."""

from collections.abc import Iterator

import pytest

from controlplane.kubernetes import KubernetesAPI
from support import crds
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
