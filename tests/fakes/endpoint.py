"""A NATS system in memory, and the session with it that tests open, refuse and end.

Passes the same contract suite as the real endpoint: tests/contract/test_endpoint_port.py.
"""

from collections.abc import Callable, Iterable

from coze_nats.core.errors import Unavailable
from coze_nats.core.login import Login, UnusableLogin
from coze_nats.core.names import Reason
from coze_nats.core.trouble import Trouble
from fakes.jetstream import FakeJetStream


class _JetStreamOfSession(FakeJetStream):
    """A JetStream that nothing reaches while there is no session."""

    def __init__(self, endpoint: "FakeEndpoint") -> None:
        super().__init__()
        self._endpoint = endpoint

    def _called(self, name: str, *objects: str) -> None:
        if not self._endpoint.is_connected:
            words = self._endpoint.last_error or "there is no session"
            raise Unavailable(f"not connected to NATS: {words}")
        super()._called(name, *objects)


class FakeEndpoint:
    """Implements `coze_nats.ports.Endpoint`; no session begins or ends by itself.

    Args:
        login: raises UnusableLogin when it names a server by what is no URL of one.
        clock: the monotonic clock.

    Attributes:
        login: what it logs in with from now on.
        logged_in: what the session has logged in with; None without one.
        renewals: how often it was told to log in anew.
        is_closed: whether it was given up; no session begins any more.
    """

    def __init__(self, login: Login, clock: Callable[[], float] = lambda: 0.0) -> None:
        _check(login)
        self.name = ""
        self.login = login
        self.logged_in: Login | None = None
        self.renewals = 0
        self.is_started = False
        self.is_closed = False
        self.subjects: list[str] = []
        self.denied: frozenset[str] = frozenset()
        self.epoch = 0
        self.away_since: float | None = None
        self.last_error = ""
        self.trouble: Trouble | None = None
        self.jetstream = _JetStreamOfSession(self)
        self._clock = clock
        self._on_connected: list[Callable[[], None]] = []
        self._on_disconnected: list[Callable[[], None]] = []

    # --- what servers do --------------------------------------------------------------------------

    def accept(self, denied: Iterable[str] = ()) -> None:
        """Let it in: a session with the newest login begins, and takes over from a former one.

        Args:
            denied: the subjects that its user may not subscribe to.
        """
        self._knocks()
        self.logged_in = self.login
        self.denied = frozenset(self.subjects) & frozenset(denied)
        self.epoch += 1
        self._note(None, "")
        self.away_since = None
        for listener in self._on_connected:
            listener()

    def refuse(self, trouble: Trouble, words: str) -> None:
        """Don't let it in; a session that there is goes on."""
        self._knocks()
        self._note(trouble, words)

    def end(self, trouble: Trouble = Trouble.UNREACHABLE, words: str = "it was closed") -> None:
        """End the session."""
        assert self.is_connected
        self.logged_in = None
        self.denied = frozenset()
        self.away_since = self._clock()
        self._note(trouble, words)
        for listener in self._on_disconnected:
            listener()

    # --- the port ---------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """See `coze_nats.ports.Endpoint`, here and below."""
        return self.logged_in is not None

    @property
    def server_version(self) -> str:
        return "2.14.6" if self.is_connected else ""

    @property
    def cluster(self) -> str:
        return "fake" if self.is_connected else ""

    async def start(self) -> None:
        self.is_started = True
        self.away_since = self._clock()

    async def close(self, deadline: float) -> None:
        self.is_closed = True
        self.logged_in = None
        self.denied = frozenset()

    def renew(self, login: Login) -> None:
        _check(login)
        self.renewals += 1
        self.login = login
        self._note(None, "")

    def subscribe(self, subject: str, on_message: Callable[[str, bytes], None]) -> None:
        self.subjects.append(subject)

    def on_connected(self, listener: Callable[[], None]) -> None:
        self._on_connected.append(listener)

    def on_disconnected(self, listener: Callable[[], None]) -> None:
        self._on_disconnected.append(listener)

    # --- inside -----------------------------------------------------------------------------------

    def _knocks(self) -> None:
        assert self.is_started, "it was not started"
        assert not self.is_closed, "it was given up"

    def _note(self, trouble: Trouble | None, words: str) -> None:
        self.trouble, self.last_error = trouble, words


def _check(login: Login) -> None:
    if not all(server.startswith(("nats://", "tls://")) for server in login.servers):
        raise UnusableLogin(Reason.CREDENTIALS_INVALID, "servers: there is one that is no URL")
