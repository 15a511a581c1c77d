"""Tenants that misbehave by what they declare, and by how often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats

from coze_nats.core import names
from neighbours.kind import Kind, Neighbour, again_and_again, meanwhile
from support.declaring import is_ready
from support.eventually import eventually_async

LONG = 64
"""Letters of a subject. With more, the API server refuses 256 of them: its rules cost too much."""


def long_subject(*tokens: str) -> str:
    return ".".join(("bad", *tokens)).ljust(LONG, "x")


@asynccontextmanager
async def largest_streams(neighbour: Neighbour) -> AsyncIterator[None]:
    """All that a schema or a server takes, changed again and again."""
    metadata = {f"key-{number}": "x" * 4000 for number in range(31)}  # servers take 128 KiB

    def largest(number: int) -> dict[str, Any]:
        name = f"largest-{number:02}"
        transforms = [
            {"source": long_subject("in", str(each)), "destination": long_subject("out", str(each))}
            for each in range(32)
        ]
        return neighbour.stream(
            name,
            subjects=[long_subject(name, str(each)) for each in range(256)],
            metadata=metadata,
            sources=[
                {"name": f"elsewhere-{each}", "subjectTransforms": transforms} for each in range(16)
            ],
        )

    streams = [largest(number) for number in range(15)]

    async def change(number: int) -> None:
        stream = streams[number % len(streams)]
        await neighbour.declaring.change([stream], {"description": f"{number}".ljust(4096, "x")})

    await neighbour.declare(streams)
    async with again_and_again(neighbour, change, pause=0.1):
        yield


@asynccontextmanager
async def largest_consumers(neighbour: Neighbour) -> AsyncIterator[None]:
    """Each of many filters is compared with each of many subjects, again and again."""
    subjects = [f"bad.largest.*.{number}" for number in range(256)]
    filters = [f"bad.largest.a.{number}" for number in range(256)]
    consumers = [
        neighbour.consumer(f"reader-{number}", "largest", filterSubjects=filters)
        for number in range(25)
    ]

    async def change(number: int) -> None:
        consumer = consumers[number % len(consumers)]
        await neighbour.declaring.change([consumer], {"maxAckPending": 100 + number})

    await neighbour.declare([neighbour.stream("largest", subjects=subjects), *consumers])
    async with again_and_again(neighbour, change, pause=0.1):
        yield


@asynccontextmanager
async def full_stream(neighbour: Neighbour) -> AsyncIterator[None]:
    """What a change would throw away is looked for among as many subjects as are stored."""
    subjects = [f"bad.full.{number}.>" for number in range(250)]
    stream = neighbour.stream("full", subjects=subjects)
    await neighbour.declare([stream])

    async def is_made() -> bool:
        return is_ready(await neighbour.declaring.get(stream))

    await eventually_async(is_made)
    async with await nats.connect(neighbour.nats_url) as client:
        for number in range(100_000):
            await client.publish(f"bad.full.{number % 250}.{number}")
            if number % 1000 == 0:
                await client.flush(60)
        await client.flush(60)

    async def change(number: int) -> None:
        left = subjects[: 1 + number % 2]
        await neighbour.declaring.change([stream], {"subjects": left, "description": f"{number}"})

    async with again_and_again(neighbour, change, pause=0.5):
        yield


@asynccontextmanager
async def applying(neighbour: Neighbour) -> AsyncIterator[None]:
    """Another spec as fast as the API server takes it."""
    streams = [neighbour.stream(f"n{number}") for number in range(20)]

    async def change(number: int) -> None:
        stream = streams[number % len(streams)]
        await neighbour.declaring.change([stream], {"description": f"{number}"})

    await neighbour.declare(streams)
    async with again_and_again(neighbour, change, at_once=4):
        yield


@asynccontextmanager
async def declaring_and_deleting(neighbour: Neighbour) -> AsyncIterator[None]:
    """Streams with a consumer that are deleted as soon as they are declared."""

    async def come_and_go(number: int) -> None:
        name = f"n{number}"
        pair = [neighbour.stream(name), neighbour.consumer(name, name)]
        await neighbour.declaring.create(pair)
        await neighbour.declaring.delete(pair)

    async with again_and_again(neighbour, come_and_go, at_once=4):
        yield


@asynccontextmanager
async def thousands_at_once(neighbour: Neighbour) -> AsyncIterator[None]:
    """A queue of work on the connection that the good tenant uses."""

    async def declare() -> None:
        for number in range(0, 2000, 100):
            names_ = [f"n{each}" for each in range(number, number + 100)]
            await neighbour.declare(neighbour.stream(name) for name in names_)

    async with meanwhile(declare):
        yield


@asynccontextmanager
async def heavy_annotations(neighbour: Neighbour) -> AsyncIterator[None]:
    """As many annotations as the API server takes on one object: 256 KiB."""

    def heavy(number: int) -> dict[str, Any]:
        stream = neighbour.stream(f"n{number}")
        stream["metadata"]["annotations"] = {"example.com/heavy": "x" * 255_000}
        return stream

    async def declare() -> None:
        # One by one: more at once would keep the API server from answering anybody.
        for number in range(400):
            await neighbour.declare([heavy(number)])

    async with meanwhile(declare):
        yield


@asynccontextmanager
async def flipping_refusals(neighbour: Neighbour) -> AsyncIterator[None]:
    """Streams that are refused, accepted and refused for another reason: an event for each."""
    streams = [neighbour.stream(f"n{number}") for number in range(100)]

    async def change(number: int) -> None:
        own, others = number % len(streams), number // len(streams) % 10
        taken = others if number // len(streams) % 2 else own
        await neighbour.declaring.change([streams[own]], {"subjects": [f"bad.n{taken}.>"]})

    await neighbour.declare(streams)
    async with again_and_again(neighbour, change, at_once=4):
        yield


@asynccontextmanager
async def asking(neighbour: Neighbour) -> AsyncIterator[None]:
    """Asks for a reconcile as fast as the API server takes it."""
    streams = [neighbour.stream(f"n{number}") for number in range(50)]

    async def ask(number: int) -> None:
        stream = streams[number % len(streams)]
        asked = {f"{names.GROUP}/reconcile-requested-at": f"{number}"}
        await neighbour.patch(stream, {"metadata": {"annotations": asked}})

    await neighbour.declare(streams)
    async with again_and_again(neighbour, ask, at_once=4):
        yield


@asynccontextmanager
async def contending(neighbour: Neighbour) -> AsyncIterator[None]:
    """Sixty resources that mean one stream, of which one after the other goes."""
    streams = [neighbour.stream(f"n{number}", name="one", subjects=["one"]) for number in range(60)]

    async def take_turns(number: int) -> None:
        stream = streams[number % len(streams)]
        await neighbour.declaring.delete([stream])
        await asyncio.sleep(0.05)
        await neighbour.declaring.create([stream])

    await neighbour.declare(streams)
    async with again_and_again(neighbour, take_turns):
        yield


@asynccontextmanager
async def refused(neighbour: Neighbour) -> AsyncIterator[None]:
    """Streams that the server has no room for, tried again and again."""

    async def declare() -> None:
        await neighbour.declare(
            neighbour.stream(f"n{number}", maxBytes="900Ti") for number in range(300)
        )

    async with meanwhile(declare):
        yield


@asynccontextmanager
async def replacing(neighbour: Neighbour) -> AsyncIterator[None]:
    """What can't be changed, and so is deleted and made anew, with leave to lose data."""
    policies = {"replacement": "Recreate", "dataLoss": "Allow"}
    streams = [neighbour.stream(f"n{number}", policies=policies) for number in range(20)]

    async def change(number: int) -> None:
        storage = "file" if number // len(streams) % 2 else "memory"
        await neighbour.declaring.change([streams[number % len(streams)]], {"storage": storage})

    await neighbour.declare(streams)
    async with again_and_again(neighbour, change, at_once=2):
        yield


