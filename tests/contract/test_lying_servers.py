"""Servers that lie: each is a connection that says why it is broken, and nothing else."""

from coze_nats.jetstream.gateway import Gateway
from support.connections import connected
from support.lying_server import Lie, lying


async def test_a_server_of_our_own_that_does_not_lie_is_a_jetstream() -> None:
    async with lying(Lie()) as server, connected(server.url) as connection:
        jetstream = Gateway(connection)
        await jetstream.create_stream({"name": "ORDERS", "subjects": ["orders.>"]})
        await jetstream.create_consumer("ORDERS", {"name": "c", "durable_name": "c"})
        assert (await jetstream.streams()).found.keys() == {"ORDERS"}
        assert (await jetstream.consumers("ORDERS")).found.keys() == {"c"}
        assert await jetstream.stream("NONE") is None
        assert await jetstream.consumer("ORDERS", "none") is None
        await jetstream.delete_consumer("ORDERS", "c")
        await jetstream.delete_stream("ORDERS")
        assert (await jetstream.streams()).found == {}
