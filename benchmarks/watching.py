"""Sees when resources become Ready, from the API server's own watch: no polling, no sampling."""

import asyncio
import json
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

import aiohttp

from coze_nats.core import names
from support.declaring import Declaring, is_ready

Key = tuple[str, str]
"""Kind and name."""


class Watching:
    """Watches both kinds in a namespace; an async context manager.

    Attributes:
        ready: when each resource became Ready for its spec, on the clock of `time.perf_counter`.
        generations: for which generation that was.
    """

    def __init__(self, declaring: Declaring) -> None:
        self.ready: dict[Key, float] = {}
        self.generations: dict[Key, int] = {}
        self._declaring = declaring
        self._there: set[Key] = set()
        # How many are Ready for which generation: asked after each of many thousand events.
        self._counts: Counter[int] = Counter()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for kind in names.TOPOLOGY_KINDS:
            version = await self._list(kind)
            self._tasks.append(asyncio.create_task(self._go_on_watching(kind, version)))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def all_ready(self, count: int, generation: int = 1, within: float = 900) -> float:
        """Wait for so many resources to be Ready for that generation; when the last one was."""
        async with asyncio.timeout(within):
            while sum(n for found, n in self._counts.items() if found >= generation) < count:
                await self._change()
        return max(self.ready.values())

    async def none_left(self, within: float = 900) -> float:
        """Wait until no resource is there; returns when that was."""
        async with asyncio.timeout(within):
            while self._there:
                await self._change()
        return time.perf_counter()

    async def _change(self) -> None:
        self._changed.clear()
        for task in self._tasks:
            if task.done():
                task.result()
        try:
            async with asyncio.timeout(1):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _list(self, kind: str) -> str:
        async with self._declaring.session.get(self._declaring.collection(kind)) as answer:
            listed = await answer.json()
        now = time.perf_counter()
        found = {(kind, item["metadata"]["name"]): item for item in listed["items"]}
        for key in {key for key in self._there if key[0] == kind} - found.keys():
            self._forget(key)
        for item in found.values():
            self._take(kind, item, now)
        return str(listed["metadata"]["resourceVersion"])

    async def _go_on_watching(self, kind: str, version: str) -> None:
        while True:
            await self._watch(kind, version)
            # A server under load ends watches that don't keep up.
            version = await self._list(kind)
            self._changed.set()

    async def _watch(self, kind: str, version: str) -> None:
        params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "7200"}
        path = self._declaring.collection(kind)
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._declaring.session.get(
            path, params=params, timeout=timeout, read_bufsize=2**22
        ) as answer:
            async for line in answer.content:
                now = time.perf_counter()
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise RuntimeError(f"the benchmark's own watch failed: {event['object']}")
                if event["type"] == "DELETED":
                    self._forget((kind, event["object"]["metadata"]["name"]))
                else:
                    self._take(kind, event["object"], now)
                self._changed.set()

    def _take(self, kind: str, item: dict[str, Any], now: float) -> None:
        key = (kind, item["metadata"]["name"])
        generation = item["metadata"]["generation"]
        self._there.add(key)
        if is_ready(item) and self.generations.get(key) != generation:
            self._counts[self.generations.get(key, 0)] -= 1
            self._counts[generation] += 1
            self.ready[key] = now
            self.generations[key] = generation

    def _forget(self, key: Key) -> None:
        self._there.discard(key)
        self.ready.pop(key, None)
        if generation := self.generations.pop(key, None):
            self._counts[generation] -= 1
