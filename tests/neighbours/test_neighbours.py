"""What one namespace does, or a server that it names, is not felt by the others."""

from pathlib import Path

import pytest

from faults.site import Cluster
from neighbours.ground import ground
from neighbours.kind import Kind
from neighbours.kinds import SERVERS, TENANTS


def cases(kinds: tuple[Kind, ...]) -> list[object]:
    """A parameter for each."""
    return [pytest.param(kind, id=kind.name, marks=marks(kind)) for kind in kinds]


def marks(kind: Kind) -> list[pytest.MarkDecorator]:
    """All are slow: beside other suites they would measure the machine, not the operator."""
    return [pytest.mark.timeout(600 + kind.seconds), pytest.mark.slow]


@pytest.mark.parametrize("kind", cases(TENANTS))
async def test_a_good_tenant_beside_a_bad_one_is_as_well_off_as_alone(
    cluster: Cluster, tmp_path: Path, kind: Kind
) -> None:
    async with ground(cluster, kind, tmp_path) as there:
        await there.compare()


@pytest.mark.parametrize("kind", cases(SERVERS))
async def test_a_good_tenant_beside_a_bad_server_is_as_well_off_as_alone(
    cluster: Cluster, tmp_path: Path, kind: Kind
) -> None:
    async with ground(cluster, kind, tmp_path) as there:
        await there.compare()
