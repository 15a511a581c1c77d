"""`python -m benchmarks`: floor and operator in turn, over all sizes; see docs/performance.md."""

import argparse
import asyncio
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks import connections, ground, processes, report
from benchmarks.measuring import Bench, Cold
from benchmarks.watching import Watching
from controlplane import binaries
from controlplane.kubernetes import KubernetesAPI
from controlplane.operator import OperatorProcess
from coze_nats.core import names

FULL_SIZES = (100, 300, 1000, 3000, 10000)
QUICK_SIZES = (20, 100)
ROUNDS = 5
LARGE = 3000
"""From this size on there is one round: it takes minutes."""


@dataclass(slots=True)
class Run:
    """One run over all sizes.

    Attributes:
        sizes: numbers of resources, ascending.
        main: the size at which what doesn't depend on the size is measured.
    """

    sizes: tuple[int, ...]
    quick: bool
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def main(self) -> int:
        return 1000 if 1000 in self.sizes else self.sizes[-1]

    async def all(self, directory: Path) -> None:
        with KubernetesAPI() as api:
            ground.install(api)
            async with ground.ground(api, 1, directory) as single_node:
                bench = Bench(single_node)
                say("what the operator leaves of a resource")
                await bench.learn()
                self.figures["start_s"] = await bench.start_seconds()
                say("one resource")
                taken, least = await bench.single_ms(5 if self.quick else 40)
                self.figures |= {"single_ms": taken, "single_ms_over_floor": taken - least}
                for size in self.sizes:
                    await self.size(bench, size)
                say("50 connections, with and without three that make trouble")
                rounds = 1 if self.quick else 3
                found = await connections.ratio(single_node, directory, rounds)
                self.figures["connections_ratio"] = found
            async with ground.ground(api, 3, directory) as three_nodes:
                await self.replicated(Bench(three_nodes))
        if {1000, 10000} <= set(self.sizes):
            large, small = self.figures["cold_10000_s"], self.figures["cold_1000_s"]
            self.figures["cost_10000_to_1000"] = large / small / 10

    async def size(self, bench: Bench, size: int) -> None:
        """Floor and operator in turn; in the last round, what can be seen with so many."""
        rounds = 1 if self.quick or size >= LARGE else ROUNDS
        floors, colds = [], []
        for number in range(rounds):
            say(f"{size:,} resources: the floor ({number + 1} of {rounds})")
            floors.append(await bench.ground.floor_seconds(size))
            say(f"{size:,} resources: cold start ({number + 1} of {rounds})")
            async with bench.cold(size) as (cold, operator, watching):
                colds.append(cold)
                if number == rounds - 1:
                    say(f"{size:,} resources: restart, rest")
                    await self._converged(bench, size, operator)
                    if size == self.main:
                        await self._once(bench, size, operator, watching)
                say(f"{size:,} resources: delete")
                seconds, deleted = await bench.delete(size, watching)
                if size == self.main:
                    self.figures |= {f"delete_{size}_s": seconds, "writes_per_deleted": deleted}
        self._took(size, floors, colds)

    def _took(self, size: int, floors: list[float], colds: list[Cold]) -> None:
        floor = statistics.median(floors)
        cold = statistics.median(found.seconds for found in colds)
        self.figures |= {
            f"floor_{size}_s": floor,
            f"cold_{size}_s": cold,
            f"cold_{size}_ratio": cold / floor,
            f"cold_{size}_work_ratio": (cold - self.figures["start_s"]) / floor,
            f"cold_{size}_cpu_s": statistics.median(found.cpu for found in colds),
            f"cold_{size}_requests": statistics.median(found.requests for found in colds),
            f"rss_peak_{size}_mb": max(found.peak_mb for found in colds),
        }
        if size == self.main:
            self.figures["writes_per_created"] = max(found.writes for found in colds)
            if "wiped_s" in self.figures:
                wiped = self.figures.pop("wiped_s")
                self.figures |= {
                    f"wiped_{size}_s": wiped,
                    f"wiped_{size}_ratio_to_cold": wiped / cold,
                }

    async def _converged(self, bench: Bench, size: int, operator: OperatorProcess) -> None:
        seconds, writes = await bench.restart(operator)
        self.figures |= {f"restart_{size}_s": seconds, f"restart_{size}_writes": writes}
        rest = await bench.at_rest(operator, 15 if self.quick else 120)
        self.figures[f"rss_{size}_mb"] = rest.pop("rss_mb")
        if size == self.main:
            self.figures |= rest

    async def _once(
        self, bench: Bench, size: int, operator: OperatorProcess, watching: Watching
    ) -> None:
        times = 1 if self.quick else 5
        say(f"{size:,} resources: change")
        seconds, writes = await bench.change(size, watching)
        self.figures |= {f"change_{size}_s": seconds, "writes_per_changed": writes}
        say(f"{size:,} resources: deleted and edited by hand, {times} times each")
        self.figures["heal_stream_s"] = await bench.heal(names.STREAM_KIND, times)
        self.figures["heal_consumer_s"] = await bench.heal(names.CONSUMER_KIND, times)
        self.figures["heal_edit_s"] = await bench.heal_edit(times)
        say(f"{size:,} resources: NATS comes back empty")
        self.figures["wiped_s"] = await bench.wiped(size)
        # The statuses tell of it a moment later, which is none of what comes next.
        await bench.rest(operator)

    async def replicated(self, bench: Bench) -> None:
        size = self.sizes[0] if self.quick else 300
        say(f"three nodes, {size} resources")
        await bench.learn()
        floor = await bench.ground.floor_seconds(size)
        async with bench.cold(size) as (cold, _, watching):
            await bench.delete(size, watching)
        ratio = cold.seconds / floor
        self.figures |= {"r3_floor_s": floor, "r3_cold_s": cold.seconds, "r3_ratio": ratio}


def say(what: str) -> None:
    sys.stderr.write(f"  {what}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small and short: to see that it runs")
    parser.add_argument("--sizes", help="numbers of resources, such as '100 1000'")
    wishes = parser.parse_args()
    given = tuple(sorted(int(size) for size in (wishes.sizes or "").split()))
    sizes = given or (QUICK_SIZES if wishes.quick else FULL_SIZES)
    run = Run(sizes, wishes.quick)
    about = {
        **processes.machine(),
        "python": sys.version.split()[0],
        "nats-server": binaries.NATS,
        "operator": version("coze-nats-operator"),
        "sizes": list(sizes),
        "quick": wishes.quick,
    }
    try:
        with tempfile.TemporaryDirectory() as directory:
            asyncio.run(run.all(Path(directory)))
    finally:
        # Also when a later part failed: what was measured took its time.
        sys.stdout.write(report.write(run.figures, sizes, about) + "\n")


if __name__ == "__main__":
    main()
