"""The operator's own connection, from environment variables: what is read and what is refused."""

from pathlib import Path

import nkeys
import pytest

from coze_nats.jetstream.environment import from_environment
from coze_nats.jetstream.options import ConnectionOptions, InvalidOptions

URL = "nats://nats:4222"
JWT = "eyJ0eXAiOiJKV1QifQ.eyJuYW1lIjoib3BlcmF0b3IifQ.c2lnbmF0dXJl"
SECRET = "hunter2"
SEED = str(nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER), "ascii")


def read(environ: dict[str, str]) -> ConnectionOptions:
    options = from_environment(environ)
    assert options
    return options


def test_all_variables_are_read_and_an_empty_one_counts_as_not_set() -> None:
    options = read(
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
    options = read(environ)
    assert [str(address) for address in options.addresses] == [URL]
    assert not options.requires_tls


@pytest.mark.parametrize(
    "environ, message",
    [
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
        (
            {"NATS_SERVER_URL": URL, "NATS_JWT_TOKEN": SECRET},
            r"\(NATS_JWT_TOKEN\): the user's JWT is m",
        ),
        (
            {"NATS_SERVER_URL": URL, "NATS_NKEY_SEED": f"/nowhere/{SECRET}"},
            "NATS_NKEY_SEED must be the path of a readable file .* No such file",
        ),
        (
            {"NATS_SERVER_URL": URL, "NATS_NKEY_SEED": f"{SECRET}\0"},
            "NATS_NKEY_SEED must be the path of a readable file .* not a path",
        ),
        (
            {"NATS_SERVER_URL": URL, "NATS_CREDS": "/nowhere"},
            "NATS_CREDS must be the path of a readable file with the creds: No such file",
        ),
        ({"NATS_SERVER_URL": URL, "NATS_TLS_FIRST": "maybe"}, "NATS_TLS_FIRST .* true or false"),
        ({"NATS_SERVER_URL": URL, "NATS_TIMEOUT": "soon"}, "NATS_TIMEOUT: 'soon' is no duration"),
        ({"NATS_SERVER_URL": URL, "NATS_TIMEOUT": "0s"}, "NATS_TIMEOUT is '0s': write a time"),
        ({"NATS_SERVER_URL": URL, "NATS_JS_DOMAIN": "a.b"}, "NATS_JS_DOMAIN is 'a.b'"),
        ({"NATS_SERVER_URL": URL, "NATS_JS_API_PREFIX": "a.*"}, "NATS_JS_API_PREFIX is 'a"),
        (
            {"NATS_SERVER_URL": URL, "NATS_JS_API_PREFIX": "a", "NATS_JS_DOMAIN": "b"},
            "NATS_JS_DOMAIN and NATS_JS_API_PREFIX contradict",
        ),
    ],
)
def test_a_contradictory_or_malformed_variable_is_named_with_the_remedy(
    environ: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidOptions, match=message) as refusal:
        from_environment(environ)
    assert SECRET not in str(refusal.value)


def test_what_concerns_tls_and_jetstream_is_read(tmp_path: Path) -> None:
    paths = {name: str(tmp_path / name) for name in ("creds", "ca", "crt", "key")}
    for path in paths.values():
        Path(path).write_text("text")
    options = read(
        {
            "NATS_SERVER_URL": URL,
            "NATS_CREDS": paths["creds"],
            "NATS_CA": paths["ca"],
            "NATS_CERT": paths["crt"],
            "NATS_KEY": paths["key"],
            "NATS_TLS_SERVER_NAME": "nats.example.com",
            "NATS_TLS_FIRST": "true",
            "NATS_JS_DOMAIN": "hub",
            "NATS_TIMEOUT": "1m30s",
        }
    )
    assert options == ConnectionOptions(
        servers=(URL,),
        creds_file=paths["creds"],
        ca_file=paths["ca"],
        certificate_file=paths["crt"],
        private_key_file=paths["key"],
        server_name="nats.example.com",
        handshake_first=True,
        api_prefix="$JS.hub.API",
        request_timeout=90,
    )


def test_an_api_prefix_is_read_and_the_default_is_that_of_nats() -> None:
    assert read({"NATS_SERVER_URL": URL}).api_prefix == "$JS.API"
    environ = {"NATS_SERVER_URL": URL, "NATS_JS_API_PREFIX": "other.API"}
    assert read(environ).api_prefix == "other.API"


@pytest.mark.parametrize("environ", [{}, {"NATS_SERVER_URL": " , "}, {"NATS_TOKEN": ""}])
def test_without_a_server_there_is_no_connection(environ: dict[str, str]) -> None:
    assert from_environment(environ) is None


@pytest.mark.parametrize(
    "variable",
    [
        *("NATS_TOKEN", "NATS_USERNAME", "NATS_PASSWORD", "NATS_JWT_TOKEN", "NATS_NKEY_SEED"),
        *("NATS_CREDS", "NATS_CA", "NATS_CERT", "NATS_KEY", "NATS_TLS_SERVER_NAME"),
        *("NATS_TLS_FIRST", "NATS_JS_DOMAIN", "NATS_JS_API_PREFIX", "NATS_TIMEOUT"),
    ],
)
def test_a_setting_without_a_server_is_named_and_not_passed_over(variable: str) -> None:
    with pytest.raises(
        InvalidOptions, match=f"{variable} is set, but no server .*: set NATS_SERVER_URL"
    ) as (refusal):
        from_environment({variable: SECRET})
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("text", [SEED, f" {SEED}\n"])
def test_a_seed_may_be_in_its_variable_or_in_the_file_that_it_names(
    text: str, tmp_path: Path
) -> None:
    environ = {"NATS_SERVER_URL": URL, "NATS_NKEY_SEED": text}
    options = read(environ)
    assert (options.nkey_seed, options.nkey_seed_file) == (SEED, "")
    file = tmp_path / "seed"
    file.write_text(text)
    options = read({**environ, "NATS_NKEY_SEED": str(file)})
    assert (options.nkey_seed, options.nkey_seed_file) == ("", str(file))


def test_a_malformed_seed_in_its_variable_is_refused_without_being_quoted() -> None:
    wrong = f"{SEED[:-1]}A"
    with pytest.raises(
        InvalidOptions, match=r"nkey seed \(NATS_NKEY_SEED\): .* malformed"
    ) as refusal:
        from_environment({"NATS_SERVER_URL": URL, "NATS_NKEY_SEED": wrong})
    assert wrong not in str(refusal.value)


@pytest.mark.parametrize(
    "variable, content",
    [
        ("NATS_CREDS", f"-----BEGIN NATS USER JWT-----\n{JWT}\n"),
        # pragma: allowlist nextline secret
        ("NATS_KEY", "-----BEGIN PRIVATE KEY-----\nabc\n"),
    ],
)
def test_a_content_in_place_of_its_file_is_refused_without_being_quoted(
    variable: str, content: str
) -> None:
    with pytest.raises(InvalidOptions, match=f"{variable} holds the .* into a file") as refusal:
        from_environment({"NATS_SERVER_URL": URL, variable: content})
    assert content not in str(refusal.value)
    assert JWT not in str(refusal.value)
