"""Killed between any two calls, the operator ends in the declared state, without help.

Every scenario is run once for each call that its reconciles make, and killed there: before the
call, or after it and before its answer. A new process, which knows what is stored only, goes on.
The same holds where a call times out only, and the process lives.
"""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import nats
import pytest
from nats.aio.client import Client

from controlplane.nats import NatsServer
from coze_nats.core.conditions import is_true
from coze_nats.core.errors import OutcomeUnknown
from coze_nats.core.ownership import Live, owner_of
from coze_nats.jetstream.gateway import Gateway
from fakes.kubernetes import FakeKubernetes
from safety.ground import MESSAGES, NAMESPACE, ORDERS, Ground
from safety.scenarios import SCENARIOS, Scenario
from support.connections import gateway_to
from support.faults import CHANGES_JETSTREAM, CREATES, Died, Fate


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_server.url)
    yield connection
    await connection.close()


@dataclass(slots=True)
class Play:
    """One run of a scenario on an empty server."""

    scenario: Scenario
    ground: Ground
    reverse: bool

    async def begin(self) -> None:
        for name in (await self.ground.jetstream.streams()).found:
            await self.ground.jetstream.delete_stream(name)
        if self.scenario.before:
            self.ground.apply(self.scenario.before)
            assert await self.ground.lives(Fate())
        await self.scenario.meanwhile(self.ground)
        self.ground.kubernetes.events.clear()
        self.ground.apply(self.scenario.declared)
        for key in self.scenario.deleted:
            self.ground.kubernetes.delete(key)

    async def live(self, fate: Fate) -> bool:
        return await self.ground.lives(fate, reverse=self.reverse)

    async def go_on(self, *fates: Fate) -> None:
        """Live once more after these lives, and be as declared."""
        last = Fate()
        if self.scenario.afterwards:
            self.ground.apply(self.scenario.afterwards)
        assert await self.live(last)
        await self._is_as_declared()
        self._did_nothing_twice((*fates, last))
        self._told_no_more_than_happened(len(fates))
        again = Fate()
        assert await self.live(again)
        assert not CHANGES_JETSTREAM & set(again.made)

    async def _is_as_declared(self) -> None:
        scenario, kubernetes = self.scenario, self.ground.kubernetes
        assert not set(scenario.deleted) & kubernetes.resources.keys()
        for key, resource in kubernetes.resources.items():
            assert is_true(resource.status, "Ready"), (key, resource.status)
            assert resource.status["observedGeneration"] == resource.generation
            assert "replacing" not in resource.status
        streams = (await self.ground.jetstream.streams()).found
        assert set(streams) == (set() if scenario.messages is None else {"orders"})
        if scenario.messages is None:
            return
        assert streams["orders"].messages == scenario.messages
        consumers = (await self.ground.jetstream.consumers("orders")).found
        assert set(consumers) == (set() if scenario.left is None else {"work"})
        found: tuple[Live, ...] = (*streams.values(), *consumers.values())
        for live in found:
            owner = f"here/{NAMESPACE}/{live.name}"
            assert owner_of(live) == (owner if scenario.is_owned else "")
        if scenario.left is not None:
            assert await self.ground.left(scenario.left) == scenario.left
        if scenario.left is not None and scenario.is_open:
            assert await self.ground.delivers(MESSAGES + 1)

    def _did_nothing_twice(self, fates: tuple[Fate, ...]) -> None:
        done = [name for fate in fates for name in fate.changes if name not in CREATES]
        done += [name for name, _ in set[tuple[str, str]]().union(*(f.created for f in fates))]
        for name, most in self.scenario.at_most.items():
            assert done.count(name) <= most, (name, done)

    def _told_no_more_than_happened(self, deaths: int) -> None:
        told = self.ground.kubernetes.reasons()
        for reason in {*told, *self.scenario.events} - {"Recovered"}:
            least, most = self.scenario.events.get(reason, (0, 0))
            often = most + deaths if most else 0
            assert least <= told.count(reason) <= often, (reason, self.ground.kubernetes.events)


@pytest.mark.slow
@pytest.mark.parametrize("reverse", [False, True], ids=["consumers first", "streams first"])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
@pytest.mark.parametrize("error", [Died, OutcomeUnknown], ids=["killed", "timed out"])
async def test_whatever_call_goes_wrong_it_ends_as_declared(
    jetstream: Gateway,
    client: Client,
    error: type[BaseException],
    scenario: Scenario,
    reverse: bool,
) -> None:
    for answered in (False, True):
        for at in itertools.count(1):
            play = Play(scenario, Ground(FakeKubernetes(), jetstream, client), reverse)
            await play.begin()
            fate = Fate(at, answered, error)
            await play.live(fate)
            try:
                await play.go_on(fate)
            except AssertionError as found:
                where = f"{'after' if answered else 'before'} call {at}: {fate.made}"
                raise AssertionError(f"{error.__name__} {where}: {found}") from found
            if not fate.is_over:
                assert at > 1
                break


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
async def test_killed_again_and_again_it_ends_as_declared(
    jetstream: Gateway, client: Client, scenario: Scenario, answered: bool
) -> None:
    play = Play(scenario, Ground(FakeKubernetes(), jetstream, client), reverse=False)
    await play.begin()
    fates = [Fate(1, answered)]
    while not await play.live(fates[-1]):
        fates.append(Fate(len(fates) + 1, answered))
    await play.go_on(*fates)


@pytest.mark.slow
@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("version", ["2.10.26", "2.12.8"])
async def test_killed_while_a_lost_stream_is_made_anew_it_still_tells_of_the_loss(
    version: str, answered: bool
) -> None:
    """Where a server doesn't keep the time of creation, the new stream looks like the lost one."""
    scenario = SCENARIOS["restore a stream that somebody deleted"]
    with NatsServer(version) as server:
        async with gateway_to(server.url) as gateway:
            client = await nats.connect(server.url)
            for at in itertools.count(1):
                play = Play(scenario, Ground(FakeKubernetes(), gateway, client), reverse=False)
                await play.begin()
                fate = Fate(at, answered)
                await play.live(fate)
                await play.go_on(fate)
                assert "dataLoss" in play.ground.kubernetes.status(ORDERS)
                if not fate.is_over:
                    break
            assert at > 5
            await client.close()
