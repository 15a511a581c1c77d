"""The leader of a shard holds two Leases on a real API server, one after the other."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core.shards import Shard
from coze_nats.core.terms import Terms
from coze_nats.kube.api import Api
from coze_nats.kube.lease import Lease
from coze_nats.kube.session import Session
from coze_nats.leadership import Leadership
from coze_nats.settings import Election
from support.until import until

TERMS = Terms(duration=9, renew_within=4, retry_every=0.1)


class Candidate:
    """Shard 0 of 2, which is warm."""

    def __init__(self, session: Session, namespace: str) -> None:
        election = Election(namespace=namespace, terms=TERMS, shard=Shard(0, 2))
        self.leadership = Leadership(session, election)
        self.stop = asyncio.Event()
        self.took_over = 0
        warm = asyncio.Event()
        warm.set()
        self.leadership.start(warm, self._take_over, self.stop)

    def _take_over(self) -> None:
        self.took_over += 1


@pytest.fixture
async def former(api: Api, namespace: str) -> AsyncIterator[asyncio.Task[None]]:
    """One of three shards, which holds what all hold together, until it is cancelled."""
    name = Election().lease
    lease = Lease(api, namespace, name, "shards-of-3", TERMS, is_shared=True)
    await lease.acquire()
    keeping = asyncio.create_task(lease.keep())
    yield keeping
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


@pytest.fixture
async def candidate(session: Session, namespace: str) -> AsyncIterator[Candidate]:
    found = Candidate(session, namespace)
    yield found
    await found.leadership.end(is_done=True)


@pytest.fixture
def hold_own(apiserver: KubernetesAPI, namespace: str) -> Callable[[str], Awaitable[None]]:
    """Says who holds the candidate's own Lease; "" for nobody."""

    async def patch(holder: str) -> None:
        where = ("lease", "coze-nats-operator-0-of-2", f"--namespace={namespace}")
        spec = json.dumps({"spec": {"holderIdentity": holder}})
        # Not on the event loop: the Leases have to be renewed meanwhile.
        await asyncio.to_thread(
            apiserver.kubectl, "patch", *where, "--type=merge", f"--patch={spec}"
        )

    return patch


def words(holder: str, namespace: str, lease: str) -> str:
    return f"standing by: {holder} holds Lease {namespace}/{lease}"


async def test_a_shard_leads_when_it_holds_its_own_and_the_one_of_all(
    candidate: Candidate, namespace: str
) -> None:
    await until(lambda: candidate.leadership.leads)
    assert candidate.leadership.may_write()
    assert candidate.took_over == 1
    own = f"{namespace}/coze-nats-operator-0-of-2"
    assert candidate.leadership.words == f"leading by Lease {own}"


async def test_a_shard_waits_for_those_of_another_number_and_follows_them(
    former: asyncio.Task[None], candidate: Candidate, namespace: str
) -> None:
    shared = words("shards-of-3", namespace, "coze-nats-operator")
    await until(lambda: candidate.leadership.words == shared)
    assert not candidate.leadership.may_write()
    former.cancel()
    await until(lambda: candidate.leadership.leads)
    assert candidate.leadership.may_write()


async def test_who_loses_its_own_lease_while_it_waits_begins_anew_and_does_not_end(
    former: asyncio.Task[None],
    candidate: Candidate,
    namespace: str,
    hold_own: Callable[[str], Awaitable[None]],
) -> None:
    shared = words("shards-of-3", namespace, "coze-nats-operator")
    await until(lambda: candidate.leadership.words == shared)
    await hold_own("somebody")
    own = words("somebody", namespace, "coze-nats-operator-0-of-2")
    await until(lambda: candidate.leadership.words == own)
    assert not candidate.stop.is_set()
    await hold_own("")
    former.cancel()
    await until(lambda: candidate.leadership.leads)
    assert candidate.took_over == 1
    assert not candidate.leadership.is_lost


async def test_who_leads_and_loses_one_of_them_ends(
    candidate: Candidate, hold_own: Callable[[str], Awaitable[None]]
) -> None:
    await until(lambda: candidate.leadership.leads)
    await hold_own("somebody")
    await candidate.stop.wait()
    assert candidate.leadership.is_lost
    assert not candidate.leadership.leads
    assert not candidate.leadership.may_write()
