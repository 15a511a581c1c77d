"""What a server takes and gives no effect to: it is tried once, and again only for a reason."""

from collections.abc import Callable
from typing import Any

import pytest

from coze_nats.core.live import Config, LiveConsumer, LiveStream, Server
from coze_nats.core.resource import Key
from coze_nats.reconcile.attempts import RETRY_AFTER
from coze_nats.reconcile.contests import FIRST_HOLD, ROUNDS
from fakes.jetstream import FakeJetStream
from support.bench import Bench

LOOKS = 5
UNHEARD: dict[str, Any] = {"allowDirect": True}
SAYS = (
    "the server took the change but not its effect (allowDirect false → true): make the spec say "
    "what the server has, or report this as a bug"
)


class Deaf(FakeJetStream):
    """A server that takes allow_direct, and goes by what it `says` itself."""

    says = False

    async def create_stream(self, config: Config) -> LiveStream:
        return await super().create_stream({**config, "allow_direct": self.says})

    async def update_stream(self, config: Config) -> LiveStream:
        return await super().update_stream({**config, "allow_direct": self.says})


@pytest.fixture
def jetstream() -> Deaf:
    return Deaf()


def changes(jetstream: FakeJetStream) -> list[str]:
    """The requests since the last look here that changed something, or were meant to."""
    found = [call for call in jetstream.calls if call.startswith(("create", "update", "delete"))]
    jetstream.calls.clear()
    return found


async def settled(bench: Bench, key: Key) -> bool:
    """Whether a comparison by listing would leave the resource alone."""
    resource = bench.cache.get(key)
    assert resource
    target = bench.reconciler.target(resource)
    assert target
    stream = (await bench.jetstream.streams()).found.get(target.stream)
    live: LiveStream | LiveConsumer | None = stream
    if target.consumer:
        live = (await bench.jetstream.consumers(target.stream)).found.get(target.consumer)
    return bench.reconciler.is_settled(resource, live, stream)


async def by_hand(jetstream: FakeJetStream, **fields: Any) -> None:
    live = await jetstream.stream("copy")
    assert live
    await jetstream.update_stream({**live.config, **fields})
    jetstream.calls.clear()


@pytest.fixture
async def copy(bench: Bench, jetstream: FakeJetStream) -> Key:
    """A stream that was declared, tried and left as the server wants it."""
    copy = bench.stream("copy", **UNHEARD, maxMsgs=5)
    await bench.settle(copy)
    assert bench.ready(copy) == ("False", "NotConverging")
    assert changes(jetstream) == ["create_stream"]
    return copy


async def test_what_has_no_effect_is_not_tried_again(
    bench: Bench, jetstream: FakeJetStream, copy: Key
) -> None:
    writes = bench.kubernetes.writes
    for _ in range(LOOKS):
        assert await settled(bench, copy)
        assert not (await bench.reconcile(copy)).backoff
    assert changes(jetstream) == []
    assert bench.message(copy) == SAYS
    assert bench.kubernetes.writes == writes
    assert len([event for event in bench.events(copy) if event.reason == "NotConverging"]) == 1


async def test_a_change_without_effect_is_sent_once(bench: Bench, jetstream: FakeJetStream) -> None:
    copy = bench.stream("copy")
    await bench.settle(copy)
    changes(jetstream)
    bench.stream("copy", **UNHEARD)
    for _ in range(LOOKS):
        await bench.settle(copy)
        assert await settled(bench, copy)
    assert changes(jetstream) == ["update_stream"]
    assert bench.message(copy) == SAYS


async def test_a_consumer_is_told_once_too() -> None:
    class Stubborn(FakeJetStream):
        async def update_consumer(self, stream: str, config: Config) -> LiveConsumer:
            return await super().update_consumer(stream, {**config, "max_deliver": 3})

    jetstream = Stubborn()
    bench = Bench(jetstream)
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    changes(jetstream)
    bench.consumer(maxDeliver=5)
    for _ in range(LOOKS):
        await bench.settle(reader)
        assert await settled(bench, reader)
    assert bench.ready(reader) == ("False", "NotConverging")
    assert changes(jetstream) == ["update_consumer"]


