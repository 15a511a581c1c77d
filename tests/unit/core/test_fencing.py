"""A stream that takes another one's place: fenced, continued, and complete at the end."""

import json
from typing import Any

import pytest

from coze_nats.core.configs import creation, released
from coze_nats.core.desired import Target
from coze_nats.core.fencing import fenced, is_fenced, opened, subject_of
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import Listing, LiveConsumer, LiveStream, Server
from coze_nats.core.looks import (
    ConsumersLook,
    CopiesLook,
    Look,
    MessagesLook,
    Returning,
    ReturningLook,
    RivalsLook,
    Seen,
    StreamLook,
)
from coze_nats.core.names import FENCED_METADATA, OWNER_METADATA, Reason
from coze_nats.core.plan import Action, Plan, Situation, plan
from coze_nats.core.policies import Policies
from coze_nats.core.steps import Create, Fence, Replacement, Step, Update
from fakes.configs import complete_stream
from support.convergence import OWNER, stream

Spec = dict[str, Any]
CREATED = "2026-01-01T00:00:00Z"
SERVER = Server("2.15.1", 5)
OURS = {OWNER_METADATA: OWNER}
ORDERS: Spec = {"subjects": ["orders.>"], "storage": "memory"}
FENCE = [subject_of("work")]
ORIGINS: dict[Look, Any] = {StreamLook(name): None for name in ("origin", "a", "b")}
READER = {"name": "reader", "durable_name": "reader"}


def live(spec: Spec, **state: Any) -> LiveStream:
    declared = {**stream("work", spec).declared, "metadata": OURS}
    config = complete_stream(declared, SERVER.version, SERVER.api_level)
    return LiveStream(config, CREATED, **state)


def closed(spec: Spec, first: int = 0, **state: Any) -> LiveStream:
    """A stream between its creation and its completion."""
    made = live(spec, **state)
    config = fenced(made.config) | ({"first_seq": first} if first else {})
    return LiveStream(config, made.created, **state)


def planned(
    spec: Spec,
    found: LiveStream | None,
    back: tuple[str, ...] = (),
    more: dict[Look, Any] | None = None,
    **situation: Any,
) -> Plan:
    policies = {key: situation.pop(key) for key in tuple(situation) if key in Policies.__slots__}
    returning = {
        name: Returning(OWNER, Incarnation(CREATED), {**READER, "name": name}) for name in back
    }
    seen: dict[Look, Any] = {
        RivalsLook("work", tuple(spec.get("subjects", ()))): "",
        MessagesLook("work", tuple(FENCE)): {},
        **ORIGINS,
        ReturningLook("work", was_lost=False): returning,
        ReturningLook("work", was_lost=True): returning,
    }
    return plan(
        stream("work", spec),
        found,
        Situation(
            OWNER,
            SERVER,
            policies=Policies(**policies),
            seen=Seen({**seen, **(more or {})}),
            **situation,
        ),
    )


def told(step: Step) -> dict[str, Any]:
    assert isinstance(step, Create | Update)
    return dict(step.config)


# --- configurations -------------------------------------------------------------------------------


def test_a_fenced_stream_takes_nothing_in_and_notes_what_it_took() -> None:
    config = {"name": "work", "subjects": ["a"], "sources": [{"name": "b"}], "metadata": OURS}
    found = fenced(config)
    assert is_fenced(found)
    assert found["subjects"] == FENCE
    assert "sources" not in found
    note = json.loads(found["metadata"][FENCED_METADATA])
    assert note == {"subjects": ["a"], "sources": [{"name": "b"}]}
    assert opened(found) == config
    assert fenced(config, "subjects")["sources"] == [{"name": "b"}]


def test_what_is_not_fenced_is_open() -> None:
    config = {"name": "work", "subjects": ["a"]}
    assert not is_fenced(config)
    assert opened(config) == config
    assert not is_fenced({**fenced(config), "subjects": ["by.hand"]})


def test_a_new_stream_is_created_as_it_is_declared() -> None:
    (step,) = creation(stream("work", ORDERS), OWNER)
    assert told(step) == {**stream("work", ORDERS).declared, "metadata": OURS}


