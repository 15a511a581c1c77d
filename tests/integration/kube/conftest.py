"""The operator's own client, as administrator, on a real API server."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from coze_nats.core.resource import Resource
from coze_nats.kube.api import Api
from coze_nats.kube.session import Session
from coze_nats.kube.watches import Watches

_numbers = itertools.count(1)


@pytest.fixture
async def watches() -> Watches:
    return Watches()


@pytest.fixture
async def session(apiserver: KubernetesAPI, watches: Watches) -> AsyncIterator[Session]:
    found = Session(watches, str(apiserver.kubeconfig), relogin_delay=0)
    yield found
    await found.close()
    # What was broken off while it connected takes some turns of the loop to be gone.
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def api(session: Session) -> Api:
    return Api(session)


@pytest.fixture
def namespace(resources: Any) -> str:
    """A namespace of the test's own."""
    name = f"kube-{next(_numbers)}"
    resources.create_namespace(name)
    return name


class Declared:
    """A CozeStream in the apiserver, without an operator."""

    def __init__(self, client: Any, namespace: str) -> None:
        self._client = client
        self._wanted: dict[str, Any] = {
            "apiVersion": names.API_VERSION,
            "kind": names.STREAM_KIND,
            "metadata": {"name": "orders", "namespace": namespace},
            "spec": {"subjects": ["orders"]},
        }

    def create(self, **metadata: Any) -> Resource:
        """Declare it; returns what the operator would hold of it."""
        wanted = self._wanted | {"metadata": self._wanted["metadata"] | metadata}
        verdict = self._client.create(wanted)
        assert verdict.accepted, verdict.message
        return Resource.from_body(verdict.document)

    def delete(self) -> None:
        assert self._client.delete(self._wanted).accepted

    @property
    def document(self) -> Mapping[str, Any] | None:
        """As the apiserver has it, or None when it is gone."""
        verdict = self._client.get(self._wanted)
        return dict(verdict.document) if verdict.accepted else None

    @property
    def metadata(self) -> Mapping[str, Any]:
        assert self.document
        return dict(self.document["metadata"])


@pytest.fixture
def orders(resources: Any, namespace: str) -> Declared:
    """A stream's resource, yet to be declared."""
    return Declared(resources, namespace)
