"""Every value of every policy in every situation that it decides, and what owners have to say."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from coze_nats.core.desired import Desired
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import Listing, LiveStream, Server
from coze_nats.core.looks import (
    ConsumersLook,
    Look,
    MessagesLook,
    Returning,
    ReturningLook,
    RivalsLook,
    Seen,
    StreamLook,
)
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live
from coze_nats.core.plan import (
    Action,
    Plan,
    Situation,
    described,
    has_vanished,
    plan,
    stays_known,
)
from coze_nats.core.policies import Policies
from coze_nats.core.steps import Create, Delete, Fence, Note, Replacement
from support.convergence import OWNER, consumer, stream
from support.foreseen import REFUSED, RefusedConsumer
from support.plans import (
    ANOTHER,
    CREATED,
    KNOWN,
    NOBODYS,
    OTHERS,
    OURS,
    SERVER,
    Spec,
    a_consumer,
    a_stream,
)

NOTHING_RETURNS: dict[Look, Any] = {
    ReturningLook("work", was_lost=False): {},
    ReturningLook("work", was_lost=True): {},
}


def planned(desired: Desired, live: Live | None, **more: Any) -> Plan:
    more.setdefault("seen", Seen(NOTHING_RETURNS))
    policies = {key: more.pop(key) for key in tuple(more) if key in Policies.__slots__}
    return plan(desired, live, Situation(OWNER, SERVER, policies=Policies(**policies), **more))


def on(stream: LiveStream | None) -> Seen:
    """What is seen of a consumer's stream."""
    return Seen({StreamLook("work"): stream})


def refusal(found: Plan) -> tuple[Reason, str]:
    assert found.action is Action.REFUSE
    assert found.steps == ()
    assert found.refusal is not None
    return found.refusal.reason, found.refusal.message


def verdict(found: Plan) -> Action | Reason:
    return found.refusal.reason if found.refusal else found.action


# --- adoption -------------------------------------------------------------------------------------

SAME, DIFFERENT = {"maxMsgs": 5}, {"maxMsgs": 7}
NEEDS_REPLACEMENT = {"storage": "memory", "maxMsgs": 5}


@pytest.mark.parametrize(
    "policy, identical, different, costly, immutable",
    [
        (
            "IfIdentical",
            Action.ADOPT,
            Reason.NOT_IDENTICAL,
            Reason.NOT_IDENTICAL,
            Reason.NOT_IDENTICAL,
        ),
        (
            "Always",
            Action.ADOPT,
            Action.ADOPT,
            Reason.WOULD_LOSE_DATA,
            Reason.IMMUTABLE_FIELD,
        ),
        (
            "Never",
            Reason.ADOPTION_REFUSED,
            Reason.ADOPTION_REFUSED,
            Reason.ADOPTION_REFUSED,
            Reason.ADOPTION_REFUSED,
        ),
    ],
)
def test_what_nobody_owns_is_adopted_by_policy(
    policy: str,
    identical: Action | Reason,
    different: Action | Reason,
    costly: Action | Reason,
    immutable: Action | Reason,
) -> None:
    desired = stream("work", SAME)
    for spec, messages, expected in (
        (SAME, 0, identical),
        (DIFFERENT, 0, different),
        (DIFFERENT, 6, costly),
        (NEEDS_REPLACEMENT, 0, immutable),
    ):
        live = a_stream(spec, NOBODYS, messages=messages)
        assert verdict(planned(desired, live, adoption=policy)) is expected


@pytest.mark.parametrize("spec", [SAME, DIFFERENT])
@pytest.mark.parametrize("policy", ["IfIdentical", "Always", "Never"])
def test_what_belongs_to_another_is_never_touched_whatever_the_policies(
    policy: str, spec: Spec
) -> None:
    accepting = {"data_loss": "Allow", "replacement": "Recreate", "missing": "Recreate"}
    live = a_stream(spec, OTHERS)
    found = planned(stream("work", SAME), live, adoption=policy, incarnation=KNOWN, **accepting)
    assert refusal(found)[0] is Reason.OWNED_BY_ANOTHER


