"""What pip was told about indexes and the way to them, in the variables by which uv is told.

Whoever has set up pip for a mirror, a proxy or an authority of their own needs nothing more.
Variables of uv's own come first. Asks pip; changes nothing.
"""

import ast
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

TRUE = {"1", "true", "yes", "on"}
# pip gives way in this order: files, files for this command, the environment.
SECTIONS = ("global", "install", ":env:")


def read(python: str = sys.executable) -> dict[str, str]:
    """What holds for `pip install`, by the long option's name; empty if pip won't say."""
    outcome = subprocess.run(
        [python, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return parse(outcome.stdout) if outcome.returncode == 0 else {}


def parse(listing: str) -> dict[str, str]:
    """The same, out of what `pip config list` prints."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in found and value[:1] in ("'", '"'):
            found[section][option] = str(ast.literal_eval(value))
    merged = {option: value for each in found.values() for option, value in each.items()}
    return {option: value.strip() for option, value in merged.items() if value.strip()}


def for_uv(pip: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables to add to `environ`."""
    wanted = dict(_indexes(pip)) | dict(_connections(pip, environ))
    return {name: value for name, value in wanted.items() if not _is_set(name, environ)}


def arguments(pip: Mapping[str, str]) -> list[str]:
    """What uv takes no variable for."""
    return ["--no-index"] if pip.get("no-index", "").lower() in TRUE else []


def _indexes(pip: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if index := pip.get("index-url"):
        yield "UV_DEFAULT_INDEX", index
    if more := pip.get("extra-index-url"):
        yield "UV_INDEX", " ".join(more.split())
        # As pip does: whichever index has the version. What it may be is fixed by its hash.
        yield "UV_INDEX_STRATEGY", "unsafe-best-match"
    # pip passes over folders that are not there, uv does not.
    links = [each for each in pip.get("find-links", "").split() if _is_there(each)]
    if links:
        yield "UV_FIND_LINKS", ",".join(links)
    if hosts := pip.get("trusted-host"):
        yield "UV_INSECURE_HOST", " ".join(hosts.split())


def _connections(pip: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    authorities = (
        pip.get("cert") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    )
    if authorities:
        yield ("SSL_CERT_DIR" if Path(authorities).is_dir() else "SSL_CERT_FILE"), authorities
    elif _system_has_certificates():
        # As newer versions of pip do by themselves.
        yield "UV_SYSTEM_CERTS", "true"
    if certificate := pip.get("client-cert"):
        yield "SSL_CLIENT_CERT", certificate
    if proxy := pip.get("proxy"):
        yield "ALL_PROXY", proxy if "://" in proxy else f"http://{proxy}"
    if seconds := pip.get("timeout") or pip.get("default-timeout"):
        yield "UV_HTTP_TIMEOUT", seconds.partition(".")[0]


# Any of these says as much as the first.
_SYNONYMS = {
    "UV_DEFAULT_INDEX": ("UV_INDEX_URL",),
    "UV_INDEX": ("UV_EXTRA_INDEX_URL",),
    "SSL_CERT_FILE": ("SSL_CERT_DIR", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
    "SSL_CERT_DIR": ("SSL_CERT_FILE", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS"),
    "UV_SYSTEM_CERTS": ("SSL_CERT_FILE", "SSL_CERT_DIR", "UV_NATIVE_TLS"),
    "ALL_PROXY": ("all_proxy", "HTTPS_PROXY", "https_proxy"),
    "UV_HTTP_TIMEOUT": ("UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT"),
}


def _is_set(name: str, environ: Mapping[str, str]) -> bool:
    return any(environ.get(each) for each in (name, *_SYNONYMS.get(name, ())))


def _is_there(link: str) -> bool:
    return "://" in link or Path(link).exists()


def _system_has_certificates() -> bool:
    return sys.platform == "darwin" or ssl.get_default_verify_paths().cafile is not None
