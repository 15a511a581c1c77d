"""Wait for what must come about, instead of for time to pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")

POLL_SECONDS = 0.05


def eventually(look: Callable[[], Value], within: float = 60.0, what: str = "") -> Value:
    """Look until something true is seen, and return it; fail with what was seen last."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{what or 'it'} did not come about in {within:g} s; last: {seen!r}"
            )
        time.sleep(POLL_SECONDS)
    return seen


async def eventually_async(
    look: Callable[[], Awaitable[Value]], within: float = 60.0, what: str = ""
) -> Value:
    """As `eventually`, for a look that is awaited."""
    deadline = time.monotonic() + within
    while not (seen := await look()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{what or 'it'} did not come about in {within:g} s; last: {seen!r}"
            )
        await asyncio.sleep(POLL_SECONDS)
    return seen
