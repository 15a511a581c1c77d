"""Leadership on a real API server, by clocks that a test moves: never two who may write."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core.terms import Terms
from coze_nats.kube.api import Api
from coze_nats.kube.lease import Lease, clock
from coze_nats.kube.session import Session
from coze_nats.kube.watches import Watches
from support.until import until

TERMS = Terms(duration=15, renew_within=10, retry_every=0.02)
_numbers = itertools.count(1)


class Time:
    """A clock of one's own; it moves only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Answers:
    """The API whose answers to writes can be held back; what was sent is sent, as in life.

    It counts looks at the Lease, and writes that were accepted.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._sent: set[asyncio.Task[dict[str, Any]]] = set()
        self._may_come = asyncio.Event()
        self._may_come.set()
        self.held = 0
        self.looks = 0
        self.writes = 0

    def hold(self) -> None:
        self._may_come.clear()

    def let_one_come(self) -> None:
        """What is held comes, and the next one is held."""
        self._may_come.set()
        self._may_come.clear()

    async def request(self, method: str, path: str, **rest: Any) -> dict[str, Any]:
        sending = asyncio.create_task(self._api.request(method, path, **rest))
        self._sent.add(sending)
        if method == "GET":
            try:
                return await asyncio.shield(sending)
            finally:
                self.looks += 1
        answer = await asyncio.shield(sending)
        if not self._may_come.is_set():
            self.held += 1
            await self._may_come.wait()
        self.writes += 1
        return answer

    async def end(self) -> None:
        """Wait for what was sent."""
        await asyncio.gather(*self._sent, return_exceptions=True)


class Candidate:
    """One of those who contend for a Lease, as a task of its own."""

    def __init__(
        self, api: Api, namespace: str, identity: str, terms: Terms = TERMS, **more: Any
    ) -> None:
        self.time = Time()
        self.answers = Answers(api)
        own = cast(Api, self.answers)
        self.lease = Lease(own, namespace, "operator", identity, terms, clock=self.time, **more)
        self.led = False
        self.ended = False
        self._task = asyncio.create_task(self._contend())

    async def _contend(self) -> None:
        await self.lease.acquire()
        self.led = True
        await self.lease.keep()
        self.ended = True

    async def stop(self) -> None:
        """End without releasing, as by a crash."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.answers.end()


Contend = Callable[..., Candidate]


@pytest.fixture
async def contend(api: Api, namespace: str) -> AsyncIterator[Contend]:
    candidates: list[Candidate] = []

    def start(identity: str, terms: Terms = TERMS, **more: Any) -> Candidate:
        candidates.append(Candidate(api, namespace, identity, terms, **more))
        return candidates[-1]

    yield start
    for candidate in candidates:
        await candidate.stop()


@pytest.fixture
def record(apiserver: KubernetesAPI, namespace: str) -> Callable[..., dict[str, Any]]:
    """What the Lease says, after changes to it if there are any."""

    def change(**spec: Any) -> dict[str, Any]:
        where = ("lease", "operator", f"--namespace={namespace}", "-o=json")
        if spec:
            patch = json.dumps({"spec": spec})
            shown = apiserver.kubectl("patch", *where, "--type=merge", f"--patch={patch}")
        else:
            shown = apiserver.kubectl("get", *where)
        return dict(json.loads(shown.stdout)["spec"])

    return change


async def looks(candidate: Candidate) -> None:
    """Let a candidate look at the Lease as it is now, and think about it."""
    # The one that is under way may have begun before, and the last one is still thought about.
    enough = candidate.answers.looks + 3
    await until(lambda: candidate.answers.looks >= enough or candidate.led)


async def renewals(*holders: Candidate) -> None:
    """Let each of these renew the Lease, with all that it knows now."""
    for holder in holders:
        enough = holder.answers.writes + 3
        await until(lambda: holder.answers.writes >= enough)  # noqa: B023 - awaited right here


async def test_the_first_leads_and_the_second_stands_by(contend: Contend, record: Any) -> None:
    first = contend("first")
    await until(lambda: first.led)
    second = contend("second")
    await until(lambda: second.lease.holder == "first")
    assert first.lease.may_write()
    assert not second.lease.may_write()
    assert record()["holderIdentity"] == "first"
    assert record()["leaseDurationSeconds"] == 15


