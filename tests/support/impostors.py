"""Something that listens where a NATS server should."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass


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

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.write(self.greeting)
        with suppress(OSError):
            while data := await reader.read(4096):
                self.received += data
                if self.farewell is not None and b"PING" in self.received:
                    writer.write(self.farewell)
                    break
        writer.close()


@asynccontextmanager
async def impostor(
    greeting: bytes, port: int = 0, *, farewell: bytes | None = None
) -> AsyncIterator[Impostor]:
    host = Impostor(greeting, farewell)
    server = await asyncio.start_server(host.serve, "127.0.0.1", port)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host
