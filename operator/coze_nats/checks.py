"""What /healthz and /readyz find: what a restart would cure, and what keeps from the work.

NATS or an API server that is away is never a reason for a restart.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from coze_nats.controller.links import Link
from coze_nats.controller.queue import KeyedQueue
from coze_nats.core.terms import LONGEST_REQUEST_SECONDS
from coze_nats.health import Findings
from coze_nats.kube.watches import Watches
from coze_nats.leadership import Leadership

STUCK_SECONDS = 300.0
"""For so long, resources that are due may stay without anyone at work."""

SILENT_SECONDS = 12 * LONGEST_REQUEST_SECONDS
"""A reconcile in which nothing has been answered for so long, nor has its time been up, is stuck.

Each request has a deadline. What waits for its turn, six at a time in a cluster, may wait for the
deadlines of five others.
"""


@dataclass(slots=True)
class Checks:
    """Looks at the operator's parts when it is asked.

    Attributes:
        own_link: what works for the operator's own connection, as far as there is one yet.
        has_own_connection: whether there is to be one.
        waiting_for: what the operator needs before it can start; "" when it has started.
        queue: once there is one.
        tasks: those that must not end before the operator does.
    """

    watches: Watches
    leadership: Leadership
    own_link: Callable[[], Link | None]
    has_own_connection: bool
    waiting_for: str = ""
    queue: KeyedQueue | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def unhealthy(self) -> Findings:
        """What a restart would cure."""
        findings = dict(self._stuck_queue())
        if stuck := self.watches.stuck():
            findings["watches"] = f"nobody has asked for {', '.join(stuck)} for too long"
        if ended := [task.get_name() for task in self.tasks if task.done()]:
            findings["tasks"] = f"ended by themselves: {', '.join(ended)}"
        return findings

    def unready(self) -> Findings:
        """What keeps the operator from its work, or from standing by."""
        findings: dict[str, str] = {}
        if self.waiting_for:
            findings["kubernetes"] = f"waiting for {self.waiting_for}"
        elif closed := self.watches.closed():
            findings["kubernetes"] = f"not watching {', '.join(closed)}"
        elif not self.watches.filled.is_set():
            findings["cache"] = "not everything has been listed yet"
        if trouble := self.leadership.trouble:
            findings["lease"] = trouble
        if self.has_own_connection:
            own = self.own_link()
            if own is None or not own.endpoint.is_connected:
                why = own.endpoint.last_error if own else ""
                findings["nats"] = f"not connected: {why or 'not tried yet'}"
            elif own.resync.trouble:
                findings["jetstream"] = own.resync.trouble
        return findings

    def facts(self) -> Findings:
        """What is no fault, and worth to be known."""
        words = self.leadership.words
        return {"leadership": words} if words else {}

    def _stuck_queue(self) -> Iterable[tuple[str, str]]:
        if self.queue is None:
            return
        if (run := self.queue.most_silent) and run[1] > SILENT_SECONDS:
            yield "queue", f"reconciling {run[0]} has come to a halt for {run[1]:.0f} s"
        elif (load := self.queue.load).ready and not load.running and load.oldest > STUCK_SECONDS:
            yield "queue", f"{load.ready} resources are due and none is reconciled"
