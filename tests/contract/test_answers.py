"""What a change is answered with is what there is then, also where a server says otherwise."""

from collections.abc import Callable

import pytest

from contract.conftest import VERSIONS
from controlplane.nats import NatsServer
from support.connections import gateway_to

STREAM = {"name": "orders", "subjects": ["orders.>"]}
CONSUMER = {"durable_name": "worker", "ack_policy": "explicit", "ack_wait": 5_000_000_000}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_consumer_that_a_restart_brought_back_is_told_as_it_is_after_an_update(
    run_server: Callable[..., NatsServer], version: str
) -> None:
    """A server answers the first one with the consumer as it was when the server started."""
    server = run_server(version)
    async with gateway_to(server.url) as jetstream:
        await jetstream.create_stream(STREAM)
        await jetstream.create_consumer("orders", CONSUMER)
        await jetstream.create_consumer("orders", {**CONSUMER, "durable_name": "other"})
    server.restart()
    async with gateway_to(server.url) as jetstream:
        found = await jetstream.consumer("orders", "worker")
        assert found
        updated = await jetstream.update_consumer("orders", {**found.config, "ack_wait": 10**9})
        assert updated.config["ack_wait"] == 10**9
        again = await jetstream.consumer("orders", "worker")
        assert again
        assert again.config == updated.config
