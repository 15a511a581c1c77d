"""Where every metric is registered. Names begin with `coze_nats_`, and units are base units."""

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

from coze_nats.core.resource import Key

# When a counter began tells nothing here, and would double the number of series.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the package leaves it untyped

REGISTRY = CollectorRegistry()

ProcessCollector(registry=REGISTRY)

OWN_CONNECTION = "operator"


def label_of(connection: Key | None) -> str:
    """The label `connection`: namespace/name of a CozeConnection; None: the operator's own."""
    return f"{connection.namespace}/{connection.name}" if connection else OWN_CONNECTION