def test_what_is_adopted_against_the_grain_says_why_not() -> None:
    live = a_stream(DIFFERENT, NOBODYS)
    assert refusal(planned(stream("work", SAME), live, adoption="Never"))[1] == (
        "stream work exists and has no owner, and policies.adoption is Never: set it to "
        "IfIdentical or Always, delete this resource and create one with another name, or remove "
        "it from NATS"
    )


def test_an_object_stripped_of_its_owner_still_belongs_to_who_remembers_it() -> None:
    live = a_stream(SAME, NOBODYS)
    found = planned(stream("work", SAME), live, adoption="Always", claimant="other/shop/orders")
    assert refusal(found)[0] is Reason.OWNED_BY_ANOTHER
    assert "belongs to other/shop/orders" in refusal(found)[1]


def test_a_claim_to_what_is_not_there_means_nothing() -> None:
    assert planned(stream("work", SAME), None, claimant="other/shop/orders").action is Action.CREATE


def test_an_object_that_is_nobodys_is_left_to_who_comes_first() -> None:
    first = {"first": "cluster/shop/another"}
    reason, message = refusal(planned(stream("work", SAME), a_stream(SAME, {}), **first))
    assert reason is Reason.OWNED_BY_ANOTHER
    assert "has no owner yet, and cluster/shop/another" in message
    assert planned(stream("work", SAME), None, **first).action is Action.CREATE


# --- data loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy, expected", [("Block", Reason.WOULD_LOSE_DATA), ("Allow", Action.UPDATE)]
)
def test_a_loss_in_place_is_held_or_accepted_by_policy(
    policy: str, expected: Action | Reason
) -> None:
    desired, live = stream("work", {"maxMsgs": 5}), a_stream({}, messages=8)
    found = planned(desired, live, data_loss=policy)
    assert verdict(found) is expected
    (change,) = found.changes
    assert change.why == "would discard 3 of 8 messages"


def test_a_held_loss_holds_the_rest_of_the_change() -> None:
    desired = stream("work", {"maxMsgs": 5, "description": "new"})
    found = planned(desired, a_stream({}, messages=8))
    assert refusal(found)[0] is Reason.WOULD_LOSE_DATA
    assert {change.name for change in found.changes} == {"maxMsgs", "description"}


# --- replacement ----------------------------------------------------------------------------------

FILE, MEMORY = {"maxMsgs": 9}, {"maxMsgs": 9, "storage": "memory"}


@pytest.mark.parametrize(
    "replacement, data_loss, state, expected",
    [
        ("Block", "Block", {}, Reason.IMMUTABLE_FIELD),
        ("Block", "Allow", {}, Reason.IMMUTABLE_FIELD),
        ("Block", "Allow", {"messages": 8}, Reason.IMMUTABLE_FIELD),
        ("Recreate", "Block", {}, Action.REPLACE),
        ("Recreate", "Block", {"messages": 8}, Reason.WOULD_LOSE_DATA),
        ("Recreate", "Allow", {"messages": 8}, Action.REPLACE),
    ],
)
def test_a_stream_is_replaced_if_policies_accept_the_cost(
    replacement: str, data_loss: str, state: dict[str, Any], expected: Action | Reason
) -> None:
    live = a_stream(FILE, **state)
    found = planned(stream("work", MEMORY), live, replacement=replacement, data_loss=data_loss)
    assert verdict(found) is expected


def test_a_replacement_is_written_down_before_the_object_is_deleted() -> None:
    desired = stream("work", MEMORY)
    found = planned(desired, a_stream(FILE, last_sequence=40), replacement="Recreate")
    fence, note, delete, *rest = found.steps
    assert isinstance(fence, Fence)
    assert note == Note(desired.target, Replacement(CREATED, 1041))
    assert delete == Delete(desired.target)
    assert tuple(rest) == planned(desired, None, replacing=Replacement(CREATED, 1041)).steps


