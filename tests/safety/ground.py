"""What the scenarios are played on: resources, a JetStream, and an application that uses it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client

from coze_nats.core import names
from coze_nats.core.resource import Key
from coze_nats.jetstream.gateway import Gateway
from coze_nats.reconcile import Rules
from fakes.kubernetes import FakeKubernetes
from support.eventually import eventually_async
from support.faults import Fate
from support.lives import Life

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
NAMESPACE = "coze"
ORDERS = Key(STREAM, NAMESPACE, "orders")
WORK = Key(CONSUMER, NAMESPACE, "work")
RULES = Rules(cluster_id="here")
MESSAGES, ACKNOWLEDGED = 10, 4

Spec = Mapping[str, Any]
Specs = Mapping[Key, Spec]


# Not in files: a stream that is created milliseconds after another one of its name was deleted
# sometimes has that one's messages (nats-server 2.10 to 2.15), and the scenarios follow closely.
IN_MEMORY = {"storage": "memory"}
ALL_LEFT = list(range(1, MESSAGES + 1))
NOT_ACKNOWLEDGED = ALL_LEFT[ACKNOWLEDGED:]
FOREIGN = {"name": "orders", "subjects": ["orders"], "max_msgs": 50, **IN_MEMORY}


@dataclass(slots=True)
class Ground:
    """What a scenario is played on."""

    kubernetes: FakeKubernetes
    jetstream: Gateway
    client: Client

    def apply(self, specs: Specs) -> None:
        for (kind, namespace, name), spec in specs.items():
            self.kubernetes.apply(kind, namespace, name, spec)

    async def lives(self, fate: Fate, *, reverse: bool = False) -> bool:
        def order(keys: list[Key]) -> list[Key]:
            return sorted(keys, reverse=reverse)

        life = Life(self.kubernetes, self.jetstream, RULES, fate, order)
        return await life.survives()

    async def publish(self, *numbers: int) -> None:
        for number in numbers:
            await self.client.jetstream().publish("orders", str(number).encode())

    async def work(self) -> None:
        """Acknowledge some messages, and take one more without acknowledging it."""
        fetched = await self._fetch(ACKNOWLEDGED + 1)
        for message in fetched[:ACKNOWLEDGED]:
            await message.ack_sync()

    async def left(self, expected: list[int]) -> list[int]:
        """The numbers of the messages that the consumer has yet to deliver or get acknowledged.

        What was delivered and not acknowledged comes again only when the server's ack wait is over;
        it is taken from the beginning of what is expected, by its number.
        """
        consumer = await self.jetstream.consumer("orders", "work")
        assert consumer
        count = consumer.pending
        delivered = [int(message.data) for message in await self._fetch(count)] if count else []
        return expected[: consumer.ack_pending] + delivered

    async def delivers(self, number: int) -> bool:
        """Whether a message that is published now reaches the consumer, once what is left has."""
        await self.publish(number)

        async def pending() -> int:
            consumer = await self.jetstream.consumer("orders", "work")
            return consumer.pending if consumer else 0

        # The server counts it a moment after it has stored it.
        fetched = await self._fetch(await eventually_async(pending, what="a pending message"))
        return [int(message.data) for message in fetched] == [number]

    async def _fetch(self, count: int) -> list[Any]:
        subscription = await self.client.jetstream().pull_subscribe_bind("work", "orders")
        try:
            return list(await subscription.fetch(count, timeout=5))
        finally:
            await subscription.unsubscribe()


Step = Callable[[Ground], Awaitable[None]]


async def nothing(ground: Ground) -> None:
    """There is nothing to do."""


async def publish(ground: Ground) -> None:
    await ground.publish(*ALL_LEFT)


async def publish_and_work(ground: Ground) -> None:
    await ground.publish(*ALL_LEFT)
    await ground.work()


async def make_foreign_stream(ground: Ground) -> None:
    await ground.jetstream.create_stream(FOREIGN)
    await ground.publish(*ALL_LEFT)


async def make_foreign_pair(ground: Ground) -> None:
    await make_foreign_stream(ground)
    await ground.jetstream.create_consumer(
        "orders", {"durable_name": "work", "name": "work", "ack_policy": "explicit"}
    )
    await ground.work()


async def make_foreign_empty_stream(ground: Ground) -> None:
    await ground.jetstream.create_stream({**FOREIGN, "deny_delete": True})


async def delete_stream_by_hand(ground: Ground) -> None:
    await ground.jetstream.delete_stream("orders")


async def delete_consumer_by_hand(ground: Ground) -> None:
    await ground.jetstream.delete_consumer("orders", "work")


async def strip_owners(ground: Ground) -> None:
    stream = await ground.jetstream.stream("orders")
    consumer = await ground.jetstream.consumer("orders", "work")
    assert stream
    assert consumer
    await ground.jetstream.update_stream({**stream.config, "metadata": {}})
    await ground.jetstream.update_consumer("orders", {**consumer.config, "metadata": {}})
