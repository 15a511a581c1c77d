"""How the core's work grows with the largest valid specs, counted in steps of the interpreter."""

from collections.abc import Callable
from typing import Any

import pytest

from coze_nats.core.fences import Fences, Neighbour
from coze_nats.core.foreseen import refused_by
from coze_nats.core.grants import granted_to
from coze_nats.core.intent import intent
from coze_nats.core.live import Listing, LiveConsumer
from coze_nats.core.looks import ConsumersLook, Look, MessagesLook, Seen, StreamLook
from coze_nats.core.plan import Action, Plan, Situation, plan
from coze_nats.core.resource import Key, Resource
from coze_nats.core.warnings import filter_warning
from coze_nats.reconcile.culprits import rivals_on_work_queue
from support.convergence import OWNER, consumer, stream
from support.counting import steps_of
from support.plans import SERVER, Spec, a_consumer, a_stream

LARGEST = 256
"""Subjects of a stream, and filters of a consumer, that the API server takes."""

Shape = Callable[[str, int], list[str]]
"""First token and number → so many subjects."""


def _plain(first: str, number: int) -> list[str]:
    return [f"{first}.{index:04}" for index in range(number)]


def _late(first: str, number: int) -> list[str]:
    return [f"{first}.*.b.*.d.{index:04}" for index in range(number)]


def _early(first: str, number: int) -> list[str]:
    return [f"{first}.{index:04}.b.*.>" for index in range(number)]


def _mixed(first: str, number: int) -> list[str]:
    """All ways to put a wildcard in some of the places, which all meet each other."""
    places = (number - 1).bit_length()
    return [
        ".".join([first, *("*" if index >> place & 1 else "a" for place in range(places))])
        for index in range(number)
    ]


def _situation(**more: Any) -> Situation:
    return Situation(OWNER, SERVER, **more)


def _a_change(shape: Shape, number: int) -> Plan:
    """Other subjects, while the former ones hold messages."""
    before, after = shape("before", number), shape("after", number)
    live = a_stream({"subjects": before}, messages=number, subjects=number)
    found: dict[Look, Any] = {
        MessagesLook("work", (">",)): dict.fromkeys(_plain("before", 3 * number), 1)
    }
    return plan(stream("work", {"subjects": after}), live, _situation(seen=Seen(found)))


def _nothing_to_do(shape: Shape, number: int) -> Plan:
    spec = {"subjects": shape("a", number)}
    return plan(stream("work", spec), a_stream(spec), _situation())


def _fenced(shape: Shape, number: int) -> Plan:
    """What is published again, on a connection that grants, beside others' streams."""
    grant = {"namespaces": ["shop"], "subjects": shape("granted", number)}
    granted = granted_to("shop", Key("CozeConnection", "n", "c"), {"grants": [grant]}, 0)
    theirs = Neighbour(Key("CozeStream", "other", "s"), "s", tuple(shape("theirs", number)))
    spec = {
        "subjects": shape("granted", number),
        "republish": {"source": "granted.>", "destination": "again.>"},
    }
    fences = Fences(neighbours=(theirs,), granted=granted, is_shared=True)
    return plan(stream("work", spec), None, _situation(fences=fences))


def _preflight(shape: Shape, number: int) -> str:
    wanted = consumer("work", "reader", {"filterSubjects": shape("a", number)})
    return refused_by({"subjects": shape("b", number)}, wanted)


def _warning(shape: Shape, number: int) -> str:
    wanted = consumer("work", "reader", {"filterSubjects": shape("a", number)})
    return filter_warning(wanted, {"subjects": shape("b", number)})


def _copies_of_a_work_queue(shape: Shape, number: int) -> Plan:
    origin = a_stream(
        {"retention": "workqueue", "subjects": ["*.>"]}, messages=9, subjects=3 * number
    )
    consumers = {subject: a_consumer({"filterSubject": subject}) for subject in shape("a", number)}
    seen: dict[Look, Any] = {
        StreamLook("orders"): origin,
        ConsumersLook(origin.name): Listing(consumers),
        MessagesLook(origin.name, (">",)): dict.fromkeys(_plain("b", 3 * number), 1),
    }
    transforms = [{"source": each, "destination": each} for each in _plain("b", 32)]
    spec = {"mirror": {"name": "orders", "subjectTransforms": transforms}}
    return plan(stream("copy", spec), None, _situation(seen=Seen(seen)))


def _sources_copied_again(shape: Shape, number: int) -> Plan:
    def sources(first: str) -> list[Spec]:
        found = [{"source": each, "destination": each} for each in shape(first, 32)]
        return [
            {"name": "orders", "optStartSeq": index + 1, "subjectTransforms": found[index % 8 :]}
            for index in range(number // 8)
        ]

    live = a_stream({"sources": sources("a")}, messages=1, last_sequence=1)
    seen = Seen({StreamLook("orders"): None})
    return plan(stream("work", {"sources": sources("b")}), live, _situation(seen=seen))


def _declared(shape: Shape, number: int) -> object:
    spec = {"subjects": shape("a", number), "metadata": {f"k{n}": "v" for n in range(64)}}
    body = {
        "kind": "CozeStream",
        "metadata": {"namespace": "n", "name": "work", "uid": "u", "generation": 1},
        "spec": spec,
    }
    return intent(Resource.from_body(body), None, None)


class _Listed:
    """A server with one stream, of which these are the consumers."""

    def __init__(self, consumers: dict[str, LiveConsumer]) -> None:
        self._consumers = consumers

    async def consumers(self, _: str) -> Listing[LiveConsumer]:
        return Listing(self._consumers)


def _rivals(shape: Shape, number: int) -> str:
    wanted = consumer("work", "reader", {"filterSubjects": shape("a", number)})
    others = {f"c{n}": a_consumer({"filterSubjects": shape("b", number)}) for n in range(4)}
    listed: Any = _Listed(others)
    try:
        rivals_on_work_queue(listed, wanted).send(None)
    except StopIteration as end:
        return str(end.value)
    raise AssertionError("it waits for something else than the server")


@pytest.mark.parametrize("shape", [_plain, _late, _early, _mixed])
@pytest.mark.parametrize(
    "work",
    [
        _a_change,
        _nothing_to_do,
        _fenced,
        _preflight,
        _warning,
        _copies_of_a_work_queue,
        _sources_copied_again,
        _declared,
        _rivals,
    ],
)
def test_twice_as_large_a_spec_takes_far_less_than_four_times_the_work(
    work: Callable[[Shape, int], object], shape: Shape
) -> None:
    work(shape, 8)
    half = steps_of(lambda: work(shape, LARGEST // 2))
    whole = steps_of(lambda: work(shape, LARGEST))
    assert whole < 3.2 * half


@pytest.mark.parametrize(
    "work, action",
    [
        (_a_change, Action.UPDATE),
        (_nothing_to_do, Action.NOTHING),
        (_fenced, Action.REFUSE),
        (_copies_of_a_work_queue, Action.REFUSE),
        (_sources_copied_again, Action.UPDATE),
    ],
)
def test_what_is_counted_is_decided_by_looking_at_all_of_it(
    work: Callable[[Shape, int], Plan], action: Action
) -> None:
    assert work(_plain, LARGEST).action is action