@pytest.mark.parametrize(
    "consumers, named", [(0, ""), (1, " and 1 consumer"), (2, " and 2 consumers")]
)
def test_what_a_replaced_stream_holds_is_its_cost(consumers: int, named: str) -> None:
    live = a_stream(FILE, messages=8, bytes=1200, consumers=consumers)
    assert refusal(planned(stream("work", MEMORY), live, replacement="Recreate"))[1] == (
        f"storage file → memory: replacing stream work would discard 8 messages (1,200 bytes)"
        f"{named}. Nothing was changed: set policies.dataLoss: Allow to accept, or set the field "
        "back"
    )


def test_a_loss_beside_a_replacement_is_told_as_the_whole_that_it_is() -> None:
    desired = stream("work", {**MEMORY, "maxMsgs": 5})
    reason, message = refusal(planned(desired, a_stream(FILE, messages=8), replacement="Recreate"))
    assert reason is Reason.WOULD_LOSE_DATA
    assert "would discard 8 messages" in message


CONSUMERS = Listing(
    {"reader": a_consumer({}), "probe": a_consumer({}, NOBODYS), "left": a_consumer({})},
    missing=frozenset({"audit"}),
)
BACK = {
    name: Returning(OWNER, known, {"name": name})
    for name, known in (
        ("reader", None),
        ("probe", None),
        ("audit", Incarnation("2026-01-01T00:00:00Z")),
        ("new", None),
    )
}


@pytest.mark.parametrize(
    "data_loss, expected", [("Block", Reason.WOULD_LOSE_DATA), ("Allow", Action.REPLACE)]
)
def test_consumers_that_nobody_brings_back_are_a_cost_though_the_stream_is_empty(
    data_loss: str, expected: Action | Reason
) -> None:
    found = planned(
        stream("work", MEMORY),
        a_stream(FILE, consumers=4),
        replacement="Recreate",
        data_loss=data_loss,
        seen=Seen({ConsumersLook("work"): CONSUMERS, ReturningLook("work", was_lost=False): BACK}),
    )
    assert verdict(found) is expected
    created = {step.target.consumer for step in found.steps if isinstance(step, Create)}
    assert created == (set() if found.refusal else {None, "reader", "audit"})
    if found.refusal:
        assert found.refusal.message == (
            "storage file → memory: replacing stream work would delete what no resource brings "
            "back: consumer audit, left, probe. Nothing was changed: set policies.dataLoss: Allow "
            "to accept, or set the field back"
        )


def test_what_the_server_cannot_do_is_not_replaced_either() -> None:
    live = a_stream({}, consumers=1)
    situation = Situation(OWNER, Server("2.10.26", 0), policies=Policies(replacement="Recreate"))
    found = plan(stream("work", {"maxConsumers": 5}), live, situation)
    assert verdict(found) is Reason.UNSUPPORTED_BY_SERVER


# --- position -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Position:
    """A consumer whose maxWaiting changes, and where its successor starts."""

    says: str
    start: int
    acknowledged: int | None = 0
    known: int | None = None
    policy: str = "Keep"
    retention: str = "limits"
    spec: Spec = field(default_factory=dict)

    def __str__(self) -> str:
        return self.says


