"""How a connection stands, as its status tells it."""

from typing import Any

import pytest

from coze_nats.core import names
from coze_nats.core.conditions import Health, Outcome
from coze_nats.core.connections import (
    connected,
    connecting,
    connection_status,
    facts_of,
    in_use,
    not_connected,
    still_going_on,
    unread,
    unreadable,
    unusable,
    without_answer,
)
from coze_nats.core.errors import (
    Denied,
    Failure,
    NotPermitted,
    OutcomeUnknown,
    Rejected,
    Transient,
    Unavailable,
    from_api_error,
)
from coze_nats.core.live import Server
from coze_nats.core.login import SECRET, Document, Value
from coze_nats.core.names import Reason
from coze_nats.core.resource import Resource
from coze_nats.core.trouble import Trouble

SERVER = Server(version="2.14.6", api_level=4)
TOKEN = Value("token", "auth.token", Document(SECRET, "keys"), "token")
FORBIDDEN = unreadable(TOKEN, "platform", NotPermitted("secrets is forbidden: User operator"))
FAILING = unreadable(TOKEN, "platform", Failure("500: the bytes that can't be decoded"))


def a_connection(**status: Any) -> Resource:
    metadata = {
        "namespace": "platform",
        "name": "hub",
        "uid": "u",
        "generation": 3,
        "annotations": {names.RECONCILE_REQUESTED_ANNOTATION: "now"},
    }
    return Resource.from_body({"kind": names.CONNECTION_KIND, "metadata": metadata} | status)


def a_stream(name: str) -> Resource:
    metadata = {"namespace": "platform", "name": name, "uid": name}
    return Resource.from_body({"kind": names.STREAM_KIND, "metadata": metadata})


@pytest.mark.parametrize("trouble", Trouble)
def test_each_kind_of_trouble_has_its_reason(trouble: Trouble) -> None:
    found = not_connected(trouble, "why")
    by_itself = trouble in {Trouble.UNREACHABLE, Trouble.SILENT}
    assert found.health is (Health.RECONCILING if by_itself else Health.STALLED)
    assert "why" in found.message


@pytest.mark.parametrize(
    "failure, health, reason",
    [
        (Unavailable("gone"), Health.RECONCILING, Reason.CONNECTING),
        (Denied("$JS.API.INFO"), Health.STALLED, Reason.PERMISSION_DENIED),
        (Transient("nobody answers"), Health.STALLED, Reason.JETSTREAM_DISABLED),
        (Transient("no leader", 10008), Health.RECONCILING, Reason.RETRYING),
        (from_api_error(10039, "off"), Health.STALLED, Reason.JETSTREAM_DISABLED),
        (from_api_error(10076, "off"), Health.STALLED, Reason.JETSTREAM_DISABLED),
        (Rejected("bad", 10025), Health.RECONCILING, Reason.RETRYING),
        (OutcomeUnknown("no answer"), Health.RECONCILING, Reason.RETRYING),
    ],
    ids=str,
)
def test_a_session_without_jetstream_is_not_ready(
    failure: Failure, health: Health, reason: Reason
) -> None:
    found = without_answer(failure)
    assert (found.health, found.reason) == (health, reason)


def test_nothing_that_moves_is_in_a_message() -> None:
    assert connected(SERVER).message == "connected to nats-server 2.14.6"
    assert "by comparing everything" in connected(SERVER, hears=False).message
    assert "may not request STREAM.LIST" in connected(SERVER, unlisted="STREAM.LIST").message
    assert connecting().reason is Reason.CONNECTING


def test_a_deletion_names_who_it_waits_for() -> None:
    some = [a_stream(name) for name in "abc"]
    assert in_use(connected(SERVER), some).message.endswith(
        "CozeStream platform/a, CozeStream platform/b, CozeStream platform/c"
    )
    many = [a_stream(name) for name in "abcde"]
    broken = unusable(Reason.SECRET_NOT_FOUND, "there is no Secret")
    assert in_use(broken, many).message.endswith("and 2 more; SecretNotFound: there is no Secret")


