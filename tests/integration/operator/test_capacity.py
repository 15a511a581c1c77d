"""An account with limits: what can't fit is told with numbers, and not even asked for."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from coze_nats.core import names
from support.eventually import eventually_async

STREAM = names.STREAM_KIND
LIMITED = """
accounts {
  LIMITED {
    jetstream { max_file: 10000000, max_mem: 1000000 }
    users: [{ user: app, password: app }]
  }
}
no_auth_user: app
"""


@pytest.fixture(scope="module")
def world(run_operator: Callable[..., Any]) -> Any:
    return run_operator("2.14.6", config=LIMITED)


async def test_what_does_not_fit_is_told_with_numbers_and_not_asked_for(
    tenant: Any, client: Client
) -> None:
    asked: list[str] = []

    async def note(message: Msg) -> None:
        asked.append(json.loads(message.data)["subject"])

    await client.subscribe("$JS.EVENT.ADVISORY.API", cb=note)
    await client.flush()
    tenant.stream("small", subjects=["small"], maxBytes=4000000)
    await tenant.ready(STREAM, "small")
    tenant.stream("big", subjects=["big"], maxBytes=7000000)
    status = await tenant.reports(STREAM, "big", "Reconciling", "InsufficientCapacity")
    message = status["conditions"][0]["message"]
    for words in ("7M", "4M", "10M"):
        assert words in message
    tenant.stream("small", subjects=["small"], maxBytes=11000000)
    await tenant.reports(STREAM, "small", "Reconciling", "InsufficientCapacity")
    assert tenant.status(STREAM, "small")["effective"]["maxBytes"] == 4000000
    tenant.delete(STREAM, "small")
    await tenant.gone(STREAM, "small")
    await tenant.ready(STREAM, "big", within=60)

    async def created() -> bool:
        return "$JS.API.STREAM.CREATE.big" in asked

    await eventually_async(created, what="the advisory of the creation")
    assert asked.count("$JS.API.STREAM.CREATE.big") == 1
    assert "$JS.API.STREAM.UPDATE.small" not in asked
