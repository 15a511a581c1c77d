"""Desired + live + owner → a Plan."""

from dataclasses import replace
from typing import Any

import pytest

from coze_nats.core.desired import Target
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.looks import ReturningLook, Seen
from coze_nats.core.names import FORMER_OWNER_METADATA, OWNER_METADATA, START_METADATA, Reason
from coze_nats.core.ownership import Live, is_ours
from coze_nats.core.plan import (
    Action,
    Plan,
    Situation,
    chosen_by_server,
    described,
    hides_loss,
    is_adopted,
    is_new,
    plan,
)
from coze_nats.core.policies import Policies
from coze_nats.core.steps import Create, Pause, Replacement, Update
from fakes.configs import complete_consumer, complete_stream
from support.convergence import OWNER, consumer, stream

Spec = dict[str, Any]
CREATED = "2026-01-01T00:00:00Z"
KNOWN, ANOTHER = Incarnation(CREATED), Incarnation(CREATED, last_sequence=1)
NOW = "2026-06-01T00:00:00Z"
PAST, FUTURE, LATER = "2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
SERVER = Server("2.15.1", 5)
OURS = {OWNER_METADATA: OWNER}
SEALED: dict[str, Any] = {"sealed": True, "discard": "new", "deny_delete": True, "deny_purge": True}


def situation(**more: Any) -> Situation:
    return Situation(**{"owner": OWNER, "server": SERVER, **more})


def a_stream(spec: Spec, metadata: dict[str, str], messages: int = 0, **raw: Any) -> LiveStream:
    declared = {**stream("work", spec).declared, "metadata": metadata}
    config = complete_stream(declared, SERVER.version, SERVER.api_level)
    return LiveStream({**config, **raw}, CREATED, messages=messages)


def a_consumer(spec: Spec, metadata: dict[str, str], **raw: Any) -> LiveConsumer:
    declared = {**consumer("work", "reader", spec).declared, "metadata": metadata}
    of = complete_stream({"name": "work"}, SERVER.version, SERVER.api_level)
    config = complete_consumer(declared, of, SERVER.version, SERVER.api_level)
    return LiveConsumer({**config, **raw}, CREATED, as_of=NOW)


def only_update(found: Plan) -> dict[str, Any]:
    """The configuration that a plan of one update sends."""
    (step,) = found.steps
    assert isinstance(step, Update)
    return dict(step.config)


# --- creation -------------------------------------------------------------------------------------


def test_what_is_missing_is_created_with_its_owner() -> None:
    desired = stream("work", {"maxMsgs": 5, "metadata": {"team": "a"}})
    assert plan(desired, None, situation()) == Plan(
        Action.CREATE,
        (
            Create(
                Target("work"), {"name": "work", "max_msgs": 5, "metadata": {"team": "a", **OURS}}
            ),
        ),
    )


def test_no_stream_is_created_to_be_sealed() -> None:
    found = plan(stream("work", {"sealed": True}), None, situation())
    assert found.steps == ()
    assert found.refusal is not None
    assert found.refusal.reason is Reason.REJECTED_BY_SERVER
    assert found.refusal.message.startswith("sealed: stream work would have to be created")
    policies = Policies(replacement="Recreate", data_loss="Allow")
    live = a_stream({"storage": "memory"}, OURS, **SEALED)
    found = plan(stream("work", {"sealed": True}), live, situation(policies=policies))
    assert found.steps == ()
    assert found.refusal is not None
    assert found.refusal.reason is Reason.REJECTED_BY_SERVER
    assert "Nothing was changed" in found.refusal.message


def test_a_stream_that_is_sealed_already_is_adopted() -> None:
    found = plan(stream("work", {"sealed": True}), a_stream({}, {}, **SEALED), situation())
    assert found.action is Action.ADOPT
    assert found.changes == ()


def test_a_stream_that_shall_stay_open_is_created_at_once() -> None:
    assert len(plan(stream("work", {"sealed": False}), None, situation()).steps) == 1


@pytest.mark.parametrize("until", [FUTURE, PAST, None])
def test_a_consumer_is_created_with_its_pause_and_the_server_knows_whether_it_is_over(
    until: str | None,
) -> None:
    (step,) = plan(consumer("work", "reader", {"pauseUntil": until}), None, situation()).steps
    assert isinstance(step, Create)
    assert step.config.get("pause_until") == until


# --- what is there already ------------------------------------------------------------------------


