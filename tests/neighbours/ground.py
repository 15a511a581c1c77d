"""A good tenant beside a bad neighbour, and another one for whom there is no neighbour.

Both good tenants do the same at the same time, each with an operator of its own. So what makes the
machine, the API server or the test slow makes it slow for both.
"""

import asyncio
import json
import logging
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from faults.site import ACCOUNT, Cluster
from neighbours import record
from neighbours.good import GoodTenant
from neighbours.kind import Kind, Neighbour
from neighbours.kubelet import Kubelet, watched
from support.declaring import Declaring
from support.eventually import eventually

MOST_TIMES = 5
FLOOR_MS = 500
"""Of a median below it nobody complains: a busy machine makes such differences by itself."""

HICCUPS = 2
LONGEST_SECONDS = 60.0
"""Beyond what a kind takes."""

log = logging.getLogger("operator")

LEASE = (
    "--leader-elect",
    f"--lease-namespace={ACCOUNT[0]}",
    "--lease-duration=180s",
    "--lease-renew-deadline=120s",
)
"""The chart's terms are a tenth: on a machine that is busy enough, nobody keeps those."""


@dataclass(slots=True)
class Ground:
    """Where a neighbour misbehaves.

    Attributes:
        good: looked after by `operator`, as the neighbour is.
        alone: looked after by an operator that knows nobody else.
    """

    cluster: Cluster
    kind: Kind
    operator: OperatorProcess
    good: GoodTenant
    alone: GoodTenant
    neighbour: Neighbour

    async def compare(self) -> None:
        """Let the neighbour misbehave, and fail if the good tenant has noticed."""
        await asyncio.gather(self.good.settle_in(), self.alone.settle_in())
        lease = self._lease()
        with watched(self.operator) as kubelet:
            try:
                async with self.kind.begins(self.neighbour):
                    await self._rounds(kubelet)
            except (TimeoutError, OSError) as error:
                raise AssertionError(f"{error!r}; {kubelet.complaints()}") from error
        fared = self._fared(kubelet)
        assert self.neighbour.deeds > 0, "it did nothing"
        assert kubelet.complaints() == []
        assert self._lease() == lease, "the lead was lost"
        # What can't be read must not end in a traceback at each retry.
        assert "Traceback" not in self.operator.log
        for without, beside in (fared.shared_ms, fared.own_ms):
            assert beside <= max(MOST_TIMES * without, FLOOR_MS), fared
        await self._is_the_same()
        record.keep(fared)

    async def _rounds(self, kubelet: Kubelet) -> None:
        begun = time.monotonic()
        for number in range(1, self.kind.rounds + 1):
            await self._round(kubelet)
            if time.monotonic() > begun + self.kind.seconds + LONGEST_SECONDS:
                break  # what was seen is enough to judge
            await asyncio.sleep(
                begun + number * self.kind.seconds / self.kind.rounds - time.monotonic()
            )

    async def _round(self, kubelet: Kubelet) -> None:
        """Let both tenants do the same, unless the operator doesn't live to see it."""
        acts = asyncio.gather(self.good.act(), self.alone.act())
        while not acts.done() and not kubelet.complaints():
            await asyncio.wait([acts], timeout=1)
        if not acts.done():
            acts.cancel()
        await asyncio.gather(acts, return_exceptions=True)
        assert kubelet.complaints() == []
        await acts

    def _fared(self, kubelet: Kubelet) -> record.Compared:
        good, alone = self.good, self.alone
        return record.Compared(
            kind=self.kind.name,
            what=self.kind.what,
            deeds=self.neighbour.deeds,
            shared_ms=(milliseconds(alone.shared), milliseconds(good.shared)),
            own_ms=(milliseconds(alone.own), milliseconds(good.own)),
            worst_ms=round(1000 * max(good.shared + good.own)),
            peak_mib=round(kubelet.peak),
            writes=(self._writes(alone), self._writes(good)),
        )

    def _writes(self, tenant: GoodTenant) -> int:
        return tenant.writes(self.cluster.audit).total()

    async def _is_the_same(self) -> None:
        """Whether it has the same data, at the same price, and was told the same."""
        beside, alone = await asyncio.gather(self.good.data(), self.alone.data())
        assert beside == alone
        api, audit = self.cluster.api, self.cluster.audit
        cost = self.good.writes(audit) - self.alone.writes(audit)
        assert not [about for about, more in cost.items() if more > HICCUPS], cost
        told = self.alone.events(api)
        eventually(lambda: self.good.events(api) >= told, 30, "the good tenant's events")

    def _lease(self) -> tuple[str, int]:
        """Who leads, and how often that has changed."""
        words = ("get", "lease", ACCOUNT[1], "-n", ACCOUNT[0], "-o", "json")
        spec = json.loads(self.cluster.api.kubectl(*words).stdout)["spec"]
        return spec["holderIdentity"], spec["leaseTransitions"]


def _gist(text: str) -> str:
    """The end of a log, and what it tells of more than one resource."""
    of_all = [line for line in text.splitlines() if " Coze" not in line]
    return "\n".join([*of_all[-40:], "The end:", text[-3000:]])


def milliseconds(found: list[float]) -> int:
    """The median of seconds."""
    return round(1000 * statistics.median(found))


@asynccontextmanager
async def ground(cluster: Cluster, kind: Kind, folder: Path) -> AsyncIterator[Ground]:
    """Two operators, the nats-servers of their tenants, and a neighbour that does nothing yet."""
    async with AsyncExitStack() as running:
        servers = [running.enter_context(NatsServer()) for _ in range(2)]
        good, alone, bad = [
            await running.enter_async_context(Declaring(cluster.api, f"{who}-{kind.name}"))
            for who in ("good", "alone", "bad")
        ]
        for declaring in (good, alone, bad):
            await declaring.make_namespace()
        # Who was killed has not given it up.
        cluster.api.kubectl("delete", "lease", "--all", "-n", ACCOUNT[0])
        kubeconfig = cluster.api.service_account_kubeconfig(*ACCOUNT)
        environment = kind.environment(folder)
        beside = OperatorProcess(
            kubeconfig,
            servers[0].url,
            arguments=[*LEASE, *(f"--namespace={each.namespace}" for each in (good, bad))],
            environment=environment,
        )
        undisturbed = OperatorProcess(
            kubeconfig, servers[1].url, arguments=[f"--namespace={alone.namespace}"]
        )
        for operator in (beside, undisturbed):
            running.callback(operator.remove)
            await asyncio.to_thread(operator.start)
        # Shown by pytest when the test failed.
        running.callback(lambda: log.warning("%s", _gist(beside.log)))
        yield Ground(
            cluster,
            kind,
            beside,
            GoodTenant(good, servers[0]),
            GoodTenant(alone, servers[1]),
            Neighbour(bad, cluster.api, servers[0].url, folder),
        )
