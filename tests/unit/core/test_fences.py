"""What no object may reach, and what is taken off one that is let go."""

from typing import Any

import pytest

from coze_nats.core.deletion import plan_deletion
from coze_nats.core.desired import Target
from coze_nats.core.fences import Fences, Neighbour, disarmed, is_dangerous, trespasses
from coze_nats.core.grants import Granted
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.names import OWNER_METADATA, Reason
from coze_nats.core.plan import Action, Plan, Situation, plan
from coze_nats.core.policies import Policies
from coze_nats.core.resource import Key
from coze_nats.core.steps import Update
from support.convergence import OWNER, consumer, stream

Spec = dict[str, Any]
SITUATION = Situation(owner=OWNER, server=Server("2.15.1", 5))
CREATED = "2026-01-01T00:00:00Z"
PURGE = "$JS.API.STREAM.PURGE.evts"
API_OF_ITS_OWN = "JS.acme.API"


def planned(spec: Spec, name: str = "work", live: Any = None, prefix: str = "$JS.API") -> Plan:
    situation = Situation(owner=OWNER, server=SITUATION.server, fences=Fences(prefix))
    return plan(stream(name, spec), live, situation)


def owned(**config: Any) -> LiveStream:
    return LiveStream({"name": "work", "metadata": {OWNER_METADATA: OWNER}, **config}, CREATED)


FORBIDDEN = [
    ({"republish": {"destination": PURGE}}, "republish.destination: $JS.API.STREAM.PURGE.evts"),
    (
        {"subjects": ["in.*.*"], "republish": {"source": "in.*.*", "destination": "$1.$2"}},
        (
            "republish.destination: $1.$2 would have the server publish into $JS. (NATS's "
            "own API): begin it with a literal token"
        ),
    ),
    (
        {"subjects": ["in.*"], "republish": {"source": "in.*", "destination": "{{split(1,-)}}"}},
        "republish.destination: {{split(1,-)}}",
    ),
    (
        {
            "subjects": ["in"],
            "subjectTransform": {"source": "in", "destination": PURGE},
            "republish": {"destination": ">"},
        },
        "republish.destination: >",
    ),
    (
        {"sources": [{"name": "far", "external": {"apiPrefix": "$JS.ACK.jobs"}}]},
        "sources[0].external.apiPrefix: $JS.ACK.jobs",
    ),
    (
        {
            "mirror": {
                "name": "far",
                "external": {"apiPrefix": "$JS.hub.API", "deliverPrefix": "_INBOX"},
            }
        },
        "mirror.external.deliverPrefix: _INBOX",
    ),
    (
        {
            "sources": [
                {"name": "far", "consumer": {"name": "reader", "deliverSubject": "_INBOX.a"}}
            ]
        },
        (
            "sources[0].consumer.deliverSubject: _INBOX.a would take what is sent in _INBOX. "
            "(where answers come): narrow it"
        ),
    ),
    ({"subjects": ["_INBOX.>"]}, "subjects: _INBOX.>"),
    ({"subjects": ["$JS.>"], "noAck": True}, "subjects: $JS.>"),
    ({"subjects": ["*.orders"], "noAck": True}, "subjects: *.orders"),
    ({"subjects": ["$KV.a.>"]}, "subjects: $KV.a.> would take what is sent in $KV. (where another"),
]


@pytest.mark.parametrize("spec, said", FORBIDDEN)
def test_what_reaches_where_nats_itself_talks_is_refused_with_the_field(
    spec: Spec, said: str
) -> None:
    found = planned(spec)
    assert found.action is Action.REFUSE
    assert found.refusal is not None
    assert found.refusal.reason is Reason.FORBIDDEN_SUBJECT
    assert found.refusal.message.startswith(said)
    assert found.refusal.message.endswith(". Nothing was sent")