async def test_a_dead_holder_is_followed_when_no_change_was_seen_for_the_duration(
    contend: Contend, record: Any
) -> None:
    first = contend("first")
    await until(lambda: first.led)
    await first.stop()
    second = contend("second")
    await until(lambda: second.lease.holder == "first")
    second.time.now += 14.9
    await looks(second)
    assert not second.led
    second.time.now += 0.2
    await until(lambda: second.led)
    assert second.lease.may_write()
    assert (record()["holderIdentity"], record()["leaseTransitions"]) == ("second", 2)


@pytest.mark.parametrize("told", ["1999-01-01T00:00:00.000000Z", "2199-01-01T00:00:00.000000Z"])
async def test_what_the_record_says_of_the_time_does_not_matter(
    contend: Contend, record: Any, told: str
) -> None:
    first = contend("first")
    await until(lambda: first.led)
    await first.stop()
    record(renewTime=told, acquireTime=told)
    second = contend("second")
    await until(lambda: second.lease.holder == "first")
    await looks(second)
    assert not second.led
    second.time.now += 15.1
    await until(lambda: second.led)


async def test_a_holder_that_renews_is_never_followed(contend: Contend) -> None:
    first, second = contend("first"), contend("second")
    await until(lambda: first.led or second.led)
    holder, other = (first, second) if first.led else (second, first)
    for _ in range(20):
        holder.time.now += 5
        other.time.now += 5
        await renewals(holder)
        await looks(other)
    assert holder.lease.may_write()
    assert not other.led


async def test_a_holder_that_was_frozen_may_not_write_and_does_not_ask_first(
    contend: Contend,
) -> None:
    first = contend("first")
    await until(lambda: first.led)
    first.time.now += 10.0
    assert not first.lease.may_write()
    await until(lambda: first.ended)
    assert not first.lease.may_write()


@pytest.mark.parametrize("step", [0.5, 3.3, 9.9])
async def test_a_holder_that_comes_to_a_halt_has_stopped_before_a_candidate_begins(
    contend: Contend, step: float
) -> None:
    first = contend("first")
    await until(lambda: first.led)
    await first.stop()
    second = contend("second")
    await until(lambda: second.lease.holder == "first")
    while not second.led:
        assert not (first.lease.may_write() and second.lease.may_write())
        first.time.now += step
        second.time.now += step
        await looks(second)
    assert not first.lease.may_write()


async def test_a_lease_that_is_released_is_taken_at_once(contend: Contend, record: Any) -> None:
    first = contend("first")
    await until(lambda: first.led)
    second = contend("second")
    await until(lambda: second.lease.holder == "first")
    await first.stop()
    await first.lease.release()
    assert not first.lease.may_write()
    await until(lambda: second.led)
    await first.lease.release()
    assert record()["holderIdentity"] == "second", "what is another's is not released"


async def test_a_lease_that_somebody_deletes_is_made_again_by_its_holder(
    contend: Contend, apiserver: KubernetesAPI, namespace: str, record: Any
) -> None:
    first = contend("first")
    await until(lambda: first.led)
    second = contend("second")
    await until(lambda: second.lease.holder == "first")
    apiserver.kubectl("delete", "lease", "operator", f"--namespace={namespace}")
    await renewals(first)
    await looks(second)
    assert record()["holderIdentity"] == "first"
    assert not second.led


async def test_a_deleted_lease_of_a_dead_holder_is_waited_for_all_the_same(
    contend: Contend, apiserver: KubernetesAPI, namespace: str
) -> None:
    first = contend("first")
    await until(lambda: first.led)
    await first.stop()
    second = contend("second")
    await until(lambda: second.lease.holder == "first")
    apiserver.kubectl("delete", "lease", "operator", f"--namespace={namespace}")
    await until(lambda: second.lease.holder == "")
    await looks(second)
    assert not second.led
    second.time.now += 15.1
    await until(lambda: second.led)


async def test_a_holder_whose_lease_was_taken_ends_at_once(contend: Contend, record: Any) -> None:
    first = contend("first")
    await until(lambda: first.led)
    record(holderIdentity="somebody")
    await until(lambda: first.ended)
    assert not first.lease.may_write()
    await first.lease.release()
    assert record()["holderIdentity"] == "somebody"


async def test_a_renewal_whose_answer_was_lost_is_no_reason_to_end(
    contend: Contend, record: Any
) -> None:
    first = contend("first")
    await until(lambda: first.led)
    record(leaseTransitions=7)
    first.time.now += 9
    await renewals(first)
    assert record()["leaseTransitions"] == 7
    first.time.now += 9
    assert first.lease.may_write()
    assert not first.ended