@pytest.mark.parametrize(
    "case",
    [
        Position("it goes on after the last that is acknowledged", 41, acknowledged=40),
        Position("one that began nowhere begins as declared", 0),
        Position("one that waits for new ones doesn't begin at the first", 1, spec={
            "deliverPolicy": "new"
        }),
        Position("it goes on where it was when the server last told", 41, acknowledged=None,
                 known=40, spec={"deliverPolicy": "new"}),
        Position("one that nobody knows of begins at its time again", 0, acknowledged=None, spec={
            "deliverPolicy": "byStartTime", "optStartTime": "2026-01-01T00:00:00Z"
        }),
        Position("a reset begins as declared", 0, acknowledged=40, policy="Reset"),
        Position("a work queue begins as declared", 0, acknowledged=40, retention="workqueue"),
        Position("a work queue that doesn't tell, too", 0, acknowledged=None,
                 retention="workqueue"),
        Position("a reset of a work queue, too", 0, policy="Reset", retention="workqueue"),
        Position("a reset of an interest stream is accepted", 0, acknowledged=40, policy="Reset",
                 retention="interest"),
    ],
    ids=str,
)  # fmt: skip
def test_a_replaced_consumer_goes_on_where_it_should(case: Position) -> None:
    found = planned(
        consumer("work", "reader", {**case.spec, "maxWaiting": 5}),
        a_consumer(case.spec, acknowledged=case.acknowledged),
        replacement="Recreate",
        position=case.policy,
        incarnation=KNOWN,
        ack_floor=case.known,
        seen=on(a_stream({"retention": case.retention})),
    )
    assert found.action is Action.REPLACE
    note = found.steps[0]
    assert isinstance(note, Note)
    assert note.replacement == Replacement(CREATED, case.start)


@pytest.mark.parametrize(
    "after", [{"deliverPolicy": "new"}, {"deliverPolicy": "byStartSequence", "optStartSeq": 7}]
)
@pytest.mark.parametrize(
    "policy, expected", [("Keep", Reason.WOULD_LOSE_DATA), ("Reset", Action.REPLACE)]
)
def test_a_change_of_the_start_costs_the_position(
    policy: str, expected: Action | Reason, after: Spec
) -> None:
    live = a_consumer({}, pending=3, ack_pending=1200)
    found = planned(
        consumer("work", "reader", after),
        live,
        replacement="Recreate",
        position=policy,
        seen=on(a_stream({})),
    )
    assert verdict(found) is expected
    if found.refusal:
        assert found.refusal.message.endswith(
            "replacing consumer reader of stream work would lose its position, with 3 messages to "
            "be delivered and 1,200 not acknowledged. Nothing was changed: set policies.position: "
            "Reset to accept, or set the field back"
        )


@pytest.mark.parametrize(
    "incarnation, known", [(KNOWN, None), (Incarnation("2025-12-31T00:00:00Z"), 40)]
)
def test_a_consumer_of_which_nobody_knows_where_it_stands_is_not_replaced(
    incarnation: Incarnation, known: int | None
) -> None:
    new = {"deliverPolicy": "new"}
    found = planned(
        consumer("work", "reader", {**new, "maxWaiting": 5}),
        a_consumer(new, pending=3, ack_pending=2, acknowledged=None),
        replacement="Recreate",
        incarnation=incarnation,
        ack_floor=known,
        seen=on(a_stream({})),
    )
    assert refusal(found) == (
        Reason.WOULD_LOSE_DATA,
        (
            "maxWaiting 512 → 5: replacing consumer reader of stream work would lose its position: "
            "the server doesn't tell where it stands before what was delivered first is "
            "acknowledged; it has 3 messages to be delivered and 2 not acknowledged. Nothing was "
            "changed: set policies.position: Reset to accept, or set the field back"
        ),
    )


