"""A user that may not subscribe to advisories: the operator works by comparing, and says so."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.eventually import eventually_async

STREAM = names.STREAM_KIND
DEAF = """
accounts {
  DEAF {
    jetstream: enabled
    users: [
      { user: deaf, password: deaf, permissions: { subscribe: ["_INBOX.>"] } }
      { user: all, password: all }
    ]
  }
}
"""


@pytest.fixture(scope="module")
def world(run_operator: Callable[..., Any]) -> Any:
    return run_operator("2.14.6", config=DEAF, NATS_USERNAME="deaf", NATS_PASSWORD="deaf")


@pytest.fixture
async def jetstream(world: Any) -> AsyncIterator[Gateway]:
    options = ConnectionOptions(servers=(world.nats.url,), user="all", password="all")
    connection = Connection(options)
    await connection.start()
    await connection.wait_connected()
    yield Gateway(connection)
    await connection.close()


async def test_a_deleted_stream_comes_back_with_the_next_comparison(
    tenant: Any, world: Any, jetstream: Gateway
) -> None:
    tenant.stream("orders", subjects=["orders"], storage="memory")
    await tenant.ready(STREAM, "orders")
    assert "may not subscribe to $JS.EVENT.ADVISORY" in world.operator.log
    stream = await jetstream.stream("orders")
    assert stream
    await jetstream.delete_stream("orders")

    async def is_back() -> bool:
        found = await jetstream.stream("orders")
        return found is not None and found.created != stream.created

    await eventually_async(is_back, 20, "the stream to be back")
