"""Random histories on real servers: nothing is lost, nothing foreign is touched, all comes to rest.

HISTORIES sets how many are played. A history is all in its seed: a failure prints it with its seed,
and as few of its steps as still fail; SEED plays that one again.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
import pytest

from controlplane.nats import NatsServer
from safety.history import history_of
from safety.outsider import Outsider
from safety.playing import Stage, first_violation, shrunk
from support.connections import gateway_to

HISTORIES = int(os.environ.get("HISTORIES", "100"))
SEED = os.environ.get("SEED")
SHARES = {"2.14.6": 0.8, "2.15.1": 0.2}
"""Which part of the histories is played on which version."""


def seeds(version: str) -> list[int]:
    if SEED:
        return [int(SEED)]
    older = round(HISTORIES * SHARES["2.14.6"])
    return list(range(older) if version == "2.14.6" else range(older, HISTORIES))


@asynccontextmanager
async def stage_on(server: NatsServer) -> AsyncIterator[Stage]:
    async with gateway_to(server.url) as gateway:
        client = await nats.connect(server.url)
        try:
            yield Stage(gateway, Outsider(client))
        finally:
            await client.close()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", SHARES)
async def test_every_history_ends_well(version: str) -> None:
    with NatsServer(version) as server:
        async with stage_on(server) as stage:
            for seed in seeds(version):
                history = history_of(seed)
                if violation := await first_violation(stage, history):
                    fewest = await shrunk(stage, history, violation)
                    pytest.fail(
                        f"SEED={seed} on {version}: {violation}\n\n"
                        f"It still fails with\n{fewest}\n\nof\n{history}",
                        pytrace=False,
                    )
