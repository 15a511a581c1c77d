"""Pauses between attempts: they grow, up to a minute, and jitter spreads them."""

from itertools import islice

import pytest

from coze_nats.backoff import LONGEST, Backoff, spread


@pytest.mark.parametrize("least", [0.0, 0.5, 1.0])
def test_pauses_grow_up_to_a_minute_and_keep_the_part_that_jitter_leaves(least: float) -> None:
    found = list(islice(Backoff(first=0.2, growth=1.25, least=least).delays(), 2000))
    for failures, delay in enumerate(found):
        longest = min(LONGEST, 0.2 * 1.25**failures) if failures < 500 else LONGEST
        assert longest * least <= delay <= longest


def test_what_failed_together_does_not_come_back_together() -> None:
    assert len({Backoff(least=0.5).delay(9) for _ in range(100)}) > 90
    assert all(54 <= spread(60, 0.1) <= 66 for _ in range(100))
