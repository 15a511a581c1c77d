"""Connections: what they log in with is read, and links are opened, renewed and closed."""

import asyncio

import pytest

from coze_nats.controller.connecting import ACCOUNT_EVERY, IMPATIENT, LOOK_EVERY
from coze_nats.controller.hints import SUBJECTS
from coze_nats.core.conditions import is_true
from coze_nats.core.errors import Denied, Transient
from coze_nats.core.login import Document
from coze_nats.core.trouble import Trouble
from coze_nats.reconcile import AWAY_GRACE, Next
from coze_nats.reconcile.reporting import COUNTERS_EVERY
from support.switchboard import PLATFORM, SHOP, Switchboard

LOGIN = (PLATFORM, Document("Secret", "login"))


def write_token(board: Switchboard, token: str) -> None:
    board.documents.write(PLATFORM, "login", token=token)


# --- opening --------------------------------------------------------------------------------------


async def test_a_connection_is_opened_with_what_its_secret_holds(board: Switchboard) -> None:
    hub = board.connection(requestTimeout="3s")
    write_token(board, "first")
    assert await board.reconcile(hub) == Next(after=IMPATIENT)
    assert board.documents.reads == [LOGIN]
    assert board.endpoint.login.token == "first"
    assert board.endpoint.login.request_timeout == 3
    assert board.endpoint.name == f"{PLATFORM}/hub"
    board.endpoint.accept()
    assert await board.reconcile(hub) == Next(after=LOOK_EVERY)
    assert board.ready(hub) == "Connected"
    assert board.status(hub)["server"] == {"version": "2.14.6", "apiLevel": 4, "cluster": "fake"}
    assert len(board.endpoints) == 1


async def test_a_new_connection_says_that_it_connects_after_a_moment(board: Switchboard) -> None:
    hub = board.connection()
    write_token(board, "first")
    await board.reconcile(hub)
    assert board.status(hub) == {}
    await board.later(hub, IMPATIENT)
    assert board.ready(hub) == "Connecting"


@pytest.mark.parametrize(
    "data, reason",
    [(None, "SecretNotFound"), ({}, "SecretKeyMissing"), ({"token": " \n"}, "SecretKeyMissing")],
    ids=["no Secret", "no key", "an empty one"],
)
async def test_without_what_it_logs_in_with_nothing_is_opened(
    board: Switchboard, data: dict[str, str] | None, reason: str
) -> None:
    hub = board.connection()
    if data is not None:
        board.documents.write(PLATFORM, "login", **data)
    assert await board.reconcile(hub) == Next(after=LOOK_EVERY)
    assert board.ready(hub) == reason
    assert is_true(board.status(hub), "Stalled")
    assert board.endpoints == []
    write_token(board, "first")
    await board.later(hub, LOOK_EVERY)
    assert len(board.endpoints) == 1


async def test_a_spec_without_a_meaning_opens_nothing_and_reads_nothing(
    board: Switchboard,
) -> None:
    hub = board.connection(auth={"token": "in plain text"})
    await board.reconcile(hub)
    assert board.ready(hub) == "InvalidSpec"
    assert "in plain text" not in board.message(hub)
    assert board.documents.reads == []
    assert board.endpoints == []


async def test_what_an_endpoint_cant_be_made_of_is_said(board: Switchboard) -> None:
    hub = board.connection(servers=["http://hub:4222"])
    write_token(board, "first")
    await board.reconcile(hub)
    assert board.ready(hub) == "CredentialsInvalid"
    assert board.links[hub] is None


async def test_several_values_of_one_secret_cost_one_read(board: Switchboard) -> None:
    pair = {
        "username": {"secretKeyRef": {"name": "login", "key": "user"}},
        "password": {"secretKeyRef": {"name": "login", "key": "password"}},
    }
    hub = board.connection(auth={"userPassword": pair})
    board.documents.write(PLATFORM, "login", user="coze", password="x")
    await board.reconcile(hub)
    assert board.documents.reads == [LOGIN]


# --- Secrets that change --------------------------------------------------------------------------


