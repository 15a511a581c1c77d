"""Which connections have a session: those that somebody uses, and new ones for a while.

A new or changed one is tried, so that its status tells whether it works. One that nobody uses rests
after that: it has no session, and its Secrets are not read.
"""

from dataclasses import dataclass
from math import inf

from coze_nats.controller.cache import Cache
from coze_nats.core.allowance import Allowance
from coze_nats.core.conditions import Outcome, is_true
from coze_nats.core.connections import too_many
from coze_nats.core.names import Reason
from coze_nats.core.remembered import is_observed, says
from coze_nats.core.resource import Key, Resource
from coze_nats.reconcile.reporting import Clock

IDLE_AFTER = 300.0
"""Seconds without a user after which a connection rests."""

LOOK_AGAIN = 300.0
"""Seconds after which one that nobody uses, and that does not work, is tried again."""

LOOK_FOR = 30.0
"""Seconds for which it is tried then."""


@dataclass(slots=True)
class _State:
    """What is known of a connection.

    Attributes:
        about: what is declared and asked for.
        awake_until: when it rests, if nobody uses it by then.
        rests_until: when it is tried again.
    """

    about: tuple[object, ...]
    awake_until: float
    rests_until: float = inf


class Idling:
    """Knows which connections rest, and shares the sessions there may be among the others.

    Args:
        most: sessions of this operator; 0: any number.
        clock: its monotonic seconds count.
    """

    def __init__(self, cache: Cache, clock: Clock, most: int = 0) -> None:
        self._cache = cache
        self._clock = clock
        self._allowance = Allowance(most)
        self._states: dict[Key, _State] = {}

    def is_idle(self, connection: Resource) -> bool:
        """Whether the connection needs no session now."""
        now, state = self._clock.monotonic(), self._state(connection)
        if self._cache.is_used(connection.key):
            state.awake_until, state.rests_until = now + IDLE_AFTER, inf
        elif now >= state.rests_until:
            state.awake_until, state.rests_until = now + LOOK_FOR, inf
        return now >= state.awake_until

    def rest(self, connection: Resource) -> float | None:
        """Let it rest; returns for how many seconds, None: until somebody uses it."""
        self._allowance.remove(connection.key)
        if works(connection):
            return None
        now, state = self._clock.monotonic(), self._state(connection)
        state.rests_until = min(state.rests_until, now + LOOK_AGAIN)
        return state.rests_until - now

    def kept_out(self, connection: Resource) -> Outcome | None:
        """How a connection stands for which there is no room; None: it may have a session."""
        key, allowance = connection.key, self._allowance
        allowance.put(connection)
        if allowance.admits(key):
            return None
        return too_many(allowance.most, key.namespace, int(allowance.share))

    def forget(self, key: Key) -> None:
        """The connection is gone."""
        self._states.pop(key, None)
        self._allowance.remove(key)

    def _state(self, connection: Resource) -> _State:
        about = (connection.uid, connection.generation, connection.reconcile_requested_at)
        known = self._states.get(connection.key)
        if known and known.about == about:
            return known
        now = self._clock.monotonic()
        # A process before this one has tried it.
        was_tried = known is None and says(connection, Reason.IDLE) and _is_answered(connection)
        found = self._states[connection.key] = _State(about, now if was_tried else now + IDLE_AFTER)
        return found


def works(connection: Resource) -> bool:
    """Whether the connection worked, as it is declared now, when it was last tried."""
    return is_true(connection.status, "Ready") and is_observed(connection)


def _is_answered(connection: Resource) -> bool:
    asked = connection.reconcile_requested_at
    return not asked or connection.status.get("lastHandledReconcileAt") == asked