def test_a_consumer_of_an_interest_stream_costs_what_the_stream_keeps_for_it() -> None:
    found = planned(
        consumer("work", "reader", {"maxWaiting": 5}),
        a_consumer({}, pending=3, ack_pending=1),
        replacement="Recreate",
        seen=on(a_stream({"retention": "interest"})),
    )
    assert refusal(found) == (
        Reason.WOULD_LOSE_DATA,
        (
            "maxWaiting 512 → 5: replacing consumer reader of stream work could discard what the "
            "stream keeps for it alone, and what is published before it is back, as retention is "
            "interest; it has 3 messages to be delivered and 1 not acknowledged. Nothing was "
            "changed: set policies.position: Reset to accept, or set the field back"
        ),
    )


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("position", ["Keep", "Reset"])
def test_a_consumer_is_not_deleted_for_one_that_would_be_refused(
    case: RefusedConsumer, position: str
) -> None:
    found = planned(
        consumer("work", "reader", {"maxWaiting": 5, **case.spec}),
        a_consumer({}, acknowledged=40),
        replacement="Recreate",
        position=position,
        seen=on(a_stream(case.stream)),
    )
    reason, message = refusal(found)
    assert reason is Reason.REJECTED_BY_SERVER
    assert message.startswith(f"{case.says}: correct it first. Nothing was changed, as ")
    assert message.endswith(" needs a new object")


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_a_consumer_close_by_is_replaced(case: RefusedConsumer) -> None:
    found = planned(
        consumer("work", "reader", {"maxWaiting": 5, **case.accepted}),
        a_consumer({}),
        replacement="Recreate",
        position="Reset",
        seen=on(a_stream(case.stream)),
    )
    assert found.action is Action.REPLACE


def test_a_stream_is_not_deleted_for_one_whose_subjects_another_one_stores() -> None:
    taken = "subjects: a overlaps with the subjects of stream other"
    found = planned(
        stream("work", {"storage": "memory", "subjects": ["a"]}),
        a_stream({}),
        replacement="Recreate",
        seen=Seen({RivalsLook("work", ("a",)): taken}),
    )
    assert refusal(found) == (
        Reason.SUBJECT_OVERLAP,
        (
            "subjects: a overlaps with the subjects of stream other. Nothing was changed, as "
            "storage file → memory needs a new object"
        ),
    )


# --- missing --------------------------------------------------------------------------------------

ADOPTS_TOO = ". That takes policies.adoption: Always (as it differs), too"


@pytest.mark.parametrize(
    "live, recreate, is_gone",
    [
        (None, Action.CREATE, True),
        (a_stream(SAME, OURS, ANOTHER), Action.NOTHING, False),
        (a_stream(DIFFERENT, OURS, ANOTHER), Action.UPDATE, False),
        (a_stream(SAME, NOBODYS, ANOTHER), Action.ADOPT, False),
        (a_stream(DIFFERENT, NOBODYS, ANOTHER), Reason.NOT_IDENTICAL, False),
    ],
    ids=[
        "gone",
        "replaced, with our owner",
        "replaced by a different one, with our owner",
        "replaced, without an owner",
        "replaced by a different one, without an owner",
    ],
)
def test_what_went_behind_our_back_is_held_or_made_again(
    live: Live | None, recreate: Action | Reason, is_gone: bool
) -> None:
    desired, before = stream("work", SAME), {"incarnation": KNOWN, "last_known": "8 messages"}
    assert verdict(planned(desired, live, **before)) is recreate
    what = "vanished from JetStream" if is_gone else "was replaced in JetStream"
    more = "" if recreate is not Reason.NOT_IDENTICAL else ADOPTS_TOO
    assert refusal(planned(desired, live, missing="Hold", **before)) == (
        Reason.MISSING,
        (
            f"stream work {what} (last seen with 8 messages), and policies.missing is Hold: "
            f"restore it, or set policies.missing: Recreate to go on without what it held{more}"
        ),
    )


def test_a_consumer_that_vanished_is_held_without_knowing_what_it_held() -> None:
    found = planned(consumer("work", "reader", {}), None, missing="Hold", incarnation=KNOWN)
    assert refusal(found)[1].startswith(
        "consumer reader of stream work vanished from JetStream, and policies.missing is Hold"
    )


