"""A reverse proxy in front of an API server that answers in its place, as an API server may.

Plain HTTP on the side of the client, TLS on the other. It runs on a thread of its own, so that it
goes on while a test waits.
"""

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

from controlplane import ports

_HOP_BY_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "content-length"})
_START_SECONDS = 60.0

Matches = Callable[[web.BaseRequest], bool]
"""Whether a request is one of those that go wrong."""


def is_status_write(request: web.BaseRequest) -> bool:
    return request.method == "PATCH" and request.path.endswith("/status")


def is_finalizer_write(request: web.BaseRequest) -> bool:
    return request.method == "PATCH" and not request.path.endswith("/status")


def is_read_of_secret(request: web.BaseRequest) -> bool:
    return request.method == "GET" and "/secrets/" in request.path


def is_watch(request: web.BaseRequest) -> bool:
    return request.query.get("watch") == "true"


def is_list_of_streams(request: web.BaseRequest) -> bool:
    return request.path.endswith("/cozestreams") and not is_watch(request)


@dataclass(slots=True)
class _Refusal:
    matches: Matches
    status: HTTPStatus
    left: int


class HttpFaults:
    """Passes requests on to an API server, until it is told to do otherwise; a context manager.

    Attributes:
        port: where it listens.
        refused: how many requests it has answered itself, by status.
        watches: how many watches it has passed on.
    """

    def __init__(self, server: str, ca_file: Path) -> None:
        self.port = ports.free()
        self.refused: Counter[int] = Counter()
        self.watches = 0
        self._server = server
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._refusals: list[_Refusal] = []
        self._silent = False
        self._expire = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="http-faults")
        self._started = threading.Event()
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.port}"

    # --- what it can do to requests ---------------------------------------------------------------

    def refuse(self, matches: Matches, status: HTTPStatus, times: int) -> None:
        """Answer the next requests that match with this status; nothing reaches the API server."""
        self._refusals.append(_Refusal(matches, status, times))

    def silence_watches(self) -> None:
        """Keep the watches of now open, and let none of their events through any more."""
        self._silent = True

    def expire_watches(self) -> None:
        """Tell the next watches that their version is too old: 410 Gone, as an event."""
        self._expire = True

    def heal(self) -> None:
        """Pass on everything that comes from now on; a watch that was silenced stays silent."""
        self._refusals.clear()
        self._silent = self._expire = False

    # --- its life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(_START_SECONDS):
            raise RuntimeError("the proxy in front of the API server did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            self._session = session
            runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, ports.LOOPBACK, self.port).start()
            self._started.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        for refusal in self._refusals:
            if refusal.left and refusal.matches(request):
                refusal.left -= 1
                self.refused[refusal.status] += 1
                return _status(refusal.status)
        if is_watch(request):
            self.watches += 1
            if self._expire:
                self.refused[HTTPStatus.GONE] += 1
                return web.json_response({"type": "ERROR", "object": _document(HTTPStatus.GONE)})
        return await self._pass_on(request)

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        body = await request.read()
        timeout = aiohttp.ClientTimeout(total=None)
        try:
            async with self._session.request(
                request.method,
                self._server + request.raw_path,
                headers=headers,
                data=body or None,
                timeout=timeout,
            ) as found:
                kept = {k: v for k, v in found.headers.items() if k.lower() not in _HOP_BY_HOP}
                answer = web.StreamResponse(status=found.status, headers=kept)
                await answer.prepare(request)
                async for chunk in found.content.iter_any():
                    if self._silent and is_watch(request):
                        # For good: what follows a gap would make no sense.
                        await self._stop.wait()
                    await answer.write(chunk)
                return answer
        except (aiohttp.ClientError, OSError):
            # No answer is what there is when nobody is there.
            if request.transport:
                request.transport.abort()
            raise asyncio.CancelledError from None


def _document(status: HTTPStatus) -> dict[str, object]:
    reasons = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": f"made up by the test: {status.phrase}",
        "reason": reasons[status],
        "code": int(status),
    }


def _status(status: HTTPStatus) -> web.Response:
    headers = {"Retry-After": "1"} if status == HTTPStatus.TOO_MANY_REQUESTS else {}
    body = json.dumps(_document(status)).encode()
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
