"""A cluster for all neighbours."""

from collections.abc import Iterator

import pytest

from faults import site

# What is asserted there says what it saw.
pytest.register_assert_rewrite("neighbours.ground")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[site.Cluster]:
    with site.cluster(tmp_path_factory.mktemp("audit")) as running:
        yield running
