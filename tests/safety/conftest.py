"""A real nats-server, and a gateway to it on which no stream exists when a test begins."""

from collections.abc import AsyncIterator, Iterator

import pytest

from controlplane.nats import NatsServer
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.connections import PatientGateway


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """One server for the session; tests leave it running."""
    with NatsServer() as server:
        yield server


@pytest.fixture
async def jetstream(nats_server: NatsServer) -> AsyncIterator[Gateway]:
    connection = Connection(ConnectionOptions(servers=(nats_server.url,), request_timeout=10))
    await connection.start()
    await connection.wait_connected()
    gateway = PatientGateway(connection)
    for name in (await gateway.streams()).found:
        await gateway.delete_stream(name)
    yield gateway
    await connection.close()
