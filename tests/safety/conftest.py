"""Real nats-servers: one without a stream when a test begins, and one for all tables of cells."""

from collections.abc import AsyncIterator, Iterator

import nats
import pytest

from controlplane.nats import NatsServer
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from safety.cells import Cell
from support.connections import PatientGateway
from support.traffic import Traffic

VERSIONS = (pytest.param("2.14.6", marks=pytest.mark.slow), "2.15.1")
"""On which the tables were measured; the newest alone takes less time."""


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


@pytest.fixture(scope="session", params=VERSIONS)
def each_server(request: pytest.FixtureRequest) -> Iterator[NatsServer]:
    """A server of each version in turn; it serves all cells of the tables."""
    with NatsServer(request.param) as server:
        yield server


@pytest.fixture
async def cell(each_server: NatsServer) -> AsyncIterator[Cell]:
    """A cell of a table, with a stream's name of its own."""
    connection = Connection(ConnectionOptions(servers=(each_server.url,), request_timeout=10))
    await connection.start()
    await connection.wait_connected()
    client = await nats.connect(each_server.url)
    yield Cell(PatientGateway(connection), Traffic(client))
    await client.close()
    await connection.close()