def test_what_is_as_declared_and_ours_is_left_alone() -> None:
    found = plan(stream("work", {"maxMsgs": 5}), a_stream({"maxMsgs": 5}, OURS), situation())
    assert found == Plan(Action.NOTHING)


def test_what_is_identical_and_has_no_owner_is_adopted() -> None:
    live = a_stream({"maxMsgs": 5}, {"coze.dev/note": "kept"})
    found = plan(stream("work", {"maxMsgs": 5}), live, situation())
    assert found == Plan(Action.ADOPT), "an application that declares it, too, notices nothing"


def test_a_consumer_is_adopted_and_paused_as_declared() -> None:
    desired = consumer("work", "reader", {"pauseUntil": FUTURE})
    always = Policies(adoption="Always")
    found = plan(desired, a_consumer({}, {}), situation(policies=always))
    assert found.action is Action.ADOPT
    assert found.steps == (Pause(desired.target, FUTURE),)


@pytest.mark.parametrize(
    "declared, has",
    [({"pauseUntil": FUTURE}, {}), ({}, {"pause_until": FUTURE})],
    ids=["declared only", "there only"],
)
def test_a_pause_is_a_difference_to_an_object_that_nobody_owns(
    declared: dict[str, str], has: dict[str, str]
) -> None:
    found = plan(consumer("work", "reader", declared), a_consumer({}, {}, **has), situation())
    assert found.refusal is not None
    assert found.refusal.reason is Reason.NOT_IDENTICAL
    assert "(JetStream → spec: pauseUntil)" in found.refusal.message


def test_what_differs_and_has_no_owner_is_not_touched() -> None:
    found = plan(stream("work", {"maxMsgs": 5}), a_stream({}, {}), situation())
    assert found.action is Action.REFUSE
    assert found.steps == ()
    assert found.refusal is not None
    assert found.refusal.reason is Reason.NOT_IDENTICAL
    assert found.refusal.message == (
        "stream work exists and has no owner, but it is not as declared (JetStream → spec: maxMsgs "
        "-1 → 5): make the spec say what it is, set policies.adoption: Always, or remove it from "
        "NATS"
    )


def test_a_long_list_of_differences_is_cut() -> None:
    spec = {
        "description": "a",
        "maxMsgs": 1,
        "maxBytes": 1,
        "maxAge": "1h",
        "maxMsgSize": 1,
        "maxMsgsPerSubject": 1,
        "maxConsumers": 1,
        "noAck": True,
        "allowDirect": True,
        "denyDelete": True,
    }
    refusal = plan(stream("work", spec), a_stream({}, {}), situation()).refusal
    assert refusal is not None
    assert "noAck false → true and 2 more): make" in refusal.message
    del spec["allowDirect"], spec["denyDelete"]
    refusal = plan(stream("work", spec), a_stream({}, {}), situation()).refusal
    assert refusal is not None
    assert "noAck false → true): make" in refusal.message


@pytest.mark.parametrize("spec", [{}, {"maxMsgs": 5}])
def test_what_belongs_to_another_is_not_touched(spec: Spec) -> None:
    live = a_stream({}, {OWNER_METADATA: "other/shop/orders"})
    found = plan(stream("work", spec), live, situation(incarnation=Incarnation(CREATED)))
    assert found.steps == ()
    assert found.refusal is not None
    assert found.refusal.reason is Reason.OWNED_BY_ANOTHER
    assert found.refusal.message == (
        "stream work belongs to other/shop/orders (cluster/namespace/name): delete that resource "
        "first, or delete this resource and create one with another name"
    )


def test_owner_metadata_that_was_stripped_by_hand_is_put_back() -> None:
    live = a_stream({}, {})
    known = situation(incarnation=Incarnation(CREATED), recorded=True)
    found = plan(stream("work", {}), live, known)
    assert found.action is Action.UPDATE
    assert found.changes == ()
    assert only_update(found)["metadata"][OWNER_METADATA] == OWNER


def test_another_incarnation_without_an_owner_is_not_ours() -> None:
    live = a_stream({"maxMsgs": 5}, {})
    found = plan(
        stream("work", {}), live, situation(incarnation=Incarnation(CREATED, last_sequence=1))
    )
    assert found.action is Action.REFUSE


@pytest.mark.parametrize(
    "metadata, incarnation, ours",
    [
        (OURS, None, True),
        (OURS, ANOTHER, True),
        ({}, KNOWN, True),
        ({}, ANOTHER, False),
        ({}, None, False),
        ({OWNER_METADATA: "other/shop/orders"}, KNOWN, False),
    ],
)
def test_an_object_is_ours_by_its_metadata_or_its_incarnation(
    metadata: dict[str, str], incarnation: Incarnation | None, ours: bool
) -> None:
    assert is_ours(a_stream({}, metadata), OWNER, incarnation) is ours


