"""Something that listens where a NATS server should."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Impostor:
    """Something that listens, greets, keeps every byte that it is sent, and answers nothing.

    With a farewell, it says that to the first PING and hangs up.
    """

    greeting: bytes
    farewell: bytes | None = None
    port: int = 0
    visits: int = 0
    received: bytes = b""
    _visitors: dict[asyncio.Task[Any] | None, asyncio.StreamWriter] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        with self.visited(writer), suppress(OSError):
            writer.write(self.greeting)
            while data := await reader.read(4096):
                self.received += data
                if self.farewell is not None and b"PING" in self.received:
                    writer.write(self.farewell)
                    break

    @contextmanager
    def visited(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        """Hang up at the end of the block, or when everything ends."""
        task = asyncio.current_task()
        self._visitors[task] = writer
        try:
            yield
        finally:
            self._visitors.pop(task, None)
            writer.close()

    async def end(self) -> None:
        """Hang up on all who are still there."""
        visitors = dict(self._visitors)
        for writer in visitors.values():
            writer.transport.abort()
        await asyncio.gather(*filter(None, visitors), return_exceptions=True)


@asynccontextmanager
async def impostor(
    greeting: bytes, port: int = 0, *, farewell: bytes | None = None
) -> AsyncIterator[Impostor]:
    host = Impostor(greeting, farewell)
    async with listening(host, host.serve, port):
        yield host


@asynccontextmanager
async def listening(
    host: Impostor, serve: Serve, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Have `serve` attend to the host's visitors, until the end of the block."""
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        try:
            yield
        finally:
            await host.end()
