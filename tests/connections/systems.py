"""NATS systems secured in every way, and the options that get in, or that are wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from controlplane.accounts import Key, Operator, User
from controlplane.certificates import Authority, Pair
from controlplane.nats import NatsServer
from controlplane.tls import tls_block

VERSIONS = ("2.10.26", "2.14.6", "2.15.1")
TOKEN, USER, PASSWORD = "correct-horse-token", "battery-user", "correct-staple-password"
WRONG = "incorrect-staple"

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Encryption:
    """A way to use TLS: the server's block, and what the client must be told."""

    name: str
    on: bool = True
    block: Mapping[str, Any] = field(default_factory=dict)
    options: Options = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


PLAIN = Encryption("no TLS", on=False)
TLS = Encryption("TLS")
MUTUAL = Encryption("mutual TLS", block={"verify": True})
FIRST = Encryption(
    "handshake first", block={"handshake_first": True}, options={"handshake_first": True}
)
ENCRYPTIONS = (PLAIN, TLS, MUTUAL, FIRST)


class Identities:
    """Whom the servers know; one set for all of them."""

    def __init__(self, authority: Authority, foreign: Authority) -> None:
        self.authority = authority
        self.foreign = foreign
        self.client: Pair = authority.issue_client("coze", [])
        self.key = Key()
        self.operator = Operator()
        self.account = self.operator.account("A")
        self.user = self.account.user()

    @cached_property
    def stranger(self) -> User:
        """A user of an account that no server knows."""
        return Operator().account("A").user()

    def secrets(self, options: Options) -> list[str]:
        """What may stand in no log and no text: every secret value, and their lines."""
        words = {*("token", "password", "creds", "jwt", "nkey_seed", "private_key"), "user"}
        texts = [str(value) for name, value in options.items() if name in words]
        lines = [line for text in texts for line in text.splitlines()]
        return [line for line in lines if line.strip() and not line.startswith("---")]

    def tls_options(self, encryption: Encryption) -> Options:
        """What a client needs to be told, with keys and certificates as texts."""
        if not encryption.on:
            return {}
        options = {"ca": self.authority.certificate.read_text(), **encryption.options}
        if encryption is MUTUAL:
            options["certificate"] = self.client.certificate.read_text()
            options["private_key"] = self.client.key.read_text()
        return options


@dataclass(frozen=True)
class Method:
    """A way to log in: by what a server knows the user, what is right, and what is not.

    Attributes:
        known_by: the server's kind, see `Systems`: one server can't know users in every way.
        wrong: well-formed, and refused by the server.
        malformed: never sent to it.
    """

    name: str
    known_by: str
    right: Callable[[Identities], Options]
    wrong: Callable[[Identities], Options]
    malformed: Callable[[Identities], Options]

    def __str__(self) -> str:
        return self.name


METHODS = (
    Method(
        "token",
        known_by="token",
        right=lambda _: {"token": TOKEN},
        wrong=lambda _: {"token": WRONG},
        malformed=lambda _: {"token": "\n"},
    ),
    Method(
        "user and password",
        known_by="users",
        right=lambda _: {"user": USER, "password": PASSWORD},
        wrong=lambda _: {"user": USER, "password": WRONG},
        malformed=lambda _: {"user": USER, "password": "\r\n"},
    ),
    Method(
        "nkey",
        known_by="users",
        right=lambda who: {"nkey_seed": who.key.seed},
        wrong=lambda who: {"nkey_seed": who.stranger.seed},
        malformed=lambda who: {"nkey_seed": who.key.seed[:-1]},
    ),
    Method(
        "creds",
        known_by="accounts",
        right=lambda who: {"creds": who.user.creds.replace("\n", "\r\n")},
        wrong=lambda who: {"creds": who.stranger.creds},
        malformed=lambda who: {"creds": who.user.creds.replace(who.user.seed, who.user.seed[:-1])},
    ),
    Method(
        "jwt and nkey",
        known_by="accounts",
        right=lambda who: {"jwt": who.user.jwt, "nkey_seed": who.user.seed},
        wrong=lambda who: {"jwt": who.user.jwt, "nkey_seed": who.stranger.seed},
        malformed=lambda who: {"jwt": who.user.jwt.replace(".", ""), "nkey_seed": who.user.seed},
    ),
)


class Systems:
    """Servers by version, TLS and what they know users by; each is started when first asked for."""

    def __init__(self, identities: Identities) -> None:
        self.identities = identities
        self._servers: dict[tuple[str, str, str], NatsServer] = {}

    def serving(self, version: str, encryption: Encryption, known_by: str) -> NatsServer:
        """The server; it is shared, so nobody may stop it."""
        key = (version, encryption.name, known_by)
        if key not in self._servers:
            self._servers[key] = self.start(version, encryption, known_by)
        return self._servers[key]

    def start(self, version: str, encryption: Encryption, known_by: str) -> NatsServer:
        """A server of the caller's own, who stops it."""
        config = self._known(known_by)
        if encryption.on:
            config += tls_block(self.identities.authority, **encryption.block)
        return NatsServer(version, name=known_by, config=config).start()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()

    def _known(self, known_by: str) -> str:
        who = self.identities
        if known_by == "accounts":
            return who.operator.config
        users = f"users: [{{ user: {USER}, password: {PASSWORD} }}, {{ nkey: {who.key.public} }}]"
        words = {"token": f"token: {TOKEN}", "users": users}
        return f"authorization {{ {words[known_by]} }}\n"
