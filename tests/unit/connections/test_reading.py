"""Secrets that the cluster doesn't let the operator read: for good, or for a moment."""

import pytest

from coze_nats.controller.connecting import IMPATIENT, LOOK_EVERY
from coze_nats.core import names
from coze_nats.core.conditions import condition, is_true
from coze_nats.core.errors import Failure, NotPermitted
from coze_nats.core.names import Reason
from coze_nats.core.references import Obstacle
from coze_nats.core.resource import Key
from coze_nats.core.trouble import Trouble
from coze_nats.reconcile import AWAY_GRACE, Next
from coze_nats.reconcile.reporting import COUNTERS_EVERY
from support.switchboard import PLATFORM, Switchboard

WORDS = 'secrets "login" is forbidden: User "operator" cannot get resource "secrets"'
FORBIDDEN = NotPermitted(f"The Kubernetes API server answered 403: {WORDS}")
HUB = Key(names.CONNECTION_KIND, PLATFORM, "hub")
AWAY = Failure("The Kubernetes API server answered 500: and who knows what")


async def looks(board: Switchboard, seconds: float) -> None:
    """Have somebody use the connection, and look at it as often as in so many seconds."""
    board.stream()
    for _ in range(int(seconds // LOOK_EVERY)):
        await board.later(HUB, LOOK_EVERY)


# --- a right that is missing ----------------------------------------------------------------------


async def test_a_right_that_is_missing_is_named_and_users_are_told(board: Switchboard) -> None:
    hub, orders = board.connection(), board.stream()
    board.documents.failure = FORBIDDEN
    assert await board.reconcile(hub) == Next(after=LOOK_EVERY)
    assert board.ready(hub) == "SecretForbidden"
    assert is_true(board.status(hub), "Stalled")
    assert board.status(hub)["observedGeneration"] == board.kubernetes.resources[hub].generation
    message = board.message(hub)
    assert message.startswith("auth.token: the operator may not read Secret login: ")
    assert f"the right to get secrets in namespace {PLATFORM}. " in message
    assert WORDS in message
    assert board.news() == {orders}
    await board.reconcile(orders)
    assert board.ready(orders) == "ConnectionNotReady"
    assert "(SecretForbidden)" in board.message(orders)


async def test_a_right_that_is_granted_is_noticed_at_the_next_look(board: Switchboard) -> None:
    hub, orders = board.connection(), board.stream()
    board.documents.write(PLATFORM, "login", token="first")
    board.documents.failure = FORBIDDEN
    await board.reconcile(hub)
    writes = board.kubernetes.writes
    await looks(board, 600)
    assert board.kubernetes.writes == writes, "it is the same still"
    assert board.endpoints == []
    board.documents.failure = None
    await board.later(hub, LOOK_EVERY)
    board.endpoint.accept()
    await board.reconcile(hub)
    assert board.ready(hub) == "Connected"
    assert board.links.of(board.kubernetes.resources[orders]) is board.links[hub]


async def test_a_right_that_is_withdrawn_is_told_and_the_connection_goes_on(
    board: Switchboard,
) -> None:
    hub, orders = board.connection(), board.stream()
    await board.connected(hub)
    board.documents.failure = FORBIDDEN
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "Connected", "an apiserver that starts refuses for a moment, too"
    await looks(board, AWAY_GRACE + LOOK_EVERY)
    assert board.ready(hub) == "SecretForbidden"
    assert board.message(hub).endswith("goes on with what was read before")
    assert board.links.of(board.kubernetes.resources[orders]) is board.links[hub]
    board.endpoint.end()
    board.endpoint.accept()
    await looks(board, COUNTERS_EVERY)
    assert board.endpoint.is_connected
    assert board.ready(hub) == "SecretForbidden"
    board.documents.failure = None
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "Connected"
    assert (len(board.endpoints), board.endpoint.renewals) == (1, 0)


async def test_an_apiserver_that_fails_takes_back_no_refusal(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.documents.failure = FORBIDDEN
    await looks(board, 2 * AWAY_GRACE)
    for failure in (AWAY, FORBIDDEN, AWAY):
        board.documents.failure = failure
        await looks(board, COUNTERS_EVERY)
        assert board.ready(hub) == "SecretForbidden"


async def test_a_refused_login_and_a_right_that_is_missing_are_both_told(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.documents.failure = FORBIDDEN
    board.endpoint.end(Trouble.AUTHENTICATION, "hub:4222: authorization violation")
    await looks(board, COUNTERS_EVERY)
    assert board.ready(hub) == "AuthenticationFailed"
    assert "authorization violation; auth.token: the operator may not read" in board.message(hub)


async def test_a_config_map_is_called_by_its_name(board: Switchboard) -> None:
    ca = {"configMapKeyRef": {"name": "authority", "key": "ca.crt"}}
    hub = board.connection(tls={"ca": ca}, auth=None)
    board.documents.failure = FORBIDDEN
    await board.reconcile(hub)
    assert "tls.ca: the operator may not read ConfigMap authority: " in board.message(hub)
    assert "get configmaps in namespace" in board.message(hub)


# --- an apiserver in trouble ----------------------------------------------------------------------


async def test_an_apiserver_that_fails_at_first_is_waited_for(board: Switchboard) -> None:
    hub, orders = board.connection(), board.stream()
    board.documents.write(PLATFORM, "login", token="first")
    board.documents.failure = AWAY
    assert await board.reconcile(hub) == Next(backoff=True)
    assert board.status(hub) == {}
    assert await board.later(hub, IMPATIENT) == Next(after=LOOK_EVERY)
    assert board.ready(hub) == "Retrying"
    assert is_true(board.status(hub), "Reconciling")
    assert "auth.token: the Kubernetes API server doesn't give Secret login" in board.message(hub)
    assert "who knows what" not in board.message(hub)
    await board.reconcile(orders)
    assert board.ready(orders) == "ConnectionNotReady"
    writes = board.kubernetes.writes
    await looks(board, 600)
    assert board.kubernetes.writes == writes
    board.documents.failure = None
    await board.later(hub, LOOK_EVERY)
    board.endpoint.accept()
    await board.reconcile(hub)
    assert board.ready(hub) == "Connected"


async def test_an_apiserver_that_fails_is_no_news_about_a_session(board: Switchboard) -> None:
    hub = board.connection()
    await board.connected(hub)
    writes = board.kubernetes.writes
    board.documents.failure = AWAY
    assert await board.later(hub, LOOK_EVERY) == Next(after=LOOK_EVERY)
    await looks(board, 600)
    assert board.ready(hub) == "Connected"
    assert board.kubernetes.writes == writes
    assert board.endpoint.is_connected


async def test_a_session_that_is_lost_meanwhile_is_told_of_and_comes_back(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.documents.failure = AWAY
    await board.later(hub, LOOK_EVERY)
    board.endpoint.end(words="hub:4222: it was closed")
    assert await board.reconcile(hub) == Next(after=IMPATIENT)
    await board.later(hub, AWAY_GRACE)
    assert board.ready(hub) == "Unreachable"
    assert "it was closed; auth.token: the Kubernetes API server" in board.message(hub)
    board.endpoint.accept()
    await board.reconcile(hub)
    assert board.ready(hub) == "Connected"
    assert (len(board.endpoints), board.endpoint.login.token) == (1, "first")


async def test_what_was_found_before_stands_until_the_apiserver_answers(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.documents.delete(PLATFORM, "login")
    await board.later(hub, LOOK_EVERY)
    board.documents.failure = AWAY
    await looks(board, 600)
    assert board.ready(hub) == "SecretNotFound"
    board.endpoint.end()
    await board.reconcile(hub)
    assert board.ready(hub) == "SecretNotFound"
    assert board.links[hub] is None
    writes = board.kubernetes.writes
    assert await board.later(hub, 1) == Next(after=LOOK_EVERY)
    assert board.ready(hub) == "Retrying"
    assert board.kubernetes.writes == writes + 1
    board.documents.failure = None
    await board.later(hub, LOOK_EVERY)
    assert board.ready(hub) == "SecretNotFound"
    board.documents.failure = AWAY
    assert await board.later(hub, LOOK_EVERY) == Next(backoff=True)
    assert board.ready(hub) == "SecretNotFound", "one that fails for a moment takes nothing back"


async def test_a_request_to_look_counts_as_handled_once_the_secrets_were_read(
    board: Switchboard,
) -> None:
    hub = board.connection()
    await board.connected(hub)
    board.documents.failure = AWAY
    board.request_look(hub, "now")
    await board.reconcile(hub)
    assert "lastHandledReconcileAt" not in board.status(hub)
    board.documents.failure = None
    await board.later(hub, LOOK_EVERY)
    assert board.status(hub)["lastHandledReconcileAt"] == "now"


async def test_a_restarted_operator_that_cant_read_is_no_news_for_a_while(
    board: Switchboard,
) -> None:
    hub, orders = board.connection(), board.stream()
    await board.connected(hub)
    after = Switchboard(board.kubernetes)
    after.documents.failure = AWAY
    writes = board.kubernetes.writes
    assert await after.reconcile(hub) == Next(backoff=True)
    assert after.links.of(board.kubernetes.resources[orders]) is None
    assert after.kubernetes.writes == writes
    assert after.ready(hub) == "Connected"
    await after.later(hub, AWAY_GRACE)
    assert after.ready(hub) == "Retrying"
    found = after.links.of(board.kubernetes.resources[orders])
    assert isinstance(found, Obstacle)
    assert found.reason is Reason.CONNECTION_NOT_READY


# --- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [FORBIDDEN, AWAY], ids=["forbidden", "failing"])
async def test_what_goes_while_it_cant_be_read_leaves_nothing(
    board: Switchboard, failure: Failure
) -> None:
    hub = board.connection()
    board.documents.failure = failure
    board.documents.meanwhile = lambda: board.vanish(hub)
    await board.reconcile(hub)
    assert not board.kubernetes.writes
    assert board.links[hub] is None


@pytest.mark.parametrize("failure", [FORBIDDEN, AWAY], ids=["forbidden", "failing"])
async def test_the_log_tells_once_what_the_cluster_said(
    board: Switchboard, failure: Failure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    hub = board.connection()
    await board.connected(hub)
    board.documents.failure = failure
    await looks(board, 600)
    assert caplog.text.count(f"can't be read: {failure}") == 1
    board.documents.failure = None
    await board.later(hub, LOOK_EVERY)
    assert "can be read again" in caplog.text


async def test_a_follower_keeps_its_session_while_it_cant_read(board: Switchboard) -> None:
    hub = board.connection()
    board.documents.write(PLATFORM, "login", token="first")
    await board.router.warm_up(board.kubernetes.resources[hub])
    board.endpoint.accept()
    board.documents.failure = FORBIDDEN
    board.clock.advance(LOOK_EVERY)
    assert await board.router.warm_up(board.kubernetes.resources[hub]) == Next(after=LOOK_EVERY)
    assert board.endpoint.is_connected
    assert condition(board.status(hub), "Ready") is None