def test_a_stream_that_takes_anothers_place_goes_on_in_its_sequences_and_opens_at_last() -> None:
    consumer = Create(Target("work", "reader"), READER)
    create, second, update = creation(
        stream("work", ORDERS), OWNER, Replacement(CREATED, 41), (consumer,)
    )
    assert is_fenced(told(create))
    assert told(create)["first_seq"] == 41
    assert second is consumer
    assert told(update) == {**stream("work", ORDERS).declared, "metadata": OURS}


@pytest.mark.parametrize("first, created", [(41, 100), (500, 500)])
def test_a_declared_first_sequence_is_passed_and_stands_in_the_configuration(
    first: int, created: int
) -> None:
    desired = stream("work", {**ORDERS, "firstSequence": 100})
    create, update = creation(desired, OWNER, Replacement(CREATED, first))
    assert (told(create)["first_seq"], told(update)["first_seq"]) == (created, 100)


def test_a_mirror_has_its_origins_sequences_and_is_created_as_it_is() -> None:
    desired = stream("work", {"mirror": {"name": "origin"}})
    (create,) = creation(desired, OWNER, Replacement(CREATED, 41))
    assert told(create) == {**desired.declared, "metadata": OURS}


def test_a_stream_is_let_go_open() -> None:
    unfinished = closed(ORDERS)
    (step,) = released(Target("work"), unfinished, unfinished.config)
    expected = live(ORDERS).config
    metadata = {key: value for key, value in expected["metadata"].items() if key not in OURS}
    assert told(step) == {**expected, "metadata": metadata}


# --- plans ----------------------------------------------------------------------------------------


def test_what_vanished_comes_back_far_enough_and_after_its_consumers() -> None:
    found = planned(ORDERS, None, ("reader",), incarnation=Incarnation(CREATED, 40))
    create, consumer, update = found.steps
    assert told(create)["first_seq"] == 1_000_041
    assert consumer == Create(Target("work", "reader"), READER)
    assert "first_seq" not in told(update)


def test_a_consumer_that_never_was_there_comes_by_itself() -> None:
    back = {"reader": Returning(OWNER, None, READER)}
    situation = Situation(
        OWNER,
        SERVER,
        incarnation=Incarnation(CREATED, 40),
        seen=Seen({ReturningLook("work", was_lost=True): back}),
    )
    found = plan(stream("work", ORDERS), None, situation)
    assert {step.target for step in found.steps} == {Target("work")}


def test_what_was_never_there_asks_for_nobody() -> None:
    found = plan(stream("work", ORDERS), None, Situation(OWNER, SERVER))
    assert len(found.steps) == 1


def test_a_mirror_that_vanished_asks_for_nobody() -> None:
    situation = Situation(OWNER, SERVER, incarnation=Incarnation(CREATED), seen=Seen(ORIGINS))
    found = plan(stream("work", {"mirror": {"name": "origin"}}), None, situation)
    assert len(found.steps) == 1


@pytest.mark.parametrize(
    "spec, first, after",
    [(ORDERS, 1041, None), ({**ORDERS, "firstSequence": 7}, 1041, 7), (ORDERS, 0, None)],
)
def test_what_a_crash_left_fenced_is_completed_after_its_consumers(
    spec: Spec, first: int, after: int | None
) -> None:
    unfinished = closed(spec, first, consumers=1)
    there = Listing({"reader": LiveConsumer(READER, CREATED)})
    found = planned(spec, unfinished, ("reader", "other"), {ConsumersLook("work"): there})
    assert found.action is Action.UPDATE
    consumer, update = found.steps
    assert consumer.target == Target("work", "other")
    assert not is_fenced(told(update))
    assert told(update)["subjects"] == ["orders.>"]
    assert told(update).get("first_seq") == after
    assert FENCED_METADATA not in told(update)["metadata"]


def test_what_its_consumers_need_is_changed_before_a_fenced_stream_opens() -> None:
    """A stream that vanished had more consumers than its maxConsumers, which is lifted now."""
    unfinished = closed({**ORDERS, "maxConsumers": 1}, 1041, consumers=1)
    there = Listing({"reader": LiveConsumer(READER, CREATED)})
    found = planned(ORDERS, unfinished, ("reader", "other"), {ConsumersLook("work"): there})
    changed, consumer, opened = found.steps
    assert is_fenced(told(changed))
    assert "max_consumers" not in told(changed)
    assert consumer.target == Target("work", "other")
    assert not is_fenced(told(opened))


