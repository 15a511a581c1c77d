"""Sums of what is before a place, under any changes."""

from hypothesis import given
from hypothesis import strategies as st

from coze_nats.core.sums import Sums

CHANGES = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 100)), max_size=60)


@given(changes=CHANGES, asked=st.integers(-1, 21))
def test_a_sum_is_of_all_that_is_before_a_place(changes: list[tuple[int, int]], asked: int) -> None:
    sums, expected = Sums(), dict[int, int]()
    for place, amount in changes:
        if place in expected:
            sums.remove((place,))
            del expected[place]
        else:
            sums.add((place,), amount)
            expected[place] = amount
    assert sums.before((asked,)) == sum(n for place, n in expected.items() if place < asked)
