"""What is so at the moment of a scrape: resources, queue, connections, leadership, held plans.

All of it is read from those who know it; nothing is stored here.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coze_nats.core import names
from coze_nats.core.conditions import condition, is_true
from coze_nats.core.resource import Resource
from coze_nats.metrics.remembered import held_plans

MOST_NOT_READY = 500
"""Of so many resources at most it is told by name that they are not Ready."""


class Load(NamedTuple):
    """What is in the queue.

    Attributes:
        oldest: seconds for which the first of the ready has been ready.
        longest: seconds for which the oldest run has been going on.
    """

    ready: int = 0
    running: int = 0
    delayed: int = 0
    parked: int = 0
    oldest: float = 0.0
    longest: float = 0.0


class ConnectionState(NamedTuple):
    """How a connection with NATS stands.

    Attributes:
        name: `OWN_CONNECTION`, or namespace/name of the CozeConnection.
        sessions: how many sessions there have been.
        server: version of the server, "" while there is none.
    """

    name: str
    is_up: bool
    sessions: int
    server: str = ""


class State(Collector):
    """Looks when it is scraped.

    Args:
        resources: all that the operator knows of, as of now.
        load: looks into the queue.
        connections: looks at the connections.
        leads: whether this process is the one that works.
        shard: the part of the connections that it works for, "" for all.
        loop: whose tasks are counted; a scrape runs in a thread of its own.
    """

    def __init__(
        self,
        resources: Callable[[], Collection[Resource]],
        load: Callable[[], Load],
        connections: Callable[[], Iterable[ConnectionState]],
        leads: Callable[[], bool] = lambda: True,
        shard: str = "",
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._resources = resources
        self._load = load
        self._connections = connections
        self._leads = leads
        self._shard = shard
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        """All families, also those that have no samples now."""
        yield _gauge(
            "build_info", "Always 1; the version is a label.", {(_version(),): 1}, "version"
        )
        yield _gauge(
            "leader",
            "1 while this process does the work of its shard, 0 while it stands by.",
            {(self._shard,): self._leads()},
            "shard",
        )
        yield _gauge(
            "tasks",
            "Tasks of the process's event loop: as many at rest today as last week.",
            {(): len(asyncio.all_tasks(self._loop)) if self._loop else 0},
        )
        yield from _resources(self._resources())
        yield from _queue(self._load())
        yield from _connections(self._connections())
        yield _gauge(
            "plans_held",
            "Resources whose plan is refused or held back now, by kind, action and reason.",
            held_plans(),
            *("kind", "action", "reason"),
        )


@cache
def _version() -> str:
    return version("coze-nats-operator")


def _gauge(
    name: str,
    help_: str,
    values: Mapping[tuple[str, ...], float],
    *labels: str,
) -> Metric:
    family = GaugeMetricFamily(f"coze_nats_{name}", help_, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def readiness(resource: Resource) -> tuple[str, str]:
    """The status and reason of the condition Ready, as far as it is about the spec of now."""
    found = condition(resource.status, "Ready")
    if found is None:
        return "Unknown", "NotReported"
    if resource.status.get("observedGeneration") != resource.generation:
        return "Unknown", "Outdated"
    return found["status"], found["reason"]


def _resources(resources: Collection[Resource]) -> Iterator[Metric]:
    counts: Counter[tuple[str, ...]] = Counter()
    not_ready: dict[tuple[str, ...], float] = {}
    warned: dict[tuple[str, ...], float] = {}
    left_out = 0
    for resource in resources:
        kind, namespace, name = resource.key
        ready, reason = readiness(resource)
        counts[kind, namespace, ready, reason] += 1
        for warning in names.WARNINGS:
            if is_true(resource.status, warning) and len(warned) < MOST_NOT_READY:
                warned[kind, namespace, name, str(warning)] = 1
        if ready == "True":
            continue
        if len(not_ready) < MOST_NOT_READY:
            not_ready[kind, namespace, name, reason] = 1
        else:
            left_out += 1
    yield _gauge(
        "resources",
        "Resources, by kind, namespace, and status and reason of their condition Ready.",
        counts,
        *("kind", "namespace", "ready", "reason"),
    )
    yield _gauge(
        "resource_not_ready",
        "1 for each resource that is not Ready, by kind, namespace, name and reason.",
        not_ready,
        *("kind", "namespace", "name", "reason"),
    )
    yield _gauge(
        "resource_warning",
        "1 for each resource that warns of something, by kind, namespace, name and condition.",
        warned,
        *("kind", "namespace", "name", "condition"),
    )
    yield _gauge(
        "resource_not_ready_left_out",
        "Resources that are not Ready and have no series of their own, as there are too many.",
        {(): left_out},
    )


def _queue(load: Load) -> Iterator[Metric]:
    yield _gauge(
        "queue_depth",
        "Resources in the queue, by state.",
        {(state,): getattr(load, state) for state in ("ready", "running", "delayed", "parked")},
        "state",
    )
    yield _gauge(
        "queue_oldest_seconds",
        "For how long the first resource in the queue has been ready to be reconciled.",
        {(): load.oldest},
    )
    yield _gauge(
        "queue_longest_run_seconds",
        "For how long the oldest reconcile has been going on.",
        {(): load.longest},
    )


def _connections(connections: Iterable[ConnectionState]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "coze_nats_connection_up",
        "Whether there is a session with NATS, by connection.",
        labels=("connection",),
    )
    sessions = CounterMetricFamily(
        "coze_nats_connection_sessions",
        "Sessions that were opened with NATS, by connection.",
        labels=("connection",),
    )
    info = GaugeMetricFamily(
        "coze_nats_connection_info",
        "Always 1; the version of the server behind a connection is a label.",
        labels=("connection", "server_version"),
    )
    for connection in connections:
        up.add_metric((connection.name,), connection.is_up)
        sessions.add_metric((connection.name,), connection.sessions)
        if connection.server:
            info.add_metric((connection.name, connection.server), 1)
    yield from (up, sessions, info)
