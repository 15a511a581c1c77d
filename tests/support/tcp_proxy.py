"""A TCP proxy on loopback that can fail in every way a network does.

It knows bytes only: TLS and every protocol pass through. It runs on a thread of its own, so that it
goes on while a test waits.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from controlplane import ports

Value = TypeVar("Value")

CHUNK = 65536
# To close with it is to reset the connection: nothing is said to the other side but RST.
_NO_LINGER = struct.pack("ii", 1, 0)


class TcpProxy:
    """Passes connections on to a port on loopback, until it is told to do otherwise.

    A context manager. What it does holds for connections that exist and for new ones, until `heal`.

    Attributes:
        port: where it listens; the same over `refuse` and `heal`.
        accepted: how many connections there have been.
    """

    def __init__(self, target_port: int) -> None:
        self.port = ports.free()
        self.accepted = 0
        self._target = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="tcp-proxy", daemon=True
        )
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passes = True
        self._last_words = b""
        self._delay = 0.0

    # --- what it can do to connections ------------------------------------------------------------

    def cut(self) -> None:
        """Reset all connections; new ones are passed on."""
        self._run(self._cut())

    def refuse(self) -> None:
        """Reset all connections, and refuse new ones: nobody listens."""
        self._run(self._refuse())

    def swallow(self) -> None:
        """Keep connections and accept new ones, and let no byte through: a partition."""
        self._passes = False

    def swallow_answers_to(self, words: bytes) -> None:
        """Once these are asked on a connection, let none of the answers through any more."""
        self._last_words = words

    def delay(self, seconds: float) -> None:
        """Hold back everything for so long, in each direction."""
        self._delay = seconds

    def heal(self) -> None:
        """Pass on again. What was swallowed leaves a gap, so connections from then are reset."""
        self._run(self._heal())

    # --- its life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._run(self._listen())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._run(self._end())
        finally:
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, ports.LOOPBACK, self.port)

    async def _cut(self) -> None:
        for writer in tuple(self._writers):
            _reset(writer)

    async def _refuse(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        await self._cut()

    async def _heal(self) -> None:
        had_gaps = not self._passes or bool(self._last_words)
        self._passes = True
        self._last_words = b""
        self._delay = 0.0
        if had_gaps:
            await self._cut()
        await self._listen()

    async def _end(self) -> None:
        await self._refuse()
        # Who was accepted a moment ago is attended to in the next turn, and then hung up on.
        await asyncio.sleep(0)
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            await self._connect_through(reader, writer)
        except OSError:
            _reset(writer)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _connect_through(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there_reader, there_writer = await asyncio.open_connection(ports.LOOPBACK, self._target)
        self._writers.add(there_writer)
        try:
            # When one side ends, so does the other: none of the protocols here closes by half.
            answers = asyncio.Event()
            answers.set()
            pumps = (
                asyncio.ensure_future(self._pump_asks(reader, there_writer, answers)),
                asyncio.ensure_future(self._pump_answers(there_reader, writer, answers)),
            )
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            self._writers.discard(there_writer)
            there_writer.close()

    async def _pump_asks(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: asyncio.Event
    ) -> None:
        async for data in self._chunks(reader):
            if self._last_words and self._last_words in data:
                answers.clear()
            if self._passes:
                writer.write(data)
                await writer.drain()

    async def _pump_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: asyncio.Event
    ) -> None:
        async for data in self._chunks(reader):
            if self._passes and answers.is_set():
                writer.write(data)
                await writer.drain()

    async def _chunks(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                yield data


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
