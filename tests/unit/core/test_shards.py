"""Shards: every connection has exactly one, and few move when their number changes by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core.shards import MOST_SHARDS, InvalidShard, Shard, owner

CONNECTIONS = st.text(max_size=40)
COUNTS = st.integers(1, MOST_SHARDS)


@given(CONNECTIONS, COUNTS)
def test_a_connection_has_exactly_one_shard(connection: str, count: int) -> None:
    holders = [index for index in range(count) if Shard(index, count).holds(connection)]
    assert holders == [owner(connection, count)]


@given(CONNECTIONS, st.integers(1, MOST_SHARDS - 1))
def test_one_more_shard_takes_from_the_others_who_exchange_nothing(
    connection: str, count: int
) -> None:
    assert owner(connection, count + 1) in {owner(connection, count), count}


@pytest.mark.parametrize("count", range(2, 17))
def test_the_shards_have_about_the_same_number_of_connections(count: int) -> None:
    connections = [f"namespace-{number}/nats" for number in range(10_000)]
    sizes = [0] * count
    for connection in connections:
        sizes[owner(connection, count)] += 1
    share = len(connections) / count
    # Five standard deviations of so many fair throws.
    assert all(abs(size - share) < 5 * share**0.5 for size in sizes)


def test_the_division_is_the_same_in_every_process_and_release() -> None:
    connections = ["", "coze/nats", "tenant-1/nats", "tenant-2/nats", "tenant-3/nats"]
    assert [owner(connection, 4) for connection in connections] == [3, 2, 0, 0, 1]


@given(COUNTS.flatmap(lambda count: st.tuples(st.integers(0, count - 1), st.just(count))))
def test_a_shard_is_read_as_it_is_written(numbers: tuple[int, int]) -> None:
    shard = Shard(*numbers)
    assert Shard.parse(str(shard)) == shard


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "write <index>/<count>"),
        ("4", "write <index>/<count>"),
        ("-1/4", "write <index>/<count>"),
        ("1/4 ", "write <index>/<count>"),
        ("\u0661/4", "write <index>/<count>"),
        ("0/0", "1 to 64 shards"),
        ("0/65", "1 to 64 shards"),
        ("4/4", "numbered from 0 to 3"),
    ],
)
def test_what_is_no_shard_is_refused_with_what_would_be(text: str, complaint: str) -> None:
    with pytest.raises(InvalidShard, match=complaint):
        Shard.parse(text)
