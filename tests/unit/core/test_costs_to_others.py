"""What a change costs other objects; tests/contract/test_costs_to_others.py asks the servers."""

from typing import Any

import pytest

from coze_nats.core.costs import Verdict
from coze_nats.core.diff import FieldChange, diff, with_costs
from coze_nats.core.live import Listing, LiveConsumer, LiveStream, Raft, Server
from coze_nats.core.looks import ConsumersLook, Look, MessagesLook, ReturningLook, Seen, StreamLook
from coze_nats.core.names import Reason
from coze_nats.core.plan import Action, Plan, Situation, plan
from coze_nats.core.policies import Policies
from coze_nats.core.steps import Replacement
from fakes.configs import complete_stream
from support.convergence import OWNER, consumer, stream

Spec = dict[str, Any]
CREATED = "2026-01-01T00:00:00Z"
SERVER = Server("2.15.1", 5)
OURS = {"coze.dev/owner": OWNER}


def a_stream(spec: Spec, name: str = "work", **state: Any) -> LiveStream:
    declared = {**stream(name, spec).declared, "metadata": OURS}
    config = complete_stream(declared, SERVER.version, SERVER.api_level)
    return LiveStream(config, CREATED, **{"messages": 10, "last_sequence": 10, **state})


def a_consumer(spec: Spec, **state: Any) -> LiveConsumer:
    declared = {**consumer("work", "reader", spec).declared, "metadata": OURS}
    return LiveConsumer(declared, CREATED, "work", **{"pending": 4, **state})


# --- copies ---------------------------------------------------------------------------------------

INTEREST = {"retention": "interest"}
WORK_QUEUE = {"retention": "workqueue", "subjects": ["orders.>"]}
ON_A_AND_B = {"orders.a": 6, "orders.b": 4}
ALL = MessagesLook("orders", (">",))


def origin(
    spec: Spec, *filters: str, found: dict[str, int] | None = None, **state: Any
) -> dict[Look, Any]:
    """What is seen of a stream `orders`, whose consumers have these filters."""
    consumers = {
        each: a_consumer({"filterSubject": each} if each != ">" else {}) for each in filters
    }
    return {
        StreamLook("orders"): a_stream(spec, "orders", **state),
        ConsumersLook("orders"): Listing(consumers),
        ALL: ON_A_AND_B if found is None else found,
    }


def created(spec: Spec, seen: dict[Look, Any], **policies: str) -> Plan:
    situation = Situation(OWNER, SERVER, policies=Policies(**policies), seen=Seen(seen))
    return plan(stream("copy", spec), None, situation)


MIRROR: Spec = {"mirror": {"name": "orders"}}


@pytest.mark.parametrize(
    "spec, seen, why",
    [
        (
            MIRROR,
            origin(WORK_QUEUE),
            (
                "mirror: creating stream copy would take up to 10 messages out of stream orders, "
                "on orders.a, orders.b: it is a work queue, and no consumer of it covers them"
            ),
        ),
        (
            MIRROR,
            origin(WORK_QUEUE, "orders.a"),
            (
                "mirror: creating stream copy would take up to 4 messages out of stream orders, on "
                "orders.b: it is a work queue, and no consumer of it covers them"
            ),
        ),
        (
            {"sources": [{"name": "orders", "optStartSeq": 9}]},
            origin(WORK_QUEUE),
            (
                "sources: creating stream copy would take up to 2 messages out of stream orders, "
                "on orders.a, orders.b: it is a work queue, and no consumer of it covers them"
            ),
        ),
        (
            {**MIRROR, "retention": "interest"},
            origin({"subjects": ["orders.>"]}),
            (
                "mirror: creating stream copy would keep none of up to 10 messages of stream "
                "orders: with interest retention, a stream without consumers keeps nothing that it "
                "copies"
            ),
        ),
    ],
)
def test_a_new_copy_says_what_it_takes_and_does_not_keep(
    spec: Spec, seen: dict[Look, Any], why: str
) -> None:
    held = created(spec, seen)
    assert (held.action, held.steps) == (Action.REFUSE, ())
    assert held.refusal is not None
    assert held.refusal.reason is Reason.WOULD_LOSE_DATA
    assert held.refusal.message == (
        f"{why}. Nothing was created: give those messages consumers that keep them, or set "
        "policies.dataLoss: Allow to accept"
    )
    accepted = created(spec, seen, data_loss="Allow")
    assert accepted.action is Action.CREATE
    assert [change.is_costly for change in accepted.changes] == [True]


