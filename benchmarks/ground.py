"""What is measured on: one API server and NATS, and the two that work on them in turn."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nats import connect
from nats.aio.client import Client

from benchmarks.floor import PAIRS_IN_FLIGHT, Task
from benchmarks.watching import Watching
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsCluster, NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from support import crds
from support.api_writes import writes
from support.declaring import Declaring, at_once, pairs

ROOT = Path(__file__).resolve().parents[1]
ACCOUNT = ("coze-nats-system", "coze-nats-operator")
NAMESPACE, FLOOR_NAMESPACE = "measured", "floor"

Json = Mapping[str, Any]


@dataclass(slots=True)
class Ground:
    """The servers, and the namespaces of the operator and of the floor.

    Attributes:
        replicas: of all streams.
        example: by kind, the status and the JetStream configuration that the operator leaves.
    """

    api: KubernetesAPI
    nats: NatsServer | NatsCluster
    declaring: Declaring
    floor_declaring: Declaring
    directory: Path
    replicas: int = 1
    example: Mapping[str, Json] | None = None

    def operator(self) -> OperatorProcess:
        """An operator with the rights of its ServiceAccount and its settings of every day."""
        return OperatorProcess(
            self.api.service_account_kubeconfig(*ACCOUNT),
            self.nats.url,
            arguments=(f"--namespace={NAMESPACE}", "--log-level=warning"),
        )

    def pairs(self, count: int) -> list[dict[str, Any]]:
        """So many resources, for the operator."""
        return pairs(self.declaring, count, replicas=self.replicas)

    async def floor_seconds(self, count: int, in_flight: int = PAIRS_IN_FLIGHT) -> float:
        """What the least calls for so many resources take; all is as before afterwards."""
        assert self.example
        declared = pairs(self.floor_declaring, count, replicas=self.replicas)
        await self.floor_declaring.create(declared)
        task = Task(
            server=self.api.url,
            identity=str(self.api.directory),
            nats=self.nats.url,
            namespace=FLOOR_NAMESPACE,
            names=[found["metadata"]["name"] for found in declared[::2]],
            stream=self.example[names.STREAM_KIND]["config"],
            consumer=self.example[names.CONSUMER_KIND]["config"],
            status={kind: found["status"] for kind, found in self.example.items()},
            in_flight=in_flight,
        )
        file = self.directory / "floor.json"
        file.write_text(json.dumps(asdict(task)), encoding="utf-8")
        # Watched as the operator's work is: it costs the API server something, and this machine.
        async with Watching(self.floor_declaring) as watching:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.floor", file),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
            printed, _ = await process.communicate()
            if process.returncode:
                raise RuntimeError("the floor failed; what it said stands above")
            await watching.all_ready(count)
        await self._clear_floor(declared)
        return float(printed)

    async def _clear_floor(self, declared: Sequence[Json]) -> None:
        client = await self.client()

        async def delete(resource: Json) -> None:
            if resource["kind"] == names.STREAM_KIND:
                name = resource["metadata"]["name"]
                await client.request(f"$JS.API.STREAM.DELETE.{name}", b"", 30)

        await self.floor_declaring.release(declared)
        await self.floor_declaring.delete(declared)
        await at_once(delete, declared)
        await client.close()

    async def client(self) -> Client:
        """An outsider's connection to NATS."""
        return await connect(self.nats.url.split(","))

    def writes(self) -> Counter[str]:
        return writes(self.api)

    def requests(self) -> int:
        """How many JetStream requests all servers together have answered so far."""
        return sum(int(node.monitor("/jsz")["api"]["total"]) for node in self._nodes)

    def objects(self) -> int:
        """How many streams and consumers there are in JetStream."""
        found = self._nodes[0].monitor("/jsz")
        return int(found.get("streams", 0)) + int(found.get("consumers", 0))

    @property
    def _nodes(self) -> Sequence[NatsServer]:
        return [self.nats] if isinstance(self.nats, NatsServer) else self.nats.nodes


@asynccontextmanager
async def ground(api: KubernetesAPI, nodes: int, directory: Path) -> AsyncIterator[Ground]:
    """NATS on so many nodes, with as many replicas of each stream, beside an API server."""
    nats: NatsServer | NatsCluster = NatsServer() if nodes == 1 else NatsCluster(size=nodes)
    with nats:
        async with Declaring(api, NAMESPACE) as ours, Declaring(api, FLOOR_NAMESPACE) as floors:
            await ours.make_namespace()
            await floors.make_namespace()
            yield Ground(api, nats, ours, floors, directory, replicas=nodes)


def install(api: KubernetesAPI) -> None:
    """The CRDs, and the rights of the operator."""
    crds.install(api)
    api.kubectl("apply", "-k", ROOT / "manifests" / "install")
