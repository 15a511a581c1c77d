"""Whether a copy gets anything: how a stream's mirror or sources stand, and since when one doesn't.

An origin that is reached is heard every second, also when it has nothing new (measured on
nats-server 2.10 to 2.15). One that doesn't exist is named in an error within a few seconds. Of a
wrong API prefix, or an import or export that is missing, nothing else is told than that it was
never heard. A filter that matches nothing looks like an origin that is idle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from coze_nats.core import bounds
from coze_nats.core.codec import instant_ns
from coze_nats.core.live import LiveStream, Origin
from coze_nats.core.words import readable

GRACE = 30.0
"""Seconds in which a new origin may be silent, and an error may pass."""

SILENT = 15.0
"""Seconds without a sign after which an origin that was heard counts as silent."""

PROMPT = 2.5
"""Seconds within which one is heard that is silent no more: a server that tries anew counts from
that, whether it is answered or not."""

_MOST = 64
"""Origins in a status."""

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of an origin.

    Attributes:
        since: RFC 3339 time by NATS's clock since when it gave no sign, or there is an error;
            "": it is all right.
        lasts: for how many seconds that has been so.
        last_heard: when the copy's server heard from it; "" for never.
    """

    origin: Origin
    since: str = ""
    lasts: float = 0.0
    last_heard: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it can't be called working: an error, or nothing ever heard for too long."""
        return bool(self.origin.error) or (self.origin.heard_ago is None and self.lasts >= GRACE)

    @property
    def is_stalled(self) -> bool:
        """Whether somebody has to know."""
        return self.is_fault or bool(self.since and self.origin.heard_ago is not None)

    def as_status(self) -> dict[str, Any]:
        """An item of `status.origins`."""
        origin = self.origin
        found = {
            "name": readable(origin.name, bounds.VALUE),
            "apiPrefix": readable(origin.prefix, bounds.VALUE),
            "filterSubject": readable(origin.filter, bounds.VALUE),
            "lag": min(origin.lag, bounds.LARGEST_COUNT),
            "lastSeen": self.last_heard,
            "silentSince": self.since,
            "error": readable(origin.error, bounds.VALUE),
        }
        return {key: value for key, value in found.items() if value}

    def __str__(self) -> str:
        origin = self.origin
        where = f" by {origin.prefix}" if origin.prefix else ""
        if origin.error:
            why = f"the server says: {readable(origin.error, bounds.VALUE)}"
        elif origin.heard_ago is None:
            why = "nothing was ever heard from it"
        else:
            why = "nothing is heard from it any more"
        return f"{readable(origin.name, bounds.VALUE)}{where}: {why}"


def heard(live: LiveStream, previous: Mapping[str, Any]) -> list[Told]:
    """What is told of a stream's origins, given the status before."""
    before = {_identity(item): item for item in previous.get("origins") or ()}
    return [_told(origin, before.get(_shown(origin), {}), live.as_of) for origin in live.origins]


def as_status(told: list[Told]) -> list[dict[str, Any]]:
    """`status.origins`: those that somebody has to know of, and of the others as many as fit."""
    first = sorted(told, key=lambda item: not item.since)[:_MOST]
    return [item.as_status() for item in sorted(first, key=lambda item: item.origin.identity)]


def stalled(told: list[Told]) -> str:
    """What is wrong with a copy, and what to do; "" for nothing."""
    found = [str(item) for item in told if item.is_stalled]
    if not found:
        return ""
    return (
        f"nothing is copied from {bounds.listed(found, separator='; ')}. Look for the origin's "
        "name, external.apiPrefix, the accounts' exports and imports, and a leaf node or gateway "
        "that is away"
    )


def _told(origin: Origin, before: Mapping[str, Any], as_of: str) -> Told:
    now = _ns(as_of)
    known = before.get("silentSince", "")
    ago = origin.heard_ago
    last_heard = "" if ago is None else _instant(now - int(ago * _SECOND))
    is_silent = ago is None or ago > (PROMPT if known else SILENT)
    if not (origin.error or is_silent):
        return Told(origin, last_heard=last_heard)
    since = known or _instant(now)
    return Told(origin, since, max(now - _ns(since), 0) / _SECOND, last_heard)


def _shown(origin: Origin) -> tuple[str, ...]:
    return _identity(Told(origin).as_status())


def _identity(item: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(item.get(key, "")) for key in ("name", "apiPrefix", "filterSubject"))


def _ns(instant: str) -> int:
    return instant_ns(instant) if instant else 0


def _instant(nanoseconds: int) -> str:
    """In whole seconds, as Kubernetes has times."""
    moment = datetime.fromtimestamp(nanoseconds // _SECOND, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
