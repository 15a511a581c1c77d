"""What the server took and gave no effect to: it is not told the same again and again.

Even an update that changes nothing is a proposal to the whole cluster, and makes an advisory, which
has the resource looked at. A new process goes by what the former one wrote into the status.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import Server
from coze_nats.core.ownership import Live, owner_of
from coze_nats.core.plan import Plan
from coze_nats.core.resource import Resource
from coze_nats.core.steps import Pause

RETRY_AFTER = 3600.0
"""Seconds after which it is tried again: what stands in the way can go without a sign of it."""


class Told(NamedTuple):
    """What was declared, who asked for it, and which server was told."""

    generation: int
    asked: str
    server: Server | None


class Left(NamedTuple):
    """In what the object is not as declared, whatever it takes to change that."""

    owner: str
    changes: tuple[tuple[str, Any, Any], ...]
    pauses: tuple[Pause, ...]


class Attempt(NamedTuple):
    """What the server was told, and what is left of it: the beginning of an attempt or its end."""

    told: Told
    left: Left
    live: Live

    @classmethod
    def of(cls, resource: Resource, server: Server | None, live: Live, todo: Plan) -> Self:
        """The attempt, given the plan for the object as the server has it."""
        changes = tuple((change.name, change.before, change.after) for change in todo.changes)
        pauses = tuple(step for step in todo.steps if isinstance(step, Pause))
        return cls(
            Told(resource.generation, resource.reconcile_requested_at, server),
            Left(owner_of(live), changes, pauses),
            live,
        )

    def leaves_the_same(self, former: Self) -> bool:
        """Whether it is about what the former one left: the same object, as it was."""
        return former.left.owner == self.left.owner and self.changes_the_same(former)

    def changes_the_same(self, former: Self) -> bool:
        """The same, whether it bears its mark or not: that alone is nobody's quarrel."""
        is_same = former.left._replace(owner="") == self.left._replace(owner="")
        return is_same and Incarnation.of(former.live).goes_on(self.live)


@dataclass(frozen=True, slots=True)
class _Vain:
    attempt: Attempt
    at: float


class Attempts:
    """The last vain attempt for each resource; all times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._vain: dict[str, _Vain] = {}

    def failed(self, uid: str, attempt: Attempt, now: float) -> None:
        """The server has just been told everything, and something is left."""
        self._vain[uid] = _Vain(attempt, now)

    def is_vain(self, uid: str, attempt: Attempt, now: float) -> bool:
        """Whether it would begin as the last one ended, so that there is no use in it."""
        last = self._vain.get(uid)
        if last is None or now - last.at >= RETRY_AFTER:
            return False
        return attempt.told == last.attempt.told and attempt.leaves_the_same(last.attempt)

    def knows(self, uid: str) -> bool:
        """Whether there was a vain attempt, by this process or, told as `failed`, before it."""
        return uid in self._vain

    def was_undone(self, uid: str, attempt: Attempt) -> bool:
        """Whether somebody has changed the object since the last one, which told the same.

        A mark that was taken off alone is nobody's change.
        """
        last = self._vain.get(uid)
        return (
            last is not None
            and last.attempt.told == attempt.told
            and not attempt.changes_the_same(last.attempt)
        )

    def forget(self, uid: str) -> None:
        """The resource is as declared, or gone."""
        self._vain.pop(uid, None)
