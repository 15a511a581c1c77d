"""Reads what connections log in with, and since when that fails.

Secrets are read anew every few seconds, one `get` each: that is how a rotated one is noticed, with
no right to list or to watch them.
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from coze_nats.core.api.connection import ConnectionSpec
from coze_nats.core.conditions import Health, Outcome, is_true
from coze_nats.core.connections import unreadable
from coze_nats.core.errors import Failure
from coze_nats.core.login import Contents, Document, Value, values_of
from coze_nats.core.resource import Key, Resource
from coze_nats.ports import Documents
from coze_nats.reconcile import AWAY_GRACE
from coze_nats.reconcile.reporting import Clock

log = logging.getLogger(__name__)


BRIEFLY = 1.0
"""Seconds without an answer that are not worth a word on a new connection."""


class Unreadable(Exception):
    """The cluster doesn't give what a connection logs in with; it may be there or not.

    Attributes:
        outcome: how a connection stands that has nothing to log in with because of it.
        lasts: for how many seconds it has been so.
    """

    def __init__(self, outcome: Outcome, lasts: float) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome
        self.lasts = lasts

    def is_news_to(self, connection: Resource) -> bool:
        """Whether the connection shall tell it now.

        An apiserver that starts or has much to do answers so for a moment. What it can't tell takes
        back nothing that is known, for longer.
        """
        if is_true(connection.status, "Ready"):
            return self.lasts >= AWAY_GRACE
        if self.outcome.health is Health.STALLED:
            return True
        return self.lasts >= (AWAY_GRACE if "conditions" in connection.status else BRIEFLY)


class _Failing(NamedTuple):
    """What could not be read the last time, and since when something can't."""

    since: float
    value: Value
    outcome: Outcome


class Reading:
    """Reads the Secrets and ConfigMaps of connections."""

    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._failing: dict[Key, _Failing] = {}

    async def read(self, connection: Key, spec: ConnectionSpec) -> Contents:
        """The contents of everything that the spec names; raises Unreadable."""
        found: dict[Document, Mapping[str, str] | None] = {}
        for value in values_of(spec):
            if value.document in found:
                continue
            try:
                read = await self._documents.read(connection.namespace, value.document)
            except Failure as failure:
                raise self._failed(connection, value, failure) from failure
            found[value.document] = read
        if self._failing.pop(connection, None):
            log.info("What the connection logs in with can be read again")
        return found

    def fails(self, connection: Key) -> bool:
        """Whether something of it could not be read the last time."""
        return connection in self._failing

    def forget(self, connection: Key) -> None:
        """The connection is gone."""
        self._failing.pop(connection, None)

    def _failed(self, connection: Key, value: Value, failure: Failure) -> Unreadable:
        now = self._clock.monotonic()
        outcome = unreadable(value, connection.namespace, failure)
        before = self._failing.get(connection)
        if before is None:
            log.warning("What the connection logs in with can't be read: %s", failure)
        elif before.value == value and before.outcome.health is Health.STALLED:
            # An apiserver that fails now doesn't take back that it has refused.
            outcome = before.outcome
        since = before.since if before else now
        self._failing[connection] = _Failing(since, value, outcome)
        return Unreadable(outcome, now - since)
