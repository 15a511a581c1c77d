"""Connections and gateways for the length of a test, which leave no task behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.until import until


@asynccontextmanager
async def started(*urls: str, **options: Any) -> AsyncIterator[Connection]:
    """A connection that has been started; it may leave no task behind."""
    quick = {"request_timeout": 5.0, "connect_timeout": 2.0, "ping_interval": 0.5} | options
    connection = Connection(ConnectionOptions(servers=urls, **quick))
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
        async with asyncio.timeout(10):
            await connection.wait_connected()
        yield connection


@asynccontextmanager
async def gateway_to(*urls: str, **options: Any) -> AsyncIterator[Gateway]:
    """A gateway that is connected to one of the servers."""
    async with connected(*urls, **options) as connection:
        yield Gateway(connection)
