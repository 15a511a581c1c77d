"""How the process comes to its end: by a signal, by Kopf's failure, or by its own decision."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import TypeVar

Value = TypeVar("Value")

LEAVE_SECONDS = 10.0
"""What Kopf gets to end when all else has ended."""


class CannotRun(Exception):
    """The operator can't start or go on; the message says why and what to do."""


def stop_on_signals(stop: asyncio.Event) -> None:
    """Have SIGINT and SIGTERM set `stop`."""
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_, stop.set)


async def unless(stop: asyncio.Event, work: Awaitable[Value]) -> Value | None:
    """The result of the work, or None if it was cancelled because of `stop`."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def watch(
    kopf_operator: Awaitable[None], stopped: asyncio.Event, within: float = LEAVE_SECONDS
) -> None:
    """Let Kopf run; raises CannotRun when it fails, also when it then doesn't come to its end."""
    running = asyncio.ensure_future(kopf_operator)
    stopping = asyncio.ensure_future(stopped.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait((running,), timeout=within)
    stopping.cancel()
    if not running.done():
        raise CannotRun("Watching the Kubernetes API has failed (see the log) and can't be ended")
    if error := running.exception():
        raise CannotRun(f"Watching the Kubernetes API has failed: {error}") from error
