"""The times by which a lead is held, lost and taken over, and requests are given up."""

from dataclasses import dataclass

UNDELIVERED_SECONDS = 4.0
"""What a server has not received after so long is dropped, together with the connection."""

LONGEST_REQUEST_SECONDS = 300.0
"""The longest that an answer of JetStream may be waited for: what is judged stuck goes by it."""

HAND_OVER_SECONDS = 5.0
"""At least so long, nobody may write: what the leader sent at last has come, or never will."""


class InvalidTerms(ValueError):
    """With these times, two could lead or none; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Times in seconds; all operators that share a Lease should have the same.

    Attributes:
        duration: how long a candidate sees no change before it takes over; whole seconds, as the
            API wants it.
        renew_within: how long the leader may write after a renewal.
        retry_every: between two renewals, and between two looks of a candidate.
    """

    duration: float = 15.0
    renew_within: float = 10.0
    retry_every: float = 2.0

    def __post_init__(self) -> None:
        """Raises InvalidTerms."""
        if self.duration < 1 or self.duration != int(self.duration):
            raise InvalidTerms(
                f"the lease duration is {self.duration:g} s; it must be whole seconds, at least 1"
            )
        if self.duration - self.renew_within < HAND_OVER_SECONDS:
            raise InvalidTerms(
                f"the renew deadline ({self.renew_within:g} s) must be at least "
                f"{HAND_OVER_SECONDS:g} s shorter than the lease duration ({self.duration:g} s): "
                "what the leader sent at last must have come before another begins"
            )
        if not 0 < self.retry_every * 2 <= self.renew_within:
            raise InvalidTerms(
                f"the retry period ({self.retry_every:g} s) must be at most half of the renew "
                f"deadline ({self.renew_within:g} s): a renewal that fails needs another try"
            )