FEW_OF_MANY = dict.fromkeys(("orders.c.1", "orders.f.1"), 5) | {"orders.x.1": 7}


def test_much_that_is_copied_is_asked_about_at_once() -> None:
    taken = [{"source": f"orders.{one}.*", "destination": f"{one}.*"} for one in "abcdefg"]
    spec: Spec = {"mirror": {"name": "orders", "subjectTransforms": taken}}
    held = created(spec, origin(WORK_QUEUE, "orders.c.*", found=FEW_OF_MANY))
    assert held.refusal is not None
    assert "up to 5 messages out of stream orders, on orders.f.1" in held.refusal.message


@pytest.mark.parametrize("spec", [MIRROR, {**MIRROR, "retention": "interest"}])
def test_an_origin_with_too_many_subjects_is_not_asked_what_it_holds_on_each(spec: Spec) -> None:
    seen = origin(WORK_QUEUE, subjects=10_001)
    del seen[ALL]
    held = created(spec, seen)
    assert held.refusal is not None
    assert "up to 10 messages out of stream orders, on >: it is a work" in held.refusal.message
    assert ("none of up to 10 messages" in held.refusal.message) is ("retention" in spec)


FAR: Spec = {"name": "orders", "external": {"apiPrefix": "$JS.far.API"}}
THROUGH: Spec = {"name": "orders", "consumer": {"name": "c", "deliverSubject": "d"}}


@pytest.mark.parametrize(
    "spec, seen",
    [
        ({}, {}),
        (MIRROR, {StreamLook("orders"): None}),
        (MIRROR, origin(WORK_QUEUE, messages=0)),
        (MIRROR, origin(WORK_QUEUE, ">")),
        (MIRROR, origin(WORK_QUEUE, "orders.a", "orders.b")),
        (MIRROR, origin({"subjects": ["orders.>"]})),
        (MIRROR, origin({"subjects": ["orders.>"], "retention": "interest"})),
        ({"sources": [{"name": "orders", "optStartSeq": 11}]}, origin(WORK_QUEUE)),
        ({"sources": [FAR]}, {}),
        ({"sources": [THROUGH]}, {}),
        ({"retention": "interest"}, {}),
        ({**MIRROR, "retention": "interest"}, origin({}, found={})),
    ],
)
def test_a_copy_that_takes_nothing_is_created(spec: Spec, seen: dict[Look, Any]) -> None:
    found = created(spec, seen)
    assert (found.action, found.changes) == (Action.CREATE, ())


def test_a_copy_looks_at_its_origin_before_it_is_created() -> None:
    seen: dict[Look, Any] = {}
    for look in (StreamLook("orders"), ConsumersLook("orders"), ALL):
        found = created(MIRROR, seen)
        assert (found.action, found.looks) == (Action.LOOK, (look,))
        seen[look] = origin(WORK_QUEUE)[look]


def test_a_replacement_that_has_begun_goes_on_whatever_it_costs() -> None:
    situation = Situation(OWNER, SERVER, replacing=Replacement(CREATED))
    assert plan(stream("copy", MIRROR), None, situation).action is Action.CREATE