# --- taken over -----------------------------------------------------------------------------------

FORMER = "before/shop/orders"
HEIR = frozenset({FORMER})


def test_what_a_predecessor_owns_is_taken_over_and_bears_its_name() -> None:
    live = a_stream({"maxMsgs": 5}, {OWNER_METADATA: FORMER})
    found = plan(stream("work", {"maxMsgs": 7}), live, situation(predecessors=HEIR))
    assert (found.action, found.former) == (Action.TAKE_OVER, FORMER)
    assert described(found, Target("work")) == (
        f"take over stream work from {FORMER}: maxMsgs 5 → 7"
    )
    metadata = only_update(found)["metadata"]
    assert metadata[OWNER_METADATA] == OWNER
    assert metadata[FORMER_OWNER_METADATA] == FORMER


def test_what_a_predecessor_records_is_taken_over_without_a_mark_if_it_was_adopted() -> None:
    heir = situation(predecessors=HEIR, claimant=FORMER, adopted=True)
    found = plan(stream("work", {}), a_stream({}, {}), heir)
    assert (found.action, found.steps) == (Action.TAKE_OVER, ())


def test_a_mark_that_is_taken_off_tells_of_no_former_owner_either() -> None:
    live = a_stream({}, {**OURS, FORMER_OWNER_METADATA: FORMER, "coze.dev/note": "kept"})
    update = only_update(plan(stream("work", {}), live, situation(policies=RECORD)))
    assert update["metadata"].keys() & {OWNER_METADATA, FORMER_OWNER_METADATA} == set()
    assert update["metadata"]["coze.dev/note"] == "kept"


@pytest.mark.parametrize(
    "metadata, more, words",
    [
        (
            {OWNER_METADATA: FORMER, FORMER_OWNER_METADATA: OWNER},
            {"predecessors": HEIR},
            "which took it over from this resource: delete this resource",
        ),
        ({OWNER_METADATA: f"{OWNER}-2"}, {}, "annotate that resource with"),
        ({OWNER_METADATA: "other/elsewhere/orders"}, {}, "create one with another name"),
    ],
)
def test_what_is_anothers_is_left_with_the_way_that_fits(
    metadata: dict[str, str], more: dict[str, Any], words: str
) -> None:
    found = plan(stream("work", {}), a_stream({}, metadata), situation(**more))
    assert found.refusal
    assert found.refusal.reason is Reason.OWNED_BY_ANOTHER
    assert words in found.refusal.message


# --- marked and recorded --------------------------------------------------------------------------

RECORD = Policies(ownership="Record")
RECORDED: dict[str, Any] = {"incarnation": Incarnation(CREATED), "recorded": True}
BEFORE = Incarnation("2025-01-01T00:00:00Z", created_tells=True)
MADE_ANEW: dict[str, Any] = {"incarnation": BEFORE, "recorded": True}


def test_what_is_recorded_is_created_without_a_mark() -> None:
    (create,) = plan(stream("work", {}), None, situation(policies=RECORD)).steps
    assert create == Create(Target("work"), {"name": "work"})
    tagged = stream("work", {"metadata": {"team": "a"}})
    (create,) = plan(tagged, None, situation(policies=RECORD)).steps
    assert create == Create(Target("work"), {"name": "work", "metadata": {"team": "a"}})


def test_what_is_recorded_is_left_without_a_mark() -> None:
    found = plan(stream("work", {}), a_stream({}, {}), situation(policies=RECORD, **RECORDED))
    assert found == Plan(Action.NOTHING)


def test_a_mark_is_taken_off_where_the_resource_says_record() -> None:
    live = a_stream({}, {**OURS, "team": "a"})
    tagged = stream("work", {"metadata": {"team": "a"}})
    update = only_update(plan(tagged, live, situation(policies=RECORD, **RECORDED)))
    assert OWNER_METADATA not in update["metadata"]
    assert update["metadata"]["team"] == "a"


def test_what_was_adopted_gets_what_differs_and_no_mark() -> None:
    live = a_stream({"maxMsgs": 5}, {"coze.dev/note": "kept"})
    adopted = situation(adopted=True, **RECORDED)
    assert plan(stream("work", {"maxMsgs": 5}), live, adopted) == Plan(Action.NOTHING)
    update = only_update(plan(stream("work", {"maxMsgs": 7}), live, adopted))
    assert update == {**live.config, "max_msgs": 7}


