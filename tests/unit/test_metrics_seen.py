"""The figures of streams and consumers: what lists told, of whom, how many, and for how long."""

import logging
import math
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from coze_nats import metrics
from coze_nats.core import names
from coze_nats.core.errors import OutcomeUnknown
from coze_nats.core.live import Listing, LiveConsumer, LiveStream, Origin, Raft
from coze_nats.core.resource import Key, Resource
from coze_nats.metrics import Figures, Seen
from coze_nats.metrics.figures import (
    CONSUMER_FAMILIES,
    STREAM_FAMILIES,
    consumer_values,
    stream_values,
    unanswered,
)
from coze_nats.metrics.seen import LEFT_OUT

CREATED = "2026-01-31T12:00:00Z"
MINUTE = 60.0


def resource(kind: str, name: str, created: str = CREATED) -> Resource:
    status = {"created": created} if created else {}
    return Resource(
        Key(kind, "coze", name),
        uid=name,
        generation=1,
        finalized=True,
        deleting=False,
        reconcile_requested_at="",
        spec={},
        status=status,
    )


def stream(name: str = "orders", raft: Raft | None = None, **config: Any) -> LiveStream:
    return LiveStream(
        {"name": name, **config},
        CREATED,
        messages=50,
        bytes=4096,
        last_sequence=70,
        subjects=2,
        consumers=1,
        raft=raft or Raft(),
    )


def consumer(name: str = "reader", **config: Any) -> LiveConsumer:
    return LiveConsumer(
        {"durable_name": name, **config},
        CREATED,
        stream="orders",
        pending=20,
        ack_pending=25,
        redelivered=5,
        waiting=3,
        deliveries=60,
        acknowledged=5,
    )


def round_ended(figures: Figures) -> None:
    """What was seen so far was all."""
    with figures.round():
        pass


def see_stream(figures: Figures, live: LiveStream, name: str = "orders") -> None:
    listing = Listing({live.name: live})
    figures.saw(resource(names.STREAM_KIND, name), live.name, listing)


def samples(seen: Seen, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of a metric, by their labels in order."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(seen.text().decode())
        for sample in family.samples
        if sample.name == f"coze_nats_{name}"
    }


def only(seen: Seen, name: str) -> float:
    """The value of the one sample that a metric has."""
    (value,) = samples(seen, name).values()
    return value


def everything(most: int = 100) -> Seen:
    return Seen(most, knows=lambda _: True)


def test_a_stream_is_told_with_its_resource_and_connection() -> None:
    seen = everything()
    figures = seen.of("coze/main", MINUTE)
    see_stream(figures, stream("ORDERS", max_msgs=100, max_bytes=-1, max_consumers=4))
    round_ended(figures)
    labels = (
        ("connection", "coze/main"),
        ("name", "orders"),
        ("namespace", "coze"),
        ("stream", "ORDERS"),
    )
    assert samples(seen, "stream_messages") == {labels: 50}
    assert only(seen, "stream_bytes") == 4096
    assert only(seen, "stream_subjects") == 2
    assert only(seen, "stream_consumers") == 1
    assert only(seen, "stream_messages_stored_total") == 70
    assert only(seen, "stream_leaderless") == 0
    used = {
        dict(key)["limit"]: value for key, value in samples(seen, "stream_limit_used_ratio").items()
    }
    assert used == {"messages": 0.5, "consumers": 0.25}


def test_a_consumer_is_told_with_its_stream() -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    live = consumer(max_ack_pending=100, max_waiting=512)
    listing = Listing({"reader": live})
    figures.saw(resource(names.CONSUMER_KIND, "r"), "reader", listing, stream("orders"))
    round_ended(figures)
    (labels,) = samples(seen, "consumer_pending_messages")
    assert dict(labels) == {
        "connection": "operator",
        "namespace": "coze",
        "name": "r",
        "stream": "orders",
        "consumer": "reader",
    }
    told = {
        "consumer_pending_messages": 20,
        "consumer_ack_pending_messages": 25,
        "consumer_redelivered_messages": 5,
        "consumer_waiting_pulls": 3,
        "consumer_deliveries_total": 60,
        "consumer_ack_floor_sequence": 5,
        "consumer_paused": 0,
        "consumer_replicas": 1,
    }
    assert {name: only(seen, name) for name in told} == told
    used = samples(seen, "consumer_limit_used_ratio")
    assert sorted(used.values()) == [3 / 512, 0.25]


