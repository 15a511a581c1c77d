"""What a spec out of the tables means in JetStream, told apart from the operator's own tables."""

from collections.abc import Mapping
from typing import Any

from coze_nats.core import names
from coze_nats.core.resource import Resource
from safety.snapshot import OWNER

_SECOND = 1_000_000_000
_MEANING: Mapping[Any, Any] = {
    "1Mi": 1024 * 1024,
    "24h": 24 * 3600 * _SECOND,
    "byStartSequence": "by_start_sequence",
}
_STREAM: Mapping[str, tuple[str, Any]] = {
    "subjects": ("subjects", None),
    "storage": ("storage", "file"),
    "retention": ("retention", "limits"),
    "maxMsgs": ("max_msgs", -1),
    "maxMsgsPerSubject": ("max_msgs_per_subject", -1),
    "maxBytes": ("max_bytes", -1),
    "maxAge": ("max_age", 0),
    "discard": ("discard", "old"),
    "description": ("description", ""),
    "denyDelete": ("deny_delete", False),
    "denyPurge": ("deny_purge", False),
    "allowDirect": ("allow_direct", False),
    "firstSequence": ("first_seq", 0),
    "maxConsumers": ("max_consumers", -1),
    "replicas": ("num_replicas", 1),
}
_CONSUMER: Mapping[str, tuple[str, Any]] = {
    "ackPolicy": ("ack_policy", "explicit"),
    "deliverPolicy": ("deliver_policy", "all"),
    "optStartSeq": ("opt_start_seq", 0),
    "maxDeliver": ("max_deliver", -1),
    "description": ("description", ""),
    "filterSubject": ("filter_subject", ""),
    "maxWaiting": ("max_waiting", 512),
    "replayPolicy": ("replay_policy", "instant"),
    "pauseUntil": ("pause_until", ""),
    "memStorage": ("mem_storage", False),
    "replicas": ("num_replicas", 0),
}
"""Field of a spec → key on the wire, and what it is where the spec says nothing."""

_STARTS = frozenset({"deliverPolicy", "optStartSeq"})


def differences(resource: Resource, config: Mapping[str, Any]) -> list[str]:
    """Where an object's configuration is not what its resource declares."""
    spec = resource.spec
    is_stream = resource.key.kind == names.STREAM_KIND
    metadata = dict(config.get("metadata") or {})
    goes_on = names.START_METADATA in metadata
    found = []
    for field, (wire, default) in (_STREAM if is_stream else _CONSUMER).items():
        value = spec.get(field, default)
        want = value if isinstance(value, list) else _MEANING.get(value, value)
        have = config.get(wire, type(want)())
        if have != want and not (goes_on and field in _STARTS):
            found.append(f"{field} is {have}, declared {want}")
    own = {key: value for key, value in metadata.items() if not key.startswith(_RESERVED)}
    if own != spec.get("metadata", {}):
        found.append(f"metadata is {own}")
    return found


_RESERVED = ("_nats.", OWNER.partition("/")[0])