def test_a_fenced_stream_opens_though_its_change_is_refused() -> None:
    """A crash came between the fence and its end, and what came in before is still there."""
    old = closed({**ORDERS, "storage": "file", "firstSequence": 7}, messages=3)
    found = planned({**ORDERS, "firstSequence": 7}, old, replacement="Recreate")
    assert found.refusal is None
    (update,) = found.steps
    assert told(update) == live({**ORDERS, "storage": "file", "firstSequence": 7}).config


def test_what_a_crash_left_fenced_is_replaced_without_taking_anything_in_between() -> None:
    spec: Spec = {"sources": [{"name": "a"}], **ORDERS}
    found = planned(spec, closed({**spec, "storage": "file"}), replacement="Recreate")
    fence = found.steps[0]
    assert isinstance(fence, Fence)
    assert fence.config == closed({**spec, "storage": "file"}).config
    assert fence.former["sources"] == [{"name": "a"}]


@pytest.mark.parametrize(
    "before, data_loss, state, most",
    [
        ({"subjects": ["a"]}, "Block", {}, 0),
        ({"subjects": ["a"]}, "Allow", {"messages": 5}, None),
        ({"sources": [{"name": "b"}]}, "Block", {}, ...),
    ],
    ids=["empty", "accepted", "without subjects"],
)
def test_a_stream_is_fenced_before_it_goes(
    before: Spec, data_loss: str, state: Spec, most: Any
) -> None:
    after = {**before, "storage": "memory"}
    found = planned(after, live(before, **state), replacement="Recreate", data_loss=data_loss)
    assert found.action is Action.REPLACE
    fence = found.steps[0]
    if most is ...:
        assert not isinstance(fence, Fence)
    else:
        assert isinstance(fence, Fence)
        assert (fence.most, fence.below) == (most, 1001)
        assert opened(fence.config) == fence.former


# --- mirrors --------------------------------------------------------------------------------------

MIRROR: Spec = {"mirror": {"name": "origin"}, "storage": "memory"}
NO_COPIES: dict[Look, Any] = {CopiesLook("work"): ()}


@pytest.mark.parametrize(
    "spec, config, says",
    [
        ({**MIRROR, "retention": "interest"}, READER, "consumer reader misses"),
        (MIRROR, {**READER, "deliver_policy": "new"}, "consumer reader misses"),
        (MIRROR, READER, ""),
    ],
    ids=["interest", "new messages only", "all messages"],
)
def test_a_mirror_with_consumers_that_have_to_be_first_is_not_replaced(
    spec: Spec, config: Spec, says: str
) -> None:
    back = {"reader": Returning(OWNER, Incarnation(CREATED), config)}
    more: dict[Look, Any] = {ReturningLook("work", was_lost=False): back}
    before = {key: value for key, value in spec.items() if key != "storage"}
    found = planned(spec, live(before), (), more, replacement="Recreate")
    if says:
        assert found.refusal is not None
        assert found.refusal.reason is Reason.WOULD_LOSE_DATA
        assert says in found.refusal.message
    else:
        assert found.action is Action.REPLACE


@pytest.mark.parametrize(
    "copies, data_loss, says",
    [
        (("copy",), "Block", "would leave stream copy, which copies from it, without what comes"),
        (("copy",), "Allow", ""),
        ((), "Block", ""),
    ],
)
def test_who_copies_from_what_becomes_a_mirror_is_a_cost(
    copies: tuple[str, ...], data_loss: str, says: str
) -> None:
    found = planned(
        MIRROR,
        live({"subjects": ["a"]}),
        (),
        {CopiesLook("work"): copies},
        replacement="Recreate",
        data_loss=data_loss,
    )
    if says:
        assert found.refusal is not None
        assert says in found.refusal.message
    else:
        assert found.action is Action.REPLACE
        fence = found.steps[0]
        assert isinstance(fence, Fence)
        assert fence.below == 0
