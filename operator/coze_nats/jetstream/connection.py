"""The connection that is always being kept: a supervisor builds one session after the other.

nats-py's reconnecting is not used: it runs requests late that had timed out, gives up for good on
an expired JWT, and can end as a client that is neither connected nor closed. A session here is
either alive or gone, and nothing is sent without one.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from coze_nats import metrics
from coze_nats.backoff import Backoff
from coze_nats.core.errors import Nonsense, Unavailable
from coze_nats.core.trouble import Trouble
from coze_nats.core.words import Secrets
from coze_nats.jetstream.failures import Cause, NotConnected, cause_of
from coze_nats.jetstream.lookups import Lookups
from coze_nats.jetstream.options import Address, ConnectionOptions
from coze_nats.jetstream.session import Session
from coze_nats.jetstream.subscriptions import Subscription

_logger = logging.getLogger(__name__)

_BACKOFF = Backoff(first=0.2, growth=1.25, least=0.5)
"""So no pause is longer than about a quarter of the time that there has been no session."""

_STEADY_AFTER = 5.0
"""A session that lasts so many seconds was a good one: the next is tried for without a delay."""

_PATIENT = Backoff(first=1.0, least=0.5)
"""For a server that lets us in, and then says what makes no sense, or nothing."""

_TRUSTED_AFTER = 120.0
"""A session with such a server that lasts so long was a good one."""

_DOUBTFUL = frozenset({Trouble.NONSENSE, Trouble.SILENT})

_RETIRE_SECONDS = 10.0
"""What requests in flight get to finish in a session that another one took over from."""

Listener = Callable[[], None]


class Connection:
    """Keeps a session with one of the servers, from `start` until `close`.

    Args:
        remind_every: seconds between the log lines that say that there is still no session.
    """

    def __init__(self, options: ConnectionOptions, remind_every: float = 60.0) -> None:
        self.options = options
        self.name = metrics.OWN_CONNECTION
        self._remind_every = remind_every
        self._session: Session | None = None
        self._epoch = 0
        self._away_since: float | None = None
        self._failures: dict[Address, Cause] = {}
        self._announced_at: float | None = None
        self._connected_listeners: list[Listener] = []
        self._disconnected_listeners: list[Listener] = []
        self._subscriptions: list[Subscription] = []
        self._supervisor: asyncio.Task[None] | None = None
        self._retirements: set[asyncio.Task[None]] = set()
        self._lookups = Lookups()
        self._renewal = asyncio.Event()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Begin to connect; returns at once, whether or not there is a server."""
        self._away_since = time.monotonic()
        self._supervisor = asyncio.create_task(self._supervise(), name="nats-connection")

    async def close(self, deadline: float = 10.0) -> None:
        """Let requests in flight finish for up to `deadline` seconds, then end the session."""
        # From here on requests are refused; the supervisor may not bring another session in.
        session, self._session = self._session, None
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if session is not None:
            await session.close(deadline)
        await asyncio.gather(*self._retirements)

    @property
    def is_connected(self) -> bool:
        """Whether a request would be sent now."""
        return self._session is not None and self._session.is_alive

    @property
    def away_since(self) -> float | None:
        """time.monotonic() of the moment the last session ended; None while connected."""
        return self._away_since

    @property
    def last_error(self) -> str:
        """Why there is no session: each server with its reason, without secrets; "" if all is well.

        While there is a session, it is why no other can take over from it. The text stays the same
        for as long as the reasons do, so it may stand in a status.
        """
        return "; ".join(
            f"{address}: {self._failures[address].words}"
            for address in self.options.addresses
            if address in self._failures
        )

    @property
    def trouble(self) -> Trouble | None:
        """What kind of thing `last_error` tells of; None also if no server was tried yet."""
        found = {cause.trouble for cause in self._failures.values()}
        return next((trouble for trouble in Trouble if trouble in found), None)

    @property
    def epoch(self) -> int:
        """How many sessions there have been: what was learnt about a server holds within one."""
        return self._epoch

    @property
    def server_version(self) -> str:
        """The version of the server behind the session; "" without one."""
        return "" if self._session is None else self._session.server_version

    @property
    def cluster(self) -> str:
        """The name of the cluster that this server belongs to; "" if it is alone, or without."""
        return "" if self._session is None else self._session.cluster

    @property
    def secrets(self) -> Secrets:
        """What the server behind the session may know by the login."""
        return Secrets() if self._session is None else self._session.secrets

    @property
    def address(self) -> str:
        """The server behind the session, as a URL without user info; "" without a session."""
        return "" if self._session is None else str(self._session.address)

    @property
    def denied(self) -> frozenset[str]:
        """What is listened to and the session's user may not subscribe to; empty without one."""
        return frozenset() if self._session is None else frozenset(self._session.denied)

    def subscribe(self, subject: str, on_message: Callable[[str, bytes], None]) -> None:
        """Listen to a subject in every session from the next one on; so call it before `start`.

        What is published while there is no session is never heard of. While one session takes over
        from another, messages may come twice. See `Subscription` for what is called.
        """
        self._subscriptions.append(Subscription(subject, on_message))

    def on_connected(self, listener: Listener) -> None:
        """Have `listener` called for every new session. It must not block."""
        self._connected_listeners.append(listener)

    def on_disconnected(self, listener: Listener) -> None:
        """Have `listener` called whenever the session is lost. It must not block."""
        self._disconnected_listeners.append(listener)

    def renew_with(self, options: ConnectionOptions) -> None:
        """Open a session with other options, which takes over from the one there is once it works.

        The servers and the prefix must be the same, as this is for other credentials.
        """
        self.options = options
        self._failures.clear()
        self._renewal.set()

    async def wait_connected(self) -> None:
        """Wait until there is a session."""
        while not self.is_connected:
            self._changed.clear()
            await self._changed.wait()

    async def request(self, subject: str, payload: bytes, timeout: float | None = None) -> bytes:
        """Send a request in the session there is; see `Session.request` for what it raises.

        `timeout` is in seconds, by default `request_timeout` of the options.
        """
        session = self._session
        if session is None:
            raise Unavailable(f"not connected to NATS: {self.last_error or 'there is no session'}")
        wait = self.options.request_timeout if timeout is None else timeout
        return await session.request(subject, payload, wait)

    def distrust(self, nonsense: Nonsense) -> None:
        """Give up the session: an answer of its server makes no sense."""
        if self._session is not None:
            self._session.distrust(nonsense)

    async def _supervise(self) -> None:
        delays, is_patient = _BACKOFF.delays(), False
        while True:
            session = await self._establish(delays)
            opened_at = time.monotonic()
            self._adopt(session)
            await _first_of(session.leaving, self._renewal)
            lasted = time.monotonic() - opened_at
            is_doubtful = session.cause is not None and session.cause.trouble in _DOUBTFUL
            if self._renewal.is_set() or (lasted >= _STEADY_AFTER and not is_doubtful):
                delays, is_patient = _BACKOFF.delays(), False
                continue
            if is_doubtful and (lasted >= _TRUSTED_AFTER or not is_patient):
                delays, is_patient = _PATIENT.delays(), True
            await asyncio.sleep(next(delays))

    async def _establish(self, delays: Iterator[float]) -> Session:
        """Try the servers in turn, with a growing delay after each round, until one lets us in."""
        while True:
            self._renewal.clear()
            for address in self.options.addresses:
                try:
                    session = await Session.open(
                        self.options, address, self._on_lost, self._subscriptions, self._lookups
                    )
                    if self._is_in_doubt:
                        await _probed(session)
                except NotConnected as error:
                    self._failures[address] = error.cause
                    continue
                if not self._renewal.is_set():
                    return session
                # What it logged in with is the former login by now.
                await session.close(0)
                break
            if self._session is None:
                self._remind()
            await _first_of(self._renewal, within=next(delays))

    @property
    def _is_in_doubt(self) -> bool:
        """Whether a session alone does not tell that there is a JetStream behind it."""
        return any(cause.trouble in _DOUBTFUL for cause in self._failures.values())

    def _adopt(self, session: Session) -> None:
        """Make a new session the one; requests in flight in an older one may still finish."""
        previous, self._session = self._session, session
        if previous is not None:
            self._retire(previous)
        self._epoch += 1
        self._failures.clear()
        self._away_since = self._announced_at = None
        _logger.info("Connected to %s (nats-server %s)", session.address, session.server_version)
        self._changed.set()
        _call(self._connected_listeners)

    def _on_lost(self, session: Session) -> None:
        self._retire(session)
        if session is not self._session:
            return
        self._session = None
        self._away_since = self._announced_at = time.monotonic()
        cause = session.cause or cause_of(None)
        self._failures = {session.address: cause}
        _logger.warning("Lost the connection to %s: %s", session.address, cause.words)
        _call(self._disconnected_listeners)

    def _retire(self, session: Session) -> None:
        task = asyncio.create_task(session.close(_RETIRE_SECONDS), name="nats-retire")
        self._retirements.add(task)
        task.add_done_callback(self._retirements.discard)

    def _remind(self) -> None:
        """Log the first failure, and from then on a line now and then."""
        now = time.monotonic()
        if self._announced_at is None:
            _logger.warning("Can't connect to NATS, and will go on trying: %s", self.last_error)
        elif now - self._announced_at < self._remind_every:
            return
        else:
            away = now - (self._away_since or now)
            _logger.warning("Not connected to NATS for %.0f s: %s", away, self.last_error)
        self._announced_at = now


async def _probed(session: Session) -> None:
    """Close the session unless JetStream answers in it; NotConnected says why."""
    try:
        await session.probe()
    except BaseException:
        await session.close(0)
        raise


async def _first_of(*events: asyncio.Event, within: float | None = None) -> None:
    """Wait for one of the events, or for so many seconds."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _call(listeners: list[Listener]) -> None:
    for listener in listeners:
        try:
            listener()
        except Exception:
            _logger.exception("A listener of the NATS connection failed")