@pytest.mark.parametrize(
    "data_loss, expected", [("Block", Reason.WOULD_LOSE_DATA), ("Allow", Action.REPLACE)]
)
def test_a_replaced_copy_costs_what_a_new_one_does(
    data_loss: str, expected: Action | Reason
) -> None:
    live = a_stream(MIRROR, messages=0)
    policies = Policies(replacement="Recreate", data_loss=data_loss)
    back: dict[Look, Any] = {ReturningLook("work", was_lost=False): {}}
    situation = Situation(OWNER, SERVER, policies=policies, seen=Seen(back))
    desired = stream("work", {**MIRROR, "storage": "memory"})
    lacking = plan(desired, live, situation)
    assert lacking.looks == (StreamLook("orders"),)
    seen = Seen({**back, **origin(WORK_QUEUE)})
    found = plan(desired, live, Situation(OWNER, SERVER, policies=policies, seen=seen))
    assert (found.refusal.reason if found.refusal else found.action) is expected
    if found.refusal:
        assert found.refusal.message.startswith(
            "storage file → memory: replacing stream work would take up to 10 messages out of "
            "stream orders, on orders.a, orders.b: it is a work queue, and no consumer of it "
            "covers them. Nothing was changed: "
        )


def judged(before: LiveStream, spec: Spec, seen: dict[Look, Any]) -> FieldChange:
    desired = stream("work", spec)
    changes = diff(desired, before.config, SERVER)
    (change,), lacking = with_costs(changes, desired, before, SERVER, Seen(seen))
    assert lacking == ()
    return change


def test_an_added_source_costs_what_a_copy_does_and_the_others_cost_nothing() -> None:
    live = a_stream({"sources": [{"name": "returns"}]})
    after = {"sources": [{"name": "returns"}, {"name": "orders"}]}
    change = judged(live, after, origin(WORK_QUEUE))
    assert change.verdict is Verdict.LOSES_DATA
    assert change.why.startswith("would take up to 10 messages out of stream orders")


@pytest.mark.parametrize("consumers, verdict", [(0, Verdict.LOSES_DATA), (1, Verdict.IN_PLACE)])
def test_an_interest_stream_with_consumers_keeps_what_a_new_source_brings(
    consumers: int, verdict: Verdict
) -> None:
    live = a_stream(INTEREST, consumers=consumers, messages=0)
    after = {"retention": "interest", "sources": [{"name": "orders"}], "subjects": ["work"]}
    assert judged(live, after, origin({})).verdict is verdict


def test_a_mirror_that_becomes_a_normal_stream_takes_no_more() -> None:
    live = a_stream(MIRROR)
    desired = stream("work", {"subjects": ["work"]})
    changes, lacking = with_costs(diff(desired, live.config, SERVER), desired, live, SERVER, Seen())
    assert lacking == ()
    assert {change.verdict for change in changes} == {Verdict.IN_PLACE}


# --- the life of consumers ------------------------------------------------------------------------


HOUR = {"inactiveThreshold": "1h"}
LIMITED = {**INTEREST, "consumerLimits": HOUR}


def consumers(**found: LiveConsumer) -> dict[Look, Any]:
    return {ConsumersLook("work"): Listing(found)}


def test_a_limit_to_the_life_of_consumers_names_those_that_would_go_with_their_messages() -> None:
    nobodys = LiveConsumer({"durable_name": "probe"}, CREATED, "work", pending=4)
    seen = consumers(
        reader=a_consumer({}),
        writer=a_consumer({}, pending=1, ack_pending=0),
        done=a_consumer({}, pending=0),
        own=a_consumer({"inactiveThreshold": "30m"}),
        probe=nobodys,
    )
    change = judged(a_stream(INTEREST, consumers=5), LIMITED, seen)
    assert (change.verdict, change.why) == (
        Verdict.LOSES_DATA,
        (
            "would have NATS remove consumers once they are idle for 1h, and what the stream keeps "
            "for them, as its retention is interest: reader (up to 4 messages), writer (up to 1 "
            "message)"
        ),
    )


