"""Whom comparisons don't get to see, and who is therefore looked at by itself.

A status that nothing confirms must not stay for ever: what it says may have been over for long.
"""

from collections.abc import Callable, Iterable

from coze_nats.controller.queue import Clock, Timer
from coze_nats.core.resource import Key


class Unseen:
    """The resources that no comparison has seen of late.

    Who stays unseen for `grace` seconds is looked at, and again every `again` seconds for as long
    as that lasts. A single look may work where no comparison does, and stop working later.

    Args:
        look: have the resource look for itself, unless it is about to do so anyway.
    """

    def __init__(
        self, look: Callable[[Key], None], clock: Clock, *, grace: float, again: float
    ) -> None:
        self._look = look
        self._clock = clock
        self._grace = grace
        self._again = again
        self._due: dict[Key, float] = {}
        self._timer: Timer | None = None
        self._held = False
        self._stopped = False

    def are(self, keys: Iterable[Key]) -> None:
        """These and no others are unseen; who has been so already goes on being so."""
        due = self._clock.time() + self._grace
        self._due = {key: self._due.get(key, due) for key in keys}
        self._look_at_those_due()

    def saw(self, key: Key) -> None:
        """A comparison that is still going on has seen this one."""
        self._due.pop(key, None)

    def hold(self) -> None:
        """Look at nobody: a comparison is about to see them all, or to fail."""
        self._held = True

    def release(self) -> None:
        """Go on, with those at once who have become due meanwhile."""
        self._held = False
        self._look_at_those_due()

    def stop(self) -> None:
        """Look at nobody any more, for good."""
        self._stopped = True
        self._due.clear()
        self._cancel_timer()

    def _look_at_those_due(self) -> None:
        self._cancel_timer()
        if self._held or self._stopped or not self._due:
            return
        now = self._clock.time()
        for key in [key for key, due in self._due.items() if due <= now]:
            self._due[key] = now + self._again
            self._look(key)
        delay = min(self._due.values()) - now
        self._timer = self._clock.call_later(delay, self._look_at_those_due)

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
