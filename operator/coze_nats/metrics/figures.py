"""Which figures of a stream or consumer are told, and how they follow from what JetStream says."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from coze_nats.core.live import Config, LiveConsumer, LiveStream, Origin, Raft
from coze_nats.core.replication import SILENT


class Family(NamedTuple):
    """One metric of objects; `name` is without `coze_nats_`.

    Attributes:
        label: of the samples of an object, where it has several.
    """

    name: str
    type: str
    help: str
    label: str = ""


REPLICA_FAMILIES = (
    ("replicas", "Servers that hold a copy of the {}, itself included."),
    ("replicas_offline", "Servers that hold a copy of the {} and are offline."),
    ("replica_lag_operations", "Operations that the replica of the {} furthest behind lacks."),
    ("leaderless", "1 while the {} has no leader or doesn't answer, 0 otherwise."),
)


def _replica_families(kind: str) -> tuple[Family, ...]:
    return tuple(
        Family(f"{kind}_{name}", "gauge", text.format(kind)) for name, text in REPLICA_FAMILIES
    )


STREAM_FAMILIES = (
    Family("stream_messages", "gauge", "Messages that the stream holds."),
    Family("stream_bytes", "gauge", "Bytes that the stream holds."),
    Family("stream_subjects", "gauge", "Distinct subjects of the messages that the stream holds."),
    Family("stream_consumers", "gauge", "Consumers of the stream, whoever made them."),
    Family(
        "stream_messages_stored_total",
        "counter",
        "Messages that the stream ever took in: the sequence of the newest.",
    ),
    Family(
        "stream_limit_used_ratio",
        "gauge",
        "Share of a limit of the stream that is used, from 0 to 1, by limit.",
        "limit",
    ),
    Family(
        "stream_rolls",
        "gauge",
        "1 when the stream is meant to drop its oldest messages at its limits, 0 otherwise.",
    ),
    Family(
        "stream_origin_lag_messages",
        "gauge",
        "Messages that a mirror or sourced stream lacks of an origin, by origin.",
        "origin",
    ),
    Family(
        "stream_origin_stalled",
        "gauge",
        "1 while a mirror or sourced stream hears nothing of an origin or has an error, by origin.",
        "origin",
    ),
    *_replica_families("stream"),
)

CONSUMER_FAMILIES = (
    Family("consumer_pending_messages", "gauge", "Messages that were never delivered yet."),
    Family("consumer_ack_pending_messages", "gauge", "Messages delivered and not acknowledged."),
    Family(
        "consumer_redelivered_messages",
        "gauge",
        "Messages delivered more than once and not acknowledged.",
    ),
    Family("consumer_waiting_pulls", "gauge", "Requests for messages that wait for some."),
    Family("consumer_deliveries_total", "counter", "Deliveries, each further one counted, too."),
    Family(
        "consumer_ack_floor_sequence",
        "gauge",
        "Sequence in the stream up to which nothing is left to deliver or to acknowledge.",
    ),
    Family("consumer_paused", "gauge", "1 while deliveries are paused, 0 otherwise."),
    Family(
        "consumer_limit_used_ratio",
        "gauge",
        "Share of a limit of the consumer that is used, from 0 to 1, by limit.",
        "limit",
    ),
    *_replica_families("consumer"),
)

Value = int | float | tuple[tuple[str, float], ...]
"""A sample's value; of a ratio, the values by limit."""

Values = tuple[Value | None, ...]
"""One for each family; None where there is none."""


def stream_values(live: LiveStream) -> Values:
    """The figures of a stream, in the order of STREAM_FAMILIES."""
    config = live.config
    used = (
        ("messages", live.messages, config.get("max_msgs")),
        ("bytes", live.bytes, config.get("max_bytes")),
        ("consumers", live.consumers, config.get("max_consumers")),
    )
    return (
        live.messages,
        live.bytes,
        live.subjects,
        live.consumers,
        live.last_sequence,
        _shares(used),
        int(_rolls(config)),
        _lags(live.origins),
        _stalls(live.origins),
        *_replica_values(live.raft),
    )


def consumer_values(live: LiveConsumer) -> Values:
    """The figures of a consumer, in the order of CONSUMER_FAMILIES."""
    config = live.config
    used = (
        ("ack_pending", live.ack_pending, config.get("max_ack_pending")),
        ("waiting_pulls", live.waiting, config.get("max_waiting")),
    )
    return (
        live.pending,
        live.ack_pending,
        live.redelivered,
        live.waiting,
        live.deliveries,
        live.acknowledged,
        int(live.paused),
        _shares(used),
        *_replica_values(live.raft),
    )


_MOST_ORIGINS = 64
"""Of so many origins of a stream at most there are series of their own."""


def _lags(origins: tuple[Origin, ...]) -> tuple[tuple[str, float], ...]:
    return _worst(origins, lambda origin: origin.lag)


def _stalls(origins: tuple[Origin, ...]) -> tuple[tuple[str, float], ...]:
    return _worst(origins, lambda origin: int(bool(origin.error) or _is_silent(origin)))


def _is_silent(origin: Origin) -> bool:
    return origin.heard_ago is None or origin.heard_ago > SILENT


def _worst(
    origins: tuple[Origin, ...], value: Callable[[Origin], float]
) -> tuple[tuple[str, float], ...]:
    """The largest value by origin: one can be copied in several parts."""
    found: dict[str, float] = {}
    for origin in origins:
        label = _label(origin)
        if label in found or len(found) < _MOST_ORIGINS:
            found[label] = max(found.get(label, 0), value(origin))
    return tuple(found.items())


def _label(origin: Origin) -> str:
    return f"{origin.prefix}.{origin.name}" if origin.prefix else origin.name


def _rolls(config: Config) -> bool:
    """Whether it is all right that a stream is full: what nobody took yet is not meant to stay."""
    return config.get("retention") == "limits" and config.get("discard") == "old"


def _shares(used: Iterable[tuple[str, int, int | None]]) -> tuple[tuple[str, float], ...]:
    """Used share by limit; a limit that is absent, 0 or negative is none."""
    return tuple((name, have / most) for name, have, most in used if most and most > 0)


def _replica_values(raft: Raft) -> tuple[int, ...]:
    return 1 + len(raft.replicas), raft.offline, raft.lag, int(raft.is_leaderless)


def unanswered(families: tuple[Family, ...]) -> Values:
    """The figures of an object that exists but did not answer: nobody leads it."""
    return (*(None for _ in families[1:]), 1)