def test_what_was_adopted_and_marked_by_a_former_version_stays_marked() -> None:
    live = a_stream({"maxMsgs": 5}, OURS)
    adopted = situation(adopted=True, **RECORDED)
    update = only_update(plan(stream("work", {"maxMsgs": 7}), live, adopted))
    assert update["metadata"][OWNER_METADATA] == OWNER


def test_what_an_application_made_anew_is_put_right_and_is_taken_for_adopted() -> None:
    """It was quicker than the operator, and its defaults are other ones."""
    live = a_stream({}, {})
    known = situation(policies=Policies(adoption="Never"), **MADE_ANEW)
    found = plan(stream("work", {"maxMsgs": 7}), live, known)
    assert found.action is Action.UPDATE
    assert only_update(found) == {**live.config, "max_msgs": 7}
    assert is_adopted(found.action, live, known)
    assert not is_adopted(Action.REPLACE, live, known), "what the operator makes of it is its own"
    assert not is_adopted(Action.UPDATE, a_stream({}, OURS), known), "a backup brings the mark back"


def test_what_another_resource_records_is_not_taken() -> None:
    found = plan(stream("work", {}), a_stream({}, {}), situation(claimant="here/shop/first"))
    assert found.refusal
    assert found.refusal.reason is Reason.OWNED_BY_ANOTHER


# --- changes --------------------------------------------------------------------------------------


def test_an_update_sends_all_that_is_there_with_only_the_changes_made() -> None:
    live = a_stream(
        {"maxMsgs": 5, "metadata": {"team": "a"}},
        {**OURS, "team": "a", "coze.dev/note": "kept", "_nats.hint": "kept"},
        from_the_future=True,
        placement={"preferred": "kept"},
    )
    desired = stream("work", {"maxAge": "1h", "placement": {"cluster": "east"}})
    found = plan(desired, live, situation())
    expected = {
        **live.config,
        "max_age": 3600 * 10**9,
        "placement": {"preferred": "kept", "cluster": "east"},
        "metadata": {k: v for k, v in live.config["metadata"].items() if k != "team"},
    }
    # Dropped, so that the server gives them the defaults.
    del expected["max_msgs"]
    assert only_update(found) == expected
    assert found.action is Action.UPDATE
    assert {change.name for change in found.changes} == {
        "maxMsgs",
        "maxAge",
        "placement",
        "metadata",
    }


def test_an_object_inside_is_dropped_when_nothing_unknown_is_left_in_it() -> None:
    live = a_stream({"placement": {"cluster": "east"}}, OURS)
    assert "placement" not in only_update(plan(stream("work", {}), live, situation()))
    live = a_stream({}, OURS, placement={"cluster": "east", "preferred": "kept"})
    update = only_update(plan(stream("work", {}), live, situation()))
    assert update["placement"] == {"preferred": "kept"}


def test_sampling_is_turned_off_in_so_many_words() -> None:
    live = a_consumer({"sampleFreq": "30%"}, OURS)
    desired = consumer("work", "reader", {})
    update = only_update(plan(desired, live, situation()))
    assert update["sample_freq"] == "0"
    assert plan(desired, LiveConsumer(update, CREATED), situation()).action is Action.NOTHING


@pytest.mark.parametrize(
    "before, after, first, second",
    [
        # More replicas are made where they shall be.
        (
            {"replicas": 1},
            {"replicas": 3, "placement": {"tags": ["a"]}, "maxMsgs": 5},
            {"num_replicas": 1, "placement": {"tags": ["a"]}, "max_msgs": -1},
            {"num_replicas": 3, "placement": {"tags": ["a"]}, "max_msgs": 5},
        ),
        (
            {"replicas": 1, "placement": {"tags": ["a"]}},
            {"replicas": 3},
            {"num_replicas": 1, "max_msgs": -1},
            {"num_replicas": 3, "max_msgs": -1},
        ),
        # Fewer need not be moved.
        (
            {"replicas": 3, "placement": {"tags": ["a"]}},
            {},
            {"num_replicas": 1, "placement": {"tags": ["a"]}, "max_msgs": -1},
            {"max_msgs": -1},
        ),
        (
            {"replicas": 3},
            {"replicas": 1, "placement": {"tags": ["a"]}, "maxMsgs": 5},
            {"num_replicas": 1, "max_msgs": -1},
            {"num_replicas": 1, "placement": {"tags": ["a"]}, "max_msgs": 5},
        ),
    ],
)
def test_replicas_and_placement_are_changed_one_after_the_other(
    before: Spec, after: Spec, first: Spec, second: Spec
) -> None:
    live = a_stream({**before, "replicas": 1}, OURS, num_replicas=before["replicas"])
    steps = plan(stream("work", after), live, situation()).steps
    assert len(steps) == 2
    for step, expected in zip(steps, (first, second), strict=True):
        assert isinstance(step, Update)
        shown = {
            k: step.config[k] for k in ("num_replicas", "placement", "max_msgs") if k in step.config
        }
        assert shown == expected
    assert isinstance(steps[0], Update)
    assert steps[0].config["metadata"] == live.config["metadata"]


