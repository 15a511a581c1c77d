"""A bounded number of requests at once, each with a deadline that starts when it is its turn."""

import asyncio

import aiohttp

from coze_nats.core.turns import Turns

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
    In line, namespaces take turns: one that asks for much doesn't keep the others waiting.
    """

    def __init__(
        self,
        width: int,
        *,
        turn_within: float | None = None,
        answer_within: float = ANSWER_SECONDS,
    ) -> None:
        """Let `width` requests through at once; times in seconds."""
        self._free = width
        self._waiting: Turns[asyncio.Future[None], None] = Turns()
        self._turn_within = turn_within
        self._answer_within = answer_within

    async def __call__(
        self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request when there is a slot; raises TimeoutError."""
        async with asyncio.timeout(self._turn_within):
            await self._turn(_namespace(request.url.path))
        try:
            async with asyncio.timeout(self._answer_within):
                return await send(request)
        finally:
            self._free += 1
            self._go_on()

    async def _turn(self, namespace: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(namespace, turn, None)
        self._go_on()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It was given the slot at the same moment.
                self._free += 1
                self._go_on()
            self._waiting.discard(namespace, turn)
            raise

    def _go_on(self) -> None:
        while self._free and len(self._waiting):
            turn, _ = self._waiting.pop()
            if not turn.done():
                self._free -= 1
                turn.set_result(None)


def _namespace(path: str) -> str:
    """The namespace of what a request is about; "" where it is about several."""
    before, _, rest = path.partition("/namespaces/")
    return rest.partition("/")[0] if before else ""
