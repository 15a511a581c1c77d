"""What has to be remembered of single resources until it can be counted; little, and not for long.

Everything is forgotten with its resource.
"""

from collections import Counter
from collections.abc import Iterable
from time import monotonic

from coze_nats.core.resource import Key
from coze_nats.metrics import counted

_held: dict[Key, tuple[str, str]] = {}
_drifted: dict[Key, frozenset[str]] = {}
_declared: dict[Key, tuple[int, float]] = {}


def carried_out(key: Key, action: str) -> None:
    """A resource's plan was carried out."""
    counted.CARRIED_OUT.labels(key.kind, action).inc()
    not_held(key)


def held(key: Key, action: str, reason: str) -> None:
    """A resource's plan waits, for this reason, until it is carried out or none is left."""
    if _held.get(key) != (action, reason):
        counted.REFUSALS.labels(key.kind, reason).inc()
    _held[key] = (action, reason)


def not_held(key: Key) -> None:
    """Nothing of the resource waits."""
    _held.pop(key, None)


def held_plans() -> Counter[tuple[str, ...]]:
    """How many plans wait, by kind, action and reason."""
    return Counter((key.kind, *why) for key, why in tuple(_held.items()))


def drift_found(key: Key, fields: Iterable[str]) -> None:
    """These fields were found changed; the same again, while they stay so, count once."""
    now = frozenset(fields)
    for field in now - _drifted.get(key, frozenset()):
        counted.DRIFT_FOUND.labels(key.kind, field).inc()
    if now:
        _drifted[key] = now
    else:
        _drifted.pop(key, None)


def drift_repaired(key: Key, fields: Iterable[str]) -> None:
    """These fields were put right."""
    for field in fields:
        counted.DRIFT_REPAIRED.labels(key.kind, field).inc()
    _drifted.pop(key, None)


def declared(key: Key, generation: int) -> None:
    """A spec of this generation was heard of."""
    _declared[key] = generation, monotonic()


def ready(key: Key, generation: int) -> None:
    """The resource's status says Ready, of this generation."""
    wanted, since = _declared.get(key, (0, 0.0))
    if key in _declared and generation >= wanted:
        counted.UNTIL_READY.labels(key.kind).observe(monotonic() - since)
        del _declared[key]


def forget(key: Key) -> None:
    """The resource is gone."""
    for memory in (_held, _drifted, _declared):
        memory.pop(key, None)
