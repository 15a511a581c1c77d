"""The narrow protocols through which a reconcile touches the world.

`coze_nats.jetstream` and `coze_nats.kube` implement them; fakes stand only here and pass the same
contract suites (tests/contract) as the real things.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from coze_nats.core.live import Config, Listing, LiveConsumer, LiveStream, Server
from coze_nats.core.resource import Resource


class JetStream(Protocol):
    """One account's JetStream API.

    Every method raises a `coze_nats.core.errors.Failure`: Unavailable when there is no session (then
    nothing was sent), OutcomeUnknown after a time-out, else the class of the server's answer.
    """

    async def server(self) -> Server:
        """The server's version and API level; remembered for as long as the session lasts."""

    async def stream(self, name: str) -> LiveStream | None:
        """The stream, or None when it does not exist."""

    async def streams(self) -> Listing[LiveStream]:
        """All streams of the account."""

    async def streams_on(self, subject: str) -> tuple[str, ...]:
        """Names of the streams whose subjects overlap `subject`."""

    async def create_stream(self, config: Config) -> LiveStream:
        """Create a stream; AlreadyExists when one of that name has another configuration."""

    async def update_stream(self, config: Config) -> LiveStream:
        """Replace a stream's whole configuration."""

    async def delete_stream(self, name: str) -> None:
        """Delete a stream with all its messages and consumers; a missing one is a success."""

    async def consumer(self, stream: str, name: str) -> LiveConsumer | None:
        """The consumer, or None when it does not exist; NotFound when its stream does not."""

    async def consumers(self, stream: str) -> Listing[LiveConsumer]:
        """All consumers of a stream; NotFound when the stream does not exist."""

    async def create_consumer(self, stream: str, config: Config) -> LiveConsumer:
        """Create a durable consumer; AlreadyExists when one of that name has another configuration."""

    async def update_consumer(self, stream: str, config: Config) -> LiveConsumer:
        """Replace a consumer's whole configuration; NotFound when it does not exist."""

    async def pause_consumer(self, stream: str, name: str, until: str | None) -> None:
        """Pause deliveries until an RFC 3339 time, or resume them with None (API level 1 and up)."""

    async def delete_consumer(self, stream: str, name: str) -> None:
        """Delete a consumer; a missing one, or a missing stream, is a success."""


class Kubernetes(Protocol):
    """What a reconcile writes to the apiserver."""

    async def apply_status(self, resource: Resource, status: Mapping[str, Any]) -> None:
        """Server-side apply the whole status; a resource that is gone meanwhile is a success."""

    def emit(
        self, resource: Resource, type_: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Post an event about the resource, without waiting for it."""
