"""Real nats-servers of several versions, and a gateway on an empty account of each."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from controlplane.nats import NatsServer
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.connections import PatientGateway

VERSIONS = ("2.10.26", "2.12.8", "2.14.6", "2.15.1")


@pytest.fixture(scope="session", params=VERSIONS)
def nats_server(request: pytest.FixtureRequest) -> Iterator[NatsServer]:
    """A server of each version in turn; it stays for the session, so tests leave it running."""
    with NatsServer(request.param) as server:
        yield server


@pytest.fixture
async def jetstream(nats_server: NatsServer) -> AsyncIterator[Gateway]:
    """A connected gateway; no stream exists when the test begins."""
    options = ConnectionOptions(servers=(nats_server.url,), request_timeout=10)
    connection = Connection(options)
    await connection.start()
    await connection.wait_connected()
    gateway = PatientGateway(connection)
    for name in (await gateway.streams()).found:
        await gateway.delete_stream(name)
    yield gateway
    await connection.close()


@pytest.fixture
def run_server() -> Iterator[Callable[..., NatsServer]]:
    """Start servers of the test's own, with the arguments of NatsServer; stopped after the test."""
    servers: list[NatsServer] = []

    def run(version: str = "2.14.6", **arguments: Any) -> NatsServer:
        servers.append(NatsServer(version, name=f"nats-{len(servers)}", **arguments))
        return servers[-1].start()

    yield run
    for server in servers:
        server.stop()
