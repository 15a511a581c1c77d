"""The operator's own connection, from the environment variables that Coze Studio uses.

An empty variable counts as not set. The file that a variable names must be readable at the start;
what it holds is looked at when a connection is made.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from coze_nats.core.codec import InvalidValue, parse_duration
from coze_nats.core.login import prefix_of_domain
from coze_nats.core.terms import LONGEST_REQUEST_SECONDS
from coze_nats.jetstream.authentication import UnusableCredentials, read_jwt, read_seed
from coze_nats.jetstream.options import (
    DEFAULT_PREFIX,
    Address,
    ConnectionOptions,
    InvalidOptions,
    is_prefix,
)

_CONTENT = re.compile(r"\s*-----BEGIN|S[A-Z2-7]{57}\s*")
_DOMAIN = re.compile(r"[^\s.*>]+")
_SWITCHES = {"": False, "false": False, "true": True}

_FILES = {
    "NATS_CREDS": "creds",
    "NATS_NKEY_SEED": "seed",
    "NATS_CA": "authorities' certificates",
    "NATS_CERT": "client certificate",
    "NATS_KEY": "private key",
}
_OTHERS = (
    *("NATS_TOKEN", "NATS_USERNAME", "NATS_PASSWORD", "NATS_JWT_TOKEN", "NATS_TLS_SERVER_NAME"),
    *("NATS_TLS_FIRST", "NATS_JS_DOMAIN", "NATS_JS_API_PREFIX", "NATS_TIMEOUT"),
)


def from_environment(environ: Mapping[str, str]) -> ConnectionOptions | None:
    """Read the variables; None when no server is named.

    Raises:
        InvalidOptions: names the variable and what to do; never its secret value.
    """
    servers = _servers(environ)
    if not servers:
        for variable in (*_FILES, *_OTHERS):
            if _text(environ, variable):
                raise InvalidOptions(
                    f"{variable} is set, but no server is named: set NATS_SERVER_URL, "
                    f"as in nats://host:4222, or leave {variable} out"
                )
        return None
    seed = _seed(environ)
    return ConnectionOptions(
        servers=servers,
        token=_text(environ, "NATS_TOKEN"),
        user=_text(environ, "NATS_USERNAME"),
        # Secrets often arrive with the line end of the file that they were made from.
        password=environ.get("NATS_PASSWORD", "").rstrip("\r\n"),
        creds_file=_file(environ, "NATS_CREDS"),
        jwt=_jwt(environ),
        nkey_seed=seed,
        nkey_seed_file="" if seed else _file(environ, "NATS_NKEY_SEED"),
        ca_file=_file(environ, "NATS_CA"),
        certificate_file=_file(environ, "NATS_CERT"),
        private_key_file=_file(environ, "NATS_KEY"),
        server_name=_text(environ, "NATS_TLS_SERVER_NAME"),
        handshake_first=_switch(environ, "NATS_TLS_FIRST"),
        api_prefix=_prefix(environ),
        request_timeout=_seconds(environ, "NATS_TIMEOUT") or ConnectionOptions.request_timeout,
    )


def _text(environ: Mapping[str, str], variable: str) -> str:
    return environ.get(variable, "").strip()


def _servers(environ: Mapping[str, str]) -> tuple[str, ...]:
    variable = "NATS_SERVER_URL" if _text(environ, "NATS_SERVER_URL") else "MQ_NAME_SERVER"
    urls = tuple(url.strip() for url in environ.get(variable, "").split(",") if url.strip())
    for position, url in enumerate(urls, start=1):
        try:
            Address.parse(url)
        except InvalidOptions as error:
            raise InvalidOptions(f"{variable}, server {position}: {error}") from None
    return urls


def _jwt(environ: Mapping[str, str]) -> str:
    text = _text(environ, "NATS_JWT_TOKEN")
    try:
        return read_jwt(text) if text else ""
    except UnusableCredentials as error:
        raise InvalidOptions(f"jwt (NATS_JWT_TOKEN): {error}") from None


def _seed(environ: Mapping[str, str]) -> str:
    """The seed that a variable holds itself, as Coze Studio's code reads it; "" for a path."""
    text = _text(environ, "NATS_NKEY_SEED")
    if not _CONTENT.match(text):
        return ""
    try:
        return read_seed(text)
    except UnusableCredentials as error:
        raise InvalidOptions(f"nkey seed (NATS_NKEY_SEED): {error}") from None


def _file(environ: Mapping[str, str], variable: str) -> str:
    """The path in a variable, once it is sure that it is a path, and of a readable file."""
    path, content = _text(environ, variable), _FILES[variable]
    if _CONTENT.match(path):
        raise InvalidOptions(
            f"{variable} holds the {content}: put the {content} into a file and its path into the "
            "variable"
        )
    if path:
        try:
            Path(path).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise InvalidOptions(
                f"{variable} must be the path of a readable file with the {content}: {reason}"
            ) from None
    return path


def _switch(environ: Mapping[str, str], variable: str) -> bool:
    text = _text(environ, variable)
    if text not in _SWITCHES:
        raise InvalidOptions(f"{variable} is {text!r}: write true or false")
    return _SWITCHES[text]


def _seconds(environ: Mapping[str, str], variable: str) -> float | None:
    text = _text(environ, variable)
    try:
        seconds = parse_duration(text) / 1e9 if text else None
    except InvalidValue as error:
        raise InvalidOptions(f"{variable}: {error}") from None
    if seconds is not None and not 0 < seconds <= LONGEST_REQUEST_SECONDS:
        raise InvalidOptions(
            f"{variable} is {text!r}: write a time such as 30s, of {LONGEST_REQUEST_SECONDS:g} s "
            "at most"
        )
    return seconds


def _prefix(environ: Mapping[str, str]) -> str:
    domain, prefix = _text(environ, "NATS_JS_DOMAIN"), _text(environ, "NATS_JS_API_PREFIX")
    if domain and prefix:
        raise InvalidOptions(
            "NATS_JS_DOMAIN and NATS_JS_API_PREFIX contradict each other: keep only one"
        )
    if domain and not _DOMAIN.fullmatch(domain):
        raise InvalidOptions(f"NATS_JS_DOMAIN is {domain!r}: a domain is a name without . * >")
    if prefix and not is_prefix(prefix):
        raise InvalidOptions(f"NATS_JS_API_PREFIX is {prefix!r}: write a subject such as $JS.API")
    return prefix_of_domain(domain) if domain else prefix or DEFAULT_PREFIX
