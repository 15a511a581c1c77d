"""nats-py's client with four promises.

Never plaintext where TLS is required; gone when discarded; what is published leaves now, or soon,
or never: not in a later turn of the event loop, and not when a broken network is whole again. And
what the server sends is read within bounds, by `protocol`, in the share that `shares` grants.

They need nats-py's private parts, and no other module may touch those; tests/contract proves them
against real sockets, so that an upgrade of nats-py can't take them away in silence.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import nats.errors
from nats.aio.client import DEFAULT_BUFFER_SIZE
from nats.aio.client import Client as NatsClient
from nats.protocol import command

from coze_nats.core.errors import Nonsense
from coze_nats.core.terms import UNDELIVERED_SECONDS
from coze_nats.core.words import MOST, Secrets, readable
from coze_nats.jetstream.addresses import JudgedTransport, is_local
from coze_nats.jetstream.failures import TLSNotOffered
from coze_nats.jetstream.lookups import Lookups
from coze_nats.jetstream.protocol import Complaint, Frame, Info, Message, Reader, Sign
from coze_nats.jetstream.shares import MEMORY, Share

NAME_LENGTH = 128
"""Characters of a server's version, and of its cluster's name."""

FLOOD_SECONDS = 15.0
"""Who sends more than is read for so long will not stop by itself."""

FLOOD = "the server sends without end what nobody has asked it for"

_FRAMES_AT_ONCE = 256
_READ_BYTES = DEFAULT_BUFFER_SIZE

Deliver = Callable[[Message], None]
"""Takes a message of a subscription; may not block."""


class Client(NatsClient):
    """One connection to one server; it is never reconnected."""

    def __init__(
        self, *, require_tls: bool, secrets: Secrets, lookups: Lookups, allow_local: bool = True
    ) -> None:
        super().__init__()
        self._allow_local = allow_local
        self._lookups = lookups
        self.requires_tls = require_tls
        self.secrets = secrets
        self.share = Share()
        self._reader = Reader()
        self._refused: Nonsense | None = None
        self._deliveries: dict[int, Deliver] = {}

    def told(self, words: str, most: int = MOST) -> str:
        """What the server said, as it may be shown: bounded, on one line, without the login."""
        return readable(self.secrets.hidden_in(words), most)

    @property
    def server_version(self) -> str:
        """The version that the server gives itself, such as "2.14.6"."""
        return self.told(str(self._server_info.get("version", "")), NAME_LENGTH)

    @property
    def cluster(self) -> str:
        """The name of the cluster that the server belongs to; "" when it is alone."""
        return self.told(str(self._server_info.get("cluster", "")), NAME_LENGTH)

    @property
    def is_encrypted(self) -> bool:
        """Whether there is a socket, and TLS on it."""
        writer = getattr(self._transport, "_io_writer", None)
        return writer is not None and writer.get_extra_info("ssl_object") is not None

    @property
    def awaits_greeting(self) -> bool:
        """Whether there is a socket, and the server has not said yet who it is."""
        return bool(self._transport) and not self._server_info

    def drop_undelivered(self) -> None:
        """Have the system end the connection, even of a frozen process, if nothing gets through."""
        writer = getattr(self._transport, "_io_writer", None)
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if writer is not None and option is not None:
            milliseconds = round(UNDELIVERED_SECONDS * 1000)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, milliseconds)

    async def listen(self, subject: str, deliver: Deliver) -> None:
        """Subscribe. nats-py's own subscriptions would queue up to 128 MB of messages each."""
        self._sid += 1
        self._deliveries[self._sid] = deliver
        await self._send_command(command.sub_cmd(subject, "", self._sid))
        await self._flush_pending()

    def give_up(self) -> None:
        """Let go what has come of a message: all connections together hold too much."""
        self._refused = Nonsense(
            "the server sends a message too slowly, or too many large ones: what all connections "
            "together have received in part takes too much memory"
        )
        self._cut()

    def _cut(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def discard(self) -> None:
        """Drop the connection, without waiting for the other side.

        nats-py's own close waits for TLS to say goodbye: with a dead peer that takes half a minute.
        """
        self._cut()
        MEMORY.hold(self, 0)
        # Without a transport, close only ends the client's tasks and subscriptions.
        self._transport = None
        if self._flush_queue is not None:
            await self.close()

    async def _connect_to_server(self, server: Any) -> None:
        # nats-py takes a transport of its own wherever the former one isn't connected yet.
        server.last_attempt = time.monotonic()
        is_refused = _never if self._allow_local else is_local
        self._transport = JudgedTransport(self._lookups, is_refused)
        timeout = self.options["connect_timeout"]
        await self._transport.connect(server.uri, DEFAULT_BUFFER_SIZE, timeout)

    async def _close(self, status: int, do_cbs: bool = True) -> None:  # noqa: FBT001, FBT002 # nats-py's signature
        # nats-py flushes first. That can block for ever, or fail, and then nobody hears of the end;
        # and what is flushed so late may run long after its time-out.
        self._pending = []
        self._pending_data_size = 0
        await super()._close(status, do_cbs)

    async def _flush_pending(self, force_flush: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 # nats-py's signature
        # nats-py leaves it to a task of its own, whose turn comes when what may be sent now may be
        # too late: the process can be stopped in between, and another one lead when it goes on.
        flushed = asyncio.get_running_loop().create_future()
        flushed.set_result(None)
        if self.is_connected and self._transport is not None and self._pending:
            pending, self._pending, self._pending_data_size = self._pending, [], 0
            self._transport.writelines(pending)
            await self._transport.drain()  # type: ignore[no-untyped-call] # nats-py leaves it so
        return flushed

    async def _process_pong(self) -> None:
        # nats-py fails, and stops reading, where who waited for this one has given up.
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            return
        await super()._process_pong()

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002 # nats-py's signature
        if initial_connection and self.requires_tls and not self.is_encrypted:
            # nats-py upgrades only where the server insists on TLS, not where it merely offers it.
            info["tls_required"] = info.get("tls_required") or info.get("tls_available", False)
            if not info["tls_required"]:
                raise TLSNotOffered
        await super()._process_info(info, initial_connection)

    def _connect_command(self) -> bytes:
        # The last step before credentials leave: what counts is the socket, not what INFO said.
        if self.requires_tls and not self.is_encrypted:
            raise TLSNotOffered
        return super()._connect_command()

    async def _read_loop(self) -> None:
        """Read until the connection ends, and say what ended it."""
        try:
            while not self.is_closed and self._transport is not None:
                data = await self._transport.read(_READ_BYTES)
                if not data:
                    raise self._refused or nats.errors.UnexpectedEOF
                await self._read(data)
        except (nats.errors.Error, OSError, Nonsense) as error:
            self._reader = Reader()
            MEMORY.hold(self, 0)
            await self._error_cb(error)
            await self._process_op_err(error)

    async def _read(self, data: bytes) -> None:
        """Hand on what has come, in the share of the event loop's time that others leave."""
        begun = time.monotonic()
        is_pinged = False
        for number, frame in enumerate(self._reader.feed(data), start=1):
            if frame is Sign.PING:
                is_pinged = True
            else:
                await self._take(frame)
            if number % _FRAMES_AT_ONCE == 0:
                begun = await self._pause(begun)
        MEMORY.hold(self, self._reader.held)
        if is_pinged:
            # One answer to all of a flood.
            await self._process_ping()
        await self._pause(begun)

    async def _pause(self, begun: float) -> float:
        """Let others have their share; returns when reading goes on."""
        pause = self.share.spend(time.monotonic() - begun)
        if self.share.over_for() > FLOOD_SECONDS:
            raise Nonsense(FLOOD)
        await asyncio.sleep(pause)
        return time.monotonic()

    async def _take(self, frame: Frame) -> None:
        match frame:
            case Message():
                deliver = self._deliveries.get(frame.sid)
                if deliver:
                    deliver(frame)
            case Info(members):
                await self._process_info(dict(members))
            case Complaint(words):
                await self._process_err(words.lower())
            case Sign.PONG:
                await self._process_pong()


def _never(_: str) -> bool:
    return False
