"""Whoever has set up pip for a mirror has set up uv: `make` asks for nothing more."""

import os
import re
import sys
from pathlib import Path

import pytest

import pip_settings

MIRROR = "https://mirror.example.com/simple"


def test_files_give_way_to_the_command_s_own_section_and_both_to_the_environment() -> None:
    listing = (
        ":env:.index-url='https://env.example.com'\n"
        "global.index-url='https://global.example.com'\n"
        "global.timeout='7'\n"
        "global.proxy='proxy.example.com:3128'\n"
        "install.index-url='https://install.example.com'\n"
        "install.timeout='8'\n"
        "download.proxy='other.example.com'\n"
    )

    assert pip_settings.parse(listing) == {
        "index-url": "https://env.example.com",
        "timeout": "8",
        "proxy": "proxy.example.com:3128",
    }


def test_a_value_of_several_lines_is_read_whole() -> None:
    listing = r"global.extra-index-url='\nhttps://a.example.com\nhttps://b.example.com'"

    assert pip_settings.for_uv(pip_settings.parse(listing), {})["UV_INDEX"] == (
        "https://a.example.com https://b.example.com"
    )


@pytest.mark.parametrize(
    "option, value, variable, told",
    [
        ("index-url", MIRROR, "UV_DEFAULT_INDEX", MIRROR),
        ("extra-index-url", MIRROR, "UV_INDEX", MIRROR),
        ("extra-index-url", MIRROR, "UV_INDEX_STRATEGY", "unsafe-best-match"),
        ("find-links", f"/ {MIRROR}", "UV_FIND_LINKS", f"/,{MIRROR}"),
        ("trusted-host", "a.example.com\nb.example.com", "UV_INSECURE_HOST",
         "a.example.com b.example.com"),
        ("cert", "/ca.crt", "SSL_CERT_FILE", "/ca.crt"),
        ("cert", "/", "SSL_CERT_DIR", "/"),
        ("client-cert", "/client.pem", "SSL_CLIENT_CERT", "/client.pem"),
        ("proxy", "proxy.example.com:3128", "ALL_PROXY", "http://proxy.example.com:3128"),
        ("proxy", "socks5://proxy.example.com", "ALL_PROXY", "socks5://proxy.example.com"),
        ("timeout", "180", "UV_HTTP_TIMEOUT", "180"),
        ("default-timeout", "180.5", "UV_HTTP_TIMEOUT", "180"),
    ],
)  # fmt: skip
def test_what_pip_was_told_is_handed_on(option: str, value: str, variable: str, told: str) -> None:
    assert pip_settings.for_uv({option: value}, {})[variable] == told


@pytest.mark.parametrize(
    "option, variable",
    [
        ("index-url", "UV_DEFAULT_INDEX"),
        ("index-url", "UV_INDEX_URL"),
        ("extra-index-url", "UV_EXTRA_INDEX_URL"),
        ("cert", "SSL_CERT_FILE"),
        ("cert", "UV_NATIVE_TLS"),
        ("proxy", "https_proxy"),
        ("timeout", "UV_REQUEST_TIMEOUT"),
    ],
)
def test_what_uv_was_told_comes_first(option: str, variable: str) -> None:
    told = pip_settings.for_uv({option: "/value"}, {variable: "mine"})

    assert set(told) <= {"UV_INDEX_STRATEGY", "UV_SYSTEM_CERTS"}


def test_a_folder_of_packages_that_is_not_there_is_passed_over_as_pip_does() -> None:
    told = pip_settings.for_uv({"find-links": "/nowhere/wheels"}, {})

    assert "UV_FIND_LINKS" not in told


def test_the_authorities_that_pip_takes_from_its_library_are_uv_s_too() -> None:
    told = pip_settings.for_uv({}, {"REQUESTS_CA_BUNDLE": "/ca.crt"})

    assert told["SSL_CERT_FILE"] == "/ca.crt"


def test_no_index_is_no_index() -> None:
    assert pip_settings.arguments({"no-index": "1"}) == ["--no-index"]
    assert pip_settings.arguments({"no-index": "0"}) == []
    assert pip_settings.arguments({}) == []


def test_pip_itself_is_asked_for_its_files_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if re.match("PIP_", name)]:
        monkeypatch.delenv(name)
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nindex-url = {MIRROR}\n[install]\ntimeout = 9\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    found = pip_settings.read(sys.executable)

    assert (found["index-url"], found["timeout"]) == (MIRROR, "9")
    assert found["find-links"] == str(tmp_path)


def test_a_python_without_pip_has_nothing_to_say(tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 1\n")
    silent.chmod(0o755)

    assert pip_settings.read(str(silent)) == {}
