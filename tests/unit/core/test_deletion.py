"""What becomes of an object whose resource is deleted, why it is kept, and what its end costs."""

from typing import Any

import pytest

from coze_nats.core.deletion import Company, plan_deletion
from coze_nats.core.desired import Target
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.names import START_METADATA
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Action, Plan, Situation
from coze_nats.core.policies import Policies
from coze_nats.core.steps import Delete, Update
from support.convergence import OWNER
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

TARGET = Target("work")
EMPTY, FULL = a_stream({}, consumers=2), a_stream({}, messages=8)


def leaving(policy: str = "DeleteIfEmpty", **more: Any) -> Situation:
    policies = Policies(deletion=policy)
    return Situation(OWNER, SERVER, policies=policies, incarnation=KNOWN, **more)


@pytest.mark.parametrize(
    "policy, empty, full, of_consumer",
    [
        ("DeleteIfEmpty", Action.DELETE, Action.RELEASE, Action.DELETE),
        ("Delete", Action.DELETE, Action.DELETE, Action.DELETE),
        ("Retain", Action.RELEASE, Action.RELEASE, Action.RELEASE),
    ],
)
def test_what_a_deleted_resource_leaves_is_its_policys(
    policy: str, empty: Action, full: Action, of_consumer: Action
) -> None:
    reader = a_consumer({}, pending=3)
    for live, expected in ((EMPTY, empty), (FULL, full), (reader, of_consumer)):
        found = plan_deletion(TARGET, live, leaving(policy))
        assert found.action is expected
        (step,) = found.steps
        assert isinstance(step, Delete if expected is Action.DELETE else Update)


@pytest.mark.parametrize("policy", ["DeleteIfEmpty", "Delete", "Retain"])
@pytest.mark.parametrize(
    "live",
    [None, a_stream({}, OTHERS), a_stream({}, NOBODYS, ANOTHER)],
    ids=["absent", "another's", "nobody's, and another incarnation"],
)
def test_what_is_not_ours_stays_whatever_the_policy(live: Live | None, policy: str) -> None:
    found = plan_deletion(TARGET, live, leaving(policy))
    assert found == Plan(Action.NOTHING)


LAST, ONE_OF_TWO = {"consumers": 1}, {"consumers": 2}


@pytest.mark.parametrize(
    "retention, state, consumer_state, at_stake",
    [
        ("interest", LAST | {"messages": 5}, {"pending": 5}, 5),
        ("interest", LAST | {"messages": 5}, {"ack_pending": 2}, 5),
        ("interest", LAST | {"messages": 5}, {}, 5),
        ("interest", LAST, {}, 0),
        ("interest", ONE_OF_TWO | {"messages": 9}, {"pending": 3, "ack_pending": 2}, 5),
        ("interest", ONE_OF_TWO | {"messages": 2}, {"pending": 2, "ack_pending": 2}, 2),
        ("interest", ONE_OF_TWO | {"messages": 9}, {}, 0),
        ("interest", ONE_OF_TWO | {"messages": 9}, {"deliveries": 4}, 9),
        ("interest", ONE_OF_TWO, {"deliveries": 4}, 0),
        ("limits", LAST | {"messages": 5}, {"pending": 5}, 0),
        ("workqueue", LAST | {"messages": 5}, {"pending": 5}, 0),
    ],
    ids=[
        "the last consumer, to be delivered",
        "the last consumer, whose end purges more than it waits for",
        "the last consumer, done or given up",
        "the last consumer of an empty stream",
        "one of two, with some to deliver and some to be acknowledged",
        "one of two, no more than there are",
        "one of two, before its first message",
        "one of two, which may have given up what it was delivered",
        "one of two, of an empty stream",
        "of a stream with limits",
        "of a work queue",
    ],
)
def test_a_consumer_goes_unless_messages_would_go_with_it(
    retention: str, state: Spec, consumer_state: Spec, at_stake: int
) -> None:
    target = Target("work", "reader")
    of = a_stream({"retention": retention}, **state)
    reader = a_consumer({"maxDeliver": 3}, **consumer_state)
    in_use = at_stake > 0 or "deliveries" in consumer_state
    for policy, is_kept in (("DeleteIfEmpty", in_use), ("Delete", False), ("Retain", True)):
        found = plan_deletion(target, reader, leaving(policy), Company(of))
        assert found.action is (Action.RELEASE if is_kept else Action.DELETE)
        assert found.at_stake == at_stake


def test_a_consumer_of_a_stream_that_is_not_known_to_lose_anything_goes() -> None:
    found = plan_deletion(TARGET, a_consumer({}, pending=3), leaving("DeleteIfEmpty"))
    assert (found.action, found.at_stake) == (Action.DELETE, 0)


def test_a_stream_that_holds_messages_is_kept_without_an_owner() -> None:
    live = a_stream({}, {**OURS, "team": "a"}, messages=1)
    (step,) = plan_deletion(TARGET, live, leaving()).steps
    assert isinstance(step, Update)
    metadata = {key: value for key, value in live.config["metadata"].items() if key not in OURS}
    assert step.config == {**live.config, "metadata": metadata}


