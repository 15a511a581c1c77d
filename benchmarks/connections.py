"""Many connections: what three servers that make trouble cost the resources on the others."""

import shutil
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.ground import Ground
from coze_nats.core import names
from support.eventually import eventually_async
from support.many_systems import estate, seconds_until_ready, servers, troubles

HEALTHY = 47


async def ratio(ground: Ground, directory: Path, rounds: int) -> float:
    """Seconds until all on healthy connections are Ready: with the troubles to without them."""
    alone, beside = [], []
    for _ in range(rounds):
        alone.append(await _seconds(ground, {}))
        authority = directory / "foreign"
        authority.mkdir()
        async with troubles(authority) as found:
            beside.append(await _seconds(ground, {each.name: each.spec for each in found}))
        shutil.rmtree(authority)
    return statistics.median(beside) / statistics.median(alone)


async def _seconds(ground: Ground, others: Mapping[str, Mapping[str, Any]]) -> float:
    declaring = ground.declaring
    healthy = {f"h{number}": servers(ground.nats.url) for number in range(HEALTHY)}
    resources = estate(declaring, {**others, **healthy})
    with ground.operator():
        await declaring.create(resources)
        seconds = await seconds_until_ready(declaring, healthy)
        for kind in (names.STREAM_KIND, names.CONNECTION_KIND):
            await declaring.delete(each for each in resources if each["kind"] == kind)
        # Without their servers, these would wait for ever.
        await declaring.release(
            each for each in resources if each["metadata"]["name"].split("-")[0] in others
        )

        async def gone() -> bool:
            return not await declaring.all()

        await eventually_async(gone, 60, "everything to be gone")
    return seconds