# --- refusals -------------------------------------------------------------------------------------


def refusal_of(desired: Any, live: Live, **more: Any) -> tuple[Reason, str]:
    found = plan(desired, live, situation(**more))
    assert found.action is Action.REFUSE
    assert found.steps == ()
    assert found.refusal is not None
    assert found.changes or "needs nats-server" in found.refusal.message
    return found.refusal.reason, found.refusal.message


def test_a_field_that_the_server_lacks_is_refused_before_anything_else() -> None:
    live = a_stream({}, {OWNER_METADATA: "other/shop/orders"})
    desired = stream("work", {"allowBatched": True})
    for found in (None, live):
        refusal = plan(desired, found, situation(server=Server("2.12.8", 3))).refusal
        assert refusal is not None
        assert refusal.reason is Reason.UNSUPPORTED_BY_SERVER
        assert refusal.message == (
            "allowBatched needs nats-server 2.14 or newer, and this is 2.12.8: remove the field or "
            "upgrade the server"
        )


def test_a_change_that_nats_cannot_make_holds_all_others() -> None:
    desired = stream("work", {"storage": "memory", "maxMsgs": 5})
    assert refusal_of(desired, a_stream({}, OURS)) == (
        Reason.IMMUTABLE_FIELD,
        (
            "storage file → memory: NATS can't change it once the object exists. Nothing was "
            "changed: set the field back, or have it created anew with policies.replacement: "
            "Recreate"
        ),
    )


def test_a_change_that_the_server_is_too_old_for_says_so() -> None:
    live = a_stream({}, OURS)
    reason, message = refusal_of(
        stream("work", {"maxConsumers": 5}), live, server=Server("2.10.26", 0)
    )
    assert reason is Reason.UNSUPPORTED_BY_SERVER
    assert message == (
        "maxConsumers -1 → 5: changing it needs nats-server 2.12 or newer, and this is 2.10.26. "
        "Nothing was changed: set the field back or upgrade the server"
    )


def test_a_change_that_would_lose_messages_is_held() -> None:
    assert refusal_of(stream("work", {"maxMsgs": 5}), a_stream({}, OURS, messages=8)) == (
        Reason.WOULD_LOSE_DATA,
        (
            "maxMsgs -1 → 5: would discard 3 of 8 messages. Nothing was changed: choose a value "
            "that keeps the messages, or set policies.dataLoss: Allow to accept"
        ),
    )


def test_several_refused_changes_are_all_named() -> None:
    desired = stream("work", {"storage": "memory", "allowMsgCounter": True})
    _, message = refusal_of(desired, a_stream({}, OURS))
    assert "storage file → memory: " in message
    assert "; allowMsgCounter false → true: " in message


# --- pausing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "declared, has, steps",
    [
        (None, None, ()),
        (FUTURE, FUTURE, ()),
        (FUTURE, "2099-01-01T01:00:00+01:00", ()),
        (FUTURE, None, (FUTURE,)),
        (FUTURE, PAST, (FUTURE,)),
        (LATER, FUTURE, (LATER,)),
        (None, FUTURE, (None,)),
        (PAST, FUTURE, (None,)),
        (PAST, None, ()),
        (None, PAST, ()),
        (PAST, PAST, ()),
        ("2026-06-01T00:00:00Z", None, ()),
        ("2026-06-01T00:00:00.000000001Z", None, ("2026-06-01T00:00:00.000000001Z",)),
    ],
)
def test_a_pause_is_set_moved_and_lifted_and_means_nothing_once_passed(
    declared: str | None, has: str | None, steps: tuple[str | None, ...]
) -> None:
    desired = consumer("work", "reader", {"pauseUntil": declared})
    live = a_consumer({}, OURS, **({"pause_until": has} if has else {}))
    found = plan(desired, live, situation())
    assert found.steps == tuple(Pause(desired.target, until) for until in steps)
    assert found.action is (Action.UPDATE if steps else Action.NOTHING)


