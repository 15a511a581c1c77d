"""What producers and workers do with a real JetStream: publish, receive, acknowledge."""

import json
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg

# What has just been stored comes to a consumer a moment later: up to 20 ms are waited for it.
_NEXT = b'{"batch": 1, "expires": 20000000}'
_PULLS = 10


class Received(NamedTuple):
    """A message as a worker got it."""

    sequence: int
    subject: str


class Traffic:
    """Producers and workers that share one connection."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def publish(self, *subjects: str) -> None:
        """Store a message on each of the subjects, in this order."""
        for subject in subjects:
            answer = await self._client.request(subject, b"x" * 100, timeout=30)
            stored = json.loads(answer.data)
            assert "error" not in stored, f"{subject}: {stored}"

    async def receive(self, stream: str, consumer: str, *acknowledged: bool) -> list[Received]:
        """Receive a message for each flag, as long as there are some; acknowledge where it is set.

        For an acknowledgement of all, acknowledging one acknowledges those before it.
        """
        found = []
        for is_acknowledged in acknowledged:
            message = await self._next(stream, consumer)
            if not message:
                break
            found.append(Received(int(message.reply.split(".")[-4]), message.subject))
            if is_acknowledged:
                await self._client.request(message.reply, b"+ACK", timeout=30, old_style=True)
        return found

    async def _next(self, stream: str, consumer: str) -> Msg | None:
        """The next message; a busy server may need several pulls for one that is there."""
        for _ in range(_PULLS):
            message = await self._client.request(
                f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
                _NEXT,
                timeout=30,
                old_style=True,
            )
            if not message.headers or "Status" not in message.headers:
                return message
            answer = await self._client.request(f"$JS.API.CONSUMER.INFO.{stream}.{consumer}")
            if not json.loads(answer.data).get("num_pending"):
                return None
        return None

    async def receive_all(self, stream: str, consumer: str) -> list[int]:
        """Receive whatever comes, unacknowledged, and return the sequences."""
        found: list[int] = []
        while more := await self.receive(stream, consumer, *[False] * 20):
            found += [message.sequence for message in more]
        return found
