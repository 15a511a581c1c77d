"""What a reconcile tells the metrics of drift, and of the time that it took to be Ready."""

import pytest

from coze_nats import metrics
from coze_nats.core import names
from fakes.jetstream import FakeJetStream
from support.bench import Bench


def value(name: str, **labels: str) -> float:
    """The value of a sample, 0 while there is none."""
    return metrics.REGISTRY.get_sample_value(f"coze_nats_{name}", labels) or 0.0


def drift(field: str) -> tuple[float, float]:
    """How often drift of a stream's field was found, and put right."""
    labels = {"kind": names.STREAM_KIND, "field": field}
    return value("drift_found_total", **labels), value("drift_repaired_total", **labels)


@pytest.fixture
async def bench() -> Bench:
    """A stream that is as declared."""
    found = Bench(FakeJetStream())
    await found.settle(found.stream(subjects=["orders"], maxMsgs=10))
    return found


async def change(bench: Bench, **fields: object) -> None:
    """Change the stream behind the operator's back."""
    live = await bench.jetstream.stream("orders")
    assert live
    await bench.jetstream.update_stream({**live.config, **fields})


async def test_a_field_that_somebody_changed_is_counted_as_found_and_repaired(
    bench: Bench,
) -> None:
    found, repaired = drift("maxMsgs")
    await change(bench, max_msgs=20)
    await bench.settle(bench.stream(subjects=["orders"], maxMsgs=10))
    assert drift("maxMsgs") == (found + 1, repaired + 1)


async def test_a_change_that_was_asked_for_is_no_drift(bench: Bench) -> None:
    before = drift("maxMsgs")
    await bench.settle(bench.stream(subjects=["orders"], maxMsgs=30))
    assert drift("maxMsgs") == before


async def test_a_stream_that_vanished_is_counted_as_existence(bench: Bench) -> None:
    found, repaired = drift(metrics.EXISTENCE)
    await bench.jetstream.delete_stream("orders")
    await bench.settle(bench.stream(subjects=["orders"], maxMsgs=10))
    assert drift(metrics.EXISTENCE) == (found + 1, repaired + 1)


async def test_drift_that_is_left_alone_is_found_once_and_not_repaired(bench: Bench) -> None:
    await bench.settle(bench.stream(subjects=["orders"], maxMsgs=10, policies={"missing": "Hold"}))
    found, repaired = drift(metrics.EXISTENCE)
    await bench.jetstream.delete_stream("orders")
    key = bench.stream(subjects=["orders"], maxMsgs=10, policies={"missing": "Hold"})
    for _ in range(3):
        await bench.reconcile(key)
    assert drift(metrics.EXISTENCE) == (found + 1, repaired)


async def test_the_time_to_ready_ends_when_the_status_is_written() -> None:
    bench = Bench(FakeJetStream())
    count = "resource_ready_duration_seconds_count"
    before = value(count, kind=names.STREAM_KIND)
    key = bench.stream(subjects=["orders"])
    metrics.declared(key, 1)
    await bench.settle(key)
    assert value(count, kind=names.STREAM_KIND) == before + 1
