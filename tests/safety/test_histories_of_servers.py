"""Random histories over restarts, upgrades in place and lost disks: no false loss, no missed one.

OUTAGES sets how many are played. Ten of them are beside each other on one NATS system, each in its
account; they are all in their seeds: a failure prints its seed, what the servers went through, and
the steps. SEED plays one alone.
"""

import os
from random import Random

import pytest

from controlplane.nats import NatsCluster, NatsServer
from safety.history import history_over_outages
from safety.outages import Kind, Outage, Theatre, accounts
from safety.writes import Violation

OUTAGES = int(os.environ.get("OUTAGES", "50"))
SEED = os.environ.get("SEED")
BESIDE = 10
STEPS = 6
"""Of each history, between two outages."""
VERSIONS = ("2.10.26", "2.11.11", "2.12.8", "2.14.6", "2.15.1")
ON_CLUSTERS = 2
"""Of five troupes."""


def troupes() -> list[list[int]]:
    """The seeds of the histories that are played beside each other."""
    if SEED:
        return [[int(SEED)]]
    return [list(range(first, first + BESIDE)) for first in range(0, OUTAGES, BESIDE)]


def of_server(random: Random) -> list[Outage]:
    """The way from the oldest version to the newest, with something more on each."""
    found = []
    again: tuple[Kind, ...] = ("restart", "kill")
    for version in VERSIONS[1:]:
        found += [Outage(random.choice(again)), Outage("upgrade", version)]
    return [*found, Outage("restart"), Outage("wipe"), Outage("restart")]


def of_cluster(random: Random) -> list[Outage]:
    """Nodes of a cluster that come back with and without what they had."""
    kinds: tuple[Kind, ...] = ("restart", "wipe", "kill", "wipe")
    return [Outage(kind, node=random.randrange(3)) for kind in kinds]


async def play(system: NatsServer | NatsCluster, seeds: list[int], outages: list[Outage]) -> None:
    theatre = Theatre(system)
    steps = STEPS * (len(outages) + 1)
    try:
        await theatre.begin({seed: history_over_outages(seed, steps) for seed in seeds})
        await theatre.act(STEPS)
        for outage in outages:
            await theatre.suffer(outage)
            await theatre.act(STEPS)
    except Violation as violation:
        pytest.fail(str(violation), pytrace=False)
    finally:
        await theatre.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seeds", troupes(), ids=lambda seeds: f"from {seeds[0]}")
async def test_what_happens_to_servers_is_told_for_what_it_is(seeds: list[int]) -> None:
    random = Random(seeds[0])
    if seeds[0] // BESIDE % 5 < ON_CLUSTERS:
        version = VERSIONS[2 + seeds[0] // BESIDE % 5 * 2]
        with NatsCluster(version, config=accounts(len(seeds))) as cluster:
            await play(cluster, seeds, of_cluster(random))
    else:
        with NatsServer(VERSIONS[0], config=accounts(len(seeds))) as server:
            await play(server, seeds, of_server(random))
