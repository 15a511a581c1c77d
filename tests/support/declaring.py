"""Declares, changes and deletes thousands of resources over one HTTPS session, 32 at once."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from coze_nats.core.conditions import is_true

IN_FLIGHT = 32
MERGE_PATCH = "application/merge-patch+json"
PATIENCE = 180.0
"""Seconds for which an API server that is away is asked again."""

_LATER = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

Json = Mapping[str, Any]
Item = TypeVar("Item")


class Unexpected(Exception):
    """The API server refused what a test or a benchmark wanted; the message has its answer."""


class Declaring:
    """CozeStreams and CozeConsumers of one namespace; an async context manager.

    An API server that is away is asked again: what a test does to it must not fail the test's own
    requests.
    """

    def __init__(self, api: KubernetesAPI, namespace: str, patience: float = PATIENCE) -> None:
        self.namespace = namespace
        self._patience = patience
        self._url = api.url
        self._tls = admin_tls(api.directory)

    async def __aenter__(self) -> Self:
        # Watches keep theirs; a request must not wait for one of them to end.
        connector = aiohttp.TCPConnector(limit=2 * IN_FLIGHT, ssl=self._tls)
        self.session = aiohttp.ClientSession(self._url, connector=connector)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.session.close()

    async def make_namespace(self) -> None:
        body = {"metadata": {"name": self.namespace}}
        await self._send("POST", "/api/v1/namespaces", body, also=HTTPStatus.CONFLICT)

    def resource(self, kind: str, name: str, spec: Json) -> dict[str, Any]:
        metadata = {"name": name, "namespace": self.namespace}
        api = names.API_VERSION
        return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": dict(spec)}

    async def create(self, resources: Iterable[Json]) -> None:
        """Declare all of these; one that is there already, from a request that broke, is fine."""

        async def post(resource: Json) -> None:
            path = self.collection(resource["kind"])
            await self._send("POST", path, resource, also=HTTPStatus.CONFLICT)

        await at_once(post, resources)

    async def change(self, resources: Iterable[Json], spec: Json) -> None:
        """Set fields of the specs of all of these."""

        async def patch(resource: Json) -> None:
            await self._send("PATCH", self._path(resource), {"spec": spec})

        await at_once(patch, resources)

    async def delete(self, resources: Iterable[Json]) -> None:
        async def delete(resource: Json) -> None:
            await self._send("DELETE", self._path(resource), also=HTTPStatus.NOT_FOUND)

        await at_once(delete, resources)

    async def release(self, resources: Iterable[Json]) -> None:
        """Take all finalizers off, so that the resources can go without an operator."""

        async def patch(resource: Json) -> None:
            body = {"metadata": {"finalizers": None}}
            await self._send("PATCH", self._path(resource), body, also=HTTPStatus.NOT_FOUND)

        await at_once(patch, resources)

    async def get(self, resource: Json) -> dict[str, Any]:
        """The resource as it is now, or {}."""
        found = await self._send("GET", self._path(resource), also=HTTPStatus.NOT_FOUND)
        return found if found.get("kind") == resource["kind"] else {}

    async def all(self, kinds: Iterable[str] = tuple(names.PLURALS)) -> list[dict[str, Any]]:
        """All resources of these kinds, of one moment each."""
        found: list[dict[str, Any]] = []
        for kind in kinds:
            answer = await self._send("GET", self.collection(kind))
            found += [{**item, "kind": kind} for item in answer["items"]]
        return found

    async def not_ready(self) -> list[str]:
        """Kind, name and conditions of all that is not Ready for the spec that it has now."""
        return [
            f"{item['kind']} {item['metadata']['name']}: {item.get('status', {})}"
            for item in await self.all()
            if not is_ready(item)
        ]

    def collection(self, kind: str) -> str:
        return f"/apis/{names.API_VERSION}/namespaces/{self.namespace}/{names.PLURALS[kind]}"

    def _path(self, resource: Json) -> str:
        return f"{self.collection(resource['kind'])}/{resource['metadata']['name']}"

    async def _send(
        self, method: str, path: str, body: Json | None = None, also: HTTPStatus | None = None
    ) -> dict[str, Any]:
        headers = {"Content-Type": MERGE_PATCH} if method == "PATCH" else {}
        async with asyncio.timeout(self._patience):
            while True:
                try:
                    async with self.session.request(
                        method, path, json=body, headers=headers
                    ) as answer:
                        document = await answer.json(content_type=None)
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
                    continue
                if answer.status < HTTPStatus.BAD_REQUEST or answer.status == also:
                    return dict(document)
                if answer.status not in _LATER:
                    raise Unexpected(f"{method} {path}: {document}")
                await asyncio.sleep(0.1)


def admin_tls(directory: Path) -> ssl.SSLContext:
    """The administrator's certificate, from the directory of a `KubernetesAPI`."""
    tls = ssl.create_default_context(cafile=str(directory / "ca.crt"))
    tls.load_cert_chain(directory / "admin.crt", directory / "admin.key")
    return tls


def is_ready(resource: Json) -> bool:
    """Whether a resource is Ready for the spec that it has now."""
    status = resource.get("status") or {}
    generation = resource["metadata"]["generation"]
    return is_true(status, "Ready") and status["observedGeneration"] == generation


def pairs(declaring: Declaring, count: int, **spec: Any) -> list[dict[str, Any]]:
    """So many resources: streams in memory, each with a consumer."""
    found = []
    for number in range(count // 2):
        name = f"n{number:05}"
        stream = {"subjects": [f"{declaring.namespace}.{name}"], "storage": "memory", **spec}
        found.append(declaring.resource(names.STREAM_KIND, name, stream))
        consumer = {"streamRef": {"name": name}}
        found.append(declaring.resource(names.CONSUMER_KIND, name, consumer))
    return found


async def at_once(
    work: Callable[[Item], Awaitable[None]], items: Iterable[Item], width: int = IN_FLIGHT
) -> None:
    """Do the work for every item, for so many at once; the first error ends it."""
    left = iter(tuple(items))

    async def worker() -> None:
        for item in left:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(width):
            group.create_task(worker())
