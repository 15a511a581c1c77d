"""Restarts, cuts and rotations: one at a time, and each is over when its function returns."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable
from random import Random

from controlplane import ControlPlaneError
from soak.findings import Findings
from soak.site import NAMESPACES, TENANT, Replica, Site
from support.tcp_proxy import TcpProxy

ROTATED_SECONDS = 15.0
"""An operator looks at Secrets every ten seconds."""

GRACE_SECONDS = 30.0
ORDERLY = (None, 0, 1)
"""Exit codes: it had ended before, it has finished, it lost the Lease meanwhile."""


class Disturbances:
    """What happens to operators, servers and what is between them."""

    def __init__(self, site: Site, findings: Findings, random: Random) -> None:
        self._site = site
        self._findings = findings
        self._random = random
        self._rotations = 0

    async def act(self) -> None:
        """Do one of them."""
        acts: dict[Callable[[], Awaitable[None]], int] = {
            self._terminate_a_replica: 3,
            self._kill_a_replica: 3,
            self._kill_both_replicas: 1,
            self._freeze_the_steady_one: 1,
            self._restart_nats: 2,
            self._kill_nats: 1,
            self._restart_the_api_server: 2,
            self._cut_something: 3,
            self._refuse_something: 2,
            self._swallow_something: 2,
            self._rotate_at_once: 2,
            self._rotate_with_an_overlap: 2,
        }
        (act,) = self._random.choices(list(acts), list(acts.values()))
        await act()

    # --- operators --------------------------------------------------------------------------------

    async def _terminate_a_replica(self) -> None:
        replica = self._random.choice(self._site.pair)
        await self._end("SIGTERM to an operator", replica, signal.SIGTERM)

    async def _kill_a_replica(self) -> None:
        replica = self._random.choice(self._site.pair)
        await self._end("SIGKILL to an operator", replica, signal.SIGKILL)

    async def _kill_both_replicas(self) -> None:
        ends = (
            self._end("SIGKILL to both operators", replica, signal.SIGKILL)
            for replica in self._site.pair
        )
        await asyncio.gather(*ends)

    async def _end(self, act: str, replica: Replica, with_signal: signal.Signals) -> None:
        self._findings.did(act, replica.name)
        replica.is_wanted = False
        start = time.monotonic()
        code = await asyncio.to_thread(replica.process.stop, with_signal)
        seconds = time.monotonic() - start
        if with_signal is signal.SIGTERM and (code not in ORDERLY or seconds > GRACE_SECONDS):
            what = f"{replica.name}: exit code {code} after {seconds:.0f} s"
            self._findings.breaks("an operator ends in order, within its grace period", what)
        await self._pass(0, 10)
        await replica.start()

    async def _freeze_the_steady_one(self) -> None:
        self._findings.did("SIGSTOP and SIGCONT to an operator")
        pid = self._site.steady.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await self._pass(1, 20)
        finally:
            os.kill(pid, signal.SIGCONT)

    # --- servers ----------------------------------------------------------------------------------

    async def _restart_nats(self) -> None:
        self._findings.did("SIGTERM to NATS")
        await asyncio.to_thread(self._site.nats.halt)
        await self._pass(0, 10)
        await asyncio.to_thread(self._site.nats.start)

    async def _kill_nats(self) -> None:
        self._findings.did("SIGKILL to NATS")
        await asyncio.to_thread(self._site.nats.kill)
        await self._pass(0, 10)
        await asyncio.to_thread(self._site.nats.start)

    async def _restart_the_api_server(self) -> None:
        with_signal = self._random.choice((signal.SIGTERM, signal.SIGKILL))
        self._findings.did(f"{with_signal.name} to the API server")
        # On a busy machine it takes more than the minute that is waited for, and goes on starting.
        with contextlib.suppress(ControlPlaneError):
            await asyncio.to_thread(self._site.cluster.api.restart, with_signal)

    # --- what is between --------------------------------------------------------------------------

    def _something(self) -> tuple[str, TcpProxy]:
        where, proxies = self._random.choice(
            (("the API server", self._site.to_api), ("NATS", self._site.to_nats))
        )
        return where, proxies[self._random.choice(NAMESPACES)]

    async def _cut_something(self) -> None:
        where, proxy = self._something()
        self._findings.did(f"connections to {where} reset")
        for _ in range(self._random.randrange(1, 6)):
            await asyncio.to_thread(proxy.cut)
            await self._pass(0, 1)

    async def _refuse_something(self) -> None:
        where, proxy = self._something()
        self._findings.did(f"connections to {where} refused")
        await asyncio.to_thread(proxy.refuse)
        await self._healed_after(proxy, 20)

    async def _swallow_something(self) -> None:
        where, proxy = self._something()
        self._findings.did(f"partition from {where}")
        proxy.swallow()
        await self._healed_after(proxy, 40)

    async def _healed_after(self, proxy: TcpProxy, most: float) -> None:
        try:
            await self._pass(1, most)
        finally:
            await asyncio.to_thread(proxy.heal)

    # --- logins -----------------------------------------------------------------------------------

    async def _rotate_at_once(self) -> None:
        """The old login is invalid before the new one is in the Secrets."""
        self._findings.did("login rotated, the old one revoked at once")
        self._add_login()
        self._revoke_old_logins()
        await asyncio.to_thread(self._site.nats.reload, self._site.nats_config())
        await self._pass(0, 5)
        await asyncio.to_thread(self._site.write_logins)
        await self._pass(0, ROTATED_SECONDS)

    async def _rotate_with_an_overlap(self) -> None:
        """As it is meant to be done: both logins are valid for a while."""
        self._findings.did("login rotated, the old one revoked later")
        self._add_login()
        await asyncio.to_thread(self._site.nats.reload, self._site.nats_config())
        await asyncio.to_thread(self._site.write_logins)
        await self._pass(ROTATED_SECONDS, ROTATED_SECONDS)
        self._revoke_old_logins()
        await asyncio.to_thread(self._site.nats.reload, self._site.nats_config())

    def _add_login(self) -> None:
        self._rotations += 1
        self._site.users[TENANT][f"tenant-{self._rotations}"] = secrets.token_hex(8)

    def _revoke_old_logins(self) -> None:
        users = self._site.users[TENANT]
        for user in list(users)[:-1]:
            if user.startswith("tenant-"):
                del users[user]

    async def _pass(self, least: float, most: float) -> None:
        await asyncio.sleep(self._random.uniform(least, most))


async def kubelet(site: Site, findings: Findings) -> None:
    """Start again whatever has ended by itself; goes on until it is cancelled."""
    while True:
        for replica in site.replicas:
            if replica.is_wanted and not replica.process.running:
                replica.ended += 1
                findings.did("an operator ended by itself", replica.name)
                if replica is site.steady:
                    findings.breaks(
                        "an operator without a Lease lives on", replica.process.log[-2000:]
                    )
                await replica.start()
        await asyncio.sleep(1)
