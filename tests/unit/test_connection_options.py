"""Settings of the connection: what is accepted, what is refused, that nothing tells a secret."""

from pathlib import Path
from typing import Any

import nkeys
import pytest

from coze_nats.jetstream.authentication import (
    UnusableCredentials,
    connect_arguments,
    read_creds,
    read_seed,
)
from coze_nats.jetstream.options import Address, ConnectionOptions, InvalidOptions

URL = "nats://nats:4222"
JWT = "eyJ0eXAiOiJKV1QifQ.eyJuYW1lIjoib3BlcmF0b3IifQ.c2lnbmF0dXJl"
SECRET = "hunter2"


def make_seed() -> str:
    return str(nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER), "ascii")


@pytest.mark.parametrize(
    "url, text, login",
    [
        ("nats://nats", "nats://nats:4222", ("", "")),
        ("nats:4333", "nats://nats:4333", ("", "")),
        ("nats", "nats://nats:4222", ("", "")),
        ("tls://nats.example.com:443/", "tls://nats.example.com:443", ("", "")),
        ("nats://[::1]:4222", "nats://[::1]:4222", ("", "")),
        ("nats://me:pass%40word@nats", "nats://nats:4222", ("me", "pass@word")),
        ("nats://token@nats", "nats://nats:4222", ("token", "")),
    ],
)
def test_a_server_url_is_read_and_shown_without_user_info(
    url: str, text: str, login: tuple[str, str]
) -> None:
    address = Address.parse(url)
    assert str(address) == text
    assert (address.username, address.password) == login


@pytest.mark.parametrize(
    "url",
    [
        f"http://me:{SECRET}@nats",
        f"ws://{SECRET}@nats",
        f"nats://me:{SECRET}",
        f"nats://me:{SECRET}@",
        f"nats://{SECRET}@nats:0",
        f"nats://{SECRET}@nats:99999",
        f"nats://{SECRET}@nats/path",
        f"nats://{SECRET}@nats?tls=true",
        f"nats://[{SECRET}",
    ],
)
def test_what_is_not_a_server_url_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(InvalidOptions, match="use nats://host:4222 or tls://") as refusal:
        Address.parse(url)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("prefix", ["", "$JS API", "$JS.>", "$JS.*.API", "$JS..API", "api."])
def test_an_api_prefix_must_be_a_subject(prefix: str) -> None:
    with pytest.raises(InvalidOptions, match="api_prefix is not a subject"):
        ConnectionOptions(servers=(URL,), api_prefix=prefix)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"servers": ()}, "no server is named"),
        ({"nkey_seed": "S", "nkey_seed_file": "/seed"}, "nkey_seed and nkey_seed_file are both"),
        ({"creds": "C", "creds_file": "/creds"}, "creds and creds_file are both set"),
        ({"ca": "C", "ca_file": "/ca"}, "ca and ca_file are both set"),
        ({"certificate": "C"}, r"NATS_CERT\) is set without private key \(NATS_KEY"),
        ({"private_key_file": "/key"}, r"NATS_KEY\) is set without certificate \(NATS_CERT"),
        ({"creds": "C", "token": "T"}, r"NATS_TOKEN\) and creds \(NATS_CREDS\) contradict"),
        ({"creds_file": "/creds", "nkey_seed": "S"}, r"NATS_CREDS\) and nkey seed .* contradict"),
    ],
)
def test_options_that_contradict_each_other_are_named(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidOptions, match=message):
        ConnectionOptions(**{"servers": (URL,)} | options)


@pytest.mark.parametrize(
    "options",
    [
        {"tls": True},
        {"ca": "C"},
        {"ca_file": "/ca"},
        {"certificate": "C", "private_key": "K"},
        {"certificate_file": "/crt", "private_key_file": "/key"},
        {"server_name": "nats.example.com"},
        {"handshake_first": True},
        {"servers": (URL, "tls://nats")},
    ],
)
def test_whatever_concerns_tls_makes_tls_a_must(options: dict[str, Any]) -> None:
    assert not ConnectionOptions(servers=(URL,)).requires_tls
    assert ConnectionOptions(**{"servers": (URL,)} | options).requires_tls


