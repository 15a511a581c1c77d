"""What an operator that doesn't lead may ask of JetStream, and what it can't send any more."""

import asyncio
import inspect
import socket
from collections.abc import Callable
from typing import Any

import pytest

from controlplane.nats import NatsServer
from coze_nats.core.errors import NotLeading
from coze_nats.jetstream.client import Client
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from support.connections import connected
from support.suspension import resume, suspend
from support.until import until

RunServer = Callable[..., NatsServer]
STREAM: dict[str, Any] = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}
CONSUMER: dict[str, Any] = {"name": "worker", "durable_name": "worker", "ack_policy": "explicit"}

CHANGES: dict[str, Callable[[Gateway], Any]] = {
    "create_stream": lambda gateway: gateway.create_stream({**STREAM, "name": "another"}),
    "update_stream": lambda gateway: gateway.update_stream(STREAM),
    "delete_stream": lambda gateway: gateway.delete_stream("orders"),
    "create_consumer": lambda gateway: gateway.create_consumer("orders", CONSUMER),
    "update_consumer": lambda gateway: gateway.update_consumer("orders", CONSUMER),
    "pause_consumer": lambda gateway: gateway.pause_consumer("orders", "worker", None),
    "delete_consumer": lambda gateway: gateway.delete_consumer("orders", "worker"),
}
READS: dict[str, Callable[[Gateway], Any]] = {
    "server": lambda gateway: gateway.server(),
    "account": lambda gateway: gateway.account(),
    "stream": lambda gateway: gateway.stream("orders"),
    "streams": lambda gateway: gateway.streams(),
    "streams_on": lambda gateway: gateway.streams_on("orders.new"),
    "messages_on": lambda gateway: gateway.messages_on("orders", ">"),
    "consumer": lambda gateway: gateway.consumer("orders", "worker"),
    "consumers": lambda gateway: gateway.consumers("orders"),
}


def client_of(connection: Connection) -> Client:
    assert connection._session
    return connection._session._client


def test_every_request_is_either_a_change_or_a_read() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(Gateway, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert methods == CHANGES.keys() | READS.keys()


async def test_who_does_not_lead_may_read_and_changes_nothing(run_server: RunServer) -> None:
    async with connected(run_server().url) as connection:
        leader = Gateway(connection)
        await leader.create_stream(STREAM)
        await leader.create_consumer("orders", CONSUMER)
        before = (await leader.stream("orders"), await leader.consumer("orders", "worker"))
        standby = Gateway(connection, may_write=lambda: False)
        for read in READS.values():
            await read(standby)
        for change in CHANGES.values():
            with pytest.raises(NotLeading):
                await change(standby)
        after = (await leader.stream("orders"), await leader.consumer("orders", "worker"))
        assert after == before
        assert (await leader.streams()).found.keys() == {"orders"}


async def test_a_change_that_waited_for_its_turn_is_not_sent_when_the_lead_is_lost(
    run_server: RunServer,
) -> None:
    server = run_server()
    async with connected(server.url) as connection:
        leads = True
        gateway = Gateway(connection, in_flight=1, may_write=lambda: leads)
        suspend(server)
        try:
            sent = asyncio.create_task(gateway.create_stream(STREAM))
            waiting = asyncio.create_task(gateway.create_stream({**STREAM, "name": "late"}))
            await until(lambda: gateway._slots._waiters)
            leads = False
        finally:
            resume(server)
        await sent
        with pytest.raises(NotLeading):
            await waiting
        assert (await gateway.streams()).found.keys() == {"orders"}


async def test_between_the_question_and_the_socket_nothing_else_runs(
    run_server: RunServer,
) -> None:
    async with connected(run_server().url) as connection:
        left: list[list[bytes]] = []

        def may_write() -> bool:
            client = client_of(connection)
            asyncio.get_running_loop().call_soon(lambda: left.append(client._pending))
            return True

        await Gateway(connection, may_write=may_write).create_stream(STREAM)
        assert left == [[]]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
async def test_what_does_not_get_through_soon_never_does(run_server: RunServer) -> None:
    async with connected(run_server().url) as connection:
        transport: Any = client_of(connection)._transport
        found = transport._io_writer.get_extra_info("socket")
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 4000
