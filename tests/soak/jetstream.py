"""JetStream as somebody else sees it: nothing of the operator's own code is asked."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import NoServersError

SECONDS = 5.0
NOT_FOUND = frozenset({10059, 10014, 10037})

Json = dict[str, Any]

AWAY = (nats.errors.Error, NoServersError, OSError, TimeoutError)
"""What is raised when NATS doesn't answer."""


@dataclass(frozen=True, slots=True)
class Account:
    """A NATS account, and who isn't the operator there."""

    name: str
    url: str
    user: str
    password: str

    @asynccontextmanager
    async def connected(self, *, lasting: bool = False) -> AsyncIterator[Client]:
        """A connection; one that doesn't last never sends late what was asked before a break."""
        client = await nats.connect(
            self.url,
            user=self.user,
            password=self.password,
            allow_reconnect=lasting,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            connect_timeout=2,
            error_cb=_ignore,
        )
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def jetstream(self) -> AsyncIterator["JetStream"]:
        async with self.connected() as client:
            yield JetStream(client)


class Refused(Exception):
    """JetStream said no."""


class JetStream:
    """JetStream's API on one connection."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, verb: str, body: Json | None = None) -> Json:
        """The answer; {} when there is no such object; raises `Refused`."""
        payload = b"" if body is None else json.dumps(body).encode()
        reply = await self._client.request(f"$JS.API.{verb}", payload, timeout=SECONDS)
        answer: Json = json.loads(reply.data)
        if error := answer.get("error"):
            if error.get("err_code") in NOT_FOUND:
                return {}
            raise Refused(f"{verb}: {error}")
        return answer

    async def names(self) -> set[str]:
        """Of all streams."""
        found: set[str] = set()
        while True:
            page = (await self.ask("STREAM.NAMES", {"offset": len(found)})).get("streams") or ()
            if not page:
                return found
            found |= set(page)

    async def consumer_names(self, stream: str) -> set[str]:
        """Of all consumers of a stream, at most a page."""
        return set((await self.ask(f"CONSUMER.NAMES.{stream}", {})).get("consumers") or ())

    async def numbers(self, stream: str) -> set[int] | None:
        """The numbers of all messages that a stream holds; None: there is no such stream."""
        if not await self.ask(f"STREAM.INFO.{stream}"):
            return None
        found: set[int] = set()
        sequence = 1
        while message := await self._message(stream, sequence):
            found.add(number(message))
            sequence = message["seq"] + 1
        return found

    async def _message(self, stream: str, at_least: int) -> Json:
        body = {"seq": at_least, "next_by_subj": ">"}
        answer = await self.ask(f"STREAM.MSG.GET.{stream}", body)
        return dict(answer.get("message") or {})


def number(message: Json) -> int:
    """Of a message as JetStream's API shows it."""
    return int(base64.b64decode(message["data"]))


async def _ignore(_: Exception) -> None:
    """A break is seen by whoever asks."""
