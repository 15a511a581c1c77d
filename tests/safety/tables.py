"""The small tables that histories are drawn from: names, fields, policies, changes by hand.

Few names, so that resources compete for them; few values, so that they are often the same.
"""

from typing import Any

from coze_nats.core import names
from coze_nats.core.resource import Key

STREAM_NAMES = ("ONE", "TWO")
COPY = "COPY"
"""Name of the stream that copies the first one, where a history has it."""
CONSUMER_NAMES = ("worker", "audit")
STREAM_KEYS = (
    Key(names.STREAM_KIND, "red", "s1"),
    Key(names.STREAM_KIND, "red", "s2"),
    Key(names.STREAM_KIND, "blue", "s1"),
)
COPY_KEY = Key(names.STREAM_KIND, "red", "copy")
CONSUMER_KEYS = (
    Key(names.CONSUMER_KIND, "red", "c1"),
    Key(names.CONSUMER_KIND, "red", "c2"),
    Key(names.CONSUMER_KIND, "blue", "c1"),
)
TOKENS = ("a", "b", "c")
"""Last tokens of the subjects that are published on."""


def stream_fields(name: str) -> dict[str, tuple[Any, ...]]:
    """Values that a CozeStream's fields are drawn from; None leaves the field out."""
    subject = name.lower()
    return {
        "subjects": ([f"{subject}.>"], [f"{subject}.a", f"{subject}.b"], [f"{subject}.>", "all.>"]),
        "storage": ("memory", "memory", "memory", "file"),
        "retention": (None, "limits", "interest", "workqueue"),
        "maxMsgs": (None, 2, 5, 1000),
        "maxMsgsPerSubject": (None, 1, 3),
        "maxBytes": (None, 150, "1Mi"),
        "maxAge": (None, "24h"),
        "discard": (None, "new", "old"),
        "description": (None, "one", "another"),
        "metadata": (None, {"team": "search"}),
        "denyDelete": (None, True),
        "denyPurge": (None, True),
        "allowDirect": (None, True),
        "firstSequence": (None, 5),
        "maxConsumers": (None, 1),
        "replicas": (None, None, 3),
    }


STREAM_POLICIES: dict[str, tuple[str | None, ...]] = {
    "deletion": (None, "DeleteIfEmpty", "Delete", "Retain"),
    "adoption": (None, "IfIdentical", "Always", "Always", "Never"),
    "dataLoss": (None, "Block", "Allow", "Allow"),
    "replacement": (None, "Block", "Recreate", "Recreate"),
    "ownership": (None, "Mark", "Record"),
    "missing": (None, "Recreate", "Hold"),
}

COPIES: tuple[dict[str, Any], ...] = (
    {"mirror": {"name": STREAM_NAMES[0]}},
    {"sources": [{"name": STREAM_NAMES[0]}]},
)
COPY_FIELDS: dict[str, tuple[Any, ...]] = {
    "description": (None, "one", "another"),
    "storage": ("memory", "file"),
}

CONSUMER_FIELDS: dict[str, tuple[Any, ...]] = {
    "ackPolicy": (None, "explicit", "none", "all"),
    "deliverPolicy": (None, "new", "byStartSequence"),
    "maxAckPending": (None, 5, 100),
    "maxDeliver": (None, 3),
    "description": (None, "one", "another"),
    "metadata": (None, {"team": "search"}),
    "filterSubject": (None, "one.a", "two.a", "nowhere"),
    "maxWaiting": (None, 100),
    "replayPolicy": (None, "original"),
    "pauseUntil": (None, "2100-01-01T00:00:00Z"),
    "memStorage": (None, True),
    "replicas": (None, None, 3),
}

CONSUMER_POLICIES: dict[str, tuple[str | None, ...]] = {
    "deletion": (None, "DeleteIfEmpty", "Delete", "Retain"),
    "adoption": (None, "IfIdentical", "Always", "Always", "Never"),
    "dataLoss": (None, "Block", "Allow"),
    "replacement": (None, "Block", "Recreate", "Recreate"),
    "position": (None, "Keep", "Reset"),
    "ownership": (None, "Mark", "Record"),
    "missing": (None, "Recreate", "Hold"),
}

TELLING_FIELDS = (
    ("maxMsgs", "maxMsgsPerSubject", "maxBytes", "retention"),
    ("storage", "retention", "denyDelete", "firstSequence"),
    ("ackPolicy", "deliverPolicy", "maxWaiting", "memStorage"),
)
"""Changes that cost messages, that NATS can't make on streams, and that it can't on consumers."""

LASTING_FIELDS = frozenset(
    {"maxMsgs", "maxBytes", "maxAge", "discard", "description", "metadata", "denyDelete"}
    | {"maxAckPending", "maxDeliver", "filterSubject", "ackPolicy"}
)
"""Fields that all versions treat alike."""

FOREIGN_STREAMS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"max_msgs": 5},
    {"retention": "workqueue"},
    {"retention": "interest"},
    {"storage": "file"},
    {"metadata": {"coze.dev/owner": "north/green/s9"}},
    {"metadata": {"team": "search"}, "description": "by hand"},
)
FOREIGN_STREAM_CHANGES: tuple[dict[str, Any], ...] = (
    {"max_msgs": 3},
    {"max_msgs": -1},
    {"max_msgs_per_subject": 2},
    {"description": "by hand"},
    {"description": "by another hand"},
    {"deny_delete": True},
    {"discard": "new"},
    {"retention": "interest"},
    {"retention": "limits"},
    {"max_consumers": 5},
)
FOREIGN_CONSUMERS: tuple[dict[str, Any], ...] = (
    {},
    {"max_ack_pending": 5},
    {"ack_policy": "none"},
    {"metadata": {"coze.dev/owner": "north/green/c9"}},
)
APPLICATION_STREAMS: tuple[dict[str, Any], ...] = ({}, {}, {"max_msgs": 1000})
APPLICATION_CONSUMERS: tuple[dict[str, Any], ...] = ({}, {}, {"max_ack_pending": 100})
"""What an application declares at its start: mostly what a resource does that leaves all out."""
FOREIGN_CONSUMER_CHANGES: tuple[dict[str, Any], ...] = (
    {"max_ack_pending": 7},
    {"description": "by hand"},
    {"max_deliver": 2},
    {"filter_subject": "one.b"},
)
