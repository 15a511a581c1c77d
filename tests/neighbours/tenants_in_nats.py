"""Tenants that undo in NATS, again and again, what they have declared in Kubernetes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import nats
from nats.js.errors import NotFoundError

from neighbours.kind import Kind, Neighbour, again_and_again

COUNT = 50


@asynccontextmanager
async def deleting_streams(neighbour: Neighbour) -> AsyncIterator[None]:
    """A stream that is deleted as soon as it is there again."""
    async with await nats.connect(neighbour.nats_url) as client:

        async def delete(number: int) -> None:
            with suppress(NotFoundError):
                await client.jsm().delete_stream("gone")

        await neighbour.declare([neighbour.stream("gone")])
        async with again_and_again(neighbour, delete, pause=0.02):
            yield


@asynccontextmanager
async def deleting_consumers(neighbour: Neighbour) -> AsyncIterator[None]:
    """Fifty consumers of one stream, all deleted every tenth of a second."""
    async with await nats.connect(neighbour.nats_url) as client:
        consumers = [neighbour.consumer(f"gone-{number}", "kept") for number in range(COUNT)]

        async def delete(number: int) -> None:
            for consumer in consumers:
                with suppress(NotFoundError):
                    await client.jsm().delete_consumer("kept", consumer["metadata"]["name"])

        await neighbour.declare([neighbour.stream("kept"), *consumers])
        async with again_and_again(neighbour, delete, pause=0.1):
            yield


@asynccontextmanager
async def editing_streams(neighbour: Neighbour) -> AsyncIterator[None]:
    """Another process that declares the same streams otherwise."""
    async with await nats.connect(neighbour.nats_url) as client:
        streams = [neighbour.stream(f"edited-{number}") for number in range(COUNT)]

        async def edit(number: int) -> None:
            name = f"edited-{number % COUNT}"
            with suppress(NotFoundError):
                found = (await client.jsm().stream_info(name)).config
                await client.jsm().update_stream(found, description=f"edited {number} times")

        await neighbour.declare(streams)
        async with again_and_again(neighbour, edit, pause=0.01, at_once=2):
            yield


KINDS = (
    Kind(
        name="deleting-streams",
        what="a stream deleted in NATS as soon as it is there",
        begins=deleting_streams,
        seconds=6,
        is_quick=True,
    ),
    Kind(
        name="deleting-consumers",
        what="50 consumers deleted in NATS every 0.1 s",
        begins=deleting_consumers,
    ),
    Kind(
        name="editing-streams",
        what="50 streams edited in NATS, again and again",
        begins=editing_streams,
    ),
)