@pytest.mark.parametrize(
    "more, vanished",
    [
        ({"incarnation": KNOWN}, True),
        ({}, False),
        ({"incarnation": KNOWN, "replacing": Replacement(CREATED)}, False),
    ],
    ids=["it was there", "it never was there", "we deleted it ourselves"],
)
def test_only_what_was_there_and_we_did_not_delete_has_vanished(
    more: dict[str, Any], vanished: bool
) -> None:
    policies, seen = Policies(missing="Hold"), Seen(NOTHING_RETURNS)
    situation = Situation(OWNER, SERVER, policies=policies, seen=seen, **more)
    assert has_vanished(None, situation) is vanished
    assert (plan(stream("work", SAME), None, situation).action is Action.CREATE) is not vanished


def test_what_is_still_there_has_not_vanished() -> None:
    found = planned(stream("work", SAME), a_stream(SAME), incarnation=KNOWN, missing="Hold")
    assert found.action is Action.NOTHING


def test_a_replacement_that_was_cut_short_goes_on_where_it_stopped() -> None:
    found = planned(
        consumer("work", "reader", {"maxWaiting": 5}),
        None,
        incarnation=KNOWN,
        missing="Hold",
        replacing=Replacement(CREATED, 41),
    )
    assert found.action is Action.CREATE
    (create,) = found.steps
    assert create.config["opt_start_seq"] == 41  # type: ignore[union-attr]


# --- what a status goes on telling ----------------------------------------------------------------


@pytest.mark.parametrize(
    "live, incarnation, recreated, held",
    [
        (None, None, False, False),
        (None, KNOWN, True, True),
        (a_stream({}, OURS), KNOWN, False, False),
        (a_stream({}, OTHERS), KNOWN, False, False),
        (a_stream({}, OURS, ANOTHER), KNOWN, False, True),
        (a_stream({}, NOBODYS, ANOTHER), KNOWN, False, True),
        (a_stream({}, OTHERS, ANOTHER), KNOWN, False, True),
        (a_stream({}, OTHERS, ANOTHER), None, False, False),
    ],
    ids=[
        "nothing, and nothing known",
        "gone",
        "as known",
        "given to another owner",
        "replaced, with our mark",
        "replaced, without an owner",
        "replaced by another's",
        "another's, and nothing known",
    ],
)
def test_what_vanished_is_told_of_until_it_may_be_forgotten(
    live: Live | None, incarnation: Incarnation | None, *, recreated: bool, held: bool
) -> None:
    for missing, expected in (("Recreate", recreated), ("Hold", held)):
        policies = Policies(missing=missing)
        situation = Situation(OWNER, SERVER, policies=policies, incarnation=incarnation)
        assert stays_known(live, situation) is expected


# --- what a plan says of itself -------------------------------------------------------------------


@pytest.mark.parametrize(
    "desired, live, policies, words",
    [
        (stream("work", SAME), None, {}, "create stream work"),
        (stream("work", SAME), a_stream(DIFFERENT), {}, "update stream work: maxMsgs 7 → 5"),
        (
            stream("work", SAME),
            a_stream({}, messages=8),
            {"data_loss": "Allow"},
            "update stream work: maxMsgs -1 → 5; would discard 3 of 8 messages",
        ),
        (
            stream("work", MEMORY),
            a_stream(FILE),
            {"replacement": "Recreate"},
            "replace stream work: storage file → memory",
        ),
        (
            stream("work", MEMORY),
            a_stream(FILE),
            {},
            "refuse stream work: storage file → memory",
        ),
    ],
)
def test_a_plan_says_what_it_would_do_and_what_that_costs(
    desired: Desired, live: Live | None, policies: dict[str, str], words: str
) -> None:
    assert described(planned(desired, live, **policies), desired.target) == words


def test_a_plan_names_the_messages_that_removed_subjects_leave_behind() -> None:
    desired = stream("work", {"subjects": ["new"]})
    live = a_stream({"subjects": ["old"]}, messages=8)
    found = planned(desired, live, seen=Seen({MessagesLook("work", ("old",)): {"old": 8}}))
    assert found.action is Action.UPDATE
    assert described(found, desired.target) == (
        "update stream work: subjects [old] → [new]; leaves 8 messages on old stored, and takes "
        "no new ones there"
    )
