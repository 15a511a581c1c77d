"""Reconciles CozeConnections: opens, renews and closes links, and tells how they stand."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from coze_nats.controller.cache import Cache
from coze_nats.controller.idling import Idling, works
from coze_nats.controller.links import Link, Links
from coze_nats.controller.reading import Reading, Unreadable
from coze_nats.core.api.connection import ConnectionSpec
from coze_nats.core.conditions import Health, Outcome, is_true
from coze_nats.core.connections import (
    connected,
    connecting,
    connection_status,
    facts_of,
    idle,
    in_use,
    not_connected,
    still_going_on,
    unread,
    unusable,
    without_answer,
)
from coze_nats.core.desired import InvalidField
from coze_nats.core.errors import Failure
from coze_nats.core.intent import parsed
from coze_nats.core.login import Login, UnusableLogin, login
from coze_nats.core.names import Reason
from coze_nats.core.references import may_end
from coze_nats.core.resource import Key, Resource
from coze_nats.core.trouble import Trouble
from coze_nats.ports import Documents, Endpoint
from coze_nats.reconcile import AWAY_GRACE, Next, Reporter
from coze_nats.reconcile.reporting import Clock

LOOK_EVERY = 10.0
"""Seconds between two looks at a connection and what it logs in with."""

IMPATIENT = 1.0
"""Seconds between two looks while it isn't known whether the connection works."""

ACCOUNT_EVERY = 60.0
"""Seconds between two questions about the account."""

_NOT_OF_THE_LOGIN = frozenset({"allowedNamespaces", "suspend", "grants"})
"""Fields that are about the use of a connection: the session goes on when they change."""

_SECRETS_MATTER = frozenset({Trouble.CREDENTIALS, Trouble.AUTHENTICATION, Trouble.TLS})
"""Troubles that another content of the Secrets may end."""

Dial = Callable[[Login], Endpoint]
"""Makes an endpoint, without connecting yet; raises UnusableLogin."""


@dataclass(slots=True)
class _Known:
    """What is known of a connection that has a link.

    Attributes:
        declared: the part of the spec that the login is made from.
        read_at: when the Secrets were last read and taken over, on the monotonic clock.
        requested: value of the annotation that asks for a look, when they were.
        refused: why what was read then can't be used; None: it is used.
        asked_at: when the account was last asked about, on the monotonic clock.
        asked_in: the session in which it was: another login may be another account's.
    """

    uid: str
    declared: Mapping[str, Any]
    login: Login
    read_at: float
    requested: str
    refused: Outcome | None = None
    asked_at: float = 0.0
    asked_in: int = 0
    facts: Mapping[str, Any] | None = None


