"""What a cell of a table is played on: a bench on a real server, and a stream of ten messages.

Every cell has names of its own, so that a server may serve them all. Streams are in memory: one in
files that is made milliseconds after another one of its name was deleted may have that one's
messages (nats-server 2.10 to 2.15).
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coze_nats.core import names
from coze_nats.core.codec import instant_ns
from coze_nats.core.conditions import is_true
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.names import OWNER_METADATA
from coze_nats.core.resource import Key
from coze_nats.jetstream.gateway import Gateway
from support.bench import Bench
from support.clock import WallClock
from support.eventually import eventually_async
from support.traffic import Traffic

Spec = dict[str, Any]
MESSAGES, SUBJECTS = 10, ("even", "odd")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A stream with its consumers, as far as nothing must change while a change is held."""

    stream: LiveStream
    consumers: Mapping[str, LiveConsumer]


class Cell:
    """A stream's and a consumer's resource, and what stands behind them.

    Attributes:
        name: of the stream, and first token of its subjects.
        orders: the stream's resource; `reader`: its consumer's, called `reader`.
    """

    def __init__(self, jetstream: Gateway, traffic: Traffic) -> None:
        self.name = f"cell-{next(_numbers)}"
        self.jetstream = jetstream
        self.traffic = traffic
        self.bench = Bench(jetstream, clock=WallClock())
        self.orders = Key(names.STREAM_KIND, "coze", self.name)
        self.reader = Key(names.CONSUMER_KIND, "coze", "reader")

    # --- what users and strangers do --------------------------------------------------------------

    def declare(self, spec: Spec, policies: Spec | None = None) -> None:
        """Declare the stream; `subjects: None` leaves them out, a mirror's name is a cell's own."""
        found = {"subjects": [f"{self.name}.>"], "storage": "memory", **spec}
        found = {key: value for key, value in found.items() if value is not None}
        if "mirror" in found:
            found["mirror"] = {"name": self.another(found["mirror"]["name"])}
        self.bench.stream(self.name, **found, policies=policies or {})

    def redeclare(self, **changes: Any) -> None:
        """Declare the stream as it is, with these fields changed."""
        spec = self.bench.kubernetes.resources[self.orders].spec
        self.bench.stream(self.name, **{**spec, **changes})

    def declare_consumer(self, spec: Spec, policies: Spec | None = None) -> None:
        self.bench.consumer("reader", of=self.name, **spec, policies=policies or {})

    def subject(self, word: str) -> str:
        return f"{self.name}.{word}"

    async def publish(self, count: int = MESSAGES) -> None:
        """Store messages on `even` and `odd` in turn, beginning with `odd`."""
        words = itertools.islice(itertools.cycle(reversed(SUBJECTS)), count)
        await self.traffic.publish(*map(self.subject, words))

    async def work(self, *acknowledged: bool) -> list[int]:
        """The reader receives a message for each flag; returns their sequences."""
        found = await self.traffic.receive(self.name, "reader", *acknowledged)
        return [message.sequence for message in found]

    def another(self, name: str) -> str:
        """The cell's own name for a further stream."""
        return f"{self.name}-{name}"

    async def foreign_stream(self, name: str, messages: int = 0) -> None:
        """Make a further stream that no resource is about."""
        other = self.another(name)
        await self.jetstream.create_stream({"name": other, "storage": "memory"})
        await self.traffic.publish(*[other] * messages)

    async def foreign_consumer(self, name: str = "foreign") -> None:
        config = {"name": name, "durable_name": name, "ack_policy": "explicit"}
        await self.jetstream.create_consumer(self.name, config)

    async def edit_stream(self, **changes: Any) -> None:
        await self.jetstream.update_stream({**(await self.stream()).config, **changes})

    async def strip(self) -> None:
        """Take the owner out of the stream's metadata, by hand."""
        await self.edit_stream(metadata={})

    # --- what the operator does -------------------------------------------------------------------

    async def settle(self, *keys: Key) -> None:
        """Let the operator work until these are at rest; what fails for a moment comes again."""

        async def is_at_rest() -> bool:
            for key in keys:
                await self.bench.settle_for_now(key)
            waiting = [key for key in keys if key in self.bench.kubernetes.resources]
            return not any(is_true(self.bench.status(key), "Reconciling") for key in waiting)

        await eventually_async(is_at_rest)

    async def is_left_alone(self, *keys: Key) -> bool:
        """Whether reconciling once more changes and writes nothing."""
        before = await self.snapshot(), self.bench.kubernetes.writes
        for key in keys:
            await self.bench.reconcile(key)
        return (await self.snapshot(), self.bench.kubernetes.writes) == before

    async def until_older_than(self, seconds: float) -> None:
        """Wait until the oldest message has that age."""
        oldest = instant_ns((await self.stream()).first_time)

        async def is_older() -> bool:
            return self.bench.clock.time_ns() - oldest > seconds * 10**9

        await eventually_async(is_older)

    async def until_left(self, count: int | None) -> None:
        """Wait until so many messages are left; None: fewer, but not none."""

        async def is_so() -> bool:
            messages = (await self.stream()).messages
            return 0 < messages < MESSAGES if count is None else messages == count

        await eventually_async(is_so)

    # --- what is to be seen -----------------------------------------------------------------------

    @property
    def reason(self) -> str:
        return self.bench.ready(self.orders)[1]

    @property
    def owner(self) -> str:
        return self.bench.owner(self.orders)

    async def stream(self) -> LiveStream:
        found = await self.jetstream.stream(self.name)
        assert found is not None
        return found

    async def consumer(self, name: str = "reader") -> LiveConsumer:
        found = await self.jetstream.consumer(self.name, name)
        assert found is not None
        return found

    async def owner_of_stream(self) -> str:
        metadata = (await self.stream()).config.get("metadata") or {}
        return str(metadata.get(OWNER_METADATA, ""))

    async def snapshot(self) -> Snapshot | None:
        """None: there is no stream."""
        stream = await self.jetstream.stream(self.name)
        if stream is None:
            return None
        return Snapshot(stream, (await self.jetstream.consumers(self.name)).found)
