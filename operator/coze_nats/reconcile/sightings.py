"""What streams held when they were last looked at, which a status tells once a minute at most.

Remembered in memory only, so that a loss is told by the newest figures there are, with their age.
"""

from typing import Any, NamedTuple

from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import LiveStream
from coze_nats.core.ownership import Live
from coze_nats.core.resource import Resource


class Sighting(NamedTuple):
    """What a stream held.

    Attributes:
        as_of: RFC 3339 time by NATS's clock.
        at: the same on the monotonic clock.
    """

    messages: int
    last_sequence: int
    as_of: str
    at: float


class Sightings:
    """The last sighting of each resource's stream."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Sighting] = {}

    def saw(self, resource: Resource, live: Live | None, now: float) -> None:
        """A look or a list told this of the resource's stream; another one's is none."""
        if not isinstance(live, LiveStream):
            return
        known = Incarnation.from_status(resource.status)
        if known and known.goes_on(live):
            found = Sighting(live.messages, live.last_sequence, live.as_of, now)
            self._by_uid[resource.uid] = found

    def figures(self, resource: Resource) -> dict[str, Any]:
        """The figures of the last sighting by their names in status; {}: status has the newest."""
        found = self._by_uid.get(resource.uid)
        if found is None:
            return {}
        told = {"messages": found.messages, "lastSequence": found.last_sequence}
        return told | ({"asOf": found.as_of} if found.as_of else {})

    def age(self, resource: Resource, now: float) -> str:
        """How old the newest figures of the resource are, as the end of a sentence about them."""
        found = self._by_uid.get(resource.uid)
        if found is not None:
            return f", as of {now - found.at:.0f} s before"
        as_of = resource.status.get("asOf")
        return f", as of {as_of}" if as_of else ""

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._by_uid.pop(uid, None)
