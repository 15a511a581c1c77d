"""Servers that lie, as a process of their own: `python -m neighbours.lying PORT LIE [PORT LIE …]`.

Beside the tests they would take the interpreter from them. It prints how often it has lied.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from controlplane import ports, processes
from support.lies import LIES
from support.lying_server import Lie, LyingServer, Visit, lying

TELL_SECONDS = 0.2
TESTS = Path(__file__).resolve().parents[1]


async def _hang_up(visit: Visit) -> None:
    visit.writer.close()


async def _send_endlessly(visit: Visit) -> None:
    await visit.say(b"MSG x 1 99999999999\r\n")
    await visit.flood(b"x" * 4096)


HANGS_UP, ENDLESS_MESSAGE = "hangs up", "sends a message without an end"
ALL: dict[str, Lie] = LIES | {
    HANGS_UP: Lie(afterwards=_hang_up),
    ENDLESS_MESSAGE: Lie(afterwards=_send_endlessly),
}


class Liars:
    """Servers for some lies, by the lie.

    Attributes:
        urls: where they are.
    """

    def __init__(self, folder: Path, lies: tuple[str, ...]) -> None:
        self.urls = {lie: f"nats://{ports.LOOPBACK}:{ports.free()}" for lie in lies}
        self._server = processes.Server("lying", folder)

    @property
    def times(self) -> int:
        """How many connections and requests they have lied to."""
        # Between the numbers is what a server complains of when a client hangs up.
        lines = self._server.log.read_text(encoding="utf-8").splitlines()
        return max((int(line) for line in lines if line.isdigit()), default=0)

    def start(self) -> None:
        words = [word for lie, url in self.urls.items() for word in (url.rpartition(":")[2], lie)]
        path = os.pathsep.join(map(str, (TESTS, TESTS.parent / "hack")))
        self._server.start(
            [sys.executable, "-m", "neighbours.lying", *words], {**os.environ, "PYTHONPATH": path}
        )
        self._server.await_ready(lambda: bool(self._server.log_tail()))

    def stop(self) -> None:
        self._server.stop()


@contextmanager
def liars(folder: Path, *lies: str) -> Iterator[Liars]:
    """Servers until the end of the block."""
    found = Liars(folder, lies)
    try:
        found.start()
        yield found
    finally:
        found.stop()


async def serve(words: list[str]) -> None:
    """Lie, and tell how often, until somebody ends the process."""
    async with AsyncExitStack() as running:
        servers: list[LyingServer] = [
            await running.enter_async_context(lying(ALL[lie], int(port)))
            for port, lie in zip(words[::2], words[1::2], strict=True)
        ]
        told = -1
        while True:
            times = sum(each.visits + len(each.asked) for each in servers)
            if times != told:
                print(times, flush=True)  # noqa: T201
            told = times
            await asyncio.sleep(TELL_SECONDS)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