def test_a_session_that_goes_on_is_told_of() -> None:
    found = still_going_on(unusable(Reason.SECRET_NOT_FOUND, "there is no Secret"))
    assert found.health is Health.STALLED
    assert found.message.startswith("there is no Secret; the session that was opened before")


def test_a_right_that_is_missing_is_named() -> None:
    assert (FORBIDDEN.health, FORBIDDEN.reason) == (Health.STALLED, Reason.SECRET_FORBIDDEN)
    assert FORBIDDEN.message == (
        "auth.token: the operator may not read Secret keys: grant it the right to get secrets in "
        "namespace platform. secrets is forbidden: User operator"
    )


def test_words_of_an_apiserver_that_has_looked_into_a_secret_are_not_quoted() -> None:
    assert (FAILING.health, FAILING.reason) == (Health.RECONCILING, Reason.RETRYING)
    assert "Secret keys" in FAILING.message
    assert "bytes" not in FAILING.message


@pytest.mark.parametrize(
    "outcome, obstacle, reason, words",
    [
        (connected(SERVER), None, Reason.CONNECTED, ["connected"]),
        (connected(SERVER), FAILING, Reason.CONNECTED, ["connected"]),
        (connected(SERVER), FORBIDDEN, Reason.SECRET_FORBIDDEN, ["may not read", "goes on with"]),
        (not_connected(Trouble.TLS, "no"), None, Reason.TLS_FAILED, ["no"]),
        (not_connected(Trouble.TLS, "no"), FAILING, Reason.TLS_FAILED, ["no", "right now"]),
        (not_connected(Trouble.TLS, "no"), FORBIDDEN, Reason.TLS_FAILED, ["no", "may not read"]),
    ],
)
def test_a_connection_goes_on_with_what_was_read_before(
    outcome: Outcome, obstacle: Outcome | None, reason: Reason, words: list[str]
) -> None:
    found = unread(outcome, obstacle)
    assert found.reason is reason
    assert (found.message.count("; ") > 0) == (len(words) > 1)
    assert all(word in found.message for word in words)
    assert "lastHandledReconcileAt" not in connection_status(
        a_connection(), unread(connected(SERVER), FAILING), {}, 0
    ), "what was asked for can't be done yet"


def test_the_account_is_told_with_its_limits_and_tiers() -> None:
    account = {
        "memory": 1,
        "storage": 2,
        "streams": 3,
        "consumers": 4,
        "limits": {"max_memory": -1, "max_storage": 100, "max_streams": 0, "max_consumers": -1},
        "tiers": {"R3": {"storage": 5, "limits": {"max_storage": 50}}},
    }
    assert facts_of(SERVER, "east", account) == {
        "server": {"version": "2.14.6", "apiLevel": 4, "cluster": "east"},
        "account": {
            "memory": {"used": 1},
            "storage": {"used": 2, "limit": 100},
            "streams": {"used": 3, "limit": 0},
            "consumers": {"used": 4},
            "tiers": {
                "R3": {
                    "memory": {"used": 0},
                    "storage": {"used": 5, "limit": 50},
                    "streams": {"used": 0},
                    "consumers": {"used": 0},
                }
            },
        },
    }
    assert facts_of(SERVER, "", {})["server"] == {"version": "2.14.6", "apiLevel": 4}


def test_what_was_known_of_the_server_stays_while_nothing_new_is() -> None:
    before = {"server": {"version": "2.10.26"}, "account": {}, "plan": "of another kind"}
    outcome = Outcome(Health.RECONCILING, Reason.UNREACHABLE, "away")
    found = connection_status(a_connection(status=before), outcome, {}, 0)
    assert found["server"] == {"version": "2.10.26"}
    assert found["observedGeneration"] == 3
    assert found["lastHandledReconcileAt"] == "now"
    assert "plan" not in found
    told = connection_status(a_connection(), connected(SERVER), {"server": {}}, 0)
    assert told["server"] == {}


def test_a_suspended_connection_says_so_while_it_is_connected() -> None:
    assert connected(SERVER, is_suspended=True).message.endswith(
        "; nothing is changed through it, as spec.suspend is true"
    )
