"""Publishers and workers: what the streams are for."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from random import Random

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from soak.feed import Feed
from soak.jetstream import AWAY, Account, JetStream, Refused

PUBLISH_SECONDS, PULL_SECONDS, ACK_SECONDS = 3.0, 2.0, 2.0
BATCH = 50
DRAIN_SECONDS = 120.0


class Applications:
    """The publishers and workers of one account, on a connection of their own.

    Args:
        feeds: those that are declared at the moment.
    """

    def __init__(
        self, account: Account, client: Client, feeds: Callable[[], Sequence[Feed]], random: Random
    ) -> None:
        self._account = account
        self._client = client
        self._feeds = feeds
        self._random = random

    async def publish(self) -> None:
        """Publish a few messages to one of the streams, as far as it takes them."""
        if feed := self._any():
            async with feed.lock:
                for _ in range(self._random.randrange(1, 8)):
                    if feed.is_ending or not await self._publish(feed):
                        return

    async def work(self) -> None:
        """Work on what a consumer has."""
        if feed := self._any():
            async with feed.lock:
                if not feed.is_ending:
                    await self._work(feed)

    async def drain(self) -> list[tuple[Feed, set[int]]]:
        """Work until nothing is open, or nothing more comes; what is left, and not in a stream."""
        found = []
        for feed in self._feeds():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS), feed.lock:
                    while feed.messages.open and await self._is_at_work(feed):
                        if not await self._work(feed):
                            await asyncio.sleep(0.1)
            if feed.messages.open:
                async with self._account.jetstream() as jetstream:
                    there = await jetstream.numbers(feed.name) or set()
                found.append((feed, feed.messages.open - there))
        return found

    def _any(self) -> Feed | None:
        feeds = self._feeds()
        return self._random.choice(feeds) if feeds and self._client.is_connected else None

    async def _publish(self, feed: Feed) -> bool:
        number = feed.messages.next()
        subject, payload = f"{feed.name}.{number % 5}", str(number).encode()
        try:
            answer = await self._client.request(subject, payload, timeout=PUBLISH_SECONDS)
        except AWAY:
            return False
        is_stored = "error" not in json.loads(answer.data)
        if is_stored:
            feed.messages.acknowledged.add(number)
        return is_stored

    async def _work(self, feed: Feed) -> bool:
        """Whether there was anything."""
        try:
            messages = await self._pull(feed)
            for message in messages:
                feed.messages.handled.add(int(message.data))
                await self._client.request(
                    message.reply, b"+ACK", timeout=ACK_SECONDS, old_style=True
                )
        except AWAY:
            # What isn't acknowledged comes again.
            return False
        return bool(messages)

    async def _pull(self, feed: Feed) -> list[Msg]:
        inbox = self._client.new_inbox()
        found: list[Msg] = []
        subscription = await self._client.subscribe(inbox)
        try:
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{feed.name}.{feed.consumer_name}"
            body = json.dumps({"batch": BATCH, "no_wait": True}).encode()
            await self._client.publish(subject, body, reply=inbox)
            while len(found) < BATCH:
                message = await subscription.next_msg(PULL_SECONDS)
                if message.headers and "Status" in message.headers:
                    break
                found.append(message)
        except nats.errors.TimeoutError:
            return found
        finally:
            with contextlib.suppress(*AWAY):
                await subscription.unsubscribe()
        return found

    async def _is_at_work(self, feed: Feed) -> bool:
        """Whether the consumer has anything to deliver, or waits for an acknowledgement."""
        try:
            verb = f"CONSUMER.INFO.{feed.name}.{feed.consumer_name}"
            info = await JetStream(self._client).ask(verb)
        except (*AWAY, Refused):
            return True
        return bool(info and info["num_pending"] + info["num_ack_pending"])
