"""The measurements: each brings the ground to a state, and says what that took."""

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.ground import Ground
from benchmarks.processes import cpu_seconds, peak_rss_mb, rss_mb
from benchmarks.watching import Watching
from controlplane.operator import OperatorProcess
from coze_nats.core import names

QUIET_SECONDS = 1.0
POLL_SECONDS = 0.02
HEAL_SECONDS = 200.0


@dataclass(slots=True)
class Cold:
    """A cold start: everything is declared, and then the operator starts.

    Attributes:
        seconds: from the start of the process until the last resource was Ready.
        cpu: CPU seconds of the operator.
        peak_mb: its most resident memory.
        writes: API writes of the operator, for each resource.
        requests: JetStream requests, for each resource.
    """

    seconds: float
    cpu: float
    peak_mb: float
    writes: float
    requests: float


@dataclass(slots=True)
class Bench:
    """Measures on one ground."""

    ground: Ground

    # --- starts -----------------------------------------------------------------------------------

    async def learn(self) -> None:
        """See what the operator leaves of a pair: the floor writes as much."""
        declared = self.ground.pairs(2)
        with self.ground.operator():
            async with Watching(self.ground.declaring) as watching:
                await self.ground.declaring.create(declared)
                await watching.all_ready(2)
                found = {r["kind"]: await self.ground.declaring.get(r) for r in declared}
                configs = await self._configs(declared[0]["metadata"]["name"])
                self.ground.example = {
                    kind: {"status": found[kind]["status"], "config": configs[kind]}
                    for kind in configs
                }
                await self.ground.declaring.delete(declared)
                await watching.none_left()

    async def _configs(self, name: str) -> dict[str, Any]:
        client = await self.ground.client()
        stream = json.loads((await client.request(f"$JS.API.STREAM.INFO.{name}", b"", 5)).data)
        subject = f"$JS.API.CONSUMER.INFO.{name}.{name}"
        consumer = json.loads((await client.request(subject, b"", 5)).data)
        await client.close()
        return {names.STREAM_KIND: stream["config"], names.CONSUMER_KIND: consumer["config"]}

    async def start_seconds(self) -> float:
        """From the start of the process until it is ready, with nothing to do."""
        with self.ground.operator() as operator:
            operator.stop()
            start = time.perf_counter()
            await asyncio.to_thread(operator.start)
            return time.perf_counter() - start

    @asynccontextmanager
    async def cold(self, count: int) -> AsyncIterator[tuple[Cold, OperatorProcess, Watching]]:
        """A cold start with so many resources; afterwards the operator runs on."""
        ground = self.ground
        await ground.declaring.create(ground.pairs(count))
        operator = ground.operator()
        try:
            async with Watching(ground.declaring) as watching:
                writes, requests = ground.writes(), ground.requests()
                start = time.perf_counter()
                await asyncio.to_thread(operator.start, until_ready=False)
                seconds = await watching.all_ready(count) - start
                cold = Cold(
                    seconds=seconds,
                    cpu=cpu_seconds(operator.pid),
                    peak_mb=peak_rss_mb(operator.pid),
                    writes=(ground.writes() - writes).total() / count,
                    requests=(ground.requests() - requests) / count,
                )
                yield cold, operator, watching
        finally:
            operator.remove()

    async def restart(self, operator: OperatorProcess) -> tuple[float, int]:
        """Start the operator anew with all converged; seconds until rest, and API writes."""
        ground = self.ground
        await asyncio.to_thread(operator.stop)
        before = ground.writes()
        start = time.perf_counter()
        await asyncio.to_thread(operator.start)
        seconds = await self.rest(operator) - start
        return seconds, (ground.writes() - before).total()

    async def rest(self, operator: OperatorProcess) -> float:
        """When the operator came to rest: asks JetStream nothing, and hardly computes, any more."""
        while True:
            since = time.perf_counter()
            cpu, requests = cpu_seconds(operator.pid), self.ground.requests()
            await asyncio.sleep(QUIET_SECONDS)
            is_busy = cpu_seconds(operator.pid) - cpu > 0.1 * QUIET_SECONDS
            if not is_busy and self.ground.requests() == requests:
                return since

    # --- what users do ----------------------------------------------------------------------------

    async def change(self, count: int, watching: Watching) -> tuple[float, float]:
        """Change every spec; seconds until all are Ready again, and API writes for each."""
        resources = self.ground.pairs(count)
        before = self.ground.writes()
        start = time.perf_counter()
        await self.ground.declaring.change(resources, {"description": "changed"})
        seconds = await watching.all_ready(count, generation=2) - start
        return seconds, (self._since(before).total() - count) / count

    async def delete(self, count: int, watching: Watching) -> tuple[float, float]:
        """Delete everything; seconds until all is gone, and API writes for each."""
        resources = self.ground.pairs(count)
        before = self.ground.writes()
        start = time.perf_counter()
        await self.ground.declaring.delete(resources)
        seconds = await watching.none_left() - start
        return seconds, (self._since(before).total() - count) / count

    def _since(self, before: Counter[str]) -> Counter[str]:
        return self.ground.writes() - before

    async def single_ms(self, times: int) -> tuple[float, float]:
        """Median milliseconds from applying a stream to Ready, and the least that this could take.

        The least is the request that applies it, and the floor's three calls.
        """
        ground = self.ground
        (resource, _) = ground.pairs(2)
        taken, applying = [], []
        floor = [await ground.floor_seconds(2 * times, in_flight=1)]
        with ground.operator():
            async with Watching(ground.declaring) as watching:
                for _ in range(times):
                    start = time.perf_counter()
                    await ground.declaring.create([resource])
                    applying.append(time.perf_counter() - start)
                    taken.append(await watching.all_ready(1) - start)
                    await ground.declaring.delete([resource])
                    await watching.none_left()
        floor.append(await ground.floor_seconds(2 * times, in_flight=1))
        least = statistics.median(applying) + statistics.mean(floor) / (2 * times)
        return 1000 * statistics.median(taken), 1000 * least

    # --- what happens -----------------------------------------------------------------------------

    async def at_rest(self, operator: OperatorProcess, seconds: float) -> dict[str, float]:
        """What it costs when nothing happens, for so many seconds."""
        await self.rest(operator)
        writes, requests = self.ground.writes(), self.ground.requests()
        cpu = cpu_seconds(operator.pid)
        await asyncio.sleep(seconds)
        minutes = seconds / 60
        return {
            "idle_cpu_s_per_min": (cpu_seconds(operator.pid) - cpu) / minutes,
            "idle_writes": (self.ground.writes() - writes).total(),
            "idle_requests_per_min": (self.ground.requests() - requests) / minutes,
            "rss_mb": rss_mb(operator.pid),
        }

    async def heal(self, kind: str, times: int) -> float:
        """Median seconds from deleting one object in JetStream until it is back."""
        client = await self.ground.client()
        taken = []
        for number in range(times):
            name = f"n{number:05}"
            what = name if kind == names.STREAM_KIND else f"{name}.{name}"
            verb = "STREAM" if kind == names.STREAM_KIND else "CONSUMER"
            await client.request(f"$JS.API.{verb}.DELETE.{what}", b"", 5)
            start = time.perf_counter()
            while "error" in await self._info(client, verb, what):
                if time.perf_counter() - start > HEAL_SECONDS:
                    raise RuntimeError(f"{verb} {what} was not made again")
                await asyncio.sleep(POLL_SECONDS)
            taken.append(time.perf_counter() - start)
        await client.close()
        return statistics.median(taken)

    async def heal_edit(self, times: int) -> float:
        """Median seconds from editing a stream in JetStream until it is as declared again."""
        client = await self.ground.client()
        taken = []
        for number in range(times):
            name = f"n{number:05}"
            config = (await self._info(client, "STREAM", name))["config"]
            edited = {**config, "max_msgs_per_subject": 7}
            await client.request(f"$JS.API.STREAM.UPDATE.{name}", json.dumps(edited).encode(), 5)
            start = time.perf_counter()
            while (await self._info(client, "STREAM", name))["config"] == edited:
                if time.perf_counter() - start > HEAL_SECONDS:
                    raise RuntimeError(f"stream {name} was not put right")
                await asyncio.sleep(POLL_SECONDS)
            taken.append(time.perf_counter() - start)
        await client.close()
        return statistics.median(taken)

    async def _info(self, client: Any, verb: str, what: str) -> dict[str, Any]:
        answer = await client.request(f"$JS.API.{verb}.INFO.{what}", b"", 5)
        return dict(json.loads(answer.data))

    async def wiped(self, count: int) -> float:
        """Seconds from an empty NATS coming back until everything is there again."""
        await asyncio.to_thread(self.ground.nats.restart, wipe=True)
        start = time.perf_counter()
        while self.ground.objects() < count:
            if time.perf_counter() - start > HEAL_SECONDS:
                raise RuntimeError(f"{self.ground.objects()} of {count} objects came back")
            await asyncio.sleep(POLL_SECONDS)
        return time.perf_counter() - start
