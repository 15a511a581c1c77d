"""A short soak, so that the long one can be had at any time."""

from pathlib import Path

import pytest

from soak import report
from soak.run import soak


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_minute_of_load_and_trouble_breaks_no_promise(tmp_path: Path) -> None:
    """Seed 1 has replicas ended, hands on JetStream, and connections that come and go."""
    found = await soak(tmp_path, hours=0.02, seed=1)
    assert found["broken"] == []
    assert report.lost(found["messages"]) == 0
    assert found["messages"]["handled"] > 100
    assert found["statuses"] > 100