@pytest.mark.parametrize(
    "retention, discard, rolls",
    [("limits", "old", 1), ("limits", "new", 0), ("workqueue", "old", 0), ("interest", "old", 0)],
)
def test_only_a_stream_that_keeps_by_limits_is_meant_to_be_full(
    retention: str, discard: str, rolls: int
) -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    see_stream(figures, stream(retention=retention, discard=discard))
    round_ended(figures)
    assert only(seen, "stream_rolls") == rolls


def test_replicas_are_told_with_their_lag_and_a_missing_leader() -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    raft = Raft("", ("n2", "n3"), offline=1, lag=9, is_leaderless=True)
    see_stream(figures, stream(raft=raft))
    round_ended(figures)
    told = ("replicas", "replicas_offline", "replica_lag_operations", "leaderless")
    assert [only(seen, f"stream_{name}") for name in told] == [3, 1, 9, 1]


def test_a_copy_is_told_with_each_origin() -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    origins = (
        Origin("bills", lag=3, heard_ago=0.2),
        Origin("bills", filter="bills.eu", lag=7, heard_ago=0.2),
        Origin("logs", "$JS.hub.API"),
        Origin("orders", heard_ago=0.2, error="stream not found (10059)"),
        *(Origin(f"z{number}", heard_ago=0.2) for number in range(99)),
    )
    see_stream(figures, replace(stream(), origins=origins))
    round_ended(figures)
    lags = {
        dict(key)["origin"]: n for key, n in samples(seen, "stream_origin_lag_messages").items()
    }
    stalled = {dict(key)["origin"]: n for key, n in samples(seen, "stream_origin_stalled").items()}
    assert (lags["bills"], lags["orders"]) == (7, 0)
    assert len(lags) == len(stalled) == 64
    told = {name: value for name, value in stalled.items() if not name.startswith("z")}
    assert told == {"bills": 0, "$JS.hub.API.logs": 1, "orders": 1}


def test_an_object_that_did_not_answer_is_leaderless_and_nothing_else() -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    silent: Listing[LiveStream] = Listing({}, missing=frozenset({"orders"}))
    figures.saw(resource(names.STREAM_KIND, "orders"), "orders", silent)
    round_ended(figures)
    assert only(seen, "stream_leaderless") == 1
    assert samples(seen, "stream_messages") == {}


@pytest.mark.parametrize("status", [{}, {"created": CREATED, "lastSequence": 71}])
def test_an_object_that_is_not_the_resources_own_is_not_told(status: dict[str, Any]) -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    one = resource(names.STREAM_KIND, "o").with_status(status)
    figures.saw(one, "orders", Listing({"orders": stream()}))
    round_ended(figures)
    assert samples(seen, "stream_messages") == {}


def test_an_object_that_no_list_names_any_more_is_not_told_any_more() -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    see_stream(figures, stream())
    round_ended(figures)
    nothing: Listing[LiveStream] = Listing({})
    figures.saw(resource(names.STREAM_KIND, "orders"), "orders", nothing)
    round_ended(figures)
    assert samples(seen, "stream_messages") == {}


def test_a_resource_that_is_gone_is_not_told_before_the_next_list_either() -> None:
    known: set[Key] = {resource(names.STREAM_KIND, "orders").key}
    seen = Seen(10, knows=known.__contains__)
    figures = seen.of("operator", MINUTE)
    see_stream(figures, stream())
    round_ended(figures)
    assert only(seen, "stream_messages") == 50
    known.clear()
    assert samples(seen, "stream_messages") == {}


def test_figures_that_no_round_has_renewed_for_long_are_not_told() -> None:
    seen = everything()
    figures = seen.of("operator", fresh_for=0.0)
    see_stream(figures, stream())
    round_ended(figures)
    assert samples(seen, "stream_messages") == {}


def test_before_the_first_round_has_ended_nothing_is_told() -> None:
    seen = everything()
    see_stream(seen.of("operator", MINUTE), stream())
    assert samples(seen, "stream_messages") == {}


