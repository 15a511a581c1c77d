"""Settings of the connection: what is accepted, what is refused, that nothing tells a secret."""

from pathlib import Path

import nkeys
import pytest

from coze_nats.jetstream.authentication import UnusableCredentials, connect_arguments, read_seed
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


def test_all_variables_are_read_and_an_empty_one_counts_as_not_set() -> None:
    options = ConnectionOptions.from_environment(
        {
            "NATS_SERVER_URL": "nats://a:4222, tls://b:4222,",
            "MQ_NAME_SERVER": "ignored:9876",
            "NATS_TOKEN": "",
            "NATS_USERNAME": "operator\n",
            "NATS_PASSWORD": f" {SECRET}\r\n",
            "NATS_JWT_TOKEN": "",
            "NATS_NKEY_SEED": "",
        }
    )
    assert [str(address) for address in options.addresses] == ["nats://a:4222", "tls://b:4222"]
    assert (options.user, options.password) == ("operator", f" {SECRET}")
    assert options.requires_tls


def test_the_name_server_of_coze_studio_stands_in_for_a_missing_url() -> None:
    environ = {"NATS_SERVER_URL": "", "MQ_NAME_SERVER": "nats:4222"}
    options = ConnectionOptions.from_environment(environ)
    assert [str(address) for address in options.addresses] == [URL]
    assert not options.requires_tls


@pytest.mark.parametrize(
    "environ, message",
    [
        ({}, "set NATS_SERVER_URL"),
        ({"NATS_SERVER_URL": " , "}, "set NATS_SERVER_URL"),
        ({"NATS_SERVER_URL": "nats://a,http://b"}, "NATS_SERVER_URL, server 2: its scheme"),
        ({"MQ_NAME_SERVER": "http://b"}, "MQ_NAME_SERVER, server 1: its scheme"),
        (
            {"NATS_SERVER_URL": URL, "NATS_USERNAME": "me"},
            r"NATS_USERNAME\) is set without password \(NATS_PASSWORD",
        ),
        (
            {"NATS_SERVER_URL": URL, "NATS_PASSWORD": SECRET},
            r"NATS_PASSWORD\) is set without user \(NATS_USERNAME",
        ),
        (
            {
                "NATS_SERVER_URL": URL,
                "NATS_TOKEN": SECRET,
                "NATS_USERNAME": "me",
                "NATS_PASSWORD": SECRET,
            },
            r"NATS_TOKEN\) and user \(NATS_USERNAME\) contradict each other: keep only one",
        ),
        (
            {"NATS_SERVER_URL": f"nats://me:{SECRET}@nats", "NATS_JWT_TOKEN": JWT},
            r"NATS_JWT_TOKEN\) and the user info in the server URL contradict",
        ),
        ({"NATS_SERVER_URL": URL, "NATS_JWT_TOKEN": SECRET}, r"NATS_JWT_TOKEN\) is not a JWT"),
        (
            {"NATS_SERVER_URL": URL, "NATS_NKEY_SEED": f"/nowhere/{SECRET}"},
            "NATS_NKEY_SEED must be the path of a readable file .* No such file",
        ),
        (
            {"NATS_SERVER_URL": URL, "NATS_NKEY_SEED": f"{SECRET}\0"},
            "NATS_NKEY_SEED must be the path of a readable file .* not a path",
        ),
    ],
)
def test_a_contradictory_or_malformed_variable_is_named_with_the_remedy(
    environ: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidOptions, match=message) as refusal:
        ConnectionOptions.from_environment(environ)
    assert SECRET not in str(refusal.value)


def test_a_seed_in_place_of_its_file_is_refused_without_being_quoted() -> None:
    with pytest.raises(InvalidOptions, match="put the seed into a file") as refusal:
        ConnectionOptions.from_environment({"NATS_SERVER_URL": URL, "NATS_NKEY_SEED": make_seed()})
    assert make_seed() not in str(refusal.value)


@pytest.mark.parametrize("prefix", ["", "$JS API", "$JS.>", "$JS.*.API"])
def test_an_api_prefix_must_be_a_subject(prefix: str) -> None:
    with pytest.raises(InvalidOptions, match="api_prefix is not a subject"):
        ConnectionOptions(servers=(URL,), api_prefix=prefix)


def test_a_seed_and_a_file_of_a_seed_exclude_each_other() -> None:
    with pytest.raises(InvalidOptions, match="nkey_seed and nkey_seed_file are both set"):
        ConnectionOptions(servers=(URL,), nkey_seed=make_seed(), nkey_seed_file="/seed")


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


def test_an_unusable_ca_file_is_a_reason_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("not a certificate")
    for name in ("ca.crt", "missing.crt"):
        options = ConnectionOptions(servers=(URL,), ca_file=str(tmp_path / name))
        with pytest.raises(UnusableCredentials, match="the CA file can't be used"):
            connect_arguments(options, options.addresses[0])


def test_a_seed_file_that_is_not_text_is_a_reason_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "seed").write_bytes(b"\xff\xfe\x00S")
    options = ConnectionOptions(servers=(URL,), nkey_seed_file=str(tmp_path / "seed"))
    with pytest.raises(UnusableCredentials, match="can't be read: not a text file"):
        connect_arguments(options, options.addresses[0])
