"""A switchboard for each test, which leaves no task behind."""

from collections.abc import AsyncIterator

import pytest

from support.switchboard import Switchboard


@pytest.fixture
async def board() -> AsyncIterator[Switchboard]:
    found = Switchboard()
    yield found
    await found.links.stop(0)
    await found.queue.stop(0)
