"""From a seed to a history; nothing of the world is known here."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from coze_nats.core import names
from coze_nats.core.resource import Key
from safety import tables
from safety.cast import Cast
from safety.steps import (
    Apply,
    Attach,
    Consume,
    Delete,
    Fault,
    Foreign,
    ForeignCreate,
    ForeignDelete,
    ForeignEdit,
    ForeignRecreate,
    ForeignStrip,
    Interrupted,
    Kind,
    Look,
    Publish,
    Restart,
    Start,
    Step,
    Trouble,
    Wait,
)

Place = tuple[int, Key]
"""A cluster and a resource in it."""


@dataclass(frozen=True, slots=True)
class History:
    """What is played.

    Attributes:
        clusters: how many clusters, each with an operator, share the NATS account.
        defaults: the default policies of each operator.
        order: seed of the order in which resources are reconciled where the queue would choose.
    """

    clusters: int
    defaults: tuple[Mapping[str, str], ...]
    order: int
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        said = [f"default policies of {i}: {found}" for i, found in enumerate(self.defaults)]
        numbered = [f"{number:3}. {step}" for number, step in enumerate(self.steps, 1)]
        return "\n".join([f"{self.clusters} operators", *said, *numbered])


def history_of(seed: int) -> History:
    """The history that a seed stands for."""
    random = Random(seed)
    clusters = random.choice((1, 1, 2))
    writer = _Writer(random, Cast.drawn(random, clusters))
    steps = writer.opening()
    steps += [writer.step() for _ in range(random.randint(8, 32))]
    defaults = tuple(_default_policies(random, clusters) for _ in range(clusters))
    return History(clusters, defaults, random.getrandbits(32), tuple(steps))


def history_over_outages(seed: int, steps: int) -> History:
    """A history on servers of many versions, that go and come back meanwhile.

    What servers of some versions do otherwise stays out of it, and so does what can't be told on
    some of them: an object that somebody made again before anybody saw that it was gone.
    """
    random = Random(seed)
    cast = replace(Cast.drawn(random, 1), copy=None, fields=tables.LASTING_FIELDS, storage="file")
    withheld = {"retention", "max_consumers", "missing", "suspend", "recreate"}
    cast = replace(cast, withheld=frozenset(withheld))
    writer = _Writer(random, cast)
    opening = writer.opening()
    found = opening + [writer.step() for _ in range(steps - len(opening))]
    defaults = {**_default_policies(random, 1), "missing": "Recreate"}
    return History(1, (defaults,), random.getrandbits(32), tuple(found))


def _default_policies(random: Random, clusters: int) -> dict[str, str]:
    """Often lenient ones: where everything is forbidden, little can go wrong."""
    found = {}
    for name in random.sample(
        _choosable(tables.STREAM_POLICIES, clusters), random.choice((0, 0, 1, 2, 4))
    ):
        if value := random.choice(tables.STREAM_POLICIES[name]):
            found[name] = value
    return found


class _Writer:
    """Draws steps, and remembers what was declared so that an edit is a small one."""

    def __init__(self, random: Random, cast: Cast) -> None:
        self._random = random
        self._cast = cast
        self._specs: dict[Place, dict[str, Any]] = {}

    def opening(self) -> list[Step]:
        """A stream, most often with a consumer and messages."""
        steps: list[Step] = [self._apply((0, self._cast.streams[0]))]
        if self._cast.copy:
            steps.append(self._apply((0, self._cast.copy)))
        if self._random.random() < 0.6:
            steps.append(self._apply((0, self._cast.consumers[0])))
        if self._random.random() < 0.8:
            steps.append(self._publish())
        return steps

    def step(self) -> Step:
        kinds: tuple[tuple[int, Callable[[], Step]], ...] = (
            (18, self._edit),
            (6, self._declare),
            (12, self._publish),
            (7, self._consume),
            (3, self._attach),
            (12, self._foreign),
            (5, self._start),
            (3, self._delete),
            (8, self._look),
            (9, self._trouble),
            (7, self._interrupted),
            (2, self._restart),
            (2, self._wait),
        )
        weights = [weight for weight, _ in kinds]
        return self._random.choices([draw for _, draw in kinds], weights)[0]()

    # --- what users do ----------------------------------------------------------------------------

    def _edit(self) -> Apply:
        return self._apply(self._known_place())

    def _declare(self) -> Apply:
        return self._apply(self._place())

    def _apply(self, place: Place) -> Apply:
        cluster, key = place
        known = self._specs.get(place)
        spec = self._edited(key, known) if known else self._declared(place)
        self._specs[place] = spec
        return Apply(cluster, key, spec, noticed=self._random.random() < 0.85)

    def _place(self) -> Place:
        keys = self._cast.resources if self._random.random() < 0.6 else self._cast.consumers
        place = self._cluster(), self._random.choice(keys)
        first = (place[0], self._cast.streams[0])
        return place if first in self._specs or self._random.random() < 0.3 else first

    def _cluster(self) -> int:
        return self._random.choice((0, 0, self._cast.clusters - 1))

    def _known_place(self) -> Place:
        return self._random.choice(list(self._specs)) if self._specs else self._place()

    def _streams_beside(self, place: Place) -> list[str]:
        """Names of the CozeStreams that are declared in a namespace, or will be."""
        found = [
            key.name
            for cluster, key in self._specs
            if (cluster, key.kind, key.namespace)
            == (place[0], names.STREAM_KIND, place[1].namespace)
        ]
        return found or ["s1"]

    def _declared(self, place: Place) -> dict[str, Any]:
        _, key = place
        spec: dict[str, Any] = {}
        if key == self._cast.copy:
            spec = {"name": tables.COPY, **self._random.choice(tables.COPIES), "storage": "memory"}
        elif key.kind == names.STREAM_KIND:
            name = self._stream()
            subjects, storage = [f"{name.lower()}.>"], self._cast.storage
            spec = {"name": name, "subjects": subjects, "storage": storage}
            if self._random.random() < 0.25 and not self._cast.copy:
                spec["retention"] = self._random.choice(("interest", "workqueue"))
        else:
            spec["name"] = self._consumer()
            if self._random.random() < 0.85:
                spec["streamRef"] = {"name": self._random.choice(self._streams_beside(place))}
            else:
                spec["streamName"] = self._stream()
        for _ in range(self._random.choice((0, 0, 1, 2, 3))):
            spec = self._edited(key, spec)
        return spec

    def _edited(self, key: Key, spec: Mapping[str, Any]) -> dict[str, Any]:
        is_stream = key.kind == names.STREAM_KIND
        policies = tables.STREAM_POLICIES if is_stream else tables.CONSUMER_POLICIES
        fields = tables.stream_fields(spec["name"]) if is_stream else tables.CONSUMER_FIELDS
        mine = [name for name in fields if name in self._cast.fields]
        if key == self._cast.copy:
            fields, mine = tables.COPY_FIELDS, list(tables.COPY_FIELDS)
        chance = self._random.random()
        if chance < 0.06 and "suspend" not in self._cast.withheld:
            return _with(spec, "suspend", None if spec.get("suspend") else True)
        if chance < 0.45 or not mine:
            names_ = _choosable(policies, self._cast.clusters)
            name = self._random.choice([each for each in names_ if each not in self._cast.withheld])
            value = self._random.choice(policies[name])
            return _with(spec, "policies", _with(spec.get("policies", {}), name, value) or None)
        name = self._random.choice(mine)
        return _valid(_with(spec, name, self._random.choice(fields[name])))

    def _delete(self) -> Delete:
        cluster, key = place = self._known_place()
        self._specs.pop(place, None)
        return Delete(
            cluster,
            key,
            released=self._random.random() < 0.1,
            noticed=self._random.random() < 0.85,
        )

    # --- what happens to the operators ------------------------------------------------------------

    def _look(self) -> Look:
        cluster, key = self._known_place()
        return Look(cluster, key if self._random.random() < 0.3 else None)

    def _trouble(self) -> Trouble:
        cluster, key = self._known_place()
        kinds: tuple[Kind, ...] = ("dies", "dies", "away", "unknown")
        kind = self._random.choice(kinds)
        after = kind != "away" and self._random.random() < 0.6
        return Trouble(cluster, key, Fault(self._random.randint(1, 6), kind, after))

    def _interrupted(self) -> Interrupted:
        cluster, key = self._known_place()
        draw = self._random.choice((self._foreign, self._publish, self._look_elsewhere, self._edit))
        step: Step = draw()
        if isinstance(step, Look) and (step.cluster, step.key) == (cluster, key):
            step = self._publish()
        return Interrupted(cluster, key, self._random.randint(1, 5), step)

    def _look_elsewhere(self) -> Look:
        cluster, key = self._known_place()
        return Look(cluster, key)

    def _restart(self) -> Restart:
        return Restart(self._cluster())

    def _wait(self) -> Wait:
        return Wait(self._random.choice((2.0, 20.0, 400.0)))

    # --- what others do ---------------------------------------------------------------------------

    def _stream(self) -> str:
        return self._random.choice(self._cast.names)

    def _consumer(self) -> str:
        return self._random.choice(self._cast.consumer_names)

    def _publish(self) -> Publish:
        token = self._random.choice(tables.TOKENS)
        return Publish(self._stream(), token, self._random.randint(1, 4))

    def _consume(self) -> Consume:
        acknowledges = self._random.random() < 0.75
        return Consume(self._stream(), self._consumer(), self._random.randint(1, 4), acknowledges)

    def _attach(self) -> Attach:
        return Attach(self._stream(), self._consumer())

    def _start(self) -> Start:
        stream = self._stream()
        consumer = self._consumer() if self._random.random() < 0.4 else None
        configs = tables.APPLICATION_CONSUMERS if consumer else tables.APPLICATION_STREAMS
        config = self._random.choice(configs)
        return Start(stream, consumer, config, updates=self._random.random() < 0.5)

    def _foreign(self) -> Foreign:
        stream = self._stream()
        consumer = self._consumer() if self._random.random() < 0.35 else None
        match self._random.choice(("create", "edit", "edit", "delete", "recreate", "strip")):
            case "create":
                configs = tables.FOREIGN_CONSUMERS if consumer else tables.FOREIGN_STREAMS
                return ForeignCreate(stream, consumer, self._drawn(configs))
            case "edit" if consumer:
                change = self._random.choice(tables.FOREIGN_CONSUMER_CHANGES)
                return ForeignEdit(stream, consumer, change)
            case "edit":
                change = self._drawn(tables.FOREIGN_STREAM_CHANGES)
                return ForeignEdit(stream, None, change)
            case "delete":
                return ForeignDelete(stream, consumer)
            case "recreate" if "recreate" not in self._cast.withheld:
                kept = self._random.random() < 0.5
                return ForeignRecreate(stream, consumer, with_metadata=kept)
            case _:
                return ForeignStrip(stream, consumer)

    def _drawn(self, configs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
        """One of these, without what is withheld from this history."""
        kept = [each for each in configs if not self._cast.withheld & each.keys()]
        return self._random.choice(kept)


def _choosable(policies: Iterable[str], clusters: int) -> tuple[str, ...]:
    """Policies that are drawn: what isn't marked, another cluster takes for nobody's."""
    return tuple(name for name in policies if clusters == 1 or name != "ownership")


def _with(spec: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The spec with one field set or, with None, left out."""
    rest = {key: item for key, item in spec.items() if key != name}
    return rest if value is None else {**rest, name: value}


def _valid(spec: dict[str, Any]) -> dict[str, Any]:
    """What the apiserver's rules make of a drawn spec: fields that go together do so."""
    if spec.get("deliverPolicy") == "byStartSequence":
        spec["optStartSeq"] = 3
    else:
        spec.pop("optStartSeq", None)
    if spec.get("ackPolicy") == "none":
        spec.pop("maxAckPending", None)
    return spec
