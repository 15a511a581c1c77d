"""The floor: the least calls that a resource takes, in a tight loop, by the same libraries.

For each resource: the finalizer (a patch), the object in JetStream (a request), and the status (a
server-side apply). It looks at nothing, decides nothing and remembers nothing. A process of its
own, as the operator is: `python -m benchmarks.floor TASK.json` prints seconds as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import nats
from nats.aio.client import Client

from coze_nats.core import names
from support.declaring import admin_tls

PAIRS_IN_FLIGHT = 32

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """What to do.

    Attributes:
        server: the API server's URL; `identity` is the directory with the administrator's key.
        names: of pairs of a stream and its consumer, which are declared already.
        status: by kind, what to write: as long as what the operator writes.
    """

    server: str
    identity: str
    nats: str
    namespace: str
    names: list[str]
    stream: Json
    consumer: Json
    status: Mapping[str, Json]
    in_flight: int = PAIRS_IN_FLIGHT


class Floor:
    """The calls, over one session and one connection each."""

    def __init__(self, task: Task, session: aiohttp.ClientSession, client: Client) -> None:
        self._task = task
        self._session = session
        self._client = client

    async def pair(self, name: str) -> None:
        """All calls for a stream, and then for its consumer."""
        task = self._task
        subject = f"{task.namespace}.{name}"
        stream = {**task.stream, "name": name, "subjects": [subject]}
        consumer = {**task.consumer, "name": name, "durable_name": name}
        body = {"stream_name": name, "config": consumer, "action": "create"}
        await self._resource(names.STREAM_KIND, name, f"STREAM.CREATE.{name}", stream)
        await self._resource(names.CONSUMER_KIND, name, f"CONSUMER.CREATE.{name}.{name}", body)

    async def _resource(self, kind: str, name: str, verb: str, body: Json) -> None:
        task = self._task
        collection = f"/apis/{names.API_VERSION}/namespaces/{task.namespace}/{names.PLURALS[kind]}"
        finalizers = [{"op": "add", "path": "/metadata/finalizers", "value": [names.FINALIZER]}]
        await self._patch(f"{collection}/{name}", finalizers, "application/json-patch+json")
        answer = await self._client.request(f"$JS.API.{verb}", json.dumps(body).encode(), 30)
        created = json.loads(answer.data)
        if "error" in created:
            raise RuntimeError(f"{verb}: {created['error']}")
        applied = {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"namespace": task.namespace, "name": name},
            "status": task.status[kind],
        }
        path = f"{collection}/{name}/status?fieldManager={names.FIELD_MANAGER}&force=true"
        await self._patch(path, applied, "application/apply-patch+yaml")

    async def _patch(self, path: str, body: Any, content_type: str) -> None:
        headers = {"Content-Type": content_type}
        async with self._session.patch(path, data=json.dumps(body), headers=headers) as answer:
            document = await answer.json()
            if not answer.ok:
                raise RuntimeError(f"PATCH {path}: {document}")


async def run(task: Task) -> float:
    """Do it all; returns the seconds that it took."""
    connector = aiohttp.TCPConnector(limit=0, ssl=admin_tls(Path(task.identity)))
    async with aiohttp.ClientSession(task.server, connector=connector) as session:
        client = await nats.connect(task.nats.split(","))
        floor = Floor(task, session, client)
        left = iter(task.names)

        async def worker() -> None:
            for name in left:
                await floor.pair(name)

        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(task.in_flight):
                group.create_task(worker())
        seconds = time.perf_counter() - start
        await client.close()
    return seconds


def main() -> None:
    task = Task(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    sys.stdout.write(json.dumps(asyncio.run(run(task))))


if __name__ == "__main__":
    main()
