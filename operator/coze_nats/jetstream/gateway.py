"""JetStream's API as the reconciler knows it (`ports.JetStream`), by raw requests to `$JS.API`.

Configurations go out and come in as JSON objects with exact integers and times; nats-py's own
classes would round both and drop the fields that they don't know.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from time import monotonic
from typing import Any, NamedTuple, TypeVar

from coze_nats import metrics, progress
from coze_nats.core import answers
from coze_nats.core.answers import Page
from coze_nats.core.bounds import ANSWER_BYTES, OBJECT_BYTES
from coze_nats.core.errors import Nonsense, NotFound, NotLeading, Rejected, Transient
from coze_nats.core.live import Config, Listing, Live, LiveConsumer, LiveStream, Server
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.paging import Kept, read_all
from coze_nats.jetstream.replies import json_of

Json = Mapping[str, Any]
_Value = TypeVar("_Value")

_PAUSE_API_LEVEL = 1
_CREATIONS_IN_A_CLUSTER = 6
"""How many streams and consumers may be in creation at once in a cluster.

With three nodes on two cores, 64 replicated ones at once were made at 5 a second, six at once at 5
to 47. And what waits here does not wait for an answer, so its time limit does not run.
"""
_READING = frozenset({"INFO", "LIST", "NAMES"})
"""The words of requests that change nothing."""


SERVER_SECONDS = 60.0


class _Known(NamedTuple):
    """What a server said of itself.

    Attributes:
        epoch: in which session.
        until: when it has to be asked again, on the monotonic clock.
    """

    server: Server
    epoch: int
    until: float


class Gateway:
    """One account's JetStream, through one connection.

    Args:
        prefix: what every subject begins with, by default the options' `api_prefix`.
        in_flight: how many requests may wait for an answer at the same time.
        may_write: asked right before a request leaves that changes something; NotLeading if not.
        server_seconds: how long what a server said of itself is taken for true.
    """

    def __init__(
        self,
        connection: Connection,
        prefix: str | None = None,
        in_flight: int = 64,
        may_write: Callable[[], bool] = lambda: True,
        server_seconds: float = SERVER_SECONDS,
    ) -> None:
        self._connection = connection
        self._server_seconds = server_seconds
        self._prefix = connection.options.api_prefix if prefix is None else prefix
        self._slots = asyncio.Semaphore(in_flight)
        self._creations = asyncio.Semaphore(_CREATIONS_IN_A_CLUSTER)
        self._may_write = may_write
        self._server: _Known | None = None

    async def server(self) -> Server:
        """The server's version and API level, asked for again in each session and now and then.

        In a cluster, whoever leads answers: while servers are upgraded one by one, and also after
        the last of them, it may be another one than when the session began.
        """
        known = self._server
        if known is None or known.epoch != self._connection.epoch:
            return await self._asked_server()
        if known.until < monotonic():
            # Others go by what is known, until the answer is there.
            self._server = known._replace(until=monotonic() + self._server_seconds)
            return await self._asked_server()
        return known.server

    async def account(self) -> Mapping[str, Any]:
        """The account's limits and what is reserved of them: the answer of `INFO`."""
        return await self._ask("INFO", answers.account_of)

    async def _asked_server(self) -> Server:
        epoch = self._connection.epoch
        version = self._connection.server_version
        server = await self._ask("INFO", lambda answer: answers.server_of(answer, version))
        self._server = _Known(server, epoch, monotonic() + self._server_seconds)
        return server

    async def stream(self, name: str) -> LiveStream | None:
        """The stream, or None when it does not exist."""
        try:
            return await self._stream("STREAM.INFO", name)
        except NotFound:
            return None

    async def streams(self) -> Listing[LiveStream]:
        """All streams of the account."""

        def read(answer: Json) -> Page[LiveStream]:
            return answers.page_of(answer, "streams", answers.stream_of)

        return await self._listed("STREAM.LIST", read)

    async def streams_on(self, subject: str) -> tuple[str, ...]:
        """Names of the streams whose subjects overlap `subject`."""

        def read(answer: Json) -> Page[str]:
            return answers.names_of(answer, "streams")

        listing = await self._listed("STREAM.NAMES", read, subject=subject)
        return tuple(sorted(listing.found))

    async def messages_on(self, stream: str, subject: str) -> Mapping[str, int]:
        """How many messages a stream holds on each subject that matches, of 100,000 at most."""
        body = {"subjects_filter": subject}
        return await self._ask(
            f"STREAM.INFO.{_token(stream)}", answers.subjects_of, body, ANSWER_BYTES
        )

    async def create_stream(self, config: Config) -> LiveStream:
        """Create a stream; AlreadyExists when one of that name has another configuration."""
        async with self._creation():
            return await self._stream("STREAM.CREATE", config["name"], config)

    async def update_stream(self, config: Config) -> LiveStream:
        """Replace a stream's whole configuration; NotFound when it does not exist."""
        return await self._stream("STREAM.UPDATE", config["name"], config)

    async def delete_stream(self, name: str) -> None:
        """Delete a stream with all its messages and consumers; a missing one is a success."""
        await self._delete(f"STREAM.DELETE.{_token(name)}")

    async def consumer(self, stream: str, name: str) -> LiveConsumer | None:
        """The consumer, or None when it does not exist; NotFound when its stream does not."""
        try:
            return await self._consumer("CONSUMER.INFO", stream, name)
        except NotFound as failure:
            if failure.stream_is_missing:
                raise
            return None

    async def consumers(self, stream: str) -> Listing[LiveConsumer]:
        """All consumers of a stream; NotFound when the stream does not exist."""
        verb = f"CONSUMER.LIST.{_token(stream)}"

        def read(answer: Json) -> Page[LiveConsumer]:
            one = partial(answers.consumer_of, stream=stream)
            return answers.page_of(answer, "consumers", one)

        listing = await self._listed(verb, read)
        if not listing.found and not listing.missing:
            # A cluster answers with an empty list for a stream that does not exist, too.
            await self._stream("STREAM.INFO", stream)
        return listing

    async def create_consumer(self, stream: str, config: Config) -> LiveConsumer:
        """Create a durable consumer; AlreadyExists when one of that name differs."""
        async with self._creation():
            return await self._put_consumer(stream, config, "create")

    async def update_consumer(self, stream: str, config: Config) -> LiveConsumer:
        """Replace a consumer's whole configuration; NotFound when it does not exist.

        A server answers the first update after its start with the consumer as it was then (2.10 to
        2.15), so an answer that tells anything else than was asked for is looked into.
        """
        answered = await self._put_consumer(stream, config, "update")
        if all(answered.config.get(name) == value for name, value in config.items()):
            return answered
        return await self.consumer(stream, answered.name) or answered

    async def pause_consumer(self, stream: str, name: str, until: str | None) -> None:
        """Pause deliveries until an RFC 3339 time, or resume them with None; from 2.11 on."""
        server = await self.server()
        if server.api_level < _PAUSE_API_LEVEL:
            # Asked all the same, an older server would not answer at all.
            raise Rejected(
                f"pausing a consumer needs nats-server 2.11; this one is {server.version}"
            )
        body = {} if until is None else {"pause_until": until}
        verb = f"CONSUMER.PAUSE.{_token(stream)}.{_token(name)}"
        is_paused = await self._ask(verb, answers.is_paused, body)
        if until is None and is_paused:
            raise Nonsense(
                f"consumer {name} of stream {stream} is still paused after being resumed"
            )

    async def delete_consumer(self, stream: str, name: str) -> None:
        """Delete a consumer; a missing one, or a missing stream, is a success."""
        await self._delete(f"CONSUMER.DELETE.{_token(stream)}.{_token(name)}")

    def _creation(self) -> AbstractAsyncContextManager[None]:
        """A turn to create something."""
        return self._creations if self._connection.cluster else nullcontext()

    async def _put_consumer(self, stream: str, config: Config, action: str) -> LiveConsumer:
        # Left out of an update, the name would turn the durable into an ephemeral consumer.
        name = config.get("durable_name") or config["name"]
        durable = {**config, "name": name, "durable_name": name}
        body = {"stream_name": stream, "config": durable, "action": action}
        return await self._consumer("CONSUMER.CREATE", stream, name, body)

    async def _stream(self, verb: str, name: str, body: Json | None = None) -> LiveStream:
        read = partial(answers.stream_of, name=name)
        return await self._ask(f"{verb}.{_token(name)}", read, body)

    async def _consumer(
        self, verb: str, stream: str, name: str, body: Json | None = None
    ) -> LiveConsumer:
        read = partial(answers.consumer_of, stream=stream, name=name)
        return await self._ask(f"{verb}.{_token(stream)}.{_token(name)}", read, body)

    async def _delete(self, verb: str) -> None:
        try:
            await self._ask(verb, answers.success_of)
        except NotFound:
            return

    async def _listed(
        self, verb: str, read: Callable[[Json], Page[Live]], **body: str
    ) -> Listing[Live]:
        """Read a list whole; Transient if it takes more memory than there is for lists."""
        try:
            # Without a limit of its own: `give_up` sets one.
            async with asyncio.timeout(None) as scope:
                with Kept(scope) as kept:

                    def fetch(offset: int) -> Awaitable[Page[Live]]:
                        asked = {**body, "offset": offset}
                        return self._ask(verb, read, asked, ANSWER_BYTES, kept.grows)

                    return await read_all(fetch)
        except TimeoutError:
            raise Transient(
                f"{verb} is given up: what is read from all servers together takes too much memory"
            ) from None

    async def _ask(
        self,
        verb: str,
        read: Callable[[Json], _Value],
        body: Json | None = None,
        most: int = OBJECT_BYTES,
        on_size: Callable[[int], None] = lambda _: None,
    ) -> _Value:
        """Send one request and read its answer, or raise the Failure that it amounts to.

        Args:
            most: bytes of an answer that makes sense.
            on_size: is told how many bytes the answer has.
        """
        payload = b"" if body is None else json.dumps(_without_nulls(body)).encode()
        async with self._slots:
            # From here to the socket there is no turn of the event loop (see `client`).
            if not _only_reads(verb) and not self._may_write():
                raise NotLeading(f"{verb} is not sent: this operator doesn't lead")
            with metrics.JetStreamCall(self._connection.name, verb):
                try:
                    reply = await self._connection.request(f"{self._prefix}.{verb}", payload)
                finally:
                    progress.made()
                on_size(len(reply))
                try:
                    return read(json_of(reply, most, self._connection.secrets))
                except Nonsense as nonsense:
                    told = Nonsense(f"the answer to {verb} makes no sense: {nonsense}")
                    self._connection.distrust(told)
                    raise told from None


def _only_reads(verb: str) -> bool:
    return not _READING.isdisjoint(verb.split(".")[:2])


def _token(name: str) -> str:
    """Check that a name is one token, so that a request can't end up on another subject."""
    if not name or any(character in " \t\r\n\f.*>" for character in name):
        raise Rejected(f"{name!r} is not a valid name: no spaces and none of . * >")
    return name


def _without_nulls(value: Any) -> Any:
    """Copy JSON without null members: a server takes a null enum for an error."""
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(item) for item in value]
    return value
