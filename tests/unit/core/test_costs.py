"""Every field of every kind states what a change of it costs, and no plan guesses around it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from coze_nats.core.costs import Verdict, never_in_place
from coze_nats.core.fields import Change, Field
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.looks import (
    ConsumersLook,
    Look,
    MessagesLook,
    NotSeen,
    RivalsLook,
    Seen,
    StreamLook,
)
from coze_nats.core.names import Reason
from coze_nats.core.plan import Action, Situation, plan
from coze_nats.core.policies import Policies
from fakes.configs import complete_consumer, complete_stream
from support.convergence import OWNER, consumer, stream

CREATED = "2026-01-01T00:00:00Z"
SITUATION = Situation(OWNER, Server("2.15.1", 5))


def test_a_field_cannot_be_added_without_its_cost() -> None:
    with pytest.raises(TypeError, match="cost"):
        Field("maxDreams", "max_dreams")  # type: ignore[call-arg]


@pytest.mark.parametrize("field", [*STREAM_FIELDS, *CONSUMER_FIELDS], ids=lambda each: each.name)
def test_only_what_nats_never_changes_in_place_leaves_its_cost_to_the_replacement(
    field: Field,
) -> None:
    assert (field.cost is never_in_place) is (field.change is Change.IMMUTABLE)


@pytest.mark.parametrize(
    "look, ask",
    [
        (StreamLook("s"), lambda seen: seen.stream("s")),
        (ConsumersLook("s"), lambda seen: seen.consumers("s")),
        (MessagesLook("s", ("a",)), lambda seen: seen.messages_on("s", ("a",))),
        (RivalsLook("s", ("a",)), lambda seen: seen.rivals("s", ("a",))),
    ],
)
def test_what_nobody_looked_at_is_not_taken_for_nothing(
    look: Look, ask: Callable[[Seen], object]
) -> None:
    with pytest.raises(NotSeen) as unseen:
        ask(Seen())
    assert unseen.value.look == look


def a_stream(spec: dict[str, Any], **state: Any) -> LiveStream:
    declared = {**stream("work", spec).declared, "metadata": {"coze.dev/owner": OWNER}}
    return LiveStream(complete_stream(declared, "2.15.1", 5), CREATED, **state)


def test_a_plan_that_lacks_a_look_does_nothing_and_says_which() -> None:
    live = a_stream({"subjects": ["old"], "maxMsgs": 5}, messages=3)
    found = plan(stream("work", {"subjects": ["new"], "maxMsgs": 2}), live, SITUATION)
    assert (found.action, found.steps, found.refusal) == (Action.LOOK, (), None)
    assert found.looks == (MessagesLook("work", ("old",)),)
    assert {change.name: change.verdict for change in found.changes} == {
        "subjects": Verdict.IN_PLACE,
        "maxMsgs": Verdict.LOSES_DATA,
    }


def test_what_is_refused_whatever_it_costs_looks_only_for_what_else_it_takes() -> None:
    live = a_stream({"subjects": ["old"]}, messages=3)
    desired = stream("work", {"subjects": ["new"], "storage": "memory"})
    found = plan(desired, live, SITUATION)
    assert found.looks == (MessagesLook("work", ("old",)),)
    assert found.refusal is not None
    assert found.refusal.reason is Reason.IMMUTABLE_FIELD


def test_what_no_policy_allows_takes_no_look() -> None:
    live = a_stream({"subjects": ["old"], "maxConsumers": 3}, messages=3)
    desired = stream("work", {"subjects": ["new"], "maxConsumers": 5})
    found = plan(desired, live, replace(SITUATION, server=Server("2.10.26", 0)))
    assert found.looks == ()
    assert found.refusal is not None
    assert found.refusal.reason is Reason.UNSUPPORTED_BY_SERVER


def test_two_fields_that_need_the_same_look_ask_once() -> None:
    declared = consumer("work", "reader", {"filterSubject": "a"}).declared
    ours = {**declared, "metadata": {"coze.dev/owner": OWNER}}
    config = complete_consumer(ours, dict(a_stream({}).config), "2.15.1", 5)
    live = LiveConsumer(config, CREATED, "work")
    found = plan(consumer("work", "reader", {"filterSubjects": ["b"]}), live, SITUATION)
    assert found.looks == (StreamLook("work"),)


def test_a_replacement_looks_around_before_it_is_decided() -> None:
    live = a_stream({}, consumers=1)
    situation = replace(SITUATION, policies=Policies(replacement="Recreate"))
    found = plan(stream("work", {"storage": "memory"}), live, situation)
    assert (found.action, found.looks) == (Action.LOOK, (ConsumersLook("work"),))
