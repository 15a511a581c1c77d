"""The times of a Lease: those that are good, and those with which two would lead or none."""

import pytest

from coze_nats.core.terms import InvalidTerms, Terms


def test_the_times_that_are_given_are_kept() -> None:
    terms = Terms(duration=9, renew_within=4, retry_every=2)
    assert (terms.duration, terms.renew_within, terms.retry_every) == (9, 4, 2)


@pytest.mark.parametrize(
    "times, complaint",
    [
        ((0, 10, 2), "whole seconds"),
        ((15.5, 10, 2), "whole seconds"),
        ((15, 15, 2), "must be at least 5 s shorter than the lease duration"),
        ((15, 10.1, 2), "must be at least 5 s shorter than the lease duration"),
        ((15, 10, 5.1), "at most half of the renew deadline"),
        ((15, 10, 0), "at most half of the renew deadline"),
    ],
)
def test_times_that_cannot_work_are_refused(
    times: tuple[float, float, float], complaint: str
) -> None:
    with pytest.raises(InvalidTerms, match=complaint):
        Terms(*times)
