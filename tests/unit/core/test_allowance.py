"""Sessions are shared among the namespaces that declare connections."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core.allowance import Allowance
from coze_nats.core.resource import Key, Resource


def connection(namespace: str, number: int) -> Resource:
    return Resource(
        key=Key("CozeConnection", namespace, f"c{number}"),
        uid=f"{namespace}/{number}",
        generation=1,
        finalized=True,
        deleting=False,
        reconcile_requested_at="",
        spec={},
        status={},
        created_at=f"2026-01-01T00:00:{number:02}Z",
    )


def declared(allowance: Allowance, **counts: int) -> dict[str, int]:
    """How many of each namespace's connections may have a session."""
    connections = [connection(name, n) for name, count in counts.items() for n in range(count)]
    for each in connections:
        allowance.put(each)
    return {
        name: sum(allowance.admits(each.key) for each in connections if each.key.namespace == name)
        for name in counts
    }


@pytest.mark.parametrize(
    "counts, admitted",
    [
        ({"many": 10}, {"many": 10}),
        ({"many": 50}, {"many": 10}),
        ({"many": 50, "few": 2}, {"many": 8, "few": 2}),
        ({"a": 50, "b": 50, "few": 1}, {"a": 4, "b": 4, "few": 1}),
        ({f"n{n}": 2 for n in range(12)}, {f"n{n}": 1 for n in range(12)}),
    ],
)
def test_who_declares_few_gets_all_and_others_share_the_rest(
    counts: dict[str, int], admitted: dict[str, int]
) -> None:
    assert declared(Allowance(10), **counts) == admitted


def test_any_number_is_any_number() -> None:
    assert declared(Allowance(0), many=50) == {"many": 50}


def test_the_oldest_come_first_and_what_goes_makes_room() -> None:
    allowance = Allowance(2)
    first, second, third = (connection("shop", number) for number in range(3))
    for each in (third, second, first, second):
        allowance.put(each)
    assert [allowance.admits(each.key) for each in (first, second, third)] == [True, True, False]
    allowance.remove(first.key)
    allowance.remove(first.key)
    assert allowance.admits(third.key)
    # Declared anew, it is the youngest.
    allowance.put(replace(first, created_at="2027-01-01T00:00:00Z"))
    assert not allowance.admits(first.key)
    for each in (first, second, third):
        allowance.remove(each.key)
    assert declared(allowance, shop=2) == {"shop": 2}


@given(most=st.integers(1, 30), counts=st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_no_more_than_there_may_be_and_nobody_could_have_one_more(
    most: int, counts: list[int]
) -> None:
    admitted = declared(Allowance(most), **{f"n{n}": count for n, count in enumerate(counts)})
    assert sum(admitted.values()) <= max(most, len(counts))
    wanting = [n for n, count in enumerate(counts) if admitted[f"n{n}"] < count]
    assert sum(admitted.values()) + len(wanting) > most or not wanting
    assert len({admitted[f"n{n}"] for n in wanting}) <= 1
