"""Secrets and ConfigMaps that connections name, as a real API server gives them, or doesn't."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest

from controlplane import access
from controlplane.kubernetes import KubernetesAPI
from coze_nats.core.errors import NotPermitted
from coze_nats.core.login import CONFIG_MAP, SECRET, Document
from coze_nats.kube.api import Api, ApiServerError
from coze_nats.kube.documents import Documents
from coze_nats.kube.session import Session
from coze_nats.kube.watches import Watches
from support.http_faults import HttpFaults, is_read_of_secret

LOGIN, AUTHORITY = Document(SECRET, "login"), Document(CONFIG_MAP, "authority")


@pytest.fixture
def kept(apiserver: KubernetesAPI, namespace: str) -> str:
    """A namespace with a Secret and a ConfigMap."""
    in_it = f"--namespace={namespace}"
    apiserver.kubectl("create", "secret", "generic", "login", "--from-literal=token=x", in_it)
    apiserver.kubectl("create", "configmap", "authority", "--from-literal=ca.crt=y", in_it)
    return namespace


@asynccontextmanager
async def documents(kubeconfig: object) -> AsyncIterator[Documents]:
    session = Session(Watches(), str(kubeconfig))
    try:
        yield Documents(Api(session))
    finally:
        await session.close()


async def test_what_is_kept_is_read_as_text(api: Api, kept: str) -> None:
    found = Documents(api)
    assert await found.read(kept, LOGIN) == {"token": "x"}
    assert await found.read(kept, AUTHORITY) == {"ca.crt": "y"}


async def test_what_is_not_there_is_none_and_what_is_no_text_is_no_value(
    api: Api, apiserver: KubernetesAPI, kept: str
) -> None:
    assert await Documents(api).read(kept, Document(SECRET, "other")) is None
    bare = base64.b64encode(b"\xff\xfe\xfd").decode()
    patch = f'{{"data": {{"bare": "{bare}"}}}}'
    apiserver.kubectl("patch", "secret", "login", "-n", kept, "--type=merge", "-p", patch)
    assert await Documents(api).read(kept, LOGIN) == {"token": "x"}


async def test_a_right_that_is_missing_is_told_from_an_apiserver_in_trouble(
    apiserver: KubernetesAPI, kept: str
) -> None:
    apiserver.kubectl("create", "serviceaccount", "nobody", f"--namespace={kept}")
    async with documents(apiserver.service_account_kubeconfig(kept, "nobody")) as found:
        for document in (LOGIN, AUTHORITY, Document(SECRET, "not-there")):
            with pytest.raises(NotPermitted, match=rf"{document.name}.* is forbidden: User .*"):
                await found.read(kept, document)


@pytest.fixture
def faults(apiserver: KubernetesAPI) -> Iterator[HttpFaults]:
    with HttpFaults(apiserver.url, apiserver.ca_file) as proxy:
        yield proxy


async def test_an_apiserver_in_trouble_refuses_nothing(
    apiserver: KubernetesAPI, faults: HttpFaults, kept: str
) -> None:
    faults.refuse(is_read_of_secret, HTTPStatus.INTERNAL_SERVER_ERROR, 1)
    path = access.write_kubeconfig(
        apiserver.directory / f"{kept}.kubeconfig",
        faults.url,
        apiserver.ca_file,
        {"token": "of nobody"},
    )
    async with documents(path) as found:
        for status in ("500", "401"):
            with pytest.raises(ApiServerError, match=status) as failure:
                await found.read(kept, LOGIN)
            assert not isinstance(failure.value, NotPermitted)