@pytest.mark.parametrize(
    "live, spec, seen",
    [
        (a_stream(INTEREST, consumers=0), LIMITED, {}),
        (a_stream(INTEREST, consumers=2, messages=0), LIMITED, {}),
        (a_stream({}, consumers=2), {"consumerLimits": HOUR}, {}),
        (a_stream(LIMITED, consumers=2), INTEREST, {}),
        (a_stream(INTEREST, consumers=2), LIMITED, consumers(done=a_consumer({}, pending=0))),
    ],
    ids=["no consumers", "empty", "limits", "no limit any more", "nothing kept"],
)
def test_a_limit_to_the_life_of_consumers_costs_nothing_where_nothing_is_kept_for_them(
    live: LiveStream, spec: Spec, seen: dict[Look, Any]
) -> None:
    assert judged(live, spec, seen).verdict is Verdict.IN_PLACE


@pytest.mark.parametrize(
    "before, after, limits, verdict",
    [
        ({}, HOUR, {}, Verdict.LOSES_DATA),
        ({}, {}, {"inactive_threshold": 10**9}, Verdict.LOSES_DATA),
        ({"inactiveThreshold": "2h"}, HOUR, {}, Verdict.LOSES_DATA),
        ({"inactiveThreshold": "30m"}, HOUR, {}, Verdict.IN_PLACE),
        (HOUR, {}, {}, Verdict.IN_PLACE),
    ],
)
@pytest.mark.parametrize("held", [a_stream(INTEREST, consumers=2), a_stream({}), None])
def test_a_shorter_life_costs_a_consumer_what_its_stream_keeps_for_it(
    before: Spec, after: Spec, limits: Spec, verdict: Verdict, held: LiveStream | None
) -> None:
    live = a_consumer(before)
    desired = consumer("work", "reader", after).under(limits)
    changes = diff(desired, live.config, SERVER)
    seen = Seen({StreamLook("work"): held})
    found = {
        change.name: change
        for change in with_costs(changes, desired, live, SERVER, seen)[0]
        if change.name == "inactiveThreshold"
    }["inactiveThreshold"]
    keeps = held is not None and held.config["retention"] == "interest"
    assert found.verdict is (verdict if keeps else Verdict.IN_PLACE)
    if limits and keeps:
        assert found.why.startswith("it comes from the stream's consumerLimits: NATS would remove")


# --- filters in a cluster -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "version, after, is_forgotten",
    [
        ("2.10.26", {"filterSubject": "b"}, True),
        ("2.11.11", {"filterSubject": "b"}, True),
        ("2.12.3", {"filterSubjects": ["a", "b"]}, True),
        ("2.12.4", {"filterSubject": "b"}, False),
        ("2.12.4", {"filterSubjects": ["a", "b"]}, False),
        ("2.15.1", {}, True),
        ("2.15.1", {"filterSubject": ">"}, False),
        ("", {"filterSubject": "b"}, True),
    ],
)
@pytest.mark.parametrize("replicas", [(), ("b", "c")])
def test_filters_of_replicated_consumers_need_a_new_consumer_where_servers_forget_them(
    version: str, after: Spec, *, is_forgotten: bool, replicas: tuple[str, ...]
) -> None:
    server = Server(version, 5)
    live = a_consumer({"filterSubject": "a"}, raft=Raft("a", replicas))
    desired = consumer("work", "reader", after)
    changes = diff(desired, live.config, server)
    seen = Seen({StreamLook("work"): a_stream({})})
    found = [
        change
        for change in with_costs(changes, desired, live, server, seen)[0]
        if change.name.startswith("filterSubject")
    ]
    expected = Verdict.IMMUTABLE if is_forgotten and replicas else Verdict.IN_PLACE
    assert {change.verdict for change in found} == {expected}
    if expected is Verdict.IMMUTABLE:
        assert all(change.why.startswith(f"on nats-server {version}, ") for change in found)