class Connecting:
    """Keeps the links as the CozeConnections declare them, and their status as the links are."""

    def __init__(
        self,
        cache: Cache,
        links: Links,
        documents: Documents,
        dial: Dial,
        reporter: Reporter,
        clock: Clock = time,
        most: int = 0,
    ) -> None:
        """`most` is how many sessions are kept at once; 0: any number."""
        self._cache = cache
        self._links = links
        self._reading = Reading(documents, clock)
        self._dial = dial
        self._reporter = reporter
        self._clock = clock
        self._idling = Idling(cache, clock, most)
        self._known: dict[Key, _Known] = {}
        self._use_of: dict[Key, Mapping[str, Any]] = {}
        self._away_since: dict[Key, float] = {}

    async def reconcile(self, connection: Resource) -> Next:
        """Bring one connection to what is declared; raises the apiserver's Failure."""
        users = self._users_in_need(connection) if connection.deleting else []
        if connection.deleting and (connection.released or not users):
            self.gone(connection.key)
            self._reporter.forget(connection.key)
            return Next(finalized=True)
        if self._idling.is_idle(connection):
            return await self._rested(connection)
        if outcome := self._idling.kept_out(connection):
            self._give_up(connection.key)
        else:
            outcome = await self._established(connection)
        if outcome is None or not self._is_current(connection):
            return self._soon(connection.key)
        if connection.deleting:
            outcome = in_use(outcome, users)
        await self._report(connection, outcome)
        if self._links[connection.key] is None and self._is_current(connection):
            # Not before: whoever uses it quotes the reason.
            self._links.is_unusable(connection.key, outcome.reason)
        return Next(after=LOOK_EVERY)

    def _soon(self, key: Key) -> Next:
        """When to look again while it isn't known how the connection stands."""
        if self._links[key] is None and self._reading.fails(key):
            # An apiserver in trouble is not to be pressed.
            return Next(backoff=True)
        return Next(after=IMPATIENT)

    async def warm_up(self, connection: Resource) -> Next:
        """Open what is declared and keep it open, without a word about it."""
        if connection.deleting:
            return Next(after=LOOK_EVERY)
        if self._idling.is_idle(connection):
            self._links.rest(connection.key)
        elif self._idling.kept_out(connection):
            self._give_up(connection.key)
        else:
            await self._established(connection)
        return Next(after=LOOK_EVERY)

    def changed(self, connection: Resource) -> None:
        """Give the former session up at once if another system or user is declared."""
        known = self._known.get(connection.key)
        if known and (known.uid, known.declared) != (connection.uid, _declared(connection)):
            del self._known[connection.key]
            self._links.close(connection.key, deadline=0.0)

    async def _rested(self, connection: Resource) -> Next:
        """Give up the session of a connection that nobody uses."""
        self._give_up(connection.key)
        self._links.rest(connection.key)
        if works(connection):
            await self._report(connection, idle())
        return Next(after=self._idling.rest(connection))

    def _give_up(self, key: Key) -> None:
        """Forget what was read and known, and end the session."""
        self._known.pop(key, None)
        self._away_since.pop(key, None)
        self._reading.forget(key)
        self._links.close(key)

    def gone(self, key: Key) -> None:
        """The CozeConnection doesn't exist any more, or is about to go."""
        self._give_up(key)
        self._use_of.pop(key, None)
        self._idling.forget(key)
        self._links.gone(key)

    def _is_current(self, connection: Resource) -> bool:
        """Whether it is still there after a wait, and as it was."""
        current = self._cache.get(connection.key)
        was = connection.uid, connection.generation
        return current is not None and (current.uid, current.generation) == was

    def _users_in_need(self, connection: Resource) -> list[Resource]:
        """Who is in the connection's own namespace, or elsewhere and about to be done with it.

        Others elsewhere must not hold up this namespace's end, and who may not use the connection
        has no need of it. Nor has whoever is kept by somebody else's finalizer alone.
        """
        return [
            user
            for user in self._cache.users_of(connection.key)
            if not user.is_let_go
            and (
                user.key.namespace == connection.key.namespace
                or (user.deleting and may_end(user, self._cache.stream_of(user), connection))
            )
        ]

    async def _established(self, connection: Resource) -> Outcome | None:
        """How the connection stands, after doing what is to be done; None: not known yet."""
        self.changed(connection)
        known = self._known.get(connection.key)
        self._tell_of_use(connection)
        if known and self._is_fresh(known, connection):
            return await self._looked_at(connection)
        try:
            spec = parsed(ConnectionSpec, connection.spec)
            contents = await self._reading.read(connection.key, spec)
            if not self._is_current(connection):
                # Nobody would close what is opened for it now.
                return None
            await self._use(connection, login(spec, contents))
        except InvalidField as error:
            return self._refused(connection, unusable(Reason.INVALID_SPEC, str(error)))
        except UnusableLogin as error:
            return self._refused(connection, unusable(error.reason, str(error)))
        except Unreadable as error:
            return await self._unread(connection, error)
        return await self._looked_at(connection)

    def _is_fresh(self, known: _Known, connection: Resource) -> bool:
        """Whether the Secrets have just been read, and there is no cause to read them anew."""
        link = self._links[connection.key]
        if link and not link.endpoint.is_connected and link.endpoint.trouble in _SECRETS_MATTER:
            return False
        was_read = self._clock.monotonic() - known.read_at < LOOK_EVERY - IMPATIENT
        return was_read and known.requested == connection.reconcile_requested_at

    async def _use(self, connection: Resource, found: Login) -> None:
        known = self._known.get(connection.key)
        link = self._links[connection.key]
        now = self._clock.monotonic()
        requested = connection.reconcile_requested_at
        if known and link:
            if known.login != found:
                link.endpoint.renew(found)
            known.login, known.read_at, known.requested = found, now, requested
            known.refused = None
            return
        endpoint = self._dial(found)
        declared = _declared(connection)
        self._known[connection.key] = _Known(connection.uid, declared, found, now, requested)
        await self._links.open(connection.key, connection.uid, endpoint)

    def _refused(self, connection: Resource, outcome: Outcome) -> Outcome:
        """There is nothing to log in with; a session that there is already may go on."""
        known, link = self._known.get(connection.key), self._links[connection.key]
        if known and link and link.endpoint.is_connected:
            known.refused = outcome
            return still_going_on(outcome)
        self._known.pop(connection.key, None)
        self._links.close(connection.key)
        return outcome

    async def _unread(self, connection: Resource, error: Unreadable) -> Outcome | None:
        """What to log in with may have changed or not: what was read before, if any, goes on."""
        if not self._is_current(connection):
            self._reading.forget(connection.key)
            return None
        obstacle = error.outcome if error.is_news_to(connection) else None
        known = self._known.get(connection.key)
        if known is None:
            return obstacle
        if known.refused:
            return unread(self._refused(connection, known.refused), obstacle)
        outcome = await self._looked_at(connection)
        return outcome and unread(outcome, obstacle)

    async def _looked_at(self, connection: Resource) -> Outcome | None:
        link = self._links[connection.key]
        if link is None:
            return None
        endpoint = link.endpoint
        trouble, words = endpoint.trouble, endpoint.last_error
        if endpoint.is_connected and trouble in (None, Trouble.UNREACHABLE):
            return await self._asked(connection, link)
        if trouble is None:
            is_new = "conditions" not in connection.status
            return self._patiently(connection, connecting()) if is_new else None
        outcome = not_connected(trouble, words)
        if endpoint.is_connected:
            outcome = still_going_on(outcome)
        return self._patiently(connection, outcome)

    def _patiently(self, connection: Resource, outcome: Outcome) -> Outcome | None:
        """The outcome, if it has been so for a while.

        Servers come and go, and one may know a new login sooner than its Secret is read.
        """
        now = self._clock.monotonic()
        since = self._away_since.setdefault(connection.key, now)
        if is_true(connection.status, "Ready"):
            grace = AWAY_GRACE
        else:
            grace = IMPATIENT if outcome.health is Health.RECONCILING else 0.0
        return outcome if now - since >= grace else None

    async def _asked(self, connection: Resource, link: Link) -> Outcome | None:
        """What the account says; it is asked now and then only."""
        known = self._known.get(connection.key)
        if known is None:
            # It has changed meanwhile.
            return None
        now = self._clock.monotonic()
        try:
            server = await link.endpoint.jetstream.server()
            epoch = link.endpoint.epoch
            if known.asked_in != epoch or now - known.asked_at >= ACCOUNT_EVERY:
                account = await link.endpoint.jetstream.account()
                known.asked_at, known.asked_in = now, epoch
                known.facts = facts_of(server, link.endpoint.cluster, account)
        except Failure as failure:
            outcome = without_answer(failure)
            is_final = outcome.reason is Reason.PERMISSION_DENIED
            return outcome if is_final else self._patiently(connection, outcome)
        self._away_since.pop(connection.key, None)
        is_suspended = bool(connection.spec.get("suspend"))
        return connected(
            server,
            hears=not link.endpoint.denied,
            unlisted=link.resync.denied,
            is_suspended=is_suspended,
        )

    def _tell_of_use(self, connection: Resource) -> None:
        """Have the users reconciled when it has changed who may use it, or for what."""
        use = {key: connection.spec.get(key) for key in _NOT_OF_THE_LOGIN}
        if self._use_of.setdefault(connection.key, use) != use:
            self._use_of[connection.key] = use
            self._links.tell_users(connection.key)

    async def _report(self, connection: Resource, outcome: Outcome) -> None:
        known = self._known.get(connection.key)
        facts = known.facts if known and known.facts and outcome.health is Health.READY else {}
        status = connection_status(connection, outcome, facts, self._clock.time_ns())
        await self._reporter.publish(connection, status, outcome)


def _declared(connection: Resource) -> dict[str, Any]:
    """The part of the spec that the login is made from."""
    return {key: value for key, value in connection.spec.items() if key not in _NOT_OF_THE_LOGIN}
