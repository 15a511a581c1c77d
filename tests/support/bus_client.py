"""Coze Studio's use of NATS, played by hack/tools/busclient: a process for a topic and a group."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from controlplane import binaries
from controlplane.recipes import Binary


class Event(NamedTuple):
    """What was stored or delivered; an empty text is nothing."""

    text: str
    sequence: int


class BusError(Exception):
    """What the client's library said."""


class BusClient:
    """One process; a call is answered before the next one is made."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def subscribe(self) -> None:
        await self._ask("subscribe")

    async def send(self, text: str) -> Event:
        """Publish, and wait until JetStream has acknowledged it."""
        return await self._ask(f"send {text}")

    async def take(self) -> Event:
        """Fetch one event within a second, and acknowledge it."""
        return await self._ask("take")

    async def refuse(self) -> Event:
        """Fetch one event within a second, and give it back."""
        return await self._ask("refuse")

    async def _ask(self, line: str) -> Event:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()
        answer = json.loads(await self._process.stdout.readline())
        if answer["error"]:
            raise BusError(answer["error"])
        return Event(answer["text"], answer["sequence"])


@asynccontextmanager
async def bus_client(url: str, topic: str, group: str) -> AsyncIterator[BusClient]:
    """A client that ends with the context."""
    program = await asyncio.to_thread(binaries.find, Binary.BUS_CLIENT)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        program, url, topic, group, stdin=pipe, stdout=pipe
    )
    try:
        yield BusClient(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()
