"""Tenants that misbehave by the connections that they declare."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controlplane import ports
from neighbours.kind import Kind, Neighbour, again_and_again, meanwhile

NOBODY = f"{ports.LOOPBACK}:{ports.NOBODY}"

# Python imports it at its start. Nothing else makes names slow on a machine that tests share.
SLOW_NAMES = """
import socket, time
real = socket.getaddrinfo
def slow(host, *arguments, **options):
    if isinstance(host, (str, bytes)) and str(host).find("slow.example") >= 0:
        time.sleep(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return real(host, *arguments, **options)
socket.getaddrinfo = slow
"""


def slow_names(folder: Path) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(SLOW_NAMES, encoding="utf-8")
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), before)))}


@asynccontextmanager
async def naming_slowly(neighbour: Neighbour) -> AsyncIterator[None]:
    await neighbour.declare(
        neighbour.connection(f"n{number}", f"nats://n{number}.slow.example:4222")
        for number in range(50)
    )
    yield


@asynccontextmanager
async def unreachable_over_tls(neighbour: Neighbour) -> AsyncIterator[None]:
    await neighbour.declare(
        neighbour.connection(f"n{number}", f"tls://{NOBODY}", tls={}) for number in range(200)
    )
    yield


@asynccontextmanager
async def thousands_of_connections(neighbour: Neighbour) -> AsyncIterator[None]:
    async def declare() -> None:
        for number in range(0, 3000, 100):
            await neighbour.declare(
                neighbour.connection(f"n{each}", neighbour.nats_url)
                for each in range(number, number + 100)
            )

    async with meanwhile(declare):
        yield


@asynccontextmanager
async def flapping_secrets(neighbour: Neighbour) -> AsyncIterator[None]:
    """Twenty logins that change as fast as the API server takes it, each told to be looked at."""
    await write_secret(neighbour, 0)
    connections = [
        neighbour.connection(
            f"n{number}",
            neighbour.nats_url,
            auth={"token": {"secretKeyRef": {"name": "login", "key": "token"}}},
        )
        for number in range(20)
    ]

    async def flap(number: int) -> None:
        await write_secret(neighbour, number)
        connection = connections[number % len(connections)]
        await neighbour.declaring.change([connection], {"requestTimeout": f"{5 + number % 20}s"})

    await neighbour.declare(connections)
    async with again_and_again(neighbour, flap, at_once=2):
        yield


async def write_secret(neighbour: Neighbour, number: int) -> None:
    """Make or change the Secret `login`."""
    path = f"/api/v1/namespaces/{neighbour.declaring.namespace}/secrets"
    token = base64.b64encode(f"example-{number}".encode()).decode()
    body = {"metadata": {"name": "login"}, "data": {"token": token}}
    session = neighbour.declaring.session
    async with session.post(path, json=body) as answer:
        await answer.read()
    async with session.put(f"{path}/login", json=body) as answer:
        await answer.read()


@asynccontextmanager
async def moving_connections(neighbour: Neighbour) -> AsyncIterator[None]:
    """Connections whose servers change all the time, with streams on them."""
    connections = [neighbour.connection(f"n{number}", neighbour.nats_url) for number in range(20)]
    streams = [
        neighbour.stream(f"n{number}", connection={"name": f"n{number}"}) for number in range(20)
    ]

    async def move(number: int) -> None:
        server = (neighbour.nats_url, f"nats://{NOBODY}")[number // len(connections) % 2]
        connection = connections[number % len(connections)]
        await neighbour.declaring.change([connection], {"servers": [server]})

    await neighbour.declare([*connections, *streams])
    async with again_and_again(neighbour, move, pause=0.02):
        yield


KINDS = (
    Kind(
        name="slow-names",
        what="50 connections to names that take ten seconds to resolve",
        begins=naming_slowly,
        seconds=30,
        environment=slow_names,
    ),
    Kind(
        name="unreachable-tls",
        what="200 connections over TLS to servers that aren't there",
        begins=unreachable_over_tls,
    ),
    Kind(
        name="thousands-of-connections",
        what="3,000 connections",
        begins=thousands_of_connections,
        seconds=60,
    ),
    Kind(
        name="flapping-secrets",
        what="20 connections whose Secret changes as fast as the API server takes it",
        begins=flapping_secrets,
    ),
    Kind(
        name="moving-connections",
        what="20 connections whose servers change 50 times a second",
        begins=moving_connections,
    ),
)
