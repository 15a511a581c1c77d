"""What a kind of bad neighbour is, and what it has at hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from support.declaring import MERGE_PATCH, Declaring

STREAM, CONSUMER, CONNECTION = names.STREAM_KIND, names.CONSUMER_KIND, names.CONNECTION_KIND

Json = Mapping[str, Any]


@dataclass(slots=True)
class Neighbour:
    """A namespace with `edit`, on the operator's own connection and on any of its own.

    Attributes:
        nats_url: of the operator's own connection, which the good tenant uses as well.
        folder: for files.
        deeds: how often it misbehaved; none would prove nothing.
    """

    declaring: Declaring
    api: KubernetesAPI
    nats_url: str
    folder: Path
    deeds: int = 0

    def stream(self, name: str, /, **spec: Any) -> dict[str, Any]:
        """A stream in memory."""
        spec = {"subjects": [f"bad.{name}.>"], "storage": "memory", **spec}
        return self.declaring.resource(STREAM, name, spec)

    def consumer(self, name: str, of: str, /, **spec: Any) -> dict[str, Any]:
        return self.declaring.resource(CONSUMER, name, {"streamRef": {"name": of}, **spec})

    def connection(self, name: str, *urls: str, **spec: Any) -> dict[str, Any]:
        return self.declaring.resource(CONNECTION, name, {"servers": list(urls), **spec})

    async def patch(self, resource: Json, body: Json) -> None:
        """Merge this into a resource, whatever becomes of it."""
        path = f"{self.declaring.collection(resource['kind'])}/{resource['metadata']['name']}"
        headers = {"Content-Type": MERGE_PATCH}
        async with self.declaring.session.patch(path, json=body, headers=headers) as answer:
            await answer.read()

    async def declare(self, resources: Iterable[Json]) -> None:
        wanted = list(resources)
        await self.declaring.create(wanted)
        self.deeds += len(wanted)


Begins = Callable[[Neighbour], AbstractAsyncContextManager[None]]
"""Misbehaves until the end of the block."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of bad neighbour.

    Attributes:
        name: of its test.
        what: it does, for the documentation.
        seconds: for so long at least.
        is_quick: whether few rounds show it.
        environment: of the operator, from a folder for files: for what can't be done from outside.
    """

    name: str
    what: str
    begins: Begins
    seconds: float = 12.0
    is_quick: bool = False
    environment: Callable[[Path], dict[str, str]] = lambda _: {}

    @property
    def rounds(self) -> int:
        """How often the good tenant declares something meanwhile."""
        return 5 if self.is_quick else 11


@asynccontextmanager
async def again_and_again(
    neighbour: Neighbour,
    act: Callable[[int], Awaitable[object]],
    *,
    pause: float = 0.0,
    at_once: int = 1,
) -> AsyncIterator[None]:
    """Act until the end of the block; `act` gets the number of the deed."""

    async def go_on() -> None:
        while True:
            number = neighbour.deeds
            neighbour.deeds += 1
            await act(number)
            await asyncio.sleep(pause)

    async with meanwhile(*[go_on for _ in range(at_once)]):
        yield


@asynccontextmanager
async def meanwhile(*works: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do all of this beside the block, and at most until its end; an error fails the block."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