@pytest.mark.parametrize(
    "options",
    [
        ConnectionOptions(servers=(f"nats://{SECRET}:{SECRET}@nats:4222",)),
        ConnectionOptions(servers=(f"nats://{SECRET}@nats:4222",)),
        ConnectionOptions(servers=(URL,), token=SECRET),
        ConnectionOptions(servers=(URL,), user=SECRET, password=SECRET),
        ConnectionOptions(servers=(URL,), jwt=JWT, nkey_seed=make_seed()),
    ],
)
def test_the_text_of_options_names_the_server_and_no_secret(options: ConnectionOptions) -> None:
    for text in (repr(options), str(options), f"{options}", repr(options.addresses)):
        assert SECRET not in text
        assert JWT not in text
        assert make_seed() not in text
    assert URL in repr(options)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{}\n",
        "{}\r\n",
        "-----BEGIN USER NKEY SEED-----\r\n{}\r\n------END USER NKEY SEED------\r\n",
    ],
)
def test_a_seed_is_found_whatever_the_line_ends(text: str) -> None:
    assert read_seed(text.format(make_seed())) == make_seed()


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET,
        f"SU{SECRET}",
        make_seed()[:-1],
        make_seed().lower(),
        make_seed().replace("B", "C", 1),
        f"{make_seed()}\n{make_seed()}",
        f"SU\N{LATIN SMALL LETTER E WITH ACUTE}{SECRET}",
        nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_ACCOUNT).decode(),
    ],
)
def test_a_malformed_seed_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UnusableCredentials, match="the nkey seed is malformed") as refusal:
        read_seed(text)
    assert SECRET not in str(refusal.value)
    assert make_seed()[:-1] not in str(refusal.value)


CREDS = """\
-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_jwt_and_the_seed_of_creds_are_found_whatever_the_line_ends(line_end: str) -> None:
    text = CREDS.format(jwt=JWT, seed=make_seed()).replace("\n", line_end)
    assert read_creds(text) == (JWT, make_seed())


@pytest.mark.parametrize(
    "text, message",
    [
        (SECRET, "the user's JWT is malformed"),
        (f"{JWT}\n{JWT}\n{make_seed()}", "the user's JWT is malformed"),
        (CREDS.format(jwt=JWT, seed=""), "the nkey seed is malformed"),
        (CREDS.format(jwt=JWT, seed=make_seed()[:-3]), "the nkey seed is malformed"),
        (CREDS.format(jwt=JWT[:-5], seed="").replace(".", ""), "the user's JWT is malformed"),
    ],
)
def test_malformed_creds_are_refused_without_being_quoted(text: str, message: str) -> None:
    with pytest.raises(UnusableCredentials, match=f"the creds can't be used: {message}") as refusal:
        read_creds(text)
    for secret in (SECRET, JWT[:-5], make_seed()[:-3]):
        assert secret not in str(refusal.value)


@pytest.mark.parametrize(
    "options, arguments",
    [
        ({"token": f" {SECRET}\r\n"}, {"token": SECRET}),
        (
            {"user": "me\n", "password": f" {SECRET}\r\n"},
            {"user": "me", "password": f" {SECRET}"},
        ),
    ],
)
def test_the_line_end_of_a_secret_is_left_out(
    options: dict[str, str], arguments: dict[str, str]
) -> None:
    it = ConnectionOptions(servers=(URL,), **options)  # type: ignore[arg-type] # all are texts
    assert connect_arguments(it, it.addresses[0]) == arguments


@pytest.mark.parametrize(
    "options",
    [{"token": "\n"}, {"user": "\n", "password": "p"}, {"user": "me", "password": "\r\n"}],
)
def test_a_blank_secret_is_refused_rather_than_sent(options: dict[str, str]) -> None:
    it = ConnectionOptions(servers=(URL,), **options)  # type: ignore[arg-type] # all are texts
    with pytest.raises(UnusableCredentials, match="is blank"):
        connect_arguments(it, it.addresses[0])


def test_a_bearer_token_goes_out_without_a_signature() -> None:
    options = ConnectionOptions(servers=(URL,), jwt=JWT)
    arguments = connect_arguments(options, options.addresses[0])
    assert arguments["user_jwt_cb"]() == JWT.encode()
    assert arguments["signature_cb"]("nonce") == b""


@pytest.mark.parametrize(
    "url, arguments",
    [
        ("nats://nats", {}),
        ("nats://token@nats", {"token": "token"}),
        ("nats://me:pass%40word@nats", {"user": "me", "password": "pass@word"}),
    ],
)
def test_user_info_of_a_url_logs_in_at_its_server(url: str, arguments: dict[str, str]) -> None:
    options = ConnectionOptions(servers=(url,))
    assert connect_arguments(options, options.addresses[0]) == arguments


def test_a_seed_file_that_is_not_text_is_a_reason_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "seed").write_bytes(b"\xff\xfe\x00S")
    options = ConnectionOptions(servers=(URL,), nkey_seed_file=str(tmp_path / "seed"))
    with pytest.raises(UnusableCredentials, match="can't be read: not a text file"):
        connect_arguments(options, options.addresses[0])


def test_a_jwt_that_is_none_is_refused_without_being_quoted() -> None:
    options = ConnectionOptions(servers=(URL,), jwt=SECRET)
    with pytest.raises(UnusableCredentials, match="the user's JWT is malformed") as refusal:
        connect_arguments(options, options.addresses[0])
    assert SECRET not in str(refusal.value)