def test_no_pause_is_over_while_nobody_knows_the_time() -> None:
    desired = consumer("work", "reader", {"pauseUntil": PAST})
    live = replace(a_consumer({}, OURS), as_of="")
    assert plan(desired, live, situation()).steps == (Pause(desired.target, PAST),)


def test_a_change_and_a_pause_are_made_one_after_the_other() -> None:
    desired = consumer("work", "reader", {"pauseUntil": FUTURE, "maxDeliver": 3})
    update, pause = plan(desired, a_consumer({}, OURS), situation()).steps
    assert isinstance(update, Update)
    assert pause == Pause(desired.target, FUTURE)


# --- what limits make of a default ----------------------------------------------------------------


@pytest.mark.parametrize(
    "live, shown",
    [
        (a_consumer({}, {}, max_ack_pending=100), ""),
        (a_consumer({}, {}, max_batch=10), ""),
        (a_consumer({}, {}, max_ack_pending=1001), "maxAckPending 1001 → 1000"),
        (a_consumer({}, {}, max_ack_pending=-1), "maxAckPending -1 → 1000"),
        (a_consumer({}, {}, max_ack_pending=100, max_deliver=3), "maxDeliver 3 → -1"),
    ],
)
def test_what_limits_of_a_server_make_of_a_default_is_identical_and_stays(
    live: LiveConsumer, shown: str
) -> None:
    found = plan(consumer("work", "reader", {}), live, situation())
    assert "; ".join(map(str, found.changes)) == shown
    if shown:
        assert found.refusal is not None
        assert found.refusal.reason is Reason.NOT_IDENTICAL
        assert f"(JetStream → spec: {shown})" in found.refusal.message
    else:
        assert found == Plan(Action.ADOPT)


def test_a_shorter_duplicate_window_is_identical_and_a_longer_one_is_not() -> None:
    shorter, longer = (a_stream({}, {}, duplicate_window=s * 10**9) for s in (30, 300))
    assert plan(stream("work", {}), shorter, situation()).action is Action.ADOPT
    assert plan(stream("work", {}), longer, situation()).action is Action.REFUSE


def test_a_default_is_set_where_adoption_may_change_something() -> None:
    may_change = situation(policies=Policies(adoption="Always"))
    found = plan(consumer("work", "reader", {}), a_consumer({}, {}, max_batch=10), may_change)
    assert [str(change) for change in found.changes] == ["maxBatch 10 → 0"]


def test_what_a_consumer_gets_from_its_stream_is_known_and_nothing_else_is_identical() -> None:
    desired = consumer("work", "reader", {}).under({"max_ack_pending": 50})
    found = plan(desired, a_consumer({}, {}, max_ack_pending=20), situation())
    assert [str(change) for change in found.changes] == ["maxAckPending 20 → 50"]
    assert found.action is Action.REFUSE


# --- what the server chose ------------------------------------------------------------------------


def test_where_a_consumer_goes_on_is_nothing_that_the_server_chose() -> None:
    goes_on = {"deliver_policy": "by_start_sequence", "opt_start_seq": 41}
    live = a_consumer({}, {**OURS, START_METADATA: "41 all"}, **goes_on, max_batch=10)
    assert chosen_by_server(consumer("work", "reader", {}), live) == {"maxBatch": 10}


@pytest.mark.parametrize(
    "more, hides",
    [
        ({"incarnation": KNOWN}, True),
        ({"incarnation": replace(KNOWN, created_tells=True)}, False),
        ({"incarnation": KNOWN, "replacing": Replacement(CREATED)}, False),
        ({}, False),
    ],
)
def test_one_made_in_place_of_a_lost_stream_hides_the_loss_where_only_sequences_tell(
    more: dict[str, Any], hides: bool
) -> None:
    found = situation(seen=Seen({ReturningLook("work", r): {} for r in (True, False)}), **more)
    assert hides_loss(plan(stream("work", {}), None, found), found) is hides


def test_what_is_there_after_a_loss_that_was_told_is_another_one() -> None:
    live = a_stream({}, OURS)
    for told in (False, True):
        found = situation(incarnation=KNOWN, is_loss_told=told)
        assert is_new(live, found, plan(stream("work", {}), live, found)) is told
