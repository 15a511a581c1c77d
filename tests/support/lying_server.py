"""A NATS server that lets everybody in, and lies: in what it sends, or in what JetStream answers.

`lying(lie)` for tests on an event loop, `lying_beside(lie)` for all others: it has a thread of its
own. A `Lie()` without anything is an honest server. The lies themselves are in `lies`.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from support.impostors import Impostor, listening
from support.small_jetstream import JetStream, Json

Say = Callable[["Visit"], Awaitable[None]]
Answer = Callable[[JetStream, str, Json], Json | bytes | None]
"""The request's words after the prefix, and its body → the answer; None: there is none."""

API = "$JS.API."
GREETING: Json = {
    "server_id": "NLYINGLYINGLYINGLYINGLYING",
    "server_name": "lying",
    "version": "2.14.6",
    "proto": 1,
    "headers": True,
    "max_payload": 1 << 20,
    "client_id": 7,
    "client_ip": "127.0.0.1",
}
CHUNK = 32_768


@dataclass
class Visit:
    """One client that is connected.

    Attributes:
        sids: of its subscriptions, by their subject.
        turn: to send.
    """

    writer: asyncio.StreamWriter
    sids: dict[str, str] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def say(self, data: bytes) -> None:
        """Send, as fast as the client reads, and nothing else in between."""
        async with self.turn:
            for start in range(0, len(data), CHUNK):
                self.writer.write(data[start : start + CHUNK])
                await self.writer.drain()

    async def flood(self, data: bytes) -> None:
        """Send the same for ever."""
        block = data * max(1, CHUNK // len(data))
        while True:
            await self.say(block)

    def message(self, subject: str, data: bytes, sid: str = "") -> bytes:
        """A message for the subscription to that subject, or for the first one."""
        number = sid or next(iter(self.sids.values()), "1")
        return b"MSG %s %s %d\r\n%s\r\n" % (subject.encode(), number.encode(), len(data), data)

    def advisory(self, what: str, names: str) -> bytes:
        """An advisory such as STREAM.DELETED of a stream, to who listens for those."""
        subject = f"$JS.EVENT.ADVISORY.{what}.{names}"
        sid = next((sid for each, sid in self.sids.items() if f".{what}." in each), "")
        return self.message(subject, b"{}", sid)


async def _nothing(_: Visit) -> None:
    return


def honestly(jetstream: JetStream, words: str, body: Json) -> Json | bytes | None:
    """Answer as a server does."""
    return jetstream.answer(words, body)


@dataclass(frozen=True)
class Lie:
    """In which way a server is none.

    Attributes:
        greeting: the first bytes, or what of INFO is different.
        afterwards: what it does as soon as the client is logged in and has subscribed.
        answer: of JetStream.
        delay: seconds before each answer of JetStream.
        reads: whether it reads on after the login.
        pongs: whether it answers to PING after the login.
    """

    greeting: bytes | Mapping[str, Any] = field(default_factory=dict)
    afterwards: Say = _nothing
    answer: Answer = honestly
    delay: float = 0.0
    reads: bool = True
    pongs: bool = True

    @property
    def first_bytes(self) -> bytes:
        if isinstance(self.greeting, bytes):
            return self.greeting
        return b"INFO " + json.dumps({**GREETING, **self.greeting}).encode() + b"\r\n"


@dataclass
class LyingServer(Impostor):
    """Lets everybody in, and tells `lie`; the lie can be changed while it runs.

    Attributes:
        asked: the requests to JetStream, without the prefix.
        jetstream: what is answered from where nothing is lied about.
    """

    greeting: bytes = b""
    lie: Lie = field(default_factory=Lie)
    asked: list[str] = field(default_factory=list)
    jetstream: JetStream = field(default_factory=JetStream)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        with self.visited(writer), suppress(OSError, asyncio.IncompleteReadError):
            visit = Visit(writer)
            await visit.say(self.lie.first_bytes)
            pings = 0
            while line := await reader.readline():
                verb, *words = line.decode().split() or [""]
                if verb == "PING":
                    pings += 1
                    if pings == 1 or self.lie.pongs:
                        await visit.say(b"PONG\r\n")
                    if pings == 2:  # the first one after the subscriptions
                        self._begin(self.lie.afterwards(visit))
                        if not self.lie.reads:
                            await self._ended.wait()
                elif verb == "SUB":
                    visit.sids[words[0]] = words[-1]
                elif verb == "PUB":
                    payload = await reader.readexactly(int(words[-1]) + 2)
                    self._begin(self._answer(visit, words[0], words[1], payload))

    async def _answer(self, visit: Visit, subject: str, reply: str, payload: bytes) -> None:
        words = subject.rpartition(API)[2]
        self.asked.append(words)
        lie = self.lie
        await asyncio.sleep(lie.delay)
        answer = lie.answer(self.jetstream, words, json.loads(payload) if payload.strip() else {})
        if answer is not None:
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            sid = next((sid for each, sid in visit.sids.items() if each.startswith("_INBOX")), "1")
            await visit.say(visit.message(reply, data, sid))

    def _begin(self, work: Awaitable[None]) -> None:
        async def done() -> None:
            with suppress(OSError):
                await work

        task = asyncio.create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        self._ended.set()
        for task in set(self._tasks):
            task.cancel()
        await super().end()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def lying(lie: Lie, port: int = 0) -> AsyncIterator[LyingServer]:
    """A server that tells a lie, on this event loop."""
    server = LyingServer(lie=lie)
    async with listening(server, server.serve, port):
        yield server


@contextmanager
def lying_beside(lie: Lie, port: int = 0) -> Iterator[LyingServer]:
    """The same in a thread of its own, for tests without an event loop."""
    loop = asyncio.new_event_loop()
    begun: threading.Event = threading.Event()
    found: list[LyingServer] = []
    ending = asyncio.Event()

    async def run() -> None:
        async with lying(lie, port) as server:
            found.append(server)
            begun.set()
            await ending.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    try:
        assert begun.wait(30), "the lying server does not start"
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ending.set)
        thread.join(30)
        loop.close()