@pytest.mark.parametrize(
    "name, spec",
    [
        ("work", {"subjects": ["*", "orders.>"], "noAck": True}),
        ("work", {"subjects": ["$JS.EVENT.>", "$SYS.ACCOUNT.*.CONNECT"]}),
        ("KV_a", {"subjects": ["$KV.a.>"]}),
        ("OBJ_a", {"subjects": ["$O.a.C.>", "$O.a.M.>"]}),
        ("work", {"sources": [{"name": "far", "external": {"apiPrefix": "$JS.hub.API"}}]}),
        ("work", {"sources": [{"name": "far", "external": {"apiPrefix": API_OF_ITS_OWN}}]}),
        (
            "work",
            {
                "subjects": ["eu.a", "us.a"],
                "republish": {"source": "*.a", "destination": "{{wildcard(1)}}.b"},
            },
        ),
        (
            "work",
            {
                "subjects": ["in.*"],
                "republish": {"source": "in.*", "destination": "{{partition(3,1)}}.x"},
            },
        ),
    ],
)
def test_what_reaches_only_what_is_its_own_is_created(name: str, spec: Spec) -> None:
    assert planned(spec, name, prefix=API_OF_ITS_OWN).action is Action.CREATE


def test_what_the_connection_uses_is_forbidden_too() -> None:
    for spec in (
        {"subjects": [f"{API_OF_ITS_OWN}.>"]},
        {"republish": {"destination": "JS.acme.API.a"}},
    ):
        assert planned(spec).action is Action.CREATE
        found = planned(spec, prefix=API_OF_ITS_OWN)
        assert found.refusal is not None
        assert "JS.acme.API. (the connection's own API)" in found.refusal.message


def test_a_message_names_some_and_counts_the_others() -> None:
    found = planned({"subjects": [f"_INBOX.{number}" for number in range(200)]})
    assert found.refusal is not None
    assert "_INBOX.3" in found.refusal.message
    assert "_INBOX.4" not in found.refusal.message
    assert "and 196 more. Nothing was sent" in found.refusal.message


def test_a_consumer_that_delivers_where_nats_talks_is_refused() -> None:
    found = plan(consumer("work", "reader", {"deliverSubject": PURGE}), None, SITUATION)
    assert found.refusal is not None
    assert found.refusal.message.startswith(f"deliverSubject: {PURGE}")


def test_what_stands_already_is_said() -> None:
    live = owned(republish={"src": ">", "dest": PURGE})
    spec = {"republish": {"destination": PURGE}}
    found = planned(spec, live=live)
    assert found.refusal is not None
    assert (
        f"Nothing was sent, but stream work does so already in JetStream (republish.destination "
        f"{PURGE}): correct the spec" in found.refusal.message
    )
    harmless = planned({"republish": {"destination": PURGE}}, live=owned())
    assert harmless.refusal is not None
    assert harmless.refusal.message.endswith(". Nothing was sent")


def test_an_owner_is_told_of_before() -> None:
    live = owned(metadata={OWNER_METADATA: "other/a/b"})
    found = planned({"subjects": ["_INBOX.>"]}, live=live)
    assert found.refusal is not None
    assert found.refusal.reason is Reason.OWNED_BY_ANOTHER


BAD_API, GOOD_API = {"api": "$JS.ACK.a"}, {"api": "$JS.hub.API"}
NOWHERE = "coze-released.work"


