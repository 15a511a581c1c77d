"""NATS systems that hear everything that is asked of them, and what leads to them."""

import base64
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from coze_nats.core.live import LiveStream
from coze_nats.core.ownership import owner_of
from support.connections import gateway_to
from support.eventually import eventually_async
from support.resources import Resources
from support.tenant import Tenant

STREAM, CONSUMER, CONNECTION = names.STREAM_KIND, names.CONSUMER_KIND, names.CONNECTION_KIND
SECRET = "nats"
_requests = itertools.count()


@dataclass(slots=True)
class System:
    """A NATS system and the token that lets in; "" for an open one.

    A look at what it has heard waits for what was published before the look, and only that: what
    was answered is heard of, and the last words of a killed process are when it `is_left`.
    """

    server: NatsServer
    token: str
    _asked: list[str] = field(default_factory=list)
    _client: Client | None = None

    @property
    def url(self) -> str:
        return self.server.url

    async def listen(self) -> None:
        self._asked = []
        self._client = await nats.connect(self.url, token=self.token or None)
        await self._client.subscribe("$JS.API.>", cb=self._heard)
        await self._client.flush()

    async def _heard(self, message: Msg) -> None:
        self._asked.append(message.subject)

    async def heard(self) -> list[str]:
        """The subjects of all requests to JetStream since `listen`, the oldest first."""
        assert self._client is not None
        # What was published before has been delivered when this is answered.
        await self._client.flush()
        return list(self._asked)

    async def heard_of(self, name: str) -> list[str]:
        """Those that name this stream or consumer."""
        return [subject for subject in await self.heard() if name in subject.split(".")]

    async def is_left(self) -> bool:
        """Whether nobody is connected but who listens."""
        assert self._client is not None
        connected = self.server.monitor("/connz").get("connections")
        return connected is not None and [each["cid"] for each in connected] == [
            self._client.client_id
        ]

    async def close(self) -> None:
        assert self._client is not None
        await self._client.close()
        self._client = None

    async def stream(self, name: str) -> LiveStream | None:
        async with gateway_to(self.url, token=self.token) as gateway:
            return await gateway.stream(name)

    async def streams(self) -> Mapping[str, LiveStream]:
        async with gateway_to(self.url, token=self.token) as gateway:
            return (await gateway.streams()).found

    async def owner(self, name: str) -> str:
        """Namespace and name of a stream's owner; "" for none."""
        found = await self.stream(name)
        return owner_of(found).partition("/")[2] if found else ""

    async def consumers(self, stream: str) -> Mapping[str, str]:
        """The consumers of a stream, each with namespace and name of its owner."""
        async with gateway_to(self.url, token=self.token) as gateway:
            found = (await gateway.consumers(stream)).found
        return {name: owner_of(each).partition("/")[2] for name, each in found.items()}

    async def create(self, name: str, **config: Any) -> None:
        """Create a stream by hand."""
        async with gateway_to(self.url, token=self.token) as gateway:
            await gateway.create_stream({"name": name, **config})


@dataclass(frozen=True, slots=True)
class Estate:
    """An operator and three NATS systems: its own, and two that need a token.

    Attributes:
        kubernetes: where everything is declared.
        resources: writes as a cluster administrator would.
    """

    own: System
    red: System
    blue: System
    operator: OperatorProcess
    kubernetes: KubernetesAPI
    resources: Resources

    @property
    def systems(self) -> tuple[System, ...]:
        return self.own, self.red, self.blue

    async def crash(self) -> None:
        """End the operator as a crash would; afterwards all is heard that it has asked for."""
        self.operator.kill()
        for system in self.systems:
            await eventually_async(system.is_left, what=f"the end of all sessions on {system.url}")


def secret(tenant: Tenant, token: str) -> dict[str, Any]:
    """The Secret that all connections here name."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": tenant.namespace},
        "data": {"token": base64.b64encode(token.encode()).decode()},
    }


def connect(tenant: Tenant, system: System, *allowed: str, name: str = "events") -> None:
    """Declare a connection to a system; its Secret is another matter."""
    reference = {"secretKeyRef": {"name": SECRET, "key": "token"}}
    more = {"allowedNamespaces": list(allowed)} if allowed else {}
    tenant.apply(CONNECTION, name, servers=[system.url], auth={"token": reference}, **more)


def put_secret(tenant: Tenant, token: str) -> None:
    """Create or replace the Secret, and have the operator look now and not in some seconds."""
    if not tenant.client.create(secret(tenant, token)).accepted:
        assert tenant.client.replace(secret(tenant, token)).accepted
    if tenant.get(CONNECTION, "events"):
        tenant.annotate(CONNECTION, "events", reconcile_requested_at=str(next(_requests)))


async def connected(tenant: Tenant, system: System, *allowed: str) -> None:
    """A connection that is Ready, with its Secret."""
    put_secret(tenant, system.token)
    connect(tenant, system, *allowed)
    await tenant.reports(CONNECTION, "events", "Ready", "Connected")


def to(tenant: Tenant, name: str = "events") -> dict[str, str]:
    """What a stream of another namespace says to use that one's connection."""
    return {"name": name, "namespace": tenant.namespace}
