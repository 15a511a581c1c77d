"""The operator with exactly the documented rights, and what it says when one is taken away."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from connections.site import Site, declare
from connections.systems import PLAIN
from connections.test_permissions import PUBLISH, SUBSCRIBE, matches
from controlplane.accounts import Account, Operator
from controlplane.nats import NatsServer
from coze_nats.core import names
from coze_nats.core.conditions import condition
from support.eventually import eventually_async
from support.tenant import Tenant

CONNECTION, STREAM, CONSUMER = names.CONNECTION_KIND, names.STREAM_KIND, names.CONSUMER_KIND
REFUSED = re.compile(r"may not publish to (\$JS\.API\.[A-Za-z0-9.-]+)")
LISTS = ("$JS.API.STREAM.LIST", "$JS.API.CONSUMER.LIST.*")
"""Their lack stops no resource; the log tells it."""


@dataclass(frozen=True)
class System:
    """A server with an account in which every test has streams of its own."""

    server: NatsServer
    account: Account


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    operator = Operator()
    account = operator.account("A")
    with NatsServer("2.14.6", config=operator.config) as server:
        yield System(server, account)


class Life:
    """A stream and a consumer, from their declaration to their deletion.

    A step ends when it is done, or when something has been refused.

    Attributes:
        taken: the right that the user lacks.
        refused: the subjects that were refused so far, as statuses tell it.
    """

    def __init__(self, site: Site, system: System, name: str, taken: str = "") -> None:
        self.name = name
        self.taken = taken
        self.refused: set[str] = set()
        self._site = site
        self._tenant = Tenant(name, site.resources)
        site.resources.create_namespace(name)
        rights = [each for each in PUBLISH if each != taken]
        user = system.account.user(publish=rights, subscribe=SUBSCRIBE)
        declare(self._tenant, "events", system.server.url, PLAIN, {"creds": user.creds})

    async def play(self) -> None:
        """Use every right at least once."""
        await self._done(lambda: self._is(CONNECTION, "events", "Connected"))
        for changes in ({}, {"description": "changed"}):
            self._declare(self.name, self.name, **changes)
            await self._done(lambda: self._is(STREAM, self.name, "Converged"))
            await self._done(lambda: self._is(CONSUMER, self.name, "Converged"))
        self._declare("rival", self.name)
        await self._done(lambda: self._is(STREAM, "rival", "SubjectOverlap"))
        if self.taken in LISTS:
            await self._done(self._is_logged)
        for kind, name in ((CONSUMER, self.name), (STREAM, "rival"), (STREAM, self.name)):
            self._tenant.delete(kind, name)
            await self._done(partial(self._is_gone, kind, name))

    @property
    def connection_status(self) -> dict[str, Any]:
        return self._tenant.status(CONNECTION, "events")

    def _look(self) -> None:
        """Note the subjects that the status of anything here names."""
        kinds = (CONNECTION, STREAM, CONSUMER)
        found = [self._tenant.client.all_of(kind, self.name) for kind in kinds]
        self.refused |= set(REFUSED.findall(json.dumps(found)))

    def _declare(self, name: str, subject: str, **changes: str) -> None:
        of_stream = {"subjects": [subject], "storage": "memory", **changes}
        self._tenant.stream(
            name, connection={"name": "events"}, name=f"{self.name}-{name}", **of_stream
        )
        if name == self.name:
            # A new consumer is created as paused; only an existing one is paused by a request.
            pause = {"pauseUntil": "2199-01-01T00:00:00Z"} if changes else {}
            self._tenant.consumer(name, streamRef={"name": name}, **pause, **changes)

    def _is(self, kind: str, name: str, reason: str) -> bool:
        resource = self._tenant.get(kind, name)
        ready = condition(resource.get("status") or {}, "Ready") or {}
        generation = resource["metadata"]["generation"]
        return (ready.get("reason"), ready.get("observedGeneration")) == (reason, generation)

    def _is_logged(self) -> bool:
        logged = REFUSED.findall(self._site.operator.log)
        return any(matches(self.taken, subject) for subject in logged)

    def _is_gone(self, kind: str, name: str) -> bool:
        return not self._tenant.get(kind, name)

    async def _done(self, is_done: Callable[[], bool]) -> None:
        async def look() -> bool:
            self._look()
            return is_done() or bool(self.refused)

        await eventually_async(look, 60, f"a step of {self.name}")


async def test_the_operator_does_its_work_with_exactly_the_documented_rights(
    site: Site, system: System
) -> None:
    life = Life(site, system, "all-rights")
    await life.play()
    assert life.refused == set()
    told = condition(life.connection_status, "Ready")
    # It says, too, when it may not listen to the advisories.
    assert told
    assert told["message"] == f"connected to nats-server {system.server.version}"


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_operator_names_each_right_that_is_taken_away(site: Site, system: System) -> None:
    lives = [Life(site, system, f"without-{number}", taken) for number, taken in enumerate(PUBLISH)]
    await asyncio.gather(*(life.play() for life in lives))
    for life in lives:
        # What the lack of a list did, the log has told already.
        assert life.refused or life.taken in LISTS, life.taken
        assert all(matches(life.taken, subject) for subject in life.refused), life.taken