async def test_a_longer_promise_of_the_holder_is_believed(contend: Contend) -> None:
    first = contend("first", terms=Terms(duration=60, renew_within=50, retry_every=0.02))
    await until(lambda: first.led)
    await first.stop()
    second = contend("second")
    await until(lambda: second.lease.holder == "first")
    second.time.now += 59.9
    await looks(second)
    assert not second.led
    second.time.now += 0.2
    await until(lambda: second.led)


async def test_a_renewal_counts_from_its_start_however_long_its_answer_takes(
    contend: Contend,
) -> None:
    first = contend("first")
    await until(lambda: first.led)
    first.answers.hold()
    await until(lambda: first.answers.held == 1)
    started = first.time.now
    first.time.now += 9.9
    first.answers.let_one_come()
    await until(lambda: first.answers.held == 2)
    assert first.lease.may_write()
    first.time.now = started + 10.0
    assert not first.lease.may_write()


async def test_an_api_server_that_takes_too_long_ends_the_leadership(
    contend: Contend, caplog: pytest.LogCaptureFixture
) -> None:
    first = contend("first", terms=Terms(duration=15, renew_within=1, retry_every=0.02))
    await until(lambda: first.led)
    first.answers.hold()
    await until(lambda: first.answers.held == 2)
    assert "no answer within 0.5 s" in caplog.text
    assert not first.ended, "it tries again, over another connection"
    first.time.now += 1
    await until(lambda: first.ended)


async def test_a_missing_right_is_told_and_waited_for(
    apiserver: KubernetesAPI, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    apiserver.kubectl("create", "serviceaccount", "nobody", f"--namespace={namespace}")
    kubeconfig = apiserver.service_account_kubeconfig(namespace, "nobody")
    session = Session(Watches(), str(kubeconfig))
    candidate = Candidate(Api(session), namespace, "nobody")
    try:
        await until(lambda: 'cannot get resource "leases"' in caplog.text)
        assert not candidate.led
        assert caplog.text.count('cannot get resource "leases"') == 1
    finally:
        await candidate.stop()
        await session.close()


# --- held by several ------------------------------------------------------------------------------


@pytest.fixture
async def two(contend: Contend) -> tuple[Candidate, Candidate]:
    """Two shards of two, which hold the Lease together."""
    first, second = (contend("shards-of-2", is_shared=True) for _ in range(2))
    await until(lambda: first.led and second.led)
    return first, second


async def test_those_of_one_name_hold_a_lease_together_each_by_its_own_renewals(
    two: tuple[Candidate, Candidate], record: Any
) -> None:
    for _ in range(20):
        for each in two:
            each.time.now += 5
        await renewals(*two)
    assert all(each.lease.may_write() for each in two)
    assert record()["leaseTransitions"] == 1
    two[0].time.now += 10
    assert not two[0].lease.may_write(), "another's renewals are not its own"


async def test_who_comes_under_another_name_waits_for_the_last_of_them(
    two: tuple[Candidate, Candidate], contend: Contend, record: Any
) -> None:
    newer = contend("shards-of-3", is_shared=True)
    await until(lambda: newer.lease.holder == "shards-of-2")
    alive = list(two)
    for each in two:
        for _ in range(4):
            newer.time.now += 5
            await renewals(*alive)
            await looks(newer)
        assert not newer.led
        alive.remove(each)
        await each.stop()
        await each.lease.release()
        assert not each.lease.may_write()
    await looks(newer)
    assert record()["holderIdentity"] == "shards-of-2", "none releases it for the others"
    newer.time.now += 15.1
    await until(lambda: newer.led)
    assert record()["holderIdentity"] == "shards-of-3"


async def test_one_of_them_that_was_frozen_finds_others_in_its_place(
    two: tuple[Candidate, Candidate], contend: Contend
) -> None:
    frozen, gone = two
    frozen.answers.hold()
    await until(lambda: frozen.answers.held == 1)
    await gone.stop()
    newer = contend("shards-of-3", is_shared=True)
    await until(lambda: newer.lease.holder == "shards-of-2")
    while not newer.led:
        assert not (frozen.lease.may_write() and newer.lease.may_write())
        frozen.time.now += 3.3
        newer.time.now += 3.3
        await looks(newer)
    frozen.answers.let_one_come()
    await until(lambda: frozen.ended)
    assert not frozen.lease.may_write()


def test_the_clock_goes_on() -> None:
    before = clock()
    assert clock() >= before
