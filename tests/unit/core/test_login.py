"""From a connection's spec and the contents of its Secrets to a login."""

from typing import Any

import pytest

from coze_nats.core.api.connection import Authorities, ConnectionSpec, Tls
from coze_nats.core.desired import InvalidField
from coze_nats.core.intent import parsed
from coze_nats.core.login import (
    CONFIG_MAP,
    SECRET,
    Document,
    Login,
    UnusableLogin,
    login,
    values_of,
)
from coze_nats.core.names import Reason

SERVERS = ["nats://one:4222", "nats://two:4222"]
KEYS = Document(SECRET, "keys")


def spec(**fields: Any) -> ConnectionSpec:
    return parsed(ConnectionSpec, {"servers": SERVERS, **fields})


def key(name: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "keys", "key": name}}


def test_an_open_server_needs_nothing() -> None:
    assert login(spec(), {}) == Login(servers=tuple(SERVERS))


@pytest.mark.parametrize(
    "auth, data, expected",
    [
        ({"token": key("t")}, {"t": "secret\n"}, {"token": "secret"}),
        (
            {"userPassword": {"username": key("u"), "password": key("p")}},
            {"u": " me \n", "p": " with blanks \r\n"},
            {"user": "me", "password": " with blanks "},
        ),
        ({"creds": key("c")}, {"c": "-----BEGIN\r\n"}, {"creds": "-----BEGIN"}),
        ({"nkey": key("n")}, {"n": "SU..."}, {"nkey_seed": "SU..."}),
        (
            {"jwt": key("j"), "nkey": key("n")},
            {"j": "eyJ", "n": "SU..."},
            {"jwt": "eyJ", "nkey_seed": "SU..."},
        ),
    ],
    ids=["token", "userPassword", "creds", "nkey", "jwt and nkey"],
)
def test_each_way_to_log_in_reads_its_keys(
    auth: dict[str, Any], data: dict[str, str], expected: dict[str, str]
) -> None:
    assert login(spec(auth=auth), {KEYS: data}) == Login(servers=tuple(SERVERS), **expected)  # type: ignore[arg-type]


def test_tls_is_a_must_where_it_stands_and_reads_its_certificates() -> None:
    tls = {
        "ca": {"configMapKeyRef": {"name": "authorities", "key": "ca.crt"}},
        "certificate": {"secretName": "client"},
        "serverName": "nats.example.com",
        "handshakeFirst": True,
    }
    found = login(
        spec(tls=tls),
        {
            Document(CONFIG_MAP, "authorities"): {"ca.crt": "ca"},
            Document(SECRET, "client"): {"tls.crt": "certificate", "tls.key": "key"},
        },
    )
    assert found == Login(
        servers=tuple(SERVERS),
        ca="ca",
        certificate="certificate",
        private_key="key",
        server_name="nats.example.com",
        handshake_first=True,
        tls=True,
    )
    assert login(spec(tls={}), {}).tls
    ca = {"ca": key("ca")}
    assert [value.document for value in values_of(spec(tls=ca))] == [KEYS]


@pytest.mark.parametrize(
    "fields, prefix",
    [({"domain": "hub"}, "$JS.hub.API"), ({"apiPrefix": "imported.js"}, "imported.js")],
)
def test_the_api_is_where_the_spec_says(fields: dict[str, str], prefix: str) -> None:
    assert login(spec(**fields), {}).api_prefix == prefix


def test_the_time_for_an_answer_is_the_specs() -> None:
    assert login(spec(requestTimeout="1m30s"), {}).request_timeout == 90


@pytest.mark.parametrize(
    "data, reason, message",
    [
        (None, Reason.SECRET_NOT_FOUND, "auth.token: there is no Secret keys"),
        ({"other": "x"}, Reason.SECRET_KEY_MISSING, "auth.token: Secret keys has no key t"),
        ({"t": " \n"}, Reason.SECRET_KEY_MISSING, "or an empty one"),
    ],
    ids=["no Secret", "no key", "a blank"],
)
def test_what_is_missing_is_named(
    data: dict[str, str] | None, reason: Reason, message: str
) -> None:
    with pytest.raises(UnusableLogin, match=message) as found:
        login(spec(auth={"token": key("t")}), {KEYS: data})
    assert found.value.reason is reason


def test_a_login_shows_no_secret() -> None:
    found = login(spec(auth={"token": key("t")}), {KEYS: {"t": "hush"}})
    assert "hush" not in f"{found!r} {found}"


def test_a_ca_without_a_source_is_no_ca() -> None:
    # The apiserver refuses it; a CRD of another version might not.
    without = spec().model_copy(update={"tls": Tls(ca=Authorities())})
    with pytest.raises(InvalidField, match=r"tls\.ca"):
        values_of(without)
