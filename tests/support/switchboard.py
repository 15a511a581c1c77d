"""Connections on a bench: resources as an apiserver stores them, Secrets, NATS systems, a clock.

Nothing happens by itself: a test says what is reconciled and when, and which login is let in. What
is written into a status must be in the CRD.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from coze_nats.controller.cache import Cache
from coze_nats.controller.connecting import Connecting
from coze_nats.controller.hints import Hints
from coze_nats.controller.links import Links
from coze_nats.controller.queue import KeyedQueue
from coze_nats.controller.resync import Resync
from coze_nats.controller.router import Router
from coze_nats.core import names
from coze_nats.core.conditions import condition
from coze_nats.core.login import Login
from coze_nats.core.resource import Key
from coze_nats.ports import Endpoint
from coze_nats.reconcile import Brake, Context, Next, Reconciler, Reporter, Rules
from fakes.documents import FakeDocuments
from fakes.endpoint import FakeEndpoint
from fakes.kubernetes import FakeKubernetes
from support import schema
from support.clock import StandingClock

PLATFORM, SHOP = "platform", "shop"
"""The namespace of the connections, and one that may be allowed to use them."""

TOKEN = {"token": {"secretKeyRef": {"name": "login", "key": "token"}}}


class Switchboard:
    """What an operator has for its connections, put together as `coze_nats.app` does.

    Args:
        kubernetes: what is there already, for an operator that was restarted.
        most: how many connections have a session; 0: any number.

    Attributes:
        endpoints: all that were made, the oldest first.
        compared: the resources that comparisons had reconciled.
        told: who was to be reconciled because of a connection; `news` empties it.
    """

    def __init__(self, kubernetes: FakeKubernetes | None = None, most: int = 0) -> None:
        self.clock = StandingClock()
        self.kubernetes = kubernetes or FakeKubernetes()
        self.documents = FakeDocuments()
        self.cache = Cache()
        self.endpoints: list[FakeEndpoint] = []
        self.told: list[Key] = []
        self.compared: list[Key] = []
        self.filled, self.begun = asyncio.Event(), asyncio.Event()
        self.filled.set()
        self.begun.set()
        self.reporter = Reporter(self.cache, self.kubernetes, self.clock)
        self.queue = KeyedQueue(self._compared)
        self.links = Links(self.cache, self.told.append, self._build, self.filled, self.begun)
        self.connecting = Connecting(
            self.cache, self.links, self.documents, self._dial, self.reporter, self.clock, most
        )
        self.router = Router(self.cache, self.links, self.connecting, self.reporter)
        self.hear()

    def _dial(self, login: Login) -> FakeEndpoint:
        self.endpoints.append(FakeEndpoint(login, self.clock.monotonic))
        return self.endpoints[-1]

    def _build(
        self, connection: Key | None, endpoint: Endpoint
    ) -> tuple[Reconciler, Resync, Hints]:
        context = Context(
            resources=self.cache,
            jetstream=endpoint.jetstream,
            reporter=self.reporter,
            clock=self.clock,
            rules=Rules(cluster_id="here"),
            brake=Brake(0),
            connection=connection,
        )
        reconciler = Reconciler(context, endpoint)
        users = partial(self.links.comparable, connection)
        resync = Resync(
            self.queue, reconciler, users, endpoint.jetstream, interval=3600, lane=None, quiet=0
        )
        written_ago = self.reporter.written_ago
        return reconciler, resync, Hints(self.cache, self.queue, connection, written_ago, _nothing)

    async def _compared(self, key: Key) -> Next:
        self.compared.append(key)
        return Next()

    # --- what users do ----------------------------------------------------------------------------

    def connection(self, name: str = "hub", /, **spec: Any) -> Key:
        """Declare a CozeConnection that logs in with a token, unless told otherwise."""
        known = {"servers": [f"nats://{name}:4222"], "auth": TOKEN}
        return self._apply(names.CONNECTION_KIND, PLATFORM, name, known | spec)

    def stream(
        self, name: str = "orders", /, of: str = "hub", namespace: str = PLATFORM, **spec: Any
    ) -> Key:
        """Declare a CozeStream of a connection; "" is the operator's own."""
        used = {"connection": {"name": of, "namespace": PLATFORM}} if of else {}
        return self._apply(names.STREAM_KIND, namespace, name, used | spec)

    def consumer(
        self,
        name: str = "reader",
        /,
        stream: str = "orders",
        namespace: str = PLATFORM,
        at: str = "",
    ) -> Key:
        """Declare a CozeConsumer of a CozeStream, `at` another namespace if it is given."""
        spec = {"streamRef": {"name": stream, **({"namespace": at} if at else {})}}
        return self._apply(names.CONSUMER_KIND, namespace, name, spec)

    def delete(self, key: Key) -> None:
        """Ask for the deletion."""
        self.kubernetes.delete(key)
        self.hear()

    def vanish(self, key: Key) -> None:
        """Have a resource go without the operator's consent."""
        del self.kubernetes.resources[key]
        self.hear()

    def release(self, key: Key) -> None:
        self.kubernetes.annotate(key, names.RELEASE_ANNOTATION)
        self.hear()

    def request_look(self, key: Key, value: str) -> None:
        """Set the annotation that asks for a look."""
        asking = replace(self.kubernetes.resources[key], reconcile_requested_at=value)
        self.kubernetes.resources[key] = asking
        self.hear()

    def _apply(self, kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Key:
        key = self.kubernetes.apply(kind, namespace, name, spec)
        self.hear()
        return key

    # --- what the operator does -------------------------------------------------------------------

    def hear(self) -> None:
        """Take in what is stored, as from watch events."""
        for resource in tuple(self.cache):
            if resource.key not in self.kubernetes.resources:
                self.cache.remove(resource.key)
                if resource.key.kind == names.CONNECTION_KIND:
                    self.router.gone(resource)
        for resource in self.kubernetes.resources.values():
            self.cache.put(resource)

    async def reconcile(self, key: Key) -> Next:
        """Reconcile once, and let a deleted resource go if that is its outcome."""
        resource = self.cache.get(key)
        following = await self.router.reconcile(key)
        if following.finalized and resource:
            await self.kubernetes.release_finalizer(resource)
        elif key in self.kubernetes.resources:
            known = schema.whole(key.kind)["properties"]["status"]
            assert list(schema.strangers(known, self.status(key), "status")) == []
        self.hear()
        return following

    async def later(self, key: Key, seconds: float) -> Next:
        """Let time pass, and reconcile."""
        self.clock.advance(seconds)
        return await self.reconcile(key)

    async def connected(self, key: Key) -> None:
        """Bring a connection to where it is Ready."""
        self.documents.write(PLATFORM, "login", token="first")
        await self.reconcile(key)
        self.endpoint.accept()
        await self.reconcile(key)
        assert self.ready(key) == "Connected"
        self.news()

    # --- what is to be seen -----------------------------------------------------------------------

    @property
    def endpoint(self) -> FakeEndpoint:
        """The newest one."""
        return self.endpoints[-1]

    def news(self) -> set[Key]:
        """Who was told since the last look."""
        found = set(self.told)
        self.told.clear()
        return found

    def status(self, key: Key) -> Mapping[str, Any]:
        return self.kubernetes.status(key)

    def ready(self, key: Key) -> str:
        """The reason of the condition Ready; "" before there is one."""
        return str((condition(self.status(key), "Ready") or {}).get("reason", ""))

    def message(self, key: Key) -> str:
        return str((condition(self.status(key), "Ready") or {}).get("message", ""))


def _nothing() -> None:
    """Where hints would ask for a comparison."""
