"""What the resync's lists last told of each managed stream and consumer, and its text.

It would be most of a scrape. So the number of objects is capped, and the text is written here: that
takes a fraction of the time that prometheus_client's own way takes.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

from coze_nats.core import names
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import Listing, LiveConsumer, LiveStream
from coze_nats.core.resource import Key, Resource
from coze_nats.metrics.counted import ResyncRound, forget_connection, know_connection
from coze_nats.metrics.figures import (
    CONSUMER_FAMILIES,
    STREAM_FAMILIES,
    Family,
    Values,
    consumer_values,
    stream_values,
    unanswered,
)

FAMILIES = {names.STREAM_KIND: STREAM_FAMILIES, names.CONSUMER_KIND: CONSUMER_FAMILIES}

LEFT_OUT = Family(
    "objects_left_out",
    "gauge",
    "Streams and consumers whose own series are left out, as there are too many, by kind.",
)


class _Object(NamedTuple):
    labels: str
    values: Values


class Seen:
    """The figures of all connections' objects.

    Args:
        most: of how many objects there are figures; those that come first stay.
        knows: whether a resource still exists.
    """

    def __init__(self, most: int, knows: Callable[[Key], object] = bool) -> None:
        self._most = most
        self._knows = knows
        self._connections: dict[str, Figures] = {}
        self._total = 0

    def of(self, connection: str, fresh_for: float) -> "Figures":
        """The figures of one connection, which count for `fresh_for` seconds after a round."""
        know_connection(connection)
        found = self._connections[connection] = Figures(self, connection, fresh_for)
        return found

    def forget(self, figures: "Figures") -> None:
        """The connection of these figures is given up, and so is all that is told of it."""
        if self._connections.get(figures.connection) is figures:
            del self._connections[figures.connection]
            forget_connection(figures.connection)

    @property
    def room(self) -> int:
        """Of how many objects more there may be figures."""
        return self._most - sum(len(each.objects) for each in self._connections.values())

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        now = monotonic()
        fresh = [each for each in tuple(self._connections.values()) if each.is_fresh(now)]
        lines: list[str] = []
        for kind, families in FAMILIES.items():
            found = [
                item
                for each in fresh
                for key, item in tuple(each.objects.items())
                if key.kind == kind and self._knows(key)
            ]
            for number, family in enumerate(families):
                lines += _head(family)
                lines += _samples(f"coze_nats_{family.name}", number, found, family.label)
        left_out = Counter[str]()
        for each in fresh:
            left_out.update(each.left_out)
        lines += _head(LEFT_OUT)
        lines += [
            f'coze_nats_{LEFT_OUT.name}{{kind="{kind}"}} {left_out[kind]}' for kind in FAMILIES
        ]
        return "\n".join((*lines, "")).encode()


class Figures:
    """The figures of one connection's objects, taken in rounds.

    Attributes:
        connection: its label.
        objects: by the keys of their resources.
        left_out: in the last round, by kind.
    """

    def __init__(self, seen: Seen, connection: str, fresh_for: float) -> None:
        self.connection = connection
        self._seen = seen
        self._fresh_for = fresh_for
        self._ended: float | None = None
        self._round: set[Key] = set()
        self._refused = Counter[str]()
        self.objects: dict[Key, _Object] = {}
        self.left_out: Counter[str] = Counter()

    def saw(
        self,
        resource: Resource,
        name: str,
        listing: Listing[LiveStream] | Listing[LiveConsumer],
        stream: LiveStream | None = None,
    ) -> None:
        """A list told, or didn't, what the resource's object of this name is like.

        `stream` is the one that a consumer is on. What isn't the resource's own is not counted.
        """
        live = listing.found.get(name)
        known = Incarnation.from_status(resource.status)
        if not known or not (known.goes_on(live) if live else name in listing.missing):
            return
        key = resource.key
        if key not in self.objects and self._seen.room <= 0:
            self._refused[key.kind] += 1
            return
        self._round.add(key)
        labels = {"connection": self.connection, "namespace": key.namespace, "name": key.name}
        if key.kind == names.CONSUMER_KIND:
            labels |= {"stream": stream.name if stream else "", "consumer": name}
        else:
            labels["stream"] = name
        text = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
        self.objects[key] = _Object(text, _values(key.kind, live))

    @contextmanager
    def round(self) -> Iterator[None]:
        """Take the figures anew within the block; counts how long it takes and how it ends."""
        try:
            with ResyncRound(self.connection):
                yield
            # All were asked for: what was not seen is gone.
            for key in self.objects.keys() - self._round:
                del self.objects[key]
            self.left_out = self._refused
            self._ended = monotonic()
        finally:
            self._round = set()
            self._refused = Counter()

    def forget(self) -> None:
        """The connection is given up."""
        self._seen.forget(self)

    def is_fresh(self, now: float) -> bool:
        """Whether the last whole round was not too long ago."""
        return self._ended is not None and now - self._ended < self._fresh_for


def _values(kind: str, live: LiveStream | LiveConsumer | None) -> Values:
    if isinstance(live, LiveStream):
        return stream_values(live)
    return unanswered(FAMILIES[kind]) if live is None else consumer_values(live)


def _head(family: Family) -> Iterator[str]:
    yield f"# HELP coze_nats_{family.name} {family.help}"
    yield f"# TYPE coze_nats_{family.name} {family.type}"


def _samples(name: str, number: int, objects: list[_Object], by: str) -> Iterator[str]:
    for labels, values in objects:
        value = values[number]
        if isinstance(value, tuple):
            for which, part in value:
                yield f'{name}{{{labels},{by}="{_escaped(which)}"}} {part!r}'
        elif value is not None:
            yield f"{name}{{{labels}}} {value}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
