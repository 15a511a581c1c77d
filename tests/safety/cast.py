"""Who takes part in a history: few enough that its steps concern each other."""

from dataclasses import dataclass
from random import Random

from coze_nats.core.resource import Key
from safety import tables


@dataclass(frozen=True, slots=True)
class Cast:
    """Who and what takes part.

    Attributes:
        names: of streams in JetStream.
        streams: CozeStreams.
        copy: the CozeStream of one that copies the first of these streams; None: there is none.
        fields: of specs, that are changed; all others are left as they are.
        withheld: fields of configurations that others leave alone. Who copies takes a work queue's
            messages, and an interest stream's go.
        storage: of streams that are declared for the first time.
    """

    clusters: int
    names: tuple[str, ...]
    streams: tuple[Key, ...]
    copy: Key | None
    consumers: tuple[Key, ...]
    consumer_names: tuple[str, ...]
    fields: frozenset[str]
    withheld: frozenset[str]
    storage: str = "memory"

    @classmethod
    def drawn(cls, random: Random, clusters: int) -> "Cast":
        """A cast; who copies has its origin in its own namespace."""
        fields = [random.choice(group) for group in tables.TELLING_FIELDS]
        fields += random.sample([*tables.stream_fields(""), *tables.CONSUMER_FIELDS], 5)
        copy = tables.COPY_KEY if random.random() < 0.25 else None
        return cls(
            clusters=clusters,
            names=tables.STREAM_NAMES[: random.choice((1, 1, 2))],
            streams=tables.STREAM_KEYS[: random.randint(1, 2 if copy else 3)],
            copy=copy,
            consumers=tables.CONSUMER_KEYS[: random.randint(1, 3)],
            consumer_names=tables.CONSUMER_NAMES[: random.randint(1, 2)],
            fields=frozenset(fields) - ({"retention"} if copy else set()),
            withheld=frozenset({"retention"} if copy else ()),
        )

    @property
    def resources(self) -> tuple[Key, ...]:
        """The CozeStreams, the one of the copy included."""
        return (*self.streams, self.copy) if self.copy else self.streams
