"""A connection's spec and the contents of its Secrets → how to reach NATS and log in.

Reading Secrets and connecting are not in here. Nothing in here shows what is secret: not as text,
and not in a message.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from coze_nats.core.api.connection import Auth, Authorities, ConnectionSpec, FromSecret, Tls
from coze_nats.core.codec import parse_duration
from coze_nats.core.desired import InvalidField
from coze_nats.core.names import Reason

SECRET, CONFIG_MAP = "Secret", "ConfigMap"
CERTIFICATE_KEY, PRIVATE_KEY_KEY = "tls.crt", "tls.key"
"""The keys of a Secret of type kubernetes.io/tls."""

REQUEST_SECONDS = 30.0
DEFAULT_PREFIX = "$JS.API"


class Document(NamedTuple):
    """A Secret or a ConfigMap, in the namespace of the connection."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Value(NamedTuple):
    """Where a value of the login stands.

    Attributes:
        option: the attribute of Login that it becomes.
        field: its place in the spec, for people.
    """

    option: str
    field: str
    document: Document
    key: str


Contents = Mapping[Document, Mapping[str, str] | None]
"""The data of each document, as text; None: it doesn't exist."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Login:
    """How to reach a NATS system and log in; what is not set is "".

    Attributes:
        servers: URLs without user info.
        creds: text of a creds file.
        ca: PEM of the authorities to trust.
        certificate: PEM of the client's certificate; `private_key` goes with it.
        tls: whether TLS is a must, whatever the URLs say.
        api_prefix: what JetStream's subjects begin with.
        request_timeout: in seconds.
    """

    servers: tuple[str, ...]
    token: str = ""
    user: str = ""
    password: str = ""
    creds: str = ""
    jwt: str = ""
    nkey_seed: str = ""
    ca: str = ""
    certificate: str = ""
    private_key: str = ""
    server_name: str = ""
    handshake_first: bool = False
    tls: bool = False
    api_prefix: str = DEFAULT_PREFIX
    request_timeout: float = REQUEST_SECONDS

    def __repr__(self) -> str:
        return f"Login(servers={self.servers!r})"


class UnusableLogin(Exception):
    """There is no logging in with what is there; the text says why and shows no secret.

    Attributes:
        reason: of the connection's conditions.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def prefix_of_domain(domain: str) -> str:
    """What JetStream's subjects begin with in a domain."""
    return f"$JS.{domain}.API"


def prefix_of(spec: Mapping[str, Any]) -> str:
    """What the requests of a connection with this spec, as it was written, begin with."""
    domain = prefix_of_domain(spec["domain"]) if spec.get("domain") else ""
    return domain or str(spec.get("apiPrefix") or DEFAULT_PREFIX)


def values_of(spec: ConnectionSpec) -> tuple[Value, ...]:
    """Where everything stands that isn't in the spec itself."""
    return (*_values_of_auth(spec.auth), *_values_of_tls(spec.tls))


def login(spec: ConnectionSpec, contents: Contents) -> Login:
    """How to reach NATS and log in; raises UnusableLogin.

    Args:
        contents: of all the documents that `values_of` names.
    """
    found = {value.option: _found(value, contents) for value in values_of(spec)}
    tls = spec.tls
    domain = prefix_of_domain(spec.domain) if spec.domain else ""
    timeout = parse_duration(spec.request_timeout) / 1e9 if spec.request_timeout else None
    return Login(
        servers=tuple(spec.servers),
        **found,
        server_name=(tls and tls.server_name) or "",
        handshake_first=bool(tls and tls.handshake_first),
        tls=tls is not None,
        api_prefix=domain or spec.api_prefix or Login.api_prefix,
        request_timeout=timeout or REQUEST_SECONDS,
    )


def _values_of_auth(auth: Auth | None) -> Iterator[Value]:
    if auth is None:
        return
    user = auth.user_password
    for option, field, source in (
        ("token", "auth.token", auth.token),
        ("user", "auth.userPassword.username", user and user.username),
        ("password", "auth.userPassword.password", user and user.password),
        ("creds", "auth.creds", auth.creds),
        ("jwt", "auth.jwt", auth.jwt),
        ("nkey_seed", "auth.nkey", auth.nkey),
    ):
        if isinstance(source, FromSecret):
            ref = source.secret_key_ref
            yield Value(option, field, Document(SECRET, ref.name), ref.key)


def _values_of_tls(tls: Tls | None) -> Iterator[Value]:
    if tls is None:
        return
    if tls.ca is not None:
        yield _value_of_ca(tls.ca)
    if tls.certificate is not None:
        secret = Document(SECRET, tls.certificate.secret_name)
        yield Value("certificate", "tls.certificate", secret, CERTIFICATE_KEY)
        yield Value("private_key", "tls.certificate", secret, PRIVATE_KEY_KEY)


def _value_of_ca(ca: Authorities) -> Value:
    secret, config_map = ca.secret_key_ref, ca.config_map_key_ref
    if ref := secret or config_map:
        document = Document(SECRET if secret else CONFIG_MAP, ref.name)
        return Value("ca", "tls.ca", document, ref.key)
    raise InvalidField("tls.ca: name one of secretKeyRef and configMapKeyRef")


def _found(value: Value, contents: Contents) -> str:
    data = contents[value.document]
    if data is None:
        raise UnusableLogin(
            Reason.SECRET_NOT_FOUND,
            f"{value.field}: there is no {value.document} in this namespace: create it, or correct "
            "the name",
        )
    text = data.get(value.key, "")
    if not text.strip():
        raise UnusableLogin(
            Reason.SECRET_KEY_MISSING,
            f"{value.field}: {value.document} has no key {value.key}, or an empty one: put the "
            "value there, or correct the key",
        )
    # Secrets are often made from files, whose last line ends; a password may begin with a blank.
    return text.rstrip("\r\n") if value.option == "password" else text.strip()
