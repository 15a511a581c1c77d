"""Whether this operator acts or stands by: from candidate to leader, and to the end of either.

An operator that loses the lead ends, and starts anew as a candidate. To step back it would have to
stop all that is under way and forget what it supposed, which is what a new process has done.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from socket import gethostname

from coze_nats.kube.api import Api
from coze_nats.kube.lane import Lane
from coze_nats.kube.lease import Lease, own_namespace
from coze_nats.kube.session import Session
from coze_nats.settings import Election

log = logging.getLogger(__name__)


class Leadership:
    """One operator's share in leading; without an election it leads all the time.

    Attributes:
        leads: whether it is this operator's turn to act.
        is_lost: whether it was, and is no more.
    """

    def __init__(self, session: Session, election: Election | None) -> None:
        self._lease: Lease | None = None
        self._task: asyncio.Task[None] | None = None
        self.leads = election is None
        self.is_lost = False
        if election:
            # In a lane of its own, a renewal waits for nothing.
            self._lease = Lease(
                Api(session, lane=Lane(1)),
                election.namespace or own_namespace(),
                election.name,
                f"{gethostname()}_{uuid.uuid4()}",
                election.terms,
            )

    def may_write(self) -> bool:
        """Whether nobody else can lead; to be asked when bytes are about to leave."""
        return self._lease is None or self._lease.may_write()

    def start(
        self, warm: asyncio.Event, take_over: Callable[[], None], stop: asyncio.Event
    ) -> None:
        """Stand as a candidate once `warm` is set; `stop` is set when the lead is lost."""
        if self._lease:
            self._task = asyncio.create_task(
                self._contend(self._lease, warm, take_over, stop), name="leadership"
            )

    async def end(self, *, is_done: bool) -> None:
        """Stop renewing; if all that was sent is done, let another one lead at once."""
        if self._lease is None or self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if is_done and self.leads:
            await self._lease.release()

    @property
    def words(self) -> str:
        """How it stands, for people; "" without an election."""
        if self._lease is None:
            return ""
        if self.leads:
            return f"leading by Lease {self._lease}"
        return f"standing by: {self._lease.holder or 'nobody'} holds Lease {self._lease}"

    @property
    def trouble(self) -> str:
        """Why the Lease can't be contended for; "" when it can."""
        return self._lease.trouble if self._lease else ""

    async def _contend(
        self,
        lease: Lease,
        warm: asyncio.Event,
        take_over: Callable[[], None],
        stop: asyncio.Event,
    ) -> None:
        # Who has heard of all resources goes first.
        await warm.wait()
        await lease.acquire()
        self.leads = True
        take_over()
        await lease.keep()
        self.leads = False
        self.is_lost = True
        stop.set()
