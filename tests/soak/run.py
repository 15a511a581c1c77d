"""A soak from its start to its end: rounds of load and trouble, each followed by a rest.

The first round is the warm-up. What the operators take at the rest after it is compared with what
they take at the last one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from soak import measures, promises, reader
from soak.applications import Applications
from soak.disturbances import Disturbances, kubelet
from soak.feed import Feed
from soak.findings import Findings
from soak.hands import Hands
from soak.measures import Measure
from soak.site import NAMESPACES, STEADY, Replica, Site, site
from soak.users import Users, patiently
from support.declaring import Declaring
from support.eventually import eventually_async

STREAMS = 24
"""In each namespace, at rest."""

ROUND_SECONDS, REST_SECONDS, LEAST_LOAD_SECONDS = 450.0, 60.0, 15.0

PATIENCE = 300.0
"""Seconds for a request of a user: an API server takes a minute to end in order."""

COMPARED_SECONDS = 30.0
"""The operators compare everything every ten seconds, and a busy machine takes its time."""

Act = Callable[[], Awaitable[None]]


class Soak:
    """All who take part.

    Args:
        seed: what everybody does, one after the other, follows from it. When servers answer, and
            so who meets whom, doesn't.
    """

    def __init__(self, site: Site, seconds: float, seed: int) -> None:
        self.site = site
        self.findings = Findings()
        self.measures: list[tuple[float, Measure]] = []
        self.statuses = 0
        self._seconds = seconds
        self._seed = seed
        self._start = time.monotonic()
        self._users: list[Users] = []
        self._applications: list[Applications] = []
        self._actors: list[tuple[Act, float]] = []

    async def run(self) -> dict[str, Any]:
        """Go through all rounds; returns the report."""
        async with AsyncExitStack() as stack:
            await self._prepare(stack)
            trouble = asyncio.create_task(kubelet(self.site, self.findings))
            rounds = max(2, round(self._seconds / ROUND_SECONDS))
            for number in range(1, rounds + 1):
                load = self._seconds * number / rounds - REST_SECONDS - self._passed()
                self.findings.say(f"round {number} of {rounds}")
                await self._load(max(load, LEAST_LOAD_SECONDS))
                self.findings.say(f"rest {number} of {rounds}")
                await self._rest()
            trouble.cancel()
            await asyncio.gather(trouble, return_exceptions=True)
        for feed in self._feeds():
            self.site.book.close(feed, feed.messages.open)
        promises.judge(self.measures, self._logs(), self.findings)
        return self._report()

    def _passed(self) -> float:
        return time.monotonic() - self._start

    def _random(self, who: str) -> Random:
        return Random(f"{self._seed}/{who}")

    def _feeds(self, account: str = "") -> Sequence[Feed]:
        feeds = [feed for users in self._users for feed in users.feeds]
        return [feed for feed in feeds if account in (feed.account, "")]

    async def _prepare(self, stack: AsyncExitStack) -> None:
        for namespace in NAMESPACES:
            declaring = await stack.enter_async_context(
                Declaring(self.site.cluster.api, namespace, PATIENCE)
            )
            await declaring.make_namespace()
            who = self._random(f"users of {namespace}")
            users = Users(self.site, declaring, self.findings, who, STREAMS)
            self._users.append(users)
            self._actors.append((users.act, 1.5))
        await asyncio.to_thread(self.site.write_logins)
        for replica in self.site.replicas:
            await replica.start()
        for users in self._users:
            await users.begin()
        for account in self.site.accounts.values():
            client = await stack.enter_async_context(account.connected(lasting=True))
            await self._join(account.name, client)
        disturbances = Disturbances(self.site, self.findings, self._random("disturbances"))
        self._actors.append((disturbances.act, 40.0))

    async def _join(self, name: str, client: Any) -> None:
        account = self.site.accounts[name]

        def feeds() -> Sequence[Feed]:
            return self._feeds(name)

        applications = Applications(account, client, feeds, self._random(f"applications of {name}"))
        self._applications.append(applications)
        hands = Hands(account, feeds, self.findings, self._random(f"hands on {name}"))
        self._actors += [(applications.publish, 0.1), (applications.work, 0.1), (hands.act, 6.0)]

    async def _load(self, seconds: float) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        async with asyncio.TaskGroup() as group:
            for number, (act, most) in enumerate(self._actors):
                pauses = self._random(f"pauses {number} {self._passed():.0f}")
                group.create_task(self._again_and_again(act, most, pauses, stop))

    async def _again_and_again(
        self, act: Act, most: float, pauses: Random, stop: asyncio.Event
    ) -> None:
        """Act at random moments, with pauses of at most so many seconds."""
        while not stop.is_set():
            try:
                async with asyncio.timeout(pauses.uniform(0, most)):
                    await stop.wait()
                return
            except TimeoutError:
                pass
            try:
                await act()
            except Exception as error:  # noqa: BLE001  hours aren't thrown away for one of these
                self.findings.breaks(
                    "a soak does what it means to", f"{act.__qualname__}: {error!r}"
                )

    async def _rest(self) -> None:
        """Wait until nothing moves, and look at everything."""
        await eventually_async(self._all_run, 300, "all operators to work")
        await asyncio.gather(*(users.rest() for users in self._users))
        for applications in self._applications:
            for feed, lost in await applications.drain():
                if lost:
                    what = f"{feed.name}: {len(lost)} messages, among them {sorted(lost)[:5]}"
                    self.findings.breaks("nothing is lost", what)
        await self._compare_until_it_is_so()
        minutes = self._passed() / 60
        found = await asyncio.gather(*map(self._measured, self.site.replicas))
        self.measures += [(minutes, each) for each in found]
        for each in found:
            self.findings.say(
                f"{each.replica}: {each.memory} MiB, {each.files} files, {each.tasks} tasks, "
                f"{each.series} series"
            )

    async def _all_run(self) -> bool:
        found = [
            (await asyncio.to_thread(replica.process.probe, "/readyz"))[0] == 200
            for replica in self.site.replicas
        ]
        return all(found)

    async def _compare_until_it_is_so(self) -> None:
        """What a hand changed in a consumer is found by the operators' next comparison only."""
        deadline = time.monotonic() + COMPARED_SECONDS
        while True:
            found = Findings(is_quiet=True)
            read = await patiently(partial(self._compare, found))
            if not found.broken or time.monotonic() > deadline:
                self.statuses += read
                for broken in found.broken:
                    self.findings.breaks(*broken.split(": ", 1))
                return
            await asyncio.sleep(1)

    async def _compare(self, findings: Findings) -> int:
        read = 0
        async with AsyncExitStack() as stack:
            jetstreams = {
                name: await stack.enter_async_context(account.jetstream())
                for name, account in self.site.accounts.items()
            }
            for users in self._users:
                read += await reader.compare(users.declaring, jetstreams, users.feeds, findings)
            await reader.nothing_else(jetstreams, self._feeds(), findings)
        return read

    async def _measured(self, replica: Replica) -> Measure:
        namespace = STEADY if replica is self.site.steady else NAMESPACES[1]
        declared = {
            each["metadata"]["name"]
            for users in self._users
            if users.declaring.namespace == namespace
            for each in await users.declaring.all()
        }
        return await measures.measure(replica, declared)

    def _logs(self) -> dict[str, str]:
        return {replica.name: replica.process.log for replica in self.site.replicas}

    def _report(self) -> dict[str, Any]:
        first = self.measures[0][0]
        rests = sorted({minutes for minutes, _ in self.measures})
        return {
            "seed": self._seed,
            "minutes": round(self._passed() / 60, 1),
            "warm_up_minutes": round(first, 1),
            "acts": dict(sorted(self.findings.acts.items())),
            "messages": asdict(self.site.book),
            "statuses": self.statuses,
            "measures": [
                measures.row(found, rests.index(minutes), minutes)
                for minutes, found in self.measures
            ],
            "broken": self.findings.broken,
        }


async def soak(directory: Path, hours: float, seed: int) -> dict[str, Any]:
    """Run a soak; returns its report."""
    with site(directory) as found:
        return await Soak(found, hours * 3600, seed).run()