KINDS = (
    Kind(
        name="largest-streams",
        what="15 streams as large as the schema and the server allow, changed again and again",
        begins=largest_streams,
    ),
    Kind(
        name="largest-consumers",
        what="25 consumers with 256 filters each, on a stream with 256 subjects, changed again",
        begins=largest_consumers,
    ),
    Kind(
        name="full-stream",
        what="249 of 250 subjects taken off a stream that stores 100,000 subjects, again and again",
        begins=full_stream,
        seconds=30,
    ),
    Kind(
        name="applying",
        what="20 streams changed as fast as the API server takes it",
        begins=applying,
        seconds=6,
        is_quick=True,
    ),
    Kind(
        name="declaring-and-deleting",
        what="streams with consumers declared and deleted at once, again and again",
        begins=declaring_and_deleting,
    ),
    Kind(
        name="thousands-at-once",
        what="2,000 streams declared at once",
        begins=thousands_at_once,
        seconds=20,
    ),
    Kind(
        name="heavy-annotations",
        what="streams with 256 KiB of annotations each",
        begins=heavy_annotations,
        seconds=40,
    ),
    Kind(
        name="flipping-refusals",
        what="100 streams that are accepted and refused in turn, for an event each time",
        begins=flipping_refusals,
        seconds=20,
    ),
    Kind(name="asking", what="50 streams asked to be reconciled, without an end", begins=asking),
    Kind(
        name="contending",
        what="60 resources that mean one stream, deleted and declared in turn",
        begins=contending,
    ),
    Kind(name="refused", what="300 streams for which the server has no room", begins=refused),
    Kind(
        name="replacing",
        what="20 streams replaced by ones of another storage, again and again",
        begins=replacing,
    ),
)
