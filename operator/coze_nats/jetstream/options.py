"""Where NATS is and how to log in: plain values, checked once, that never show a secret.

Where the values come from is not in here (see `environment`), nor what files and secrets hold:
that is looked at when a connection is made (see `authentication` and `tls`).
"""

from dataclasses import dataclass, field, fields
from typing import Self
from urllib.parse import unquote, urlsplit

DEFAULT_PORT = 4222
DEFAULT_PREFIX = "$JS.API"
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

    What ends in `_file` is the path of a file with the same content; files are read at every
    connect. Line ends at the end of a secret, and Windows line ends in it, do no harm. Whatever
    concerns TLS makes TLS a must, for all servers.

    Attributes:
        servers: URLs, tried in turn; user info in a URL is a way to log in, too.
        creds: the text of a creds file: a user JWT and its seed.
        jwt: the user's JWT; goes with a seed, unless it is a bearer token.
        tls: refuse a connection that is not TLS, also for nats:// URLs.
        ca: the authorities to trust, as PEM, instead of the system's.
        certificate: for the server to verify us, as PEM with its chain; goes with `private_key`.
        server_name: the name that the server's certificate must hold, instead of the URL's host.
        handshake_first: begin with TLS, as the server does with `handshake_first: true`.
        api_prefix: `$JS.API`, `$JS.<domain>.API` or an account's import prefix.
        request_timeout: seconds until the outcome of a request counts as unknown.
        connect_timeout: seconds that one server is given to let us in.
        ping_interval: seconds between PINGs; a dead connection is noticed after two of them.
        allow_local: whether the servers may be on loopback, link-local or unspecified addresses.
        name: how the connection is called in the server's monitoring.
    """

    servers: tuple[str, ...]
    token: str = ""
    user: str = ""
    password: str = ""
    creds: str = ""
    creds_file: str = ""
    jwt: str = ""
    nkey_seed: str = ""
    nkey_seed_file: str = ""
    tls: bool = False
    ca: str = ""
    ca_file: str = ""
    certificate: str = ""
    certificate_file: str = ""
    private_key: str = ""
    private_key_file: str = ""
    server_name: str = ""
    handshake_first: bool = False
    api_prefix: str = DEFAULT_PREFIX
    request_timeout: float = 30.0
    connect_timeout: float = 5.0
    ping_interval: float = 8.0
    allow_local: bool = True
    name: str = "coze-nats-operator"

    def __post_init__(self) -> None:
        if not self.addresses:
            raise InvalidOptions("no server is named: set NATS_SERVER_URL, as in nats://host:4222")
        ways = self._ways_to_log_in()
        if len(ways) > 1:
            raise InvalidOptions(f"{' and '.join(ways)} contradict each other: keep only one")
        for option in ("creds", "nkey_seed", "ca", "certificate", "private_key"):
            if getattr(self, option) and getattr(self, f"{option}_file"):
                raise InvalidOptions(f"{option} and {option}_file are both set: keep only one")
        for pair in (("user", "password"), ("certificate", "private_key")):
            self._refuse_half_of(pair)
        if not is_prefix(self.api_prefix):
            raise InvalidOptions("api_prefix is not a subject: use $JS.API or $JS.<domain>.API")

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The servers, parsed."""
        return tuple(Address.parse(url) for url in self.servers)

    @property
    def requires_tls(self) -> bool:
        """Whether to refuse a connection that is not TLS; one tls:// URL decides for all."""
        return (
            any((self.tls, self.ca, self.ca_file, self.server_name, self.handshake_first))
            or self.has("certificate")
            or any(address.tls for address in self.addresses)
        )

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are read at every connect."""
        found = (
            getattr(self, field.name) for field in fields(self) if field.name.endswith("_file")
        )
        return tuple(path for path in found if path)

    def has(self, option: str) -> bool:
        """Whether it is set, as itself or as the name of a file."""
        return bool(getattr(self, option) or getattr(self, f"{option}_file", ""))

    def _refuse_half_of(self, pair: tuple[str, str]) -> None:
        first, second = pair
        if self.has(first) != self.has(second):
            given, missing = pair if self.has(first) else (second, first)
            raise InvalidOptions(
                f"{_NAMES[given]} is set without {_NAMES[missing]}: set both or neither"
            )

    def _ways_to_log_in(self) -> list[str]:
        """Name every way to log in that is configured."""
        ways = [_NAMES[option] for option in ("token", "user", "creds") if self.has(option)]
        if self.jwt or self.has("nkey_seed"):
            ways.append(_NAMES["jwt" if self.jwt else "nkey_seed"])
        if any(address.username or address.password for address in self.addresses):
            ways.append("the user info in the server URL")
        return ways

    def __repr__(self) -> str:
        servers = ",".join(map(str, self.addresses))
        login = " and ".join(self._ways_to_log_in()) or "nothing"
        return f"ConnectionOptions(servers={servers!r}, logs in with {login})"


def is_prefix(text: str) -> bool:
    """Whether JetStream's subjects can begin with it: no spaces, wildcards or empty tokens."""
    return all(text.split(".")) and not any(character in " \t\r\n*>" for character in text)


_NAMES = {
    "token": "token (NATS_TOKEN)",
    "user": "user (NATS_USERNAME)",
    "password": "password (NATS_PASSWORD)",
    "creds": "creds (NATS_CREDS)",
    "jwt": "jwt (NATS_JWT_TOKEN)",
    "nkey_seed": "nkey seed (NATS_NKEY_SEED)",
    "certificate": "certificate (NATS_CERT)",
    "private_key": "private key (NATS_KEY)",
}
