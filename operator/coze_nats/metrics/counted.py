"""What is counted at the moment that it happens; counters and histograms live with the process.

No label names a resource: their number would have no end.
"""

import re
from time import perf_counter
from types import TracebackType
from typing import Self

from prometheus_client import Counter, Histogram

from coze_nats.core import names
from coze_nats.metrics.registry import OWN_CONNECTION, REGISTRY

RECONCILES = Histogram(
    "coze_nats_reconcile_duration_seconds",
    "Time that reconciles took, by kind and result.",
    ("kind", "result"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)

RETRIES = Counter(
    "coze_nats_reconcile_retries",
    "Reconciles that are to be tried again after a growing delay, by kind.",
    ("kind",),
    registry=REGISTRY,
)

QUEUE_WAIT = Histogram(
    "coze_nats_queue_wait_seconds",
    "Time that resources were ready in the queue before their reconcile began.",
    buckets=(0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)

CARRIED_OUT = Counter(
    "coze_nats_plans_carried_out",
    "Plans that were carried out in JetStream, by kind and action.",
    ("kind", "action"),
    registry=REGISTRY,
)

REFUSALS = Counter(
    "coze_nats_plan_refusals",
    "Plans that were refused or held back, by kind and reason; again only after a change.",
    ("kind", "reason"),
    registry=REGISTRY,
)

DRIFT_FOUND = Counter(
    "coze_nats_drift_found",
    "Fields that were found changed in JetStream behind the operator's back, by kind and field.",
    ("kind", "field"),
    registry=REGISTRY,
)

DRIFT_REPAIRED = Counter(
    "coze_nats_drift_repaired",
    "Fields that were put right in JetStream after such a change, by kind and field.",
    ("kind", "field"),
    registry=REGISTRY,
)

UNTIL_READY = Histogram(
    "coze_nats_resource_ready_duration_seconds",
    "Time from hearing of a new or changed spec to the written status Ready, by kind.",
    ("kind",),
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)

STATUS_REFUSALS = Counter(
    "coze_nats_status_refusals",
    "Statuses that the API server refused, so that a smaller one was written, by kind.",
    ("kind",),
    registry=REGISTRY,
)

RESYNCS = Histogram(
    "coze_nats_resync_duration_seconds",
    "Time that comparisons of all resources with JetStream took, by connection and result.",
    ("connection", "result"),
    buckets=(0.05, 0.25, 1, 5, 15, 60),
    registry=REGISTRY,
)

JETSTREAM_CALLS = Counter(
    "coze_nats_jetstream_requests",
    "Requests to JetStream's API, by connection, verb and result.",
    ("connection", "verb", "result"),
    registry=REGISTRY,
)

JETSTREAM_SECONDS = Histogram(
    "coze_nats_jetstream_request_duration_seconds",
    "Time until JetStream's API answered, or the wait was given up, by connection and verb.",
    ("connection", "verb"),
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
    registry=REGISTRY,
)

KUBERNETES_CALLS = Counter(
    "coze_nats_kubernetes_requests",
    "Requests to the Kubernetes API server, by verb, resource and HTTP status code.",
    ("verb", "resource", "code"),
    registry=REGISTRY,
)

KUBERNETES_SECONDS = Histogram(
    "coze_nats_kubernetes_request_duration_seconds",
    "Time until the Kubernetes API server began to answer, by verb and resource.",
    ("verb", "resource"),
    buckets=(0.005, 0.025, 0.1, 0.5, 1, 5, 30),
    registry=REGISTRY,
)

EXISTENCE = "existence"
"""The `field` of a drift in which the whole object was gone, or another one."""

# What happens seldom: an increase from nothing to the first is seen only if there was a 0 before.
for _kind in names.PLURALS:
    UNTIL_READY.labels(_kind)
    STATUS_REFUSALS.labels(_kind)
for _kind in names.TOPOLOGY_KINDS:
    DRIFT_FOUND.labels(_kind, EXISTENCE)

_BY_CONNECTION = (RESYNCS, JETSTREAM_CALLS, JETSTREAM_SECONDS)


_connections = {OWN_CONNECTION}


def know_connection(connection: str) -> None:
    """What is done over this connection is counted from now on."""
    _connections.add(connection)


def forget_connection(connection: str) -> None:
    """The connection is gone for good, and so are its series; what ends late makes no new ones."""
    _connections.discard(connection)
    for metric in _BY_CONNECTION:
        metric.remove_by_labels({"connection": connection})


class _Timed:
    """A block whose time and result are counted when it ends, however it ends."""

    _error: type[BaseException] | None = None

    def __init__(self) -> None:
        self._began = perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._error = kind
        self._count(perf_counter() - self._began)

    @property
    def _result(self) -> str:
        """How the block ended, as a label."""
        return "success" if self._error is None else result_of(self._error)

    def _count(self, seconds: float) -> None:
        raise NotImplementedError


class JetStreamCall(_Timed):
    """Counts one request to JetStream's API: `with JetStreamCall(connection, "STREAM.INFO.x"):`."""

    def __init__(self, connection: str, subject: str) -> None:
        super().__init__()
        self._labels = connection, verb_of(subject)

    def _count(self, seconds: float) -> None:
        if self._labels[0] not in _connections:
            return
        JETSTREAM_CALLS.labels(*self._labels, self._result).inc()
        JETSTREAM_SECONDS.labels(*self._labels).observe(seconds)


class KubernetesCall(_Timed):
    """Counts one request to the API server, up to the beginning of its answer.

    Attributes:
        code: HTTP status code of the answer; "" while there is none.
    """

    def __init__(self, verb: str, resource: str) -> None:
        super().__init__()
        self._labels = verb, resource
        self.code = ""

    def _count(self, seconds: float) -> None:
        KUBERNETES_CALLS.labels(*self._labels, self.code or self._result).inc()
        KUBERNETES_SECONDS.labels(*self._labels).observe(seconds)


class Reconcile(_Timed):
    """Counts one reconcile.

    Attributes:
        result: how it ended, to be set within the block; RETRY: it will be tried again.
    """

    RETRY = "retry"

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self.result = "error"

    def _count(self, seconds: float) -> None:
        RECONCILES.labels(self._kind, self.result).observe(seconds)
        if self.result == self.RETRY:
            RETRIES.labels(self._kind).inc()


class ResyncRound(_Timed):
    """Counts one comparison of a connection's resources with JetStream."""

    def __init__(self, connection: str) -> None:
        super().__init__()
        self._connection = connection

    def _count(self, seconds: float) -> None:
        if self._connection in _connections:
            RESYNCS.labels(self._connection, self._result).observe(seconds)


def verb_of(subject: str) -> str:
    """What a request to JetStream asks for: STREAM.INFO.orders → STREAM.INFO."""
    return ".".join(subject.split(".", 2)[:2])


def result_of(error: type[BaseException]) -> str:
    """The label `result` of what ended with this error: OutcomeUnknown → outcome_unknown."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.__name__).lower()
