"""A bounded number of requests at once, each with a deadline that starts when it is its turn."""

import asyncio

import aiohttp

ANSWER_SECONDS = 30.0
"""How long the apiserver may take for the beginning of an answer."""

TURN_SECONDS = 120.0
"""How long the operator's own requests wait for their turn.

Longer than any that are answered; an apiserver that answers none would otherwise keep the last in
line for so long that its reconcile seems to be stuck.
"""


class Lane:
    """Middleware for an HTTP session.

    A client's own time-out counts the time in line for a connection, too: when thousands of
    resources are deleted at once, requests that were only waiting would time out, and be repeated.
    """

    def __init__(
        self,
        width: int,
        *,
        turn_within: float | None = None,
        answer_within: float = ANSWER_SECONDS,
    ) -> None:
        """Let `width` requests through at once; times in seconds."""
        self._slots = asyncio.Semaphore(width)
        self._turn_within = turn_within
        self._answer_within = answer_within

    async def __call__(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request when there is a slot; raises TimeoutError."""
        async with asyncio.timeout(self._turn_within):
            await self._slots.acquire()
        try:
            async with asyncio.timeout(self._answer_within):
                return await send(request)
        finally:
            self._slots.release()