@pytest.mark.parametrize(
    "before, after",
    [
        ({"republish": {"src": ">", "dest": PURGE}, "max_msgs": 5}, {"max_msgs": 5}),
        (
            {"republish": {"src": ">", "dest": "out.>"}},
            {"republish": {"src": ">", "dest": "out.>"}},
        ),
        ({"subjects": ["a", "_INBOX.>"]}, {"subjects": ["a"]}),
        ({"subjects": ["_INBOX.>"]}, {"subjects": [NOWHERE]}),
        (
            {"sources": [{"name": "b", "external": BAD_API}, {"name": "c", "external": GOOD_API}]},
            {"sources": [{"name": "c", "external": GOOD_API}]},
        ),
        ({"mirror": {"name": "b", "external": BAD_API}}, {"subjects": [NOWHERE]}),
    ],
)
def test_what_is_let_go_is_let_go_without_what_it_must_not_reach(before: Spec, after: Spec) -> None:
    situation = Situation(
        owner=OWNER, server=SITUATION.server, policies=Policies(deletion="Retain")
    )
    found = plan_deletion(Target("work"), owned(**before), situation)
    (step,) = found.steps
    assert isinstance(step, Update)
    assert step.config == {"name": "work", **after}


def test_a_mirror_stays_one_where_the_server_can_make_no_stream_of_it() -> None:
    live = owned(mirror={"name": "b", "external": BAD_API})
    assert disarmed(Target("work"), live, Fences(), api_level=1) == live.config


def test_a_consumer_is_let_go_with_a_subject_that_leads_nowhere() -> None:
    live = LiveConsumer({"durable_name": "reader", "deliver_subject": PURGE}, CREATED)
    found = disarmed(Target("work", "reader"), live, Fences(), api_level=5)
    assert found["deliver_subject"] == f"{NOWHERE}.reader"
    assert not is_dangerous(LiveConsumer(found, CREATED), Fences())


# --- others' streams ------------------------------------------------------------------------------

SHOP = Neighbour(Key("CozeStream", "shop", "orders"), "ORDERS", ("orders.>",))
BESIDE_SHOP = Fences(neighbours=(SHOP,), is_shared=True, domain="hub")
THEIRS = "stream ORDERS of CozeStream shop/orders, another namespace: have its owner add this one"


@pytest.mark.parametrize(
    "spec, said",
    [
        (
            {"republish": {"destination": "orders.injected.>"}},
            "republish.destination: orders.injected.> would publish into",
        ),
        (
            {
                "subjects": ["in.*"],
                "republish": {"source": "in.*", "destination": "{{partition(3,1)}}.x"},
            },
            "",
        ),
        ({"sources": [{"name": "ORDERS"}]}, "sources[0].name: ORDERS would copy"),
        ({"mirror": {"name": "ORDERS"}}, "mirror.name: ORDERS would copy"),
        (
            {"mirror": {"name": "ORDERS", "external": {"apiPrefix": "$JS.hub.API"}}},
            "mirror.name: ORDERS would copy",
        ),
        ({"mirror": {"name": "ORDERS", "external": {"apiPrefix": "$JS.leaf.API"}}}, ""),
        (
            {"sources": [{"name": "b", "external": {"apiPrefix": "orders"}}]},
            "sources[0].external.apiPrefix: orders would publish into",
        ),
        (
            {"sources": [{"name": "b", "consumer": {"name": "r", "deliverSubject": "orders.x"}}]},
            "sources[0].consumer.deliverSubject: orders.x would take what is sent to",
        ),
        ({"mirror": {"name": "BILLS"}}, ""),
        ({"subjects": ["bills.>"], "republish": {"destination": "out.>"}}, ""),
    ],
)
def test_what_reaches_another_namespaces_stream_is_refused_with_its_owner(
    spec: Spec, said: str
) -> None:
    situation = Situation(owner=OWNER, server=SITUATION.server, fences=BESIDE_SHOP)
    found = plan(stream("work", spec), None, situation)
    if not said:
        assert found.refusal is None
        return
    assert found.refusal is not None
    assert found.refusal.reason is Reason.NOT_GRANTED
    assert found.refusal.message.startswith(f"{said} {THEIRS}")


def test_a_consumer_delivers_nothing_into_another_namespaces_stream() -> None:
    situation = Situation(owner=OWNER, server=SITUATION.server, fences=BESIDE_SHOP)
    found = plan(consumer("work", "reader", {"deliverSubject": "orders.x"}), None, situation)
    assert found.refusal is not None
    assert found.refusal.reason is Reason.NOT_GRANTED


