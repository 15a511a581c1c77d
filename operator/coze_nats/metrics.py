"""What the operator counts, for Prometheus; served at /metrics on the health port.

Figures live for as long as the process. No label names a resource: their number would have no end.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
)

from coze_nats.core.resource import Key

# When a counter began tells nothing here, and would double the number of series.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the package leaves it untyped

REGISTRY = CollectorRegistry()

CARRIED_OUT = Counter(
    "coze_nats_plans_carried_out",
    "Plans that were carried out in JetStream, by kind and action.",
    ("kind", "action"),
    registry=REGISTRY,
)

HELD = Gauge(
    "coze_nats_plans_held",
    "Resources whose plan is refused or held back now, by kind, action and reason.",
    ("kind", "action", "reason"),
    registry=REGISTRY,
)

_held: dict[Key, tuple[str, str]] = {}


def carried_out(key: Key, action: str) -> None:
    """A resource's plan was carried out."""
    CARRIED_OUT.labels(key.kind, action).inc()
    not_held(key)


def held(key: Key, action: str, reason: str) -> None:
    """A resource's plan waits, for this reason, until it is carried out or none is left."""
    not_held(key)
    _held[key] = (action, reason)
    HELD.labels(key.kind, action, reason).inc()


def not_held(key: Key) -> None:
    """Nothing of the resource waits."""
    if key in _held:
        HELD.labels(key.kind, *_held.pop(key)).dec()


def exposition() -> bytes:
    """All figures in Prometheus' text format."""
    return generate_latest(REGISTRY)
