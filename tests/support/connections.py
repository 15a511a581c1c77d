"""Connections and gateways for the length of a test, which leave no task behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from coze_nats.core.errors import Transient
from coze_nats.core.live import Config, LiveStream
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.until import until


class PatientGateway(Gateway):
    """A gateway that asks again where a server can't make a stream's store.

    It can't about once in 300 times, mostly for a moment after one of that name was deleted
    (10049, 10104: measured on 2.10 to 2.15). The operator retries by its queue; these tests have
    none.
    """

    async def create_stream(self, config: Config) -> LiveStream:
        for _ in range(5):
            try:
                return await super().create_stream(config)
            except Transient as failure:
                if failure.err_code not in {10049, 10104}:
                    raise
        return await super().create_stream(config)


@asynccontextmanager
async def started(*urls: str, **options: Any) -> AsyncIterator[Connection]:
    """A connection that has been started; it may leave no task behind."""
    patient = {"request_timeout": 10.0, "connect_timeout": 5.0, "ping_interval": 8.0} | options
    connection = Connection(ConnectionOptions(servers=urls, **patient))
    before = asyncio.all_tasks()
    await connection.start()
    try:
        yield connection
    finally:
        await connection.close(deadline=1)
    await until(lambda: asyncio.all_tasks() <= before)


@asynccontextmanager
async def connected(*urls: str, **options: Any) -> AsyncIterator[Connection]:
    async with started(*urls, **options) as connection:
        async with asyncio.timeout(30):
            await connection.wait_connected()
        yield connection


@asynccontextmanager
async def gateway_to(*urls: str, **options: Any) -> AsyncIterator[Gateway]:
    """A gateway that is connected to one of the servers, which may have much to do."""
    async with connected(*urls, **{"request_timeout": 30.0, **options}) as connection:
        yield PatientGateway(connection)
