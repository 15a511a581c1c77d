"""Wait for what must come about, instead of for time to pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")

POLL_SECONDS = 0.05
PATIENCE = 3.0
"""A deadline is for what never comes about: a busy machine may take so many times as long."""


def eventually(look: Callable[[], Value], within: float = 60.0, what: str = "") -> Value:
    """Look until something true is seen, and return it; fail with what was seen last.

    `within` is in seconds of a machine that has nothing else to do.
    """
    within *= PATIENCE
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
    within *= PATIENCE
    deadline = time.monotonic() + within
    while not (seen := await look()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{what or 'it'} did not come about in {within:g} s; last: {seen!r}"
            )
        await asyncio.sleep(POLL_SECONDS)
    return seen