async def test_an_unchanged_secret_renews_nothing(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    before = len(board.documents.reads)
    for _ in range(6):
        await board.later(hub, LOOK_EVERY)
    assert len(board.documents.reads) == before + 6
    assert board.endpoint.renewals == 0
    assert board.endpoint.epoch == 1


async def test_a_changed_secret_is_taken_over_without_a_gap(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    write_token(board, "second")
    await board.later(hub, LOOK_EVERY)
    assert board.endpoint.renewals == 1
    assert board.endpoint.login.token == "second"
    assert board.ready(hub) == "Connected"
    board.endpoint.accept()
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "Connected"
    assert (len(board.endpoints), board.endpoint.renewals) == (1, 1)
    assert board.news() == {hub}


async def test_a_look_soon_after_another_reads_no_secret(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    before = len(board.documents.reads)
    await board.later(hub, 1)
    assert len(board.documents.reads) == before


async def test_who_asks_for_a_look_has_the_secrets_read_at_once(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    write_token(board, "second")
    board.request_look(hub, "now")
    await board.reconcile(hub)
    assert board.endpoint.renewals == 1
    before = len(board.documents.reads)
    await board.reconcile(hub)
    assert len(board.documents.reads) == before


async def test_a_refused_login_has_the_secrets_read_at_every_look(board: Switchboard) -> None:
    hub = board.connection()
    write_token(board, "wrong")
    await board.reconcile(hub)
    board.endpoint.refuse(Trouble.AUTHENTICATION, "hub:4222: authorization violation")
    write_token(board, "right")
    await board.reconcile(hub)
    assert board.endpoint.login.token == "right"


@pytest.mark.parametrize(
    "trouble, reason",
    [
        (Trouble.AUTHENTICATION, "AuthenticationFailed"),
        (Trouble.CREDENTIALS, "CredentialsInvalid"),
    ],
)
async def test_a_new_secret_that_doesnt_work_leaves_the_session_and_is_told_of(
    board: Switchboard, trouble: Trouble, reason: str
) -> None:
    hub = board.connection()
    await board.connected(hub)
    write_token(board, "wrong")
    await board.later(hub, LOOK_EVERY)
    board.endpoint.refuse(trouble, "hub:4222: no")
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "Connected", "the server may be about to know the new login"
    await board.later(hub, AWAY_GRACE)
    for _ in range(3):
        await board.later(hub, LOOK_EVERY)
        assert board.ready(hub) == reason
    assert "goes on until it ends" in board.message(hub)
    assert board.endpoint.is_connected
    assert board.links[hub] is not None
    write_token(board, "first")
    await board.later(hub, LOOK_EVERY)
    board.endpoint.accept()
    await board.reconcile(hub)
    assert board.ready(hub) == "Connected"


async def test_a_session_outlives_its_secret_until_it_ends(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.documents.delete(PLATFORM, "login")
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "SecretNotFound"
    assert "goes on until it ends" in board.message(hub)
    assert board.endpoint.is_connected
    board.endpoint.end()
    await board.later(hub, COUNTERS_EVERY)
    assert board.ready(hub) == "SecretNotFound"
    assert "goes on" not in board.message(hub)
    assert board.links[hub] is None
    await board.links.stop(0)
    assert board.endpoint.is_closed


async def test_a_secret_that_is_back_goes_on_with_the_same_session(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.documents.delete(PLATFORM, "login")
    await board.later(hub, LOOK_EVERY)
    write_token(board, "first")
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "Connected"
    assert (board.endpoint.epoch, board.endpoint.renewals, len(board.endpoints)) == (1, 0, 1)


# --- another spec, another connection -------------------------------------------------------------


async def test_another_spec_closes_the_session_and_opens_another(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    former = board.endpoint
    board.connection(servers=["nats://elsewhere:4222"])
    await board.reconcile(hub)
    assert board.endpoint is not former
    assert board.endpoint.login.servers == ("nats://elsewhere:4222",)
    assert board.links[hub].endpoint is board.endpoint  # type: ignore[union-attr]
    await board.links.stop(0)
    assert former.is_closed


async def test_another_spec_closes_the_session_also_while_the_former_system_does_not_answer(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    former = board.endpoint
    board.connection(servers=["nats://elsewhere:4222"])
    board.router.changed(board.kubernetes.resources[hub])
    assert board.links[hub] is None
    await asyncio.sleep(0)
    await board.links.stop(0)
    assert former.is_closed


async def test_what_changed_while_its_secret_was_read_is_not_connected_to(
    board: Switchboard,
) -> None:
    hub = board.connection()
    write_token(board, "first")

    def change() -> None:
        board.connection(servers=["nats://elsewhere:4222"])

    board.documents.meanwhile = change
    await board.reconcile(hub)
    assert board.endpoints == []
    await board.reconcile(hub)
    assert board.endpoint.login.servers == ("nats://elsewhere:4222",)


async def test_the_same_spec_leaves_the_session(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.router.changed(board.kubernetes.resources[hub])
    assert board.links[hub] is not None


async def test_another_spec_that_cant_be_used_leaves_no_session(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.connection(auth={"token": {"secretKeyRef": {"name": "other", "key": "token"}}})
    await board.reconcile(hub)
    assert board.ready(hub) == "SecretNotFound"
    assert board.links[hub] is None


async def test_another_connection_of_the_same_name_gets_a_session_of_its_own(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    former, uid = board.endpoint, board.kubernetes.resources[hub].uid
    # Both events are heard as one: the former one was gone while nobody watched.
    del board.kubernetes.resources[hub]
    board.connection()
    assert board.kubernetes.resources[hub].uid != uid
    await board.reconcile(hub)
    assert board.endpoint is not former
    assert former is not board.links[hub].endpoint  # type: ignore[union-attr]
    await board.links.stop(0)
    assert former.is_closed


async def test_what_went_while_its_secret_was_read_gets_no_session(board: Switchboard) -> None:
    hub = board.connection()
    write_token(board, "first")
    board.documents.meanwhile = lambda: board.vanish(hub)
    await board.reconcile(hub)
    assert board.endpoints == []
    assert board.links[hub] is None


# --- how it stands --------------------------------------------------------------------------------


async def test_a_session_that_is_lost_for_a_moment_is_no_news(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    writes = board.kubernetes.writes
    board.endpoint.end()
    assert await board.reconcile(hub) == Next(after=IMPATIENT)
    await board.later(hub, AWAY_GRACE - 1)
    assert board.kubernetes.writes == writes
    board.endpoint.accept()
    await board.reconcile(hub)
    board.endpoint.end()
    await board.later(hub, 2)
    assert board.ready(hub) == "Connected", "the patience begins anew with every session"
    assert board.kubernetes.writes == writes


async def test_a_session_that_stays_lost_is_told_of(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.endpoint.end(words="hub:4222: it was closed")
    await board.reconcile(hub)
    await board.later(hub, AWAY_GRACE)
    assert board.ready(hub) == "Unreachable"
    assert "it was closed" in board.message(hub)
    assert is_true(board.status(hub), "Reconciling")


@pytest.mark.parametrize(
    "trouble, reason",
    [
        (Trouble.AUTHENTICATION, "AuthenticationFailed"),
        (Trouble.CREDENTIALS, "CredentialsInvalid"),
        (Trouble.TLS, "TLSFailed"),
        (Trouble.PERMISSION, "PermissionDenied"),
    ],
)
async def test_a_definite_refusal_is_told_at_once_unless_it_worked_before(
    board: Switchboard, trouble: Trouble, reason: str
) -> None:
    hub = board.connection()
    write_token(board, "first")
    await board.reconcile(hub)
    board.endpoint.refuse(trouble, "hub:4222: no")
    await board.reconcile(hub)
    assert board.ready(hub) == reason
    assert is_true(board.status(hub), "Stalled")
    board.endpoint.accept()
    await board.reconcile(hub)
    board.endpoint.end(trouble, "hub:4222: no")
    await board.reconcile(hub)
    assert board.ready(hub) == "Connected"
    await board.later(hub, AWAY_GRACE)
    assert board.ready(hub) == reason


async def test_who_never_answered_is_unreachable_after_a_moment(board: Switchboard) -> None:
    hub = board.connection()
    write_token(board, "first")
    await board.reconcile(hub)
    board.endpoint.refuse(Trouble.UNREACHABLE, "hub:4222: connection refused")
    await board.later(hub, IMPATIENT)
    assert board.ready(hub) == "Unreachable"


async def test_the_account_is_asked_about_once_a_minute(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    for _ in range(5):
        await board.later(hub, LOOK_EVERY)
    assert board.endpoint.jetstream.calls.count("account") == 1
    await board.later(hub, ACCOUNT_EVERY - 5 * LOOK_EVERY)
    assert board.endpoint.jetstream.calls.count("account") == 2


async def test_a_new_session_may_be_another_accounts(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    write_token(board, "of another account")
    await board.later(hub, LOOK_EVERY)
    assert board.endpoint.jetstream.calls.count("account") == 1
    board.endpoint.accept()
    await board.reconcile(hub)
    assert board.endpoint.jetstream.calls.count("account") == 2


async def test_a_status_is_written_only_when_it_differs(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    writes = board.kubernetes.writes
    for _ in range(20):
        await board.later(hub, LOOK_EVERY)
    assert board.kubernetes.writes == writes


async def test_a_user_who_may_not_ask_is_told_of_at_once(board: Switchboard) -> None:
    hub = board.connection()
    write_token(board, "first")
    await board.reconcile(hub)
    board.endpoint.accept()
    board.endpoint.jetstream.refusals["account"] = Denied("may not publish to $JS.API.INFO")
    await board.reconcile(hub)
    assert board.ready(hub) == "PermissionDenied"
    assert "$JS.API.INFO" in board.message(hub)
    del board.endpoint.jetstream.refusals["account"]
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "Connected"


async def test_a_jetstream_that_doesnt_answer_for_a_moment_is_no_news(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.endpoint.jetstream.refusals["account"] = Transient("no responders")
    await board.later(hub, ACCOUNT_EVERY)
    assert board.ready(hub) == "Connected"
    await board.later(hub, AWAY_GRACE)
    assert board.ready(hub) == "JetStreamDisabled"
    assert board.status(hub)["server"]["version"] == "2.14.6", "what was known stays"


async def test_a_user_who_may_not_hear_advisories_is_ready_and_told_of(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    assert "$JS.EVENT" not in board.message(hub)
    write_token(board, "of one who may not")
    await board.later(hub, LOOK_EVERY)
    board.endpoint.accept(denied=SUBJECTS)
    await board.later(hub, COUNTERS_EVERY)
    assert board.ready(hub) == "Connected"
    assert "may not subscribe to $JS.EVENT.ADVISORY.>" in board.message(hub)


async def test_a_user_who_may_not_list_is_ready_and_told_of(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    link = board.links[hub]
    assert link is not None
    board.endpoint.jetstream.refusals["streams"] = Denied("$JS.API.STREAM.LIST")
    await link.resync.round()
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "Connected"
    assert "the user may not request STREAM.LIST" in board.message(hub)


async def test_a_user_who_may_hear_advisories_again_is_told_of_with_the_next_session(
    board: Switchboard,
) -> None:
    hub = board.connection()
    write_token(board, "of one who may not")
    await board.reconcile(hub)
    board.endpoint.accept(denied=SUBJECTS)
    await board.reconcile(hub)
    assert "may not subscribe" in board.message(hub)
    write_token(board, "of one who may")
    await board.later(hub, LOOK_EVERY)
    assert "may not subscribe" in board.message(hub), "the former session goes on"
    board.endpoint.accept()
    await board.later(hub, COUNTERS_EVERY)
    assert board.message(hub) == "connected to nats-server 2.14.6"


# --- who may use it -------------------------------------------------------------------------------


async def test_who_may_use_it_is_no_cause_for_another_session(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    user = board.stream(namespace=SHOP)
    for allowed in ([SHOP], [SHOP, "other"], []):
        board.connection(allowedNamespaces=allowed)
        board.news()
        await board.reconcile(hub)
        assert board.news() == {user}
    await board.later(hub, LOOK_EVERY)
    assert board.news() == set(), "nothing has changed"
    assert (len(board.endpoints), board.endpoint.epoch, board.endpoint.renewals) == (1, 1, 0)


async def test_who_may_use_it_is_told_also_while_it_is_unusable(board: Switchboard) -> None:
    hub = board.connection(allowedNamespaces=[SHOP])
    user = board.stream(namespace=SHOP)
    await board.reconcile(hub)
    await board.reconcile(user)
    assert board.ready(user) == "ConnectionNotReady"
    board.connection(allowedNamespaces=[])
    board.news()
    await board.reconcile(hub)
    assert board.news() == {user}
    await board.reconcile(user)
    assert board.ready(user) == "ConnectionNotAllowed"


# --- deletion -------------------------------------------------------------------------------------


async def test_a_connection_that_nobody_uses_goes_with_its_session(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    former = board.endpoint
    board.delete(hub)
    assert await board.reconcile(hub) == Next(finalized=True)
    assert hub not in board.kubernetes.resources
    assert board.links[hub] is None
    await board.links.stop(0)
    assert former.is_closed


async def test_a_connection_in_use_in_its_namespace_waits_and_goes_on_working(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    users = [board.stream(name) for name in ("a", "b", "c", "d")]
    board.delete(hub)
    assert await board.reconcile(hub) == Next(after=LOOK_EVERY)
    assert board.ready(hub) == "InUse"
    assert "CozeStream platform/a" in board.message(hub)
    assert "and 1 more" in board.message(hub)
    assert board.endpoint.is_connected
    for user in users:
        board.vanish(user)
    assert await board.reconcile(hub) == Next(finalized=True)


async def test_users_elsewhere_hold_it_only_while_they_are_being_deleted(
    board: Switchboard,
) -> None:
    hub = board.connection(allowedNamespaces=[SHOP])
    await board.connected(hub)
    user = board.stream(namespace=SHOP)
    stranger = board.stream(namespace="stranger")
    board.delete(stranger)
    board.delete(user)
    board.delete(hub)
    await board.reconcile(hub)
    assert board.ready(hub) == "InUse"
    assert "stranger" not in board.message(hub)
    board.vanish(user)
    assert await board.reconcile(hub) == Next(finalized=True)


async def test_a_user_elsewhere_does_not_hold_it(board: Switchboard) -> None:
    hub = board.connection(allowedNamespaces=[SHOP])
    await board.connected(hub)
    user = board.stream(namespace=SHOP)
    board.delete(hub)
    assert await board.reconcile(hub) == Next(finalized=True)
    assert user in board.news()


async def test_a_released_connection_goes_although_it_is_used(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.stream()
    board.delete(hub)
    board.release(hub)
    assert await board.reconcile(hub) == Next(finalized=True)
    assert board.links[hub] is None


async def test_an_unusable_connection_in_use_says_both(board: Switchboard) -> None:
    hub = board.connection()
    board.stream()
    board.delete(hub)
    await board.reconcile(hub)
    assert board.ready(hub) == "InUse"
    assert "SecretNotFound" in board.message(hub)


# --- another operator leads -----------------------------------------------------------------------


async def test_a_follower_keeps_the_session_and_writes_nothing(board: Switchboard) -> None:
    hub = board.connection()
    write_token(board, "first")
    for _ in range(2):
        assert await board.router.warm_up(board.kubernetes.resources[hub]) == Next(after=LOOK_EVERY)
        board.endpoint.accept()
    assert board.endpoint.is_connected
    write_token(board, "second")
    board.clock.advance(LOOK_EVERY)
    await board.router.warm_up(board.kubernetes.resources[hub])
    assert board.endpoint.login.token == "second"
    assert board.kubernetes.writes == 0
    assert board.kubernetes.events == []


async def test_a_follower_opens_nothing_for_what_is_being_deleted(board: Switchboard) -> None:
    hub = board.connection()
    board.delete(hub)
    await board.router.warm_up(board.kubernetes.resources[hub])
    assert board.documents.reads == []
