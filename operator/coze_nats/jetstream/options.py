"""Where NATS is and how to log in: plain values, checked once, that never show a secret.

The environment variables are those that Coze Studio itself uses. Reading key files and talking to
a server is not in here (see `authentication` and `connection`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

DEFAULT_PORT = 4222
_SEED_LENGTH = 58
_JWT = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]+")
_NOT_A_URL = "it is not a server URL: use nats://host:4222 or tls://host:4222"


class InvalidOptions(ValueError):
    """A setting is malformed or contradicts another; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Address:
    """One server of the list; its text holds no user info.

    Attributes:
        host: name or IP address, without brackets.
        tls: whether the URL's scheme was tls://.
        username: from the URL; with an empty password it is a token.
    """

    host: str
    port: int
    tls: bool
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'nats'}://{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read nats://, tls:// or plain host:port.

        Raises:
            InvalidOptions: without a word of the URL, which may hold a secret in the wrong place.
        """
        text = url.strip()
        try:
            parts = urlsplit(text if "://" in text else f"nats://{text}")
            port = DEFAULT_PORT if parts.port is None else parts.port
        except ValueError:
            raise InvalidOptions(_NOT_A_URL) from None
        if parts.scheme not in {"nats", "tls"}:
            raise InvalidOptions("its scheme is unknown: use nats://host:4222 or tls://host:4222")
        if not parts.hostname or not port or parts.path.strip("/") or parts.query or parts.fragment:
            raise InvalidOptions(_NOT_A_URL)
        return cls(
            host=parts.hostname,
            port=port,
            tls=parts.scheme == "tls",
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class ConnectionOptions:
    """One NATS system and one user of it. At most one way to log in; none for an open server.

    Attributes:
        servers: URLs, tried in turn; user info in a URL is a way to log in, too.
        nkey_seed: the seed itself; `nkey_seed_file` is a file that holds it, read at every connect.
        jwt: the user's JWT; goes with a seed, unless it is a bearer token.
        ca_file: PEM file of the authorities to trust, instead of the system's; requires TLS.
        api_prefix: `$JS.API`, `$JS.<domain>.API` or an account's import prefix.
        request_timeout: seconds until the outcome of a request counts as unknown.
        connect_timeout: seconds that one server is given to let us in.
        ping_interval: seconds between PINGs; a dead connection is noticed after two of them.
        name: how the connection is called in the server's monitoring.
    """

    servers: tuple[str, ...]
    token: str = ""
    user: str = ""
    password: str = ""
    jwt: str = ""
    nkey_seed: str = ""
    nkey_seed_file: str = ""
    ca_file: str = ""
    api_prefix: str = "$JS.API"
    request_timeout: float = 30.0
    connect_timeout: float = 5.0
    ping_interval: float = 8.0
    name: str = "coze-nats-operator"

    def __post_init__(self) -> None:
        if not self.addresses:
            raise InvalidOptions("no server is named: set NATS_SERVER_URL, as in nats://host:4222")
        ways = self._ways_to_log_in()
        if len(ways) > 1:
            raise InvalidOptions(f"{' and '.join(ways)} contradict each other: keep only one")
        if bool(self.user) != bool(self.password):
            given, missing = ("user", "password") if self.user else ("password", "user")
            raise InvalidOptions(
                f"{_NAMES[given]} is set without {_NAMES[missing]}: set both or neither"
            )
        if self.nkey_seed and self.nkey_seed_file:
            raise InvalidOptions("nkey_seed and nkey_seed_file are both set: keep only one")
        if self.jwt and not _JWT.fullmatch(self.jwt):
            raise InvalidOptions(
                f"{_NAMES['jwt']} is not a JWT: it wants the text between the lines "
                "BEGIN NATS USER JWT and END NATS USER JWT, nothing else"
            )
        if not self.api_prefix or any(c in " \t\r\n*>" for c in self.api_prefix):
            raise InvalidOptions("api_prefix is not a subject: use $JS.API or $JS.<domain>.API")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables that Coze Studio uses; an empty one counts as not set.

        Raises:
            InvalidOptions: names the variable and what to do; never its secret value.
        """
        variable = "NATS_SERVER_URL" if environ.get("NATS_SERVER_URL") else "MQ_NAME_SERVER"
        urls = tuple(url.strip() for url in environ.get(variable, "").split(",") if url.strip())
        for position, url in enumerate(urls, start=1):
            try:
                Address.parse(url)
            except InvalidOptions as error:
                raise InvalidOptions(f"{variable}, server {position}: {error}") from None
        # Secrets often arrive with the line end of the file that they were made from.
        return cls(
            servers=urls,
            token=environ.get("NATS_TOKEN", "").strip(),
            user=environ.get("NATS_USERNAME", "").strip(),
            password=environ.get("NATS_PASSWORD", "").rstrip("\r\n"),
            jwt=environ.get("NATS_JWT_TOKEN", "").strip(),
            nkey_seed_file=_seed_file(environ.get("NATS_NKEY_SEED", "").strip()),
        )

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The servers, parsed."""
        return tuple(Address.parse(url) for url in self.servers)

    @property
    def requires_tls(self) -> bool:
        """Whether to refuse a connection that is not TLS; one tls:// URL decides for all."""
        return bool(self.ca_file) or any(address.tls for address in self.addresses)

    def _ways_to_log_in(self) -> list[str]:
        """Name every way to log in that is configured."""
        ways = [_NAMES[option] for option in ("token", "user") if getattr(self, option)]
        if self.jwt or self.nkey_seed or self.nkey_seed_file:
            ways.append(_NAMES["jwt" if self.jwt else "nkey_seed_file"])
        if any(address.username or address.password for address in self.addresses):
            ways.append("the user info in the server URL")
        return ways

    def __repr__(self) -> str:
        servers = ",".join(map(str, self.addresses))
        login = " and ".join(self._ways_to_log_in()) or "nothing"
        return f"ConnectionOptions(servers={servers!r}, logs in with {login})"


_NAMES = {
    "token": "token (NATS_TOKEN)",
    "user": "user (NATS_USERNAME)",
    "password": "password (NATS_PASSWORD)",
    "jwt": "jwt (NATS_JWT_TOKEN)",
    "nkey_seed_file": "nkey seed (NATS_NKEY_SEED)",
}


def _seed_file(path: str) -> str:
    """Check at start-up that NATS_NKEY_SEED names a readable file; returns it unchanged."""
    if len(path) == _SEED_LENGTH and path.startswith("S") and path.isalnum():
        raise InvalidOptions(
            "NATS_NKEY_SEED holds a seed: put the seed into a file and its path into the variable"
        )
    if path:
        try:
            Path(path).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a path"
            raise InvalidOptions(
                f"NATS_NKEY_SEED must be the path of a readable file with the seed: {reason}"
            ) from None
    return path
