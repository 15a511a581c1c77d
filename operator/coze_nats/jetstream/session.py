"""One session with one server: from the login until the connection breaks; it never comes back."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

import nats.errors

from coze_nats.core.errors import Nonsense, Unavailable
from coze_nats.core.trouble import Trouble
from coze_nats.core.words import Secrets
from coze_nats.jetstream import tls
from coze_nats.jetstream.authentication import connect_arguments, secrets_of
from coze_nats.jetstream.client import FLOOD, Client
from coze_nats.jetstream.failures import (
    NO_GREETING,
    NO_HANDSHAKE,
    NOT_FIRST,
    REFUSED,
    WANTED,
    Cause,
    NotConnected,
    cause_of,
    explain,
    from_request,
    is_no_greeting,
)
from coze_nats.jetstream.lookups import Lookups
from coze_nats.jetstream.options import Address, ConnectionOptions
from coze_nats.jetstream.probing import probe
from coze_nats.jetstream.requests import Requests
from coze_nats.jetstream.subscriptions import Subscription

_logger = logging.getLogger(__name__)
_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')
_MERE_ENDS = (nats.errors.ConnectionClosedError, nats.errors.UnexpectedEOF, OSError)
_NEVER = 10**6


class Session:
    """Built by `open`, ended by `close` or by the other side.

    Attributes:
        address: the server.
        lost: set when the connection is no more; `cause` says why.
        leaving: set when it is lost, or when the server announced that it is going away.
        cause: None until it is lost.
        denied: the subjects of the subscriptions that the user has no right to.
    """

    def __init__(
        self,
        client: Client,
        address: Address,
        options: ConnectionOptions,
        subscriptions: Sequence[Subscription],
    ) -> None:
        self.address = address
        self.lost = asyncio.Event()
        self.leaving = asyncio.Event()
        self.cause: Cause | None = None
        self.denied: set[str] = set()
        self._client = client
        self._options = options
        self._ping_interval = options.ping_interval
        self._logged_in = False
        self._requests = Requests()
        self._subscriptions = subscriptions
        self._watchdog: asyncio.Task[None] | None = None
        self._doubting: asyncio.Task[None] | None = None
        self._on_lost: Callable[[Session], None] = lambda _: None

    @classmethod
    async def open(
        cls,
        options: ConnectionOptions,
        address: Address,
        on_lost: Callable[["Session"], None],
        subscriptions: Sequence[Subscription] = (),
        lookups: Lookups | None = None,
    ) -> Self:
        """Connect, log in and subscribe; `on_lost` is called once, if the session ends by itself.

        `lookups` are those of the connection that the session is for.

        Raises:
            NotConnected: with the cause.
        """
        secrets = secrets_of(options, address)
        client = Client(
            require_tls=options.requires_tls,
            secrets=secrets,
            lookups=lookups or Lookups(),
            allow_local=options.allow_local,
        )
        session = cls(client, address, options, tuple(subscriptions))
        login = asyncio.create_task(session._log_in(), name="nats-login")
        try:
            # A task of its own, because a cancellation can get lost in nats-py (see _abandon), and
            # a time limit of our own, because nats-py's don't cover every way to keep silent.
            await asyncio.wait({login}, timeout=2 * options.connect_timeout)
            if not login.done():
                raise TimeoutError
            login.result()
        except asyncio.CancelledError:
            await session._abandon(login)
            raise
        except Exception as error:
            # nats-py lets foreign exceptions through: none of them may stop our caller's loop.
            cause = session._shown(session._why(error))
            await session._abandon(login)
            raise NotConnected(cause) from error
        session._on_lost = on_lost
        session._watchdog = asyncio.create_task(session._watch(), name="nats-watchdog")
        return session

    @property
    def is_alive(self) -> bool:
        """Whether a request would be sent."""
        return not self.lost.is_set() and self._client.is_connected

    @property
    def server_version(self) -> str:
        """The version of the server, such as "2.14.6"."""
        return self._client.server_version

    @property
    def cluster(self) -> str:
        """The name of the cluster that the server belongs to; "" when it is alone."""
        return self._client.cluster

    @property
    def secrets(self) -> Secrets:
        """What the server may know by the login."""
        return self._client.secrets

    async def request(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Send a request and return the body of its answer; `timeout` is in seconds.

        Raises:
            Unavailable: the connection is gone, and nothing was sent.
            OutcomeUnknown: no answer in time, or the connection broke before it.
            Transient: nobody listens on the subject.
            Denied: the user may not publish there.
            Rejected: the payload is too large.
        """
        if not self.is_alive:
            why = self.cause.words if self.cause else "the connection broke"
            raise Unavailable(f"not connected to NATS: {why}")
        begun = time.monotonic()
        with self._requests.waiting(subject) as request:
            try:
                async with asyncio.timeout(timeout):
                    await self._client.publish(subject, payload, reply=request.reply)
                    return await request.answer
            except TimeoutError as error:
                if self._requests.answered_at < begun:
                    self._doubt()
                raise from_request(error, subject) from error
            except (OSError, nats.errors.Error) as error:
                raise from_request(error, subject) from error

    async def probe(self) -> None:
        """Raises NotConnected, unless JetStream answers in this session."""
        cause = await probe(self, self._options)
        if cause or self.cause:
            raise NotConnected(self.cause or self._shown(self._why_silent(cause)))

    def _doubt(self) -> None:
        """Find out whether JetStream is silent as a whole: then nobody needs to wait for it."""
        if self._doubting is None or self._doubting.done():
            self._doubting = asyncio.create_task(self._resolve_doubt(), name="nats-doubt")

    async def _resolve_doubt(self) -> None:
        cause = await probe(self, self._options)
        # A server that doesn't answer PING either is no matter of JetStream.
        if cause and await self._answers_ping():
            self._lose(self._why_silent(cause))

    def _why_silent(self, cause: Cause | None) -> Cause:
        """Say it if answers wait behind what nobody has asked for."""
        is_flooded = self._client.share.over_for() > 0
        return cause_of(Nonsense(FLOOD)) if is_flooded else cause or cause_of(None)

    def distrust(self, nonsense: Nonsense) -> None:
        """End the session: what the server says makes no sense."""
        self._lose(cause_of(nonsense))

    async def close(self, deadline: float) -> None:
        """End the session once no request waits for an answer, or after `deadline` seconds."""
        if self._doubting is not None:
            self._doubting.cancel()
        try:
            async with asyncio.timeout(deadline):
                await self._requests.idle.wait()
        except TimeoutError:
            _logger.debug("Requests still wait for an answer; closing all the same")
        self._on_lost = lambda _: None
        self._lose(Cause(Trouble.UNREACHABLE, "the connection was closed"))
        tasks = [task for task in (self._watchdog, self._doubting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.discard()

    async def _log_in(self) -> None:
        options = self._options
        context = await tls.context_of(options) if options.requires_tls else None
        await self._client.connect(
            str(self.address),
            name=options.name,
            error_cb=self._on_error,
            closed_cb=self._on_closed,
            lame_duck_mode_cb=self._on_lame_duck,
            allow_reconnect=False,
            connect_timeout=max(1, round(options.connect_timeout)),
            pending_size=0,
            # The watchdog pings instead: nats-py would first wait for a dead peer's farewell.
            ping_interval=_NEVER,
            **connect_arguments(options, self.address, context),
        )
        self._client.drop_undelivered()
        self._logged_in = True
        if not self._client.is_connected:
            raise nats.errors.UnexpectedEOF
        await self._client.listen(f"{self._requests.inbox}.*", self._requests.on_answer)
        for each in self._subscriptions:
            await self._client.listen(each.subject, each.deliver)
        # A PONG means that the server has also judged the subscriptions.
        await self._ping()
        if self.lost.is_set():
            raise nats.errors.UnexpectedEOF

    async def _abandon(self, login: asyncio.Task[None]) -> None:
        # asyncio.wait_for, which nats-py uses, swallows a cancellation that comes in the moment in
        # which what it waits for is done (Python 3.11).
        while not login.done():
            login.cancel()
            await asyncio.wait({login}, timeout=0.1)
        await asyncio.gather(login, return_exceptions=True)
        await self._client.discard()

    def _why(self, error: Exception) -> Cause:
        """Say what ended the session, rather than that it has ended.

        A server's last words come before the end of the stream; permissions are no reason to end.
        """
        words = self._client.last_error
        if isinstance(error, _MERE_ENDS) and words and not _VIOLATION.search(str(words)):
            error = words
        return self.cause or self._why_tls(error) or cause_of(error)

    def _shown(self, cause: Cause) -> Cause:
        return replace(cause, words=self._client.told(cause.words))

    def _why_tls(self, error: Exception) -> Cause | None:
        """Say what went wrong about TLS, where it shows only in what the server leaves unsaid.

        An alert about a certificate can get lost on its way; what is said may not depend on that.
        """
        client = self._client
        if client.awaits_greeting and client.is_encrypted:
            # Its greeting came before, in plaintext, and went unread.
            return NOT_FIRST
        if client.awaits_greeting and client.requires_tls and is_no_greeting(error):
            first = self._options.handshake_first
            return NO_HANDSHAKE if first else NO_GREETING
        if client.is_encrypted and not self._logged_in and isinstance(error, _MERE_ENDS):
            return REFUSED if self._options.has("certificate") else WANTED
        return None

    async def _watch(self) -> None:
        """Notice a connection that is silently dead, or a client that has come to a halt."""
        while True:
            await asyncio.sleep(self._ping_interval)
            if not await self._answers_ping():
                return

    async def _answers_ping(self) -> bool:
        """Whether the server answers in time; else the session ends, and `cause` says why."""
        try:
            async with asyncio.timeout(self._ping_interval):
                await self._ping()
        except TimeoutError:
            silence = f"no answer to PING within {self._ping_interval:g} s"
            self._lose(self._why_silent(Cause(Trouble.UNREACHABLE, silence)))
        except (nats.errors.Error, OSError) as error:
            self._lose(self._why(error))
        return not self.lost.is_set()

    async def _ping(self) -> None:
        """Wait for a PONG, or for the end: a client that closes leaves those who wait for one."""
        pong = asyncio.ensure_future(self._client.rtt(timeout=_NEVER))
        end = asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait({pong, end}, return_when=asyncio.FIRST_COMPLETED)
            if pong.done():
                pong.result()
        finally:
            pong.cancel()
            end.cancel()

    async def _on_error(self, error: Exception) -> None:
        if not self._logged_in:
            # Left alone, nats-py would try an unreachable server again and again, for ever.
            raise error
        violation = _VIOLATION.search(str(error))
        if isinstance(error, nats.errors.UnexpectedEOF | OSError | Nonsense):
            self._lose(self._why(error))
        elif violation:
            self._refuse(*violation.groups())
        else:
            _logger.debug("The NATS client reports: %s", self._client.told(explain(error)))

    def _refuse(self, action: str, subject: str) -> None:
        """Tell whom a permissions violation is about, or note it; `subject` is in lower case."""
        if action == "publish":
            self._requests.deny(subject)
        elif subject.startswith(self._requests.inbox.lower()):
            words = "permissions violation: the user may not subscribe to _INBOX.>"
            self._lose(Cause(Trouble.PERMISSION, words))
        else:
            for denied in {each.subject for each in self._subscriptions}:
                if denied.lower() == subject:
                    self._note(denied)

    def _note(self, denied: str) -> None:
        if self._watchdog is not None and denied not in self.denied:
            _logger.warning("The NATS user may no longer subscribe to %s", denied)
        self.denied.add(denied)

    async def _on_lame_duck(self) -> None:
        self.leaving.set()

    async def _on_closed(self) -> None:
        self._lose(cause_of(self._client.last_error))

    def _lose(self, cause: Cause) -> None:
        """End the session: everything that waits ends now, and nothing is sent any more."""
        if self.lost.is_set():
            return
        self.cause = self._shown(cause)
        self.lost.set()
        self.leaving.set()
        self._requests.abandon()
        if self._watchdog is not None and self._watchdog is not asyncio.current_task():
            self._watchdog.cancel()
        self._on_lost(self)
