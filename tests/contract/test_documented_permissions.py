"""The rights that docs/connection.md lists are enough for every request that the operator makes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane.nats import NatsServer
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "connection.md"
USER, PASSWORD = "coze-operator", "an-example"

RunServer = Callable[..., NatsServer]


def documented() -> str:
    """The configuration of the user, as the page shows it."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(r"```text\n(authorization .+?)```", page, re.DOTALL)
    assert found
    return found[1].replace("$PASSWORD", PASSWORD)


@pytest.mark.parametrize("version", ["2.10.26", "2.14.6", "2.15.1"])
async def test_a_user_with_the_documented_rights_can_do_everything(
    run_server: RunServer, version: str
) -> None:
    server = run_server(version, config=documented())
    connection = Connection(
        ConnectionOptions(servers=(server.url,), user=USER, password=PASSWORD, request_timeout=5)
    )
    await connection.start()
    try:
        await connection.wait_connected()
        await _use_everything(Gateway(connection))
    finally:
        await connection.close()


async def _use_everything(gateway: Gateway) -> None:
    stream = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}
    consumer = {"durable_name": "work", "ack_policy": "explicit", "filter_subject": "orders.new"}
    await gateway.create_stream(stream)
    await gateway.update_stream({**stream, "max_msgs": 7})
    await gateway.create_consumer("orders", consumer)
    await gateway.update_consumer("orders", {**consumer, "max_deliver": 3})
    if (await gateway.server()).api_level:
        await gateway.pause_consumer("orders", "work", "2199-01-01T00:00:00Z")
    assert await gateway.stream("orders")
    assert await gateway.consumer("orders", "work")
    assert set((await gateway.streams()).found) == {"orders"}
    assert set((await gateway.consumers("orders")).found) == {"work"}
    assert await gateway.streams_on("orders.new") == ("orders",)
    await gateway.delete_consumer("orders", "work")
    await gateway.delete_stream("orders")
