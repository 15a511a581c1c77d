"""Kopf's handlers, and how Kopf is set up so that it watches and writes nothing.

They hand over to the controller; the only module with Kopf's decorators.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import kopf

from coze_nats.backoff import Backoff
from coze_nats.controller.controller import Controller
from coze_nats.core import names


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """What the handlers hand over to.

    Attributes:
        login: opens the session with the apiserver; called again when Kopf is refused.
        start: begins the operator's own work, before the first event.
        stop: ends it, when Kopf has stopped watching and can still be asked to write.
        heard: is told the uid of each resource that the controller has been told of.
    """

    login: Callable[[], Awaitable[kopf.AiohttpSession]]
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    controller: Controller
    heard: Callable[[str], None]


def build_registry(dependencies: Dependencies) -> kopf.OperatorRegistry:
    """The handlers of all kinds and of the operator's own life."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return await dependencies.login()

    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        await dependencies.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await dependencies.stop()

    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        try:
            dependencies.controller.observe(event["type"], event["object"])
        finally:
            dependencies.heard(event["object"]["metadata"]["uid"])

    for plural in names.PLURALS.values():
        kopf.on.event(names.GROUP, names.VERSION, plural, id="observe", registry=registry)(observe)
    return registry


def configure(settings: kopf.OperatorSettings) -> kopf.OperatorSettings:
    """Set Kopf up; what is not obvious was measured (see docs/architecture.md)."""
    # Kopf takes off what it takes for its own finalizer where no handler needs it.
    settings.persistence.finalizer = f"{names.GROUP}/kopf"
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    # Each object that was heard of lately costs a task and its whole body.
    settings.queueing.idle_timeout = 1
    # Without it, Kopf wants to watch namespaces and CRDs, and asks for the rights to.
    settings.scanning.disabled = True
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.inactivity_timeout = 70
    settings.watching.connect_timeout = 10
    # In line and all; how long an answer may take is the session's business.
    settings.networking.request_timeout = 300
    settings.networking.connect_timeout = 10
    settings.networking.enforce_retry_after = True
    settings.networking.error_backoffs = _Backoffs()
    return settings


class _Backoffs(Iterable[float]):
    """Seconds between attempts, for ever: an apiserver that is away shall not end the operator."""

    def __iter__(self) -> Iterator[float]:
        return Backoff(ceiling=20, growth=1.6, least=0.5).delays()


class _NoDiffBase(kopf.DiffBaseStorage):
    """Changes are found by generation, so Kopf needn't remember, in an annotation, what it saw."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> Any:
        return {}

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Handlers have no progress to keep in annotations: the queue does the retrying."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence
