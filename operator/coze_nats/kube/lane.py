"""A bounded number of requests at once, each with a deadline that starts when it is its turn."""

import asyncio

import aiohttp

ANSWER_SECONDS = 30.0
"""How long the apiserver may take for the beginning of an answer."""


class Lane:
    """Middleware for an HTTP session.

    A client's own time-out counts the time in line for a connection, too: when thousands of
    resources are deleted at once, requests that were only waiting would time out, and be repeated.
    """

    def __init__(self, width: int, *, answer_within: float = ANSWER_SECONDS) -> None:
        """Let `width` requests through at once."""
        self._slots = asyncio.Semaphore(width)
        self._answer_within = answer_within

    async def __call__(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request when there is a slot; raises TimeoutError."""
        async with self._slots, asyncio.timeout(self._answer_within):
            return await send(request)
