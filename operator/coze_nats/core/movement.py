"""How much a status says that the one before it doesn't, and whether that is worth a write."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

COUNTERS = frozenset(
    {"messages", "bytes", "lastSequence", "pending", "ackPending", "redelivered"}
    | {"leader", "replicaLag", "currentReplicas", "account", "origins"},
)
"""Fields of status that move by themselves; they alone are no reason to write at once."""

COMPANIONS = frozenset(
    {"consumers", "ackFloor", "firstSequence", "firstTime", "deliveries", "createdIsKept", "asOf"}
)
"""Fields of status that are written with others only.

A stream's consumers follow it at once, and a second write for every new stream would tell nothing
that `kubectl get coze` doesn't. How far a consumer is moves with every message that it gets. And by
what its sequences once were, an object is known however much later.
"""

THRESHOLD = 0.01
"""The share of its former value by which a counter must have moved. Between some and none there is
always enough of a difference."""


class Difference(Enum):
    """How far a status is from the one that was written last."""

    NONE = "nothing worth a write"
    COUNTERS = "only what moves with the traffic"
    REAL = "something that somebody may wait for"


def difference(status: Mapping[str, Any], following: Mapping[str, Any]) -> Difference:
    """How much the following status says that this one doesn't.

    The figures in the words of a refusal move with the traffic, too, as they tell what a change
    would cost now. Other words don't.
    """
    if _origins(status) != _origins(following):
        return Difference.REAL
    differing = {
        key for key in {*status, *following} if status.get(key) != following.get(key)
    } - COMPANIONS
    if _only_gains(status.get("policies"), following.get("policies")):
        differing -= {"policies"}
    words = {"conditions", "plan"} & differing if _differ_in_figures(status, following) else set()
    if differing - COUNTERS - words:
        return Difference.REAL
    before, after = _counters(status), _counters(following)
    if words or any(_has_moved(before.get(key), after.get(key)) for key in differing):
        return Difference.COUNTERS
    return Difference.NONE


def _origins(status: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Which streams are copied from, and whether that works."""
    told = ("name", "apiPrefix", "filterSubject", "error")
    return [(*map(item.get, told), "silentSince" in item) for item in status.get("origins") or ()]


def _counters(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The status with nothing of its origins but how far they are: they are heard all the time."""
    lags = {str(n): item.get("lag", 0) for n, item in enumerate(status.get("origins") or ())}
    return {**status, "origins": lags}


def _only_gains(before: Any, after: Any) -> bool:
    """Whether there are policies that the version which wrote the status did not know.

    They are told with the next write: an upgrade writes nothing for their sake.
    """
    return bool(before) and before == {key: (after or {}).get(key) for key in before}


_FIGURE = re.compile(r"\d[\d,]*(?= (of|more|messages?|bytes|consumers?|not acknowledged)\b)")
"""A count in a message, after `core.costs.counted`; numbers of a configuration are none."""


def _differ_in_figures(status: Mapping[str, Any], following: Mapping[str, Any]) -> bool:
    """Whether conditions and plan are equal but for counts in their words, if they differ."""
    return _without_figures(status) == _without_figures(following)


def _without_figures(status: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    conditions = [
        {**item, "message": _FIGURE.sub("#", item.get("message", ""))}
        for item in status.get("conditions") or ()
    ]
    return conditions, _FIGURE.sub("#", status.get("plan", ""))


def _has_moved(before: Any, after: Any) -> bool:
    """Whether a value has changed so much that it should be told."""
    known, found = dict(_leaves(before)), dict(_leaves(after))
    return any(_is_far(known.get(path), found.get(path)) for path in {*known, *found})


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(value, Mapping):
        yield path, value
        return
    for key, item in value.items():
        yield from _leaves(item, (*path, key))


def _is_far(before: Any, after: Any) -> bool:
    if isinstance(before, int) and isinstance(after, int) and before and after:
        return abs(after - before) >= THRESHOLD * before
    return bool(before != after)
