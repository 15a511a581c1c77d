"""The tables of docs/metrics.md, made from the metrics themselves."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from coze_nats.metrics import REGISTRY, Load, State
from coze_nats.metrics.figures import CONSUMER_FAMILIES, STREAM_FAMILIES, Family
from coze_nats.metrics.seen import LEFT_OUT

OF_OBJECTS = ("connection", "namespace", "name", "stream")

SECTIONS: dict[str, Callable[[str], bool]] = {
    "stream metrics": lambda name: name.startswith("coze_nats_stream_"),
    "consumer metrics": lambda name: name.startswith("coze_nats_consumer_"),
    "request metrics": lambda name: "_requests" in name or "_request_" in name,
    "process metrics": lambda name: (
        name.startswith("process_")
        or name in {"coze_nats_build_info", "coze_nats_leader", "coze_nats_tasks"}
    ),
    "connection metrics": lambda name: name.startswith(
        ("coze_nats_connection_", "coze_nats_resync_")
    ),
    "resource metrics": lambda name: name.startswith(
        ("coze_nats_resource", "coze_nats_plans_held", "coze_nats_objects_left_out")
    ),
    "work metrics": lambda _: True,
}
"""Which metrics a table is about; each stands in the first that takes it."""


class Row(NamedTuple):
    """What is told of a metric."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


# prometheus_client's own, which it has on Linux only; pages shall be the same everywhere.
PROCESS = (
    Row("process_virtual_memory_bytes", "gauge", (), "Virtual memory of the process."),
    Row("process_resident_memory_bytes", "gauge", (), "Memory that the process really occupies."),
    Row("process_start_time_seconds", "gauge", (), "When the process began, since 1970."),
    Row("process_cpu_seconds_total", "counter", (), "CPU time that the process has used."),
    Row("process_open_fds", "gauge", (), "Files and sockets that the process has open."),
    Row("process_max_fds", "gauge", (), "How many it may have open."),
)


def rows() -> Iterator[Row]:
    """All metrics that there can be."""
    yield from PROCESS
    state = State(tuple, Load, tuple)
    REGISTRY.register(state)
    try:
        # Only the collectors know the labels of a metric that has no samples yet.
        labels = {
            name: tuple(getattr(collector, "_labelnames", ()))
            for collector, found in REGISTRY._collector_to_names.items()  # noqa: SLF001
            for name in found
        }
        for metric in REGISTRY.collect():
            if metric.name.startswith("process_"):
                continue
            suffix = "_total" if metric.type == "counter" else ""
            own = tuple(getattr(metric, "_labelnames", ())) or labels.get(metric.name, ())
            yield Row(metric.name + suffix, metric.type, own, metric.documentation)
    finally:
        REGISTRY.unregister(state)
    yield _row(LEFT_OUT, "kind")
    for family in STREAM_FAMILIES:
        yield _row(family, *OF_OBJECTS)
    for family in CONSUMER_FAMILIES:
        yield _row(family, *OF_OBJECTS, "consumer")


def _row(family: Family, *labels: str) -> Row:
    if family.label:
        labels = (*labels, family.label)
    return Row(f"coze_nats_{family.name}", family.type, labels, family.help)


def sections() -> dict[str, str]:
    """The tables by their names."""
    found: dict[str, list[str]] = {name: [] for name in SECTIONS}
    for name, type_, labels, help_ in rows():
        section = next(key for key, takes in SECTIONS.items() if takes(name))
        listed = ", ".join(f"`{label}`" for label in labels)
        found[section].append(f"| `{name}` | {type_} | {listed} | {help_.rstrip('.')} |")
    head = ["| Metric | Type | Labels | What it tells |", "| --- | --- | --- | --- |"]
    return {name: "\n".join([*head, *lines]) for name, lines in found.items()}
