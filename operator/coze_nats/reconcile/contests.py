"""Who keeps changing back what is put right: after a few rounds the operator holds off.

Remembered in memory only: after a restart there are a few rounds more.
"""

from dataclasses import dataclass

from coze_nats.core.resource import Resource

ROUNDS = 3
"""How often drift is put right at once."""

WINDOW = 600.0
"""Seconds after which an earlier correction is forgotten."""

FIRST_HOLD, LONGEST_HOLD = 60.0, 3600.0
"""Seconds to hold off after the last round that was free; doubles with every further one."""


@dataclass(slots=True)
class _Contest:
    generation: int
    rounds: int
    last: float

    @property
    def hold(self) -> float:
        beyond = self.rounds - ROUNDS
        return min(FIRST_HOLD * 2.0**beyond, LONGEST_HOLD) if beyond >= 0 else 0.0


class Contests:
    """The corrections of each resource; all times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._contests: dict[str, _Contest] = {}

    def hold_off(self, resource: Resource, now: float) -> float:
        """For how many seconds the resource's drift shall be left alone; 0: put it right."""
        contest = self._contests.get(resource.uid)
        if contest is None or contest.generation != resource.generation:
            return 0.0
        return max(contest.last + contest.hold - now, 0.0)

    def corrected(self, resource: Resource, now: float) -> None:
        """Drift of the resource has just been put right."""
        contest = self._contests.get(resource.uid)
        is_old = contest is None or (
            contest.generation != resource.generation or now - contest.last > WINDOW + contest.hold
        )
        if contest is None or is_old:
            contest = self._contests[resource.uid] = _Contest(resource.generation, 0, now)
        contest.rounds += 1
        contest.last = now

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._contests.pop(uid, None)
