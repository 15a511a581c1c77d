"""What the kubelet asks: /healthz (restart me?) and /readyz (do I do my work?), over HTTP.

Kopf's own probes aren't used: one that fails never answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from coze_nats import metrics

Findings = Mapping[str, str]
"""What is wrong, by part; empty when nothing is."""

Check = Callable[[], Findings]


class HealthServer:
    """Serves both checks; one that finds something answers 503, and names it in the body."""

    def __init__(
        self,
        port: int,
        host: str | None,
        *,
        healthy: Check,
        ready: Check,
        facts: Check = dict,
        exposition: Callable[[], bytes] = metrics.exposition,
    ) -> None:
        """Listen on `host`, None meaning every address.

        Readiness tells the `facts` as well; `exposition` is run in a thread.
        """
        self._exposition = exposition
        # One thread: each further one would keep memory of its own for the text.
        self._scraping = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._address = (host, port)
        application = web.Application()
        application.router.add_get("/healthz", _answering(healthy))
        application.router.add_get("/readyz", _answering(ready, facts))
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)

    async def start(self) -> None:
        """Begin to listen; raises OSError when the port is taken."""
        await self._runner.setup()
        host, port = self._address
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise OSError(error.errno, f"--health-port: {error.strerror}") from error

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
        self._scraping.shutdown(wait=False)

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        # Nobody else on the event loop shall wait for it.
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._scraping, self._exposition)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answering(
    check: Check, facts: Check = dict
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        findings = dict(check())
        body = {"ok": not findings} | findings | dict(facts())
        return web.json_response(body, status=503 if findings else 200)

    return answer
