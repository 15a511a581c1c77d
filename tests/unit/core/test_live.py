"""What JetStream answers → frozen values."""

from typing import Any

import pytest

from coze_nats.core.live import LiveConsumer, LiveStream, Origin, Raft

CREATED, LATER = "2026-01-31T12:00:00Z", "2026-02-02T00:00:00.123456789Z"


def test_a_stream_is_read_from_its_info() -> None:
    info = {
        "config": {"name": "orders"},
        "created": CREATED,
        "state": {
            "messages": 3,
            "bytes": 300,
            "first_seq": 4,
            "first_ts": "2026-02-01T00:00:00Z",
            "num_subjects": 2,
            "consumer_count": 1,
        },
        "cluster": {"name": "c", "leader": "n1", "replicas": [{"name": "n3"}, {"name": "n2"}]},
        "ts": LATER,
    }
    live = LiveStream.from_info(info)
    assert live == LiveStream(
        {"name": "orders"},
        CREATED,
        messages=3,
        bytes=300,
        first_time="2026-02-01T00:00:00Z",
        first_sequence=4,
        subjects=2,
        consumers=1,
        raft=Raft("n1", ("n2", "n3")),
    )
    assert (live.name, live.as_of) == ("orders", LATER)


def test_replicas_that_are_not_current_or_offline_are_behind() -> None:
    peers = [
        {"name": "n4", "current": True},
        {"name": "n3", "current": True, "offline": True},
        {"name": "n2", "current": False, "lag": 7},
    ]
    raft = Raft.from_info({"cluster": {"name": "c", "leader": "n1", "replicas": peers}})
    assert raft.behind == ("n2", "n3 (offline)")
    assert (raft.members, raft.is_clustered, raft.lag) == (4, True, 7)
    leaderless = Raft.from_info({"cluster": {"name": "c", "replicas": peers}})
    assert (leaderless.members, leaderless.is_clustered) == (3, True)
    assert not Raft().is_clustered


def test_origins_are_read_from_a_streams_info_in_one_order() -> None:
    sources = [
        {"name": "b", "lag": 2, "active": 1_500_000_000, "filter_subject": "b.eu"},
        {"name": "a", "active": -1, "external": {"api": "$JS.hub.API", "deliver": ""}},
        {"name": "a", "active": -1, "error": {"err_code": 10059, "description": "not found"}},
    ]
    live = LiveStream.from_info({"config": {}, "created": CREATED, "sources": sources})
    assert live.origins == (
        Origin("a", error="not found (10059)"),
        Origin("a", "$JS.hub.API"),
        Origin("b", filter="b.eu", lag=2, heard_ago=1.5),
    )


def test_a_consumer_is_read_from_its_info() -> None:
    info = {
        "stream_name": "orders",
        "config": {"durable_name": "reader"},
        "created": CREATED,
        "num_pending": 3,
        "num_ack_pending": 2,
        "num_redelivered": 1,
        "num_waiting": 4,
        "delivered": {"consumer_seq": 7, "stream_seq": 6},
        "paused": True,
        "ts": LATER,
    }
    live = LiveConsumer.from_info(info)
    assert live == LiveConsumer(
        {"durable_name": "reader"},
        CREATED,
        stream="orders",
        pending=3,
        ack_pending=2,
        redelivered=1,
        waiting=4,
        deliveries=7,
        paused=True,
    )
    assert live.as_of == LATER


def test_two_looks_at_the_same_are_equal() -> None:
    info = {"config": {"name": "orders"}, "created": CREATED}
    for kind in (LiveStream, LiveConsumer):
        assert kind.from_info({**info, "ts": CREATED}) == kind.from_info({**info, "ts": LATER})


@pytest.mark.parametrize(
    "config, name",
    [
        ({"durable_name": "a", "name": "a"}, "a"),
        ({"name": "b"}, "b"),
        ({}, ""),
    ],
)
def test_a_consumer_is_named_by_its_durable_name_or_its_name(
    config: dict[str, Any], name: str
) -> None:
    assert LiveConsumer(config, CREATED).name == name


def test_what_an_answer_leaves_out_is_nothing() -> None:
    info = {"config": {"name": "orders"}, "created": CREATED}
    assert LiveStream.from_info(info) == LiveStream({"name": "orders"}, CREATED)
    assert LiveConsumer.from_info(info) == LiveConsumer({"name": "orders"}, CREATED)


@pytest.mark.parametrize(
    "info, raft",
    [
        ({}, Raft()),
        ({"cluster": None}, Raft()),
        ({"cluster": {"leader": "lone"}}, Raft()),
        ({"cluster": {"name": "c", "leader": "n1", "replicas": None}}, Raft("n1")),
    ],
)
def test_a_server_in_no_cluster_has_no_leader(info: dict[str, Any], raft: Raft) -> None:
    assert Raft.from_info(info) == raft


def test_a_cluster_without_a_leader_says_so() -> None:
    assert Raft.from_info({"cluster": {"name": "c"}}) == Raft(is_leaderless=True)


def test_the_replica_that_is_furthest_behind_counts() -> None:
    peers = [{"name": "n2", "lag": 5, "offline": True}, {"name": "n3", "lag": 2}]
    found = Raft.from_info({"cluster": {"name": "c", "leader": "n1", "replicas": peers}})
    assert (found.lag, found.offline, found.is_leaderless) == (5, 1, False)


@pytest.mark.parametrize(
    "policy, floor, acknowledged",
    [
        ("all", 0, 0),
        ("by_start_sequence", 0, 6),
        ("by_start_sequence", 9, 9),
        ("new", 9, 9),
        ("new", 0, None),
        ("last", 0, None),
        ("last_per_subject", 0, None),
        ("by_start_time", 0, None),
    ],
)
def test_a_consumer_without_a_floor_stands_somewhere_only_if_its_start_is_a_sequence(
    policy: str, floor: int, acknowledged: int | None
) -> None:
    start = {"opt_start_seq": 7} if policy == "by_start_sequence" else {}
    info = {
        "config": {"durable_name": "reader", "deliver_policy": policy, **start},
        "created": CREATED,
        "num_ack_pending": 2,
        "delivered": {"consumer_seq": 2, "stream_seq": 12},
        "ack_floor": {"consumer_seq": 0, "stream_seq": floor},
    }
    assert LiveConsumer.from_info(info).acknowledged == acknowledged
