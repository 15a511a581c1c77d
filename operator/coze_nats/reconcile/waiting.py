"""When a resource says that it waits for its stream: too early costs a write, too late is a lie."""

from coze_nats.core.conditions import is_true, was_as_declared
from coze_nats.core.names import Reason
from coze_nats.core.remembered import says
from coze_nats.core.resource import Key, Resource
from coze_nats.reconcile.context import Context

QUIET = 3.0
"""Seconds after which who isn't Ready says what it waits for, unless many objects are being made.

While many resources are applied in any order, waiting is nothing worth a write.
"""

PATIENCE = 120.0
"""Seconds after which it says so in any case."""

BAD_NEWS = 0.5
"""Seconds for which who said Ready stays so though its stream is gone, which may be back at once.

They begin anew while what it waits for is about to be done, or while deletions go on: whoever
deletes many streams deletes their consumers, too.
"""

LATEST = 15.0
"""Seconds after which it says so in any case."""


class Waits:
    """Since when resources wait for their streams."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._since: dict[Key, float] = {}

    def pause(self, resource: Resource, reason: Reason) -> float:
        """Seconds after which to look again, without a word until then; 0: it is to be told now."""
        if says(resource, reason):
            return 0.0
        now = self._context.clock.monotonic()
        since = self._since.setdefault(resource.key, now)
        if not is_true(resource.status, "Ready"):
            quiet = now - max(since, self._context.busy_until)
            return QUIET if quiet < QUIET and now - since < PATIENCE else 0.0
        if now - since >= LATEST:
            return 0.0
        quiet = now - max(since, self._context.last_deletion)
        return BAD_NEWS if quiet < BAD_NEWS or self._is_about_to_be_made(resource) else 0.0

    def forget(self, key: Key) -> None:
        """It doesn't wait any more."""
        self._since.pop(key, None)

    def _is_about_to_be_made(self, consumer: Resource) -> bool:
        """Whether its CozeStream is Ready still, so that nobody has looked for the stream yet."""
        stream = self._context.stream_of(consumer)
        return stream is not None and not stream.deleting and was_as_declared(stream.status)
