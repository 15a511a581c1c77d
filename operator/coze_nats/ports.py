"""The narrow protocols through which a reconcile touches the world.

`coze_nats.jetstream` and `coze_nats.kube` implement them; fakes stand only here and pass the same
contract suites (tests/contract) as the real things.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, Protocol

from coze_nats.core.holders import Holders
from coze_nats.core.live import Config, Listing, LiveConsumer, LiveStream, Server
from coze_nats.core.login import Document, Login
from coze_nats.core.resource import Key, Resource
from coze_nats.core.trouble import Trouble


class JetStream(Protocol):
    """One account's JetStream API.

    Every method raises a `coze_nats.core.errors.Failure`: Unavailable when there is no session
    (then nothing was sent), OutcomeUnknown after a time-out, else the class of the answer.
    """

    async def server(self) -> Server:
        """The server's version and API level; remembered for as long as the session lasts."""

    async def account(self) -> Mapping[str, Any]:
        """The account's limits and what is reserved of them: the answer of `$JS.API.INFO`."""

    async def stream(self, name: str) -> LiveStream | None:
        """The stream, or None when it does not exist."""

    async def streams(self) -> Listing[LiveStream]:
        """All streams of the account."""

    async def streams_on(self, subject: str) -> tuple[str, ...]:
        """Names of the streams whose subjects overlap `subject`."""

    async def messages_on(self, stream: str, subject: str) -> Mapping[str, int]:
        """How many messages a stream holds on each subject that matches, of 100,000 at most."""

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
        """Create a durable consumer; AlreadyExists when that one is different."""

    async def update_consumer(self, stream: str, config: Config) -> LiveConsumer:
        """Replace a consumer's whole configuration; NotFound when it does not exist."""

    async def pause_consumer(self, stream: str, name: str, until: str | None) -> None:
        """Pause deliveries until an RFC 3339 time, or resume them with None (API level 1+)."""

    async def delete_consumer(self, stream: str, name: str) -> None:
        """Delete a consumer; a missing one, or a missing stream, is a success."""


class Kubernetes(Protocol):
    """What a reconcile writes to the apiserver."""

    async def apply_status(self, resource: Resource, status: Mapping[str, Any]) -> str | None:
        """Server-side apply the whole status.

        Returns the resource's new resourceVersion, or None when it is gone meanwhile. Raises
        StatusRefused when the API server will not take it, however often it is sent.
        """

    def emit(
        self, resource: Resource, type_: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Post an event about the resource, without waiting for it."""


class Documents(Protocol):
    """The Secrets and ConfigMaps that connections name; each is read by its name alone."""

    async def read(self, namespace: str, document: Document) -> Mapping[str, str] | None:
        """Its data as text, or None when it doesn't exist.

        Raises NotPermitted if the operator lacks the right to read it, else another Failure; what
        it says holds nothing of the data.
        """


class Session(Protocol):
    """The session behind a JetStream port, as far as a reconcile must know it."""

    @property
    def is_connected(self) -> bool:
        """Whether requests can be sent now."""

    @property
    def away_since(self) -> float | None:
        """Since when, on the monotonic clock, there is no connection; None while there is one."""

    @property
    def last_error(self) -> str:
        """Why there is no connection, for a person; holds no secrets."""

    @property
    def epoch(self) -> int:
        """How many sessions there have been."""


class Endpoint(Session, Protocol):
    """A NATS system and one user of it: the session that is always being kept, and JetStream.

    Attributes:
        name: what metrics call it.
    """

    name: str

    @property
    def server_version(self) -> str:
        """The version of the server behind the session; "" without one."""

    @property
    def jetstream(self) -> JetStream:
        """The JetStream of the user's account."""

    @property
    def trouble(self) -> Trouble | None:
        """What kind of trouble `last_error` is; None: nothing was tried yet, or all is well.

        While a session goes on, it is about the login that was to replace it.
        """

    @property
    def cluster(self) -> str:
        """The name of the servers' cluster; "" for none, and without a session."""

    async def start(self) -> None:
        """Begin to connect; returns at once."""

    async def close(self, deadline: float) -> None:
        """Let requests in flight finish for up to `deadline` seconds, then end the session."""

    def renew(self, login: Login) -> None:
        """Log in anew, and use the session there is until that has worked."""

    @property
    def denied(self) -> Collection[str]:
        """What is listened to and the session's user may not subscribe to.

        It is all known when a session begins, and forgotten when it ends.
        """

    def subscribe(self, subject: str, on_message: Callable[[str, bytes], None]) -> None:
        """Listen to a subject in every session from the next one on."""

    def on_connected(self, listener: Callable[[], None]) -> None:
        """Have `listener` called for every new session."""

    def on_disconnected(self, listener: Callable[[], None]) -> None:
        """Have `listener` called whenever the session is lost."""


class Resources(Protocol):
    """The resources as last seen, kept by the controller."""

    def get(self, key: Key) -> Resource | None:
        """The resource, or None when it is gone."""

    def put(self, resource: Resource) -> bool:
        """Keep this version, unless a newer one is known; returns whether it was taken."""

    def connection_of(self, resource: Resource) -> Key | None:
        """The connection that a stream or consumer uses; None is the operator's own."""

    def holders_on(self, connection: Key | None) -> Holders:
        """What the streams and consumers that use a connection have; None: the operator's own."""

    def namesakes_of(self, resource: Resource) -> Collection[Resource]:
        """The resources that stand for the same object in JetStream as this one; itself, too."""

    def givers_of(self, resource: Resource) -> Collection[Resource]:
        """The namesakes of a resource that hand their object over to it."""

    def standing_for(self, connection: Key | None, stream: str) -> Collection[Resource]:
        """The CozeStreams that stand for a stream in JetStream."""

    def on_stream(self, connection: Key | None, stream: str) -> Collection[Resource]:
        """The resources that stand for a stream in JetStream, or for a consumer on it."""

    def consumers_of(self, namespace: str, stream: str) -> Collection[Key]:
        """The CozeConsumers whose streamRef names this CozeStream."""