def test_a_stream_that_lost_its_metadata_is_still_deleted_by_its_incarnation() -> None:
    assert plan_deletion(TARGET, a_stream({}, NOBODYS), leaving()).action is Action.DELETE
    bare = LiveStream({"name": "work"}, CREATED, messages=1)
    assert plan_deletion(TARGET, bare, leaving()).action is Action.RELEASE


# --- what somebody uses ---------------------------------------------------------------------------

READER = Target("work", "reader")
STANDS = "it is done up to sequence 4, with 3 messages to be delivered and 2 not acknowledged"
AHEAD: Spec = {"deliveries": 6, "acknowledged": 4, "pending": 3, "ack_pending": 2}


@pytest.mark.parametrize(
    "live, why",
    [
        (a_consumer({}), ""),
        (a_consumer({}, pending=3), ""),
        (a_consumer({}, waiting=1), "a client is attached to it"),
        (a_consumer({}, is_bound=True), "a client is attached to it"),
        (a_consumer({}, **AHEAD), STANDS),
        (a_consumer({}, waiting=2, **AHEAD), f"a client is attached to it; {STANDS}"),
        (a_consumer({"deliverPolicy": "new"}), ""),
        (
            a_consumer({"deliverPolicy": "new"}, pending=1, acknowledged=1_000),
            (
                "it is done up to sequence 1,000, with 1 message to be delivered and 0 not "
                "acknowledged"
            ),
        ),
        (
            a_consumer({"deliverPolicy": "new"}, **AHEAD | {"acknowledged": None}),
            (
                "it is before its first acknowledgement, with 3 messages to be delivered and 2 not "
                "acknowledged"
            ),
        ),
        (
            a_consumer({}, {**OURS, START_METADATA: "41 all"}, acknowledged=40),
            "it is done up to sequence 40, with 0 messages to be delivered and 0 not acknowledged",
        ),
    ],
    ids=[
        "at its start",
        "at its start, with messages to come",
        "a pull request waits",
        "a push consumer's client listens",
        "moved",
        "moved and attached",
        "started at the end, where it would start again",
        "started at an end that was followed by messages",
        "started at the end, and nothing acknowledged yet",
        "goes on where its forerunner stopped",
    ],
)
def test_a_consumer_that_somebody_uses_is_kept(live: LiveConsumer, why: str) -> None:
    kept = plan_deletion(READER, live, leaving())
    assert "; ".join(kept.why) == why
    assert kept.action is (Action.RELEASE if why else Action.DELETE)
    deleted = plan_deletion(READER, live, leaving("Delete"))
    assert deleted.action is Action.DELETE
    assert all(said.startswith(("it was done", "it was before")) for said in deleted.why)
    assert bool(deleted.why) is bool(why)


@pytest.mark.parametrize("target, live", [(TARGET, a_stream({})), (READER, a_consumer({}))])
def test_what_was_adopted_is_kept_unless_the_policy_says_delete(target: Target, live: Live) -> None:
    kept = plan_deletion(target, live, leaving(adopted=True))
    assert kept.action is Action.RELEASE
    assert kept.why == ("it was there before its resource",)
    assert plan_deletion(target, live, leaving("Delete", adopted=True)).action is Action.DELETE


def test_an_empty_stream_is_kept_for_the_consumers_that_somebody_uses() -> None:
    live = a_stream({}, consumers=4)
    unused = Company(consumers={"fresh": a_consumer({})})
    assert plan_deletion(TARGET, live, leaving(), unused).action is Action.DELETE
    company = Company(
        consumers={
            "fresh": a_consumer({}),
            "moved": a_consumer({}, **AHEAD),
            "attached": a_consumer({}, waiting=1),
            "foreign": a_consumer({}, NOBODYS),
        },
        strangers={"foreign", "unheard-of"},
    )
    kept = plan_deletion(TARGET, live, leaving(), company)
    assert kept.action is Action.RELEASE
    assert kept.why == ("it has consumers in use: attached, foreign, moved, unheard-of",)


@pytest.mark.parametrize("policy", ["DeleteIfEmpty", "Delete"])
def test_an_empty_stream_is_kept_for_those_that_copy_from_it(policy: str) -> None:
    company = Company(copies=("mirror", "audit"))
    found = plan_deletion(TARGET, a_stream({}), leaving(policy), company)
    assert found.action is (Action.RELEASE if policy == "DeleteIfEmpty" else Action.DELETE)
    assert found.why == ("what copies from it would miss messages of one made anew: audit, mirror",)


def test_the_positions_that_go_with_a_stream_are_told_and_only_so_many() -> None:
    consumers = {f"reader-{number}": a_consumer({}, **AHEAD) for number in range(10)}
    live = a_stream({}, consumers=11, messages=9)
    company = Company(consumers=consumers | {"fresh": a_consumer({})})
    found = plan_deletion(TARGET, live, leaving("Delete"), company)
    assert (found.action, found.at_stake) == (Action.DELETE, 9)
    (why,) = found.why
    assert why.startswith(f"its consumers went with it: reader-0 ({STANDS[6:]}), reader-1 (")
    assert why.endswith(" and 2 more")