def test_of_too_many_objects_the_first_stay_and_the_others_are_counted() -> None:
    seen = everything(most=2)
    connections = {name: seen.of(name, MINUTE) for name in ("a", "b")}
    for connection, figures in connections.items():
        for number in range(2):
            name = f"{connection}{number}"
            see_stream(figures, stream(name), name)
        round_ended(figures)
    assert {dict(key)["stream"] for key in samples(seen, "stream_messages")} == {"a0", "a1"}
    left_out = samples(seen, LEFT_OUT.name)
    assert left_out[("kind", "CozeStream"),] == 2
    assert left_out[("kind", "CozeConsumer"),] == 0
    connections["a"].forget()
    see_stream(connections["b"], stream("b0"), "b0")
    round_ended(connections["b"])
    assert {dict(key)["stream"] for key in samples(seen, "stream_messages")} == {"b0"}


def test_a_round_that_fails_leaves_what_the_one_before_told() -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    see_stream(figures, stream())
    round_ended(figures)
    with pytest.raises(OutcomeUnknown), figures.round():
        raise OutcomeUnknown("no answer")
    assert only(seen, "stream_messages") == 50


def test_a_connection_that_took_the_place_of_another_is_not_forgotten_with_it() -> None:
    seen = everything()
    first = seen.of("coze/main", MINUTE)
    second = seen.of("coze/main", MINUTE)
    see_stream(second, stream())
    round_ended(second)
    first.forget()
    assert only(seen, "stream_messages") == 50
    second.forget()
    assert samples(seen, "stream_messages") == {}


def test_a_name_can_hold_what_has_a_meaning_in_the_text() -> None:
    seen = everything()
    figures = seen.of("operator", MINUTE)
    see_stream(figures, stream('o"r\\d\ners'))
    round_ended(figures)
    (labels,) = samples(seen, "stream_messages")
    assert dict(labels)["stream"] == 'o"r\\d\ners'


def test_every_family_has_a_value_for_every_object() -> None:
    assert len(stream_values(stream())) == len(STREAM_FAMILIES)
    assert len(consumer_values(consumer())) == len(CONSUMER_FAMILIES)
    assert len(unanswered(STREAM_FAMILIES)) == len(STREAM_FAMILIES)


def filled(objects: int) -> Seen:
    """Half of them streams, half consumers, each on a stream of its own."""
    seen = everything(objects)
    figures = seen.of("operator", MINUTE)
    for number in range(objects // 2):
        name = f"workflow-{number:05}"
        on, live = stream(name, max_msgs=100), consumer(max_ack_pending=100)
        see_stream(figures, on, name)
        listing = Listing({name: live})
        figures.saw(resource(names.CONSUMER_KIND, name), name, listing, on)
    round_ended(figures)
    return seen


def plain(series: int) -> CollectorRegistry:
    """As many series of a plain gauge with the labels of a consumer."""
    registry = CollectorRegistry()
    labels = ("connection", "namespace", "name", "stream", "consumer")
    gauge = Gauge("plain", "As plain as can be.", labels, registry=registry)
    for number in range(series):
        gauge.labels("operator", "coze", f"w-{number:05}", f"w-{number:05}", "reader").set(number)
    return registry


def quickest(times: Iterable[float]) -> float:
    return min(times, default=math.inf)


def test_200_scrapes_leave_nothing_in_memory() -> None:
    seen = filled(100)
    for _ in range(5):
        metrics.exposition(seen)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            metrics.exposition(seen)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What the interpreter keeps for reuse is some of it; of a leak, 200 scrapes leave more.
    assert after - before < 128 * 1024


@pytest.mark.parametrize("objects", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_text_takes_no_longer_than_as_many_plain_samples(
    objects: int, record_property: Any
) -> None:
    def taken(work: Any) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    seen = filled(objects)
    series = sum(not line.startswith("#") for line in seen.text().decode().splitlines())
    assert series > 10 * objects
    reference = plain(series)
    ours = quickest(taken(seen.text) for _ in range(3))
    theirs = quickest(
        taken(lambda: generate_latest(reference)) for _ in range(3000 // objects or 1)
    )
    record_property("seconds", ours)
    logging.getLogger("metrics").warning(
        "%d objects, %d series: %.4f s; as plain samples: %.4f s", objects, series, ours, theirs
    )
    assert ours < theirs
