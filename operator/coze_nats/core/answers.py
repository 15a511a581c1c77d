"""JetStream's answers, read strictly into what the operator goes by.

Whatever doesn't have the shape that every server gives raises Nonsense. What the operator doesn't
know is kept as it is: a newer server may tell more.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from coze_nats.core.bounds import LISTED
from coze_nats.core.errors import Failure, Nonsense, from_api_error
from coze_nats.core.live import Live, LiveConsumer, LiveStream, Server
from coze_nats.core.strict import Count, Instant, Shape, Some, Text, Whole, checked
from coze_nats.core.words import readable

Json = Mapping[str, Any]
Item = TypeVar("Item")

_NAME = Text(512)
_SUBJECT = Text(4096)
_TRANSFORM = {"src": _SUBJECT, "dest": _SUBJECT}
_SOURCE = Whole(
    {
        "name": _NAME,
        "opt_start_seq": Count(),
        "opt_start_time": Instant(),
        "filter_subject": _SUBJECT,
        "subject_transforms": [_TRANSFORM],
        "external": {"api": _SUBJECT, "deliver": _SUBJECT},
        "consumer": {"name": _NAME, "deliver_subject": _SUBJECT},
    },
    ("name",),
)
STREAM_CONFIG: Mapping[str, Shape] = {
    "name": _NAME,
    "description": Text(8192),
    "subjects": [_SUBJECT],
    "retention": _NAME,
    "storage": _NAME,
    "num_replicas": Count(),
    "max_consumers": int,
    "max_msgs": int,
    "max_bytes": int,
    "max_age": Count(),
    "max_msg_size": int,
    "max_msgs_per_subject": int,
    "discard": _NAME,
    "discard_new_per_subject": bool,
    "no_ack": bool,
    "duplicate_window": Count(),
    "compression": _NAME,
    "placement": {"cluster": _NAME, "tags": [_NAME]},
    "mirror": _SOURCE,
    "sources": [_SOURCE],
    "subject_transform": _TRANSFORM,
    "republish": {**_TRANSFORM, "headers_only": bool},
    "first_seq": Count(),
    "sealed": bool,
    "deny_delete": bool,
    "deny_purge": bool,
    "allow_rollup_hdrs": bool,
    "allow_direct": bool,
    "mirror_direct": bool,
    "allow_msg_ttl": bool,
    "subject_delete_marker_ttl": Count(),
    "allow_msg_counter": bool,
    "allow_atomic": bool,
    "allow_batched": bool,
    "allow_msg_schedules": bool,
    "persist_mode": _NAME,
    "consumer_limits": {"inactive_threshold": Count(), "max_ack_pending": int},
    "metadata": Some(str, 10_000),
}
CONSUMER_CONFIG: Mapping[str, Shape] = {
    "name": _NAME,
    "durable_name": _NAME,
    "description": Text(8192),
    "deliver_policy": _NAME,
    "opt_start_seq": Count(),
    "opt_start_time": Instant(),
    "ack_policy": _NAME,
    "ack_wait": Count(),
    "max_deliver": int,
    "backoff": [Count()],
    "filter_subject": _SUBJECT,
    "filter_subjects": [_SUBJECT],
    "replay_policy": _NAME,
    "max_ack_pending": int,
    "max_waiting": int,
    "max_batch": int,
    "max_expires": int,
    "max_bytes": int,
    "inactive_threshold": Count(),
    "headers_only": bool,
    "sample_freq": Text(16),
    "rate_limit_bps": Count(),
    "num_replicas": Count(),
    "mem_storage": bool,
    "priority_groups": [_NAME],
    "priority_policy": _NAME,
    "priority_timeout": Count(),
    "pause_until": Instant(),
    "deliver_subject": _SUBJECT,
    "deliver_group": _NAME,
    "flow_control": bool,
    "idle_heartbeat": Count(),
    "metadata": Some(str, 10_000),
}
_PEER = {"name": _NAME, "offline": bool, "current": bool, "lag": Count()}
_CLUSTER = {
    "name": _NAME,
    "leader": _NAME,
    "replicas": [Whole(_PEER, ("name",))],
}
_SEQUENCES = {"consumer_seq": Count(), "stream_seq": Count()}
_ORIGIN = {
    "name": _NAME,
    "external": {"api": _SUBJECT},
    "filter_subject": _SUBJECT,
    "lag": Count(),
    "active": int,
    "error": {"description": Text(8192), "err_code": int},
}
_STREAM_MEMBERS: Mapping[str, Shape] = {
    "config": Whole(STREAM_CONFIG, ("name",)),
    "created": Instant(),
    "ts": Instant(),
    "cluster": _CLUSTER,
    "mirror": _ORIGIN,
    "sources": [_ORIGIN],
    "state": {
        "messages": Count(),
        "bytes": Count(),
        "first_seq": Count(),
        "first_ts": Instant(),
        "last_seq": Count(),
        "num_subjects": Count(),
        "consumer_count": Count(),
        "subjects": Some(Count(), LISTED),
    },
}
_STREAM = Whole(_STREAM_MEMBERS, ("config", "created"))
_SUBJECTS = Whole(_STREAM_MEMBERS, ("state",))
_CONSUMER_MEMBERS: Mapping[str, Shape] = {
    "stream_name": _NAME,
    "name": _NAME,
    "config": CONSUMER_CONFIG,
    "created": Instant(),
    "ts": Instant(),
    "cluster": _CLUSTER,
    "num_pending": Count(),
    "num_ack_pending": Count(),
    "num_redelivered": Count(),
    "num_waiting": Count(),
    "push_bound": bool,
    "paused": bool,
    "delivered": _SEQUENCES,
    "ack_floor": _SEQUENCES,
}
_CONSUMER = Whole(_CONSUMER_MEMBERS, ("config", "created"))
_ERROR = Whole({"err_code": int, "description": str}, ("err_code", "description"))
_USED = ("memory", "storage", "reserved_memory", "reserved_storage", "streams", "consumers")
_LIMITS = ("max_memory", "max_storage", "max_streams", "max_consumers")
_BOOKS = {**dict.fromkeys(_USED, Count()), "limits": dict.fromkeys(_LIMITS, int)}
_ACCOUNT = Whole(
    {
        **_BOOKS,
        # A tier is a number of replicas.
        "tiers": Some(_BOOKS, 64),
        "domain": _NAME,
        "api": {"level": Count()},
    },
    ("api",),
)
_PERCENTAGE = re.compile(r"\d{1,3}%?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page(Generic[Live]):
    """One page of a list.

    Attributes:
        total: the length of the whole list. A cluster says 0 on an empty page.
    """

    found: Mapping[str, Live]
    missing: frozenset[str]
    total: int


def failure_in(answer: Any, hidden: Callable[[str], str]) -> Failure | None:
    """The Failure that an answer is, or None for one that isn't.

    Args:
        hidden: takes what may not be shown out of the server's words.
    """
    checked(answer, dict, "the answer")
    error = answer.get("error")
    if error is None:
        return None
    checked(error, _ERROR, "error")
    return from_api_error(error["err_code"], readable(hidden(error["description"])))


def stream_of(answer: Any, name: str = "") -> LiveStream:
    """The stream that an answer, or an item of a list, tells of; of that name, if one is given."""
    checked(answer, _STREAM, "")
    stream = LiveStream.from_info(answer)
    _is_of("stream", stream.name, name)
    return stream


def consumer_of(answer: Any, stream: str, name: str = "") -> LiveConsumer:
    """The same for a consumer of that stream."""
    checked(answer, _CONSUMER, "")
    sample = answer["config"].get("sample_freq")
    if sample and not _PERCENTAGE.fullmatch(sample):
        raise Nonsense("config.sample_freq is no percentage")
    consumer = LiveConsumer.from_info(answer)
    _is_of("stream", consumer.stream or stream, stream)
    _is_of("consumer", consumer.name, name)
    return consumer


def account_of(answer: Any) -> Json:
    """The answer of INFO."""
    found: Json = checked(answer, _ACCOUNT, "")
    return found


def server_of(answer: Any, version: str) -> Server:
    """What the answer of INFO says of the server."""
    account = account_of(answer)
    # 2.10 has no level.
    level = account["api"].get("level", 0)
    return Server(version=version, api_level=level, domain=account.get("domain") or "")


def subjects_of(answer: Any) -> Mapping[str, int]:
    """How many messages each subject has, as STREAM.INFO with a filter answers."""
    checked(answer, _SUBJECTS, "")
    return answer["state"].get("subjects") or {}


def page_of(answer: Any, key: str, parse: Callable[[Any], Live]) -> Page[Live]:
    """A page of a list of streams or consumers, which `parse` reads one by one.

    A cluster lists an object whose nodes are all down with an empty state *and* as missing: nothing
    may be concluded from that state, so it counts as missing only.
    """
    total, items, missing = _page(answer, key, dict)
    found = {name: item for item in map(parse, items) if (name := item.name) not in missing}  # type: ignore[attr-defined] # streams and consumers have one
    return Page(found, missing, total)


def names_of(answer: Any, key: str) -> Page[str]:
    """A page of a list of names."""
    total, items, missing = _page(answer, key, _NAME)
    return Page({name: name for name in items}, missing, total)


def _page(answer: Any, key: str, item: Shape) -> tuple[int, list[Any], frozenset[str]]:
    checked(answer, Whole({"total": Count(), "missing": [_NAME], key: [item]}, ("total",)), "")
    if answer["total"] > LISTED:
        raise Nonsense(
            f"it lists {answer['total']:,} {key}; the operator reads lists of up to {LISTED:,}"
        )
    return answer["total"], answer.get(key) or [], frozenset(answer.get("missing") or ())


def success_of(answer: Any) -> None:
    """Nonsense unless an answer without an error says that it is done."""
    if answer.get("success") is not True:
        raise Nonsense("it says neither that it is done nor why not")


def is_paused(answer: Any) -> bool:
    """Whether a consumer is paused, as CONSUMER.PAUSE answers."""
    checked(answer, {"paused": bool}, "")
    return bool(answer.get("paused"))


def _is_of(kind: str, told: str, asked: str) -> None:
    if asked and told != asked:
        raise Nonsense(f"it is about {kind} {readable(told, 64) or 'without a name'}")
