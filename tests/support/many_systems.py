"""Many connections at once, some of them to servers that make trouble; for tests and benchmarks."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane import ports
from controlplane.certificates import Authority
from controlplane.nats import NatsServer
from controlplane.tls import tls_block
from coze_nats.core import names
from coze_nats.core.conditions import is_true
from support.declaring import Declaring
from support.eventually import eventually_async
from support.impostors import impostor

STREAMS = 4
"""On each connection."""

AWAY = ("Reconciling", "Unreachable")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A server that can't be used.

    Attributes:
        spec: of the connection to it.
        condition: of the connection, with its reason.
    """

    name: str
    spec: Json
    condition: tuple[str, str]


@asynccontextmanager
async def troubles(directory: Path) -> AsyncIterator[list[Trouble]]:
    """A server that never says a word, one that isn't there, and one that nobody vouches for."""
    foreign = Authority(directory)
    async with impostor(b"") as silent:
        with NatsServer(config=tls_block(foreign)) as stranger:
            yield [
                Trouble("silent", servers(f"nats://127.0.0.1:{silent.port}"), AWAY),
                Trouble("refusing", servers(f"nats://{ports.LOOPBACK}:{ports.NOBODY}"), AWAY),
                Trouble("stranger", servers(stranger.url) | {"tls": {}}, ("Stalled", "TLSFailed")),
            ]


def servers(*urls: str) -> dict[str, Any]:
    return {"servers": list(urls)}


def estate(declaring: Declaring, connections: Mapping[str, Json]) -> list[Json]:
    """The connections, and streams on each."""
    found: list[Json] = []
    for name, spec in connections.items():
        found.append(declaring.resource(names.CONNECTION_KIND, name, spec))
        for number in range(STREAMS):
            stream = f"{name}-{number}"
            spec_of_stream = {
                "subjects": [stream],
                "storage": "memory",
                "connection": {"name": name},
            }
            found.append(declaring.resource(names.STREAM_KIND, stream, spec_of_stream))
    return found


async def seconds_until_ready(
    declaring: Declaring, healthy: Iterable[str], within: float = 120
) -> float:
    """How long it takes until all of these connections and their streams are Ready."""
    start = time.monotonic()
    wanted = tuple(healthy)

    async def ready() -> bool:
        found = {
            item["metadata"]["name"]
            for item in await declaring.all()
            if is_true(item.get("status") or {}, "Ready")
        }
        return all(
            name in found and all(f"{name}-{number}" in found for number in range(STREAMS))
            for name in wanted
        )

    await eventually_async(ready, within, "all on healthy connections to be Ready")
    return time.monotonic() - start
