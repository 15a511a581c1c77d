"""Who keeps changing back or deleting what is put right: the operator holds off after a few rounds.

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
    """What somebody keeps undoing.

    Attributes:
        rounds: how often it was put right.
        last: when.
        session: in which the object had vanished, the last time that it had.
    """

    generation: int
    rounds: int
    last: float
    session: int | None = None

    @property
    def hold(self) -> float:
        beyond = self.rounds - ROUNDS
        return min(FIRST_HOLD * 2.0**beyond, LONGEST_HOLD) if beyond >= 0 else 0.0


class Contests:
    """The corrections of each resource; all times are seconds on one monotonic clock.

    To have vanished counts within one session only: servers that lose what they had end it.
    """

    def __init__(self) -> None:
        self._contests: dict[str, _Contest] = {}

    def hold_off(self, resource: Resource, now: float, session: int | None = None) -> float:
        """For how many seconds the resource's drift shall be left alone; 0: put it right.

        Args:
            session: in which its object has vanished; None: it is there.
        """
        contest = self._contests.get(resource.uid)
        if contest is None or contest.generation != resource.generation:
            return 0.0
        if session is not None and session != contest.session:
            return 0.0
        return max(contest.last + contest.hold - now, 0.0)

    def corrected(self, resource: Resource, now: float, session: int | None = None) -> None:
        """Drift of the resource has just been put right."""
        contest = self._contests.get(resource.uid)
        is_old = contest is None or (
            contest.generation != resource.generation
            or now - contest.last > WINDOW + contest.hold
            or (session is not None and session != contest.session)
        )
        if contest is None or is_old:
            contest = _Contest(resource.generation, 0, now)
            self._contests[resource.uid] = contest
        contest.rounds += 1
        contest.last = now
        contest.session = session if session is not None else contest.session

    def is_later(self, resource: Resource, other: Resource) -> bool:
        """Whether a resource was put right after the other one was, or the other one never was."""
        contest, former = (self._contests.get(each.uid) for each in (resource, other))
        return contest is not None and (former is None or contest.last >= former.last)

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._contests.pop(uid, None)
