"""A mirror's mirrorDirect is its origin's to say where the server can see the origin."""

import pytest

from coze_nats.core.resource import Key
from fakes.jetstream import FakeJetStream
from support.bench import Bench

LOOKS = 3


def updates(jetstream: FakeJetStream) -> int:
    """How often a stream was updated since the last look here."""
    found = jetstream.calls.count("update_stream")
    jetstream.calls.clear()
    return found


async def look_again(bench: Bench, *keys: Key) -> None:
    for _ in range(LOOKS):
        await bench.settle(*keys)
        bench.restart()


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("comes_first", ["origin", "copy"])
async def test_what_the_origin_says_is_no_difference(
    bench: Bench, jetstream: FakeJetStream, declared: bool, allowed: bool, comes_first: str
) -> None:
    copy = bench.stream("copy", mirror={"name": "origin"}, mirrorDirect=declared)
    if comes_first == "copy":
        await bench.settle(copy)
    origin = bench.stream("origin", allowDirect=allowed)
    await bench.settle(origin, copy)
    await look_again(bench, copy)
    assert bench.ready(copy) == ("True", "Converged")
    assert updates(jetstream) == 0


@pytest.mark.parametrize("declared", [True, False])
async def test_when_the_origin_comes_to_say_the_same_it_is_put_right(
    bench: Bench, jetstream: FakeJetStream, declared: bool
) -> None:
    origin = bench.stream("origin", allowDirect=not declared)
    copy = bench.stream("copy", mirror={"name": "origin"}, mirrorDirect=declared)
    await bench.settle(origin, copy)
    bench.stream("origin", allowDirect=declared)
    await bench.settle(origin)
    updates(jetstream)
    await look_again(bench, copy)
    live = await jetstream.stream("copy")
    assert live is not None
    assert live.config["mirror_direct"] is declared
    assert updates(jetstream) == 1


async def test_without_an_origin_it_is_as_declared(bench: Bench, jetstream: FakeJetStream) -> None:
    copy = bench.stream("copy", mirror={"name": "origin"})
    await bench.settle(copy)
    bench.stream("copy", mirror={"name": "origin"}, mirrorDirect=True)
    await look_again(bench, copy)
    assert bench.ready(copy) == ("True", "Converged")
    assert updates(jetstream) == 1
