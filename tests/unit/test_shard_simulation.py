"""The simulation of shards: what its figures promise, and that it can be relied on."""

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "shards.py"


@pytest.fixture(scope="module")
def simulation() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize("count", range(1, 17))
def test_one_more_shard_moves_about_its_share_and_only_to_itself(
    simulation: dict[str, Any], count: int
) -> None:
    found = simulation["divide"](simulation["alike"](200, 100_000), count)
    assert found.strays == 0
    assert 0 < found.moved < 1.25 / (count + 1)


@pytest.mark.parametrize("count", range(1, 17))
def test_no_shard_has_much_more_than_its_share_when_connections_are_alike(
    simulation: dict[str, Any], count: int
) -> None:
    found = simulation["divide"](simulation["alike"](200, 100_000), count)
    assert found.ratio <= 1.3


def test_nothing_is_lost_between_the_shards(simulation: dict[str, Any]) -> None:
    sizes = simulation["uneven"](200, 100_000)
    assert sum(sizes.values()) == pytest.approx(100_000, rel=0.001)
    whole = simulation["divide"](sizes, 1)
    assert whole.resources == (sum(sizes.values()),) * 2
    assert whole.connections == (200, 200)


def test_the_documentation_quotes_what_the_simulation_prints(simulation: dict[str, Any]) -> None:
    page = (SCRIPT.parents[1] / "docs" / "high-availability.md").read_text(encoding="utf-8")
    for title, sizes in (("All alike", simulation["alike"]), ("Uneven", simulation["uneven"])):
        assert simulation["table"](title, sizes(200, 100_000)) in page