@pytest.mark.parametrize(
    "config",
    [
        {"name": "work", "subjects": ["*"]},
        {"name": "work", "subjects": ["in.*"], "republish": {"src": "in.*", "dest": "$1"}},
    ],
)
def test_what_begins_with_a_wildcard_is_for_connections_of_ones_own(config: Spec) -> None:
    (found,) = trespasses(config, Fences(is_shared=True))
    assert found.reason is Reason.NOT_GRANTED
    assert "use a connection of your own" in found.says
    assert trespasses(config, Fences()) == ()


def test_a_stream_is_let_go_without_what_it_takes_from_another_namespace() -> None:
    live = owned(
        sources=[{"name": "ORDERS"}, {"name": "mine"}], republish={"src": ">", "dest": "orders.x.>"}
    )
    found = disarmed(Target("work"), live, BESIDE_SHOP, api_level=5)
    assert found["sources"] == [{"name": "mine"}]
    assert "republish" not in found


def test_what_is_never_right_gives_the_reason_before_what_is_not_granted() -> None:
    situation = Situation(owner=OWNER, server=SITUATION.server, fences=BESIDE_SHOP)
    spec = {"sources": [{"name": "ORDERS"}], "republish": {"destination": PURGE}}
    found = plan(stream("work", spec), None, situation)
    assert found.refusal is not None
    assert found.refusal.reason is Reason.FORBIDDEN_SUBJECT


# --- what a connection grants ---------------------------------------------------------------------

GRANTED = Granted(
    connection=Key("CozeConnection", "platform", "events"),
    namespace="bakery",
    is_named=True,
    streams=None,
    subjects=("*", "bakery.>"),
    sources=("ORDERS",),
    publish=("orders.baked.>",),
    most_bytes=None,
)
WITH_GRANTS = Fences(
    neighbours=(SHOP,), is_shared=True, granted=GRANTED, own_streams=frozenset({"own"})
)


@pytest.mark.parametrize(
    "spec, said",
    [
        ({"subjects": ["*"]}, ""),
        ({"mirror": {"name": "ORDERS"}}, ""),
        ({"mirror": {"name": "own"}}, ""),
        ({"subjects": ["bakery.a"], "republish": {"destination": "orders.baked.>"}}, ""),
        (
            {"sources": [{"name": "own", "consumer": {"name": "r", "deliverSubject": "bakery.r"}}]},
            "",
        ),
        ({"mirror": {"name": "BILLS"}}, "mirror.name: BILLS is not within sourcesFrom (ORDERS)"),
        ({"subjects": ["e.a"]}, "subjects: e.a is not within subjects (*, bakery.>)"),
        ({"subjects": ["bakery.a"], "republish": {"destination": "orders.>"}}, "republish."),
        ({"subjects": [f"else.{n}" for n in range(9)]}, "subjects: else.0"),
    ],
)
def test_a_grant_lets_reach_what_it_names_and_nothing_else(spec: Spec, said: str) -> None:
    situation = Situation(owner=OWNER, server=SITUATION.server, fences=WITH_GRANTS)
    found = plan(stream("work", spec), None, situation)
    assert bool(found.refusal) is bool(said)
    if found.refusal:
        assert found.refusal.reason is Reason.NOT_GRANTED
        assert found.refusal.message.startswith(said)


def test_what_is_not_granted_says_who_grants_and_how_much_more_there_is() -> None:
    situation = Situation(owner=OWNER, server=SITUATION.server, fences=WITH_GRANTS)
    spec = {"subjects": [f"else.{number}" for number in range(9)]}
    found = plan(stream("work", spec), None, situation)
    assert found.refusal is not None
    assert found.refusal.message.endswith(
        " and 5 more. So much CozeConnection platform/events grants namespace bakery: ask for "
        "less, or have its grants extended. Nothing was sent"
    )
