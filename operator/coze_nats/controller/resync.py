"""When a connection's resources are compared with JetStream, and what follows from not seeing them.

What a comparison is, is `comparison`'s.
"""

import asyncio
import logging
from collections.abc import Callable

from coze_nats import metrics
from coze_nats.backoff import Backoff, spread
from coze_nats.controller.comparison import Comparison, Gaps, Judge, Users
from coze_nats.controller.queue import Clock, KeyedQueue, Lane
from coze_nats.controller.unseen import Unseen
from coze_nats.core.errors import Denied, Failure
from coze_nats.core.resource import Key
from coze_nats.ports import JetStream
from coze_nats.reconcile import AWAY_GRACE

log = logging.getLogger(__name__)

QUIET = 0.5
"""How long there must be no further request before a requested round starts."""

_MOST_QUIET = 20
"""Times that a requested round waits for quiet: who never stops requesting shall have one, too."""

RETRY = 2.0
"""The longest pause after a round that failed; it doubles with every further one in a row."""

YOUNG_SHARE = 0.25
"""The share of the usual pause while there are objects that were created a short while ago."""

_BUSY = 0.1
"""The largest share of time for comparisons that come earlier for their sake."""

_JITTER = 0.1


class Resync:
    """Has everything compared every `interval` seconds, and on request.

    Whom it doesn't get to see, because NATS is away or a list fails, is looked at one by one after
    a while, so that each says what it sees. All times are in seconds.

    Attributes:
        trouble: why the last comparison failed, or a part of it; "" when it didn't.
        denied: what the user may not list, so that each object is looked at by itself; "" for
            nothing.

    Args:
        lane: of the queue, in which the connection's resources are.
        figures: where it is told what the lists say of streams and consumers.
        grace: how long a resource may stay unseen.
        retry: the longest pause after a round that failed; never longer than `interval`.
        is_young: whether objects were created a short while ago: what they hold changes fast.
    """

    def __init__(  # noqa: PLR0913 - the parts that a comparison works with, and its times
        self,
        queue: KeyedQueue,
        judge: Judge,
        users: Users,
        jetstream: JetStream,
        *,
        interval: float,
        lane: Lane = None,
        figures: metrics.Figures | None = None,
        quiet: float = QUIET,
        grace: float = AWAY_GRACE,
        retry: float = RETRY,
        is_young: Callable[[], bool] = bool,
        clock: Clock | None = None,
    ) -> None:
        self._queue = queue
        self._users = users
        self._jetstream = jetstream
        self._interval = interval
        self._lane = lane
        self._figures = figures or metrics.Seen(0).of(metrics.OWN_CONNECTION, 0.0)
        self._quiet = quiet
        self._retry = retry
        self._is_young = is_young
        self._clock = clock or asyncio.get_running_loop()
        self._took = 0.0
        self._unseen = Unseen(self._look_at, self._clock, grace=grace, again=interval)
        self._comparison = Comparison(queue, judge, users, jetstream, self._unseen, self._figures)
        self.trouble = self.denied = ""
        self._requested = asyncio.Event()
        # Something else for every session; None without one.
        self._session: object | None = None
        self._silent = True
        self._failures = 0

    def request(self) -> None:
        """Have a round soon."""
        self._requested.set()

    def connected(self) -> None:
        """NATS is there: what waited for it goes on, and everything is compared."""
        self._session = object()
        self._unseen.hold()
        self._queue.release_parked(self._lane)
        self.request()

    def disconnected(self) -> None:
        """NATS is away: nobody is seen until a comparison succeeds."""
        self._session = None
        self._silent = True
        self._failures = 0
        self._unseen.are(self._all())
        self._unseen.release()

    def stop(self) -> None:
        """The connection is given up: have nobody looked at any more."""
        self._unseen.stop()

    def forget(self) -> None:
        """Nothing more is told of what was behind the connection."""
        self._figures.forget()

    async def run(self) -> None:
        """Do rounds until cancelled."""
        if self._session is None:
            self.disconnected()
        try:
            while True:
                await self._due()
                await self.round()
        finally:
            self._unseen.stop()

    async def round(self) -> None:
        """Compare everything once, if there is a session; what went wrong is `trouble`."""
        session = self._session
        if session is None:
            # Some may have been listed since the disconnect.
            self._unseen.are(self._all())
            return
        began = self._clock.time()
        try:
            gaps = await self._comparison.compare()
        except Failure as failure:
            log.warning("Comparing with JetStream is put off: %s", failure)
            if isinstance(failure, Denied) and await self._answers():
                gaps = Gaps(self._all(), str(failure), denied="STREAM.LIST")
                self._succeeded(session, gaps)
            else:
                self._failed(session, str(failure))
        except Exception:
            log.exception("Bug: comparing with JetStream failed as nobody thought of")
            self._failed(session, "comparing failed as nobody thought of: see the log")
        else:
            self._took = self._clock.time() - began
            self._succeeded(session, gaps)

    async def _answers(self) -> bool:
        """Whether JetStream is there for a user who may not list."""
        try:
            await self._jetstream.account()
        except Failure as failure:
            log.warning("JetStream doesn't tell about the account either: %s", failure)
            return False
        return True

    def _failed(self, session: object, trouble: str) -> None:
        self.trouble = trouble
        self._silent = True
        self._unseen.are(self._all())
        if session is self._session:
            self._failures += 1
            self._unseen.release()

    def _succeeded(self, session: object, gaps: Gaps) -> None:
        if session is not self._session:
            # What it saw may be over by now, and the next session has a round of its own.
            self._unseen.are(self._all())
            return
        self.trouble, self.denied = gaps.trouble, gaps.denied
        may_succeed = gaps.trouble and gaps.keys and gaps.denied != "STREAM.LIST"
        self._failures = self._failures + 1 if may_succeed else 0
        self._unseen.are(gaps.keys)
        self._unseen.release()
        if self._silent:
            self._silent = False
            self._queue.release_failed(self._lane)

    async def _due(self) -> None:
        try:
            async with asyncio.timeout(self._pause()):
                await self._requested.wait()
        except TimeoutError:
            return
        for _ in range(_MOST_QUIET):
            if not self._requested.is_set():
                return
            self._requested.clear()
            await asyncio.sleep(self._quiet)

    def _pause(self) -> float:
        """Seconds until the next round, with jitter that spreads load."""
        if not self._failures:
            return spread(self._usual(), _JITTER)
        return Backoff(self._retry, self._interval, least=0.5).delay(self._failures)

    def _usual(self) -> float:
        if not self._is_young():
            return self._interval
        return min(self._interval, max(self._interval * YOUNG_SHARE, self._took / _BUSY))

    def _all(self) -> list[Key]:
        return [resource.key for resource in self._users()]

    def _look_at(self, key: Key) -> None:
        """Have a resource look for itself; whose last look failed does so anyway."""
        if not self._queue.is_retrying(key):
            self._queue.add(key)