async def test_nothing_is_made_anew_again_and_again() -> None:
    class Stubborn(FakeJetStream):
        async def create_consumer(self, stream: str, config: Config) -> LiveConsumer:
            return await super().create_consumer(stream, {**config, "mem_storage": False})

    jetstream = Stubborn()
    bench = Bench(jetstream)
    orders, reader = bench.stream(), bench.consumer()
    await bench.settle(orders, reader)
    changes(jetstream)
    bench.consumer(memStorage=True, policies={"replacement": "Recreate", "missing": "Hold"})
    for _ in range(LOOKS):
        await bench.settle(reader)
    assert bench.ready(reader) == ("False", "NotConverging")
    assert changes(jetstream) == ["delete_consumer", "create_consumer"]


def asks(bench: Bench, copy: Key) -> None:
    bench.kubernetes.ask(copy, "now")


def declares(bench: Bench, copy: Key) -> None:
    bench.stream(copy.name, **UNHEARD, maxMsgs=6)


def waits(bench: Bench, copy: Key) -> None:
    bench.clock.advance(RETRY_AFTER)


@pytest.mark.parametrize("does", [asks, declares, waits])
async def test_it_is_tried_once_more(
    bench: Bench, jetstream: FakeJetStream, copy: Key, does: Callable[[Bench, Key], None]
) -> None:
    does(bench, copy)
    bench.hear()
    for _ in range(LOOKS):
        await bench.settle(copy)
        assert await settled(bench, copy)
    assert changes(jetstream) == ["update_stream"]
    assert bench.message(copy) == SAYS


async def test_a_restart_is_no_reason_to_try_again(
    bench: Bench, jetstream: FakeJetStream, copy: Key
) -> None:
    for _ in range(LOOKS):
        bench.restart()
        await bench.settle(copy)
        assert await settled(bench, copy)
        assert bench.message(copy) == SAYS
    assert changes(jetstream) == []
    bench.restart()
    bench.kubernetes.ask(copy, "now")
    await bench.settle(copy)
    assert changes(jetstream) == ["update_stream"]
    bench.restart()
    await bench.settle(copy)
    assert changes(jetstream) == []


async def test_another_server_is_told_too(
    bench: Bench, jetstream: FakeJetStream, copy: Key
) -> None:
    jetstream.upgrade("2.15.1")
    await bench.reconciler.learn()
    assert bench.context.server == Server("2.15.1", 5)
    assert not await settled(bench, copy)
    for _ in range(LOOKS):
        await bench.settle(copy)
        assert await settled(bench, copy)
    assert changes(jetstream) == ["update_stream"]


async def test_what_somebody_changes_besides_is_put_right(
    bench: Bench, jetstream: FakeJetStream, copy: Key
) -> None:
    await by_hand(jetstream, max_msgs=7)
    assert not await settled(bench, copy)
    await bench.settle(copy)
    assert changes(jetstream) == ["update_stream"]
    assert bench.message(copy) == SAYS
    assert await settled(bench, copy)
    await by_hand(jetstream, metadata={})
    assert not await settled(bench, copy)
    await bench.settle(copy)
    live = await jetstream.stream("copy")
    assert live
    assert bench.owner(copy) in live.config["metadata"].values()


async def test_who_changes_something_besides_all_the_time_is_left_alone_for_a_while(
    bench: Bench, jetstream: FakeJetStream, copy: Key
) -> None:
    for _ in range(ROUNDS):
        await by_hand(jetstream, max_msgs=7)
        await bench.settle(copy)
        assert changes(jetstream) == ["update_stream"]
        assert bench.message(copy) == SAYS
    await by_hand(jetstream, max_msgs=7)
    assert (await bench.reconcile(copy)).after == FIRST_HOLD
    assert bench.ready(copy) == ("False", "DriftContested")
    assert changes(jetstream) == []
    bench.clock.advance(FIRST_HOLD)
    await bench.settle(copy)
    assert bench.message(copy) == SAYS


async def test_once_it_had_its_effect_a_later_difference_is_drift(
    bench: Bench, jetstream: Deaf, copy: Key
) -> None:
    for is_direct, expected in ((True, []), (False, ["update_stream"])):
        jetstream.says = is_direct
        await by_hand(jetstream)
        await bench.settle(copy)
        assert bench.ready(copy)[0] == str(is_direct)
        assert changes(jetstream) == expected


async def test_of_a_resource_that_is_gone_nothing_is_remembered(
    bench: Bench, jetstream: FakeJetStream, copy: Key
) -> None:
    bench.kubernetes.delete(copy)
    await bench.settle(copy)
    assert copy not in bench.kubernetes.resources
    assert await jetstream.stream("copy") is None
    changes(jetstream)
    await bench.settle(bench.stream("copy", **UNHEARD))
    assert changes(jetstream) == ["create_stream"]
