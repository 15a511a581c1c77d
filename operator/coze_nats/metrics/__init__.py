"""What the operator tells Prometheus, at /metrics on the health port; docs/metrics.md explains it.

`counted` is counted as it happens, `remembered` keeps what that takes of single resources. What
is so at the moment is told by `state` and `seen`, which look when they are scraped: nothing is
kept up to date, so nothing can go stale.
"""

from prometheus_client import generate_latest

from coze_nats.metrics.counted import (
    EXISTENCE,
    QUEUE_WAIT,
    STATUS_REFUSALS,
    JetStreamCall,
    KubernetesCall,
    Reconcile,
)
from coze_nats.metrics.registry import OWN_CONNECTION, REGISTRY, label_of
from coze_nats.metrics.remembered import (
    carried_out,
    declared,
    drift_found,
    drift_repaired,
    forget,
    held,
    not_held,
    ready,
)
from coze_nats.metrics.seen import Figures, Seen
from coze_nats.metrics.state import ConnectionState, Load, State

__all__ = [
    "EXISTENCE",
    "OWN_CONNECTION",
    "QUEUE_WAIT",
    "REGISTRY",
    "STATUS_REFUSALS",
    "ConnectionState",
    "Figures",
    "JetStreamCall",
    "KubernetesCall",
    "Load",
    "Reconcile",
    "Seen",
    "State",
    "carried_out",
    "declared",
    "drift_found",
    "drift_repaired",
    "exposition",
    "forget",
    "held",
    "label_of",
    "not_held",
    "ready",
]


def exposition(seen: Seen | None = None) -> bytes:
    """All figures in Prometheus' text format, those of single objects last.

    May run in a thread: whatever is read belongs to the event loop's thread, and is read in steps
    that Python does not interrupt.
    """
    return generate_latest(REGISTRY) + (seen.text() if seen else b"")
