"""Whether this operator acts or stands by: from candidate to leader, and to the end of either.

An operator that loses the lead ends, and starts anew as a candidate. To step back it would have to
stop all that is under way and forget what it supposed, which is what a new process has done.

The leader of a shard holds two Leases: its own, which the replicas of the shard contend for, and
one that all shards hold together, in the name of their number. Shards of another number, or an
operator that looks after everything, would act on the same connections: they contend for that one.
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

    Nobody acts before having heard of all resources: what another one owns, and which connection a
    stream names, would be judged by what has been listed so far.

    Attributes:
        leads: whether nobody else may act.
        is_lost: whether it was, and is no more.
    """

    def __init__(self, session: Session, election: Election | None) -> None:
        self._leases = _leases(session, election) if election else ()
        self._task: asyncio.Task[None] | None = None
        self.leads = election is None
        self.is_lost = False

    def may_write(self) -> bool:
        """Whether nobody else can lead; to be asked when bytes are about to leave."""
        return all(lease.may_write() for lease in self._leases)

    def start(
        self, warm: asyncio.Event, take_over: Callable[[], None], stop: asyncio.Event
    ) -> None:
        """Take over once `warm` is set, or stand as a candidate; `stop`: the lead is lost."""
        share = self._contend(warm, take_over, stop) if self._leases else _alone(warm, take_over)
        self._task = asyncio.create_task(share, name="leadership")

    async def end(self, *, is_done: bool) -> None:
        """Stop renewing; if all that was sent is done, let another one lead at once."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if is_done and not self.is_lost:
            for lease in self._leases:
                await lease.release()

    @property
    def words(self) -> str:
        """How it stands, for people; "" without an election."""
        if not self._leases:
            return ""
        if self.leads:
            return f"leading by Lease {self._leases[0]}"
        lease = next((each for each in self._leases if not each.may_write()), self._leases[0])
        return f"standing by: {lease.holder or 'nobody'} holds Lease {lease}"

    @property
    def trouble(self) -> str:
        """Why a Lease can't be contended for; "" when all can."""
        return next((lease.trouble for lease in self._leases if lease.trouble), "")

    async def _contend(
        self, warm: asyncio.Event, take_over: Callable[[], None], stop: asyncio.Event
    ) -> None:
        await warm.wait()
        try:
            # Who loses one Lease while waiting for the next has done nothing yet: it begins anew.
            while not await self._led(take_over):
                log.warning("Contending for the Leases begins anew")
        except Exception:
            log.exception("Bug: contending for a Lease failed as nobody thought of")
        self.leads = False
        self.is_lost = True
        stop.set()

    async def _led(self, take_over: Callable[[], None]) -> bool:
        """Take one Lease after the other, and act until one is lost; False if it came to nothing.

        What is held is renewed from the beginning.
        """
        keeping: set[asyncio.Task[None]] = set()
        try:
            for lease in self._leases:
                keeping.add(acquiring := asyncio.create_task(lease.acquire()))
                if await _first_of(keeping) != {acquiring}:
                    return False
                keeping.remove(acquiring)
                keeping.add(asyncio.create_task(lease.keep()))
            self.leads = True
            take_over()
            await _first_of(keeping)
            return True
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)


async def _alone(warm: asyncio.Event, take_over: Callable[[], None]) -> None:
    await warm.wait()
    take_over()


async def _first_of(tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Wait for the first to end; raises what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return done


def _leases(session: Session, election: Election) -> tuple[Lease, ...]:
    def lease(name: str, identity: str, *, is_shared: bool = False) -> Lease:
        # In a lane of its own, a renewal waits for nothing.
        api = Api(session, lane=Lane(1))
        namespace = election.namespace or own_namespace()
        return Lease(api, namespace, name, identity, election.terms, is_shared=is_shared)

    own = lease(election.name, f"{gethostname()}_{uuid.uuid4()}")
    if election.shard is None:
        return (own,)
    return own, lease(election.lease, f"shards-of-{election.shard.count}", is_shared=True)
