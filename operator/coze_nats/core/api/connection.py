"""CozeConnection: where a NATS system is and how to log in; and how resources refer to one."""

from typing import Annotated

from pydantic import ConfigDict, Field

from coze_nats.core.api.rules import FORBIDDEN, matching, rule, rules
from coze_nats.core.api.types import (
    ATOMIC_LIST,
    From1sTo5m,
    LiteralSubject,
    Model,
    Name,
    Namespace,
    ResourceName,
    Size,
    Subject,
    distinct_list,
)

# --- how a stream or a consumer refers to it ------------------------------------------------------


class ConnectionRef(Model):
    """A CozeConnection."""

    name: ResourceName
    """metadata.name of the CozeConnection."""
    namespace: Namespace | None = None
    """Namespace of the CozeConnection, which must allow this one. Default: this namespace."""


NamespaceOrAll = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        json_schema_extra=matching(
            "^([*]|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$",
            "an allowed namespace is its whole name, or * for all of them; "
            "patterns and labels are not supported",
        ),
    ),
]
Namespaces = Annotated[
    tuple[NamespaceOrAll, ...], Field(max_length=256, json_schema_extra=distinct_list())
]
"""Namespaces that something is allowed to."""

# --- where the servers are ------------------------------------------------------------------------

_PORT = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_HOST = r"([a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?|[\\[][0-9a-fA-F:.]+[\\]])"

ServerUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        json_schema_extra=rules(
            # Judged first and alone: its remedy is another one, and nothing of it may be echoed.
            rule(
                "!self.contains('@')",
                "a server's URL holds no user, password or token: put them into a Secret and name "
                "it in auth",
                reason=FORBIDDEN,
            ),
            rule(
                f"self.contains('@') || self.matches('^((nats|tls)://)?{_HOST}(:{_PORT})?$')",
                "a server is nats://host:4222, tls://host:4222 or host:4222, without path or "
                "query; an IPv6 address stands in brackets; WebSockets are not supported",
            ),
        ),
    ),
]

# --- how to log in --------------------------------------------------------------------------------


class KeyRef(Model):
    """A key of an object in the namespace of the CozeConnection."""

    name: ResourceName
    """metadata.name of the object."""
    key: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            json_schema_extra=matching(
                "^[a-zA-Z0-9._-]+$", "a key of a Secret or ConfigMap has letters, digits and - _ ."
            ),
        ),
    ]
    """The key in its data."""


class FromSecret(Model):
    """A value that is kept in a Secret."""

    secret_key_ref: KeyRef
    """The key of a Secret that holds the value, in the namespace of the CozeConnection."""


class UserPassword(Model):
    """A user and its password, both kept in Secrets."""

    username: FromSecret
    """The user's name."""
    password: FromSecret
    """The user's password."""


class Auth(Model):
    """How to log in: in exactly one way, with what is kept in Secrets."""

    token: FromSecret | None = None
    """Log in with this token."""
    user_password: UserPassword | None = None
    """Log in as this user, with its password."""
    creds: FromSecret | None = None
    """Log in with this creds file, as `nsc generate creds` writes it: a JWT and its seed."""
    nkey: FromSecret | None = None
    """Log in with this NKey seed, which starts with SU. Alone, or as the seed of jwt."""
    jwt: FromSecret | None = None
    """Log in with this user JWT, with its seed in nkey. Without nkey it must be a bearer token."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.token), has(self.userPassword), has(self.creds), has(self.nkey) || "
                "has(self.jwt)].filter(way, way).size() == 1",
                "log in in exactly one way: token, userPassword, creds, nkey, or jwt with nkey; "
                "remove the others, or remove auth for a server that asks for nothing",
            )
        )
    )


# --- TLS ------------------------------------------------------------------------------------------


class Authorities(Model):
    """Certificates of authorities, as PEM, from a Secret or a ConfigMap."""

    secret_key_ref: KeyRef | None = None
    """The key of a Secret that holds the certificates. Excludes configMapKeyRef."""
    config_map_key_ref: KeyRef | None = None
    """The key of a ConfigMap that holds the certificates. Excludes secretKeyRef."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.secretKeyRef) != has(self.configMapKeyRef)",
                "ca names exactly one of secretKeyRef and configMapKeyRef: set one and remove the "
                "other; for the system's authorities remove ca",
            )
        )
    )


class ClientCertificate(Model):
    """The certificate that the operator shows to the server."""

    secret_name: ResourceName
    """metadata.name of a Secret of type kubernetes.io/tls, with the keys tls.crt and tls.key, in
    the namespace of the CozeConnection."""


class Tls(Model):
    """How TLS is done. Where this stands, even empty, a server without TLS is told nothing."""

    ca: Authorities | None = None
    """The authorities that the server's certificate must come from. Default: the system's."""
    certificate: ClientCertificate | None = None
    """The operator's own certificate, for servers that verify their clients."""
    server_name: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=253,
                json_schema_extra=matching(
                    "^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$",
                    "serverName is a host name as it stands in the certificate, without scheme "
                    "and port, such as nats.example.com",
                ),
            ),
        ]
        | None
    ) = None
    """The name that the server's certificate must have. Default: the host in the URL."""
    handshake_first: bool | None = None
    """Begin with the TLS handshake, as servers with `handshake_first` want it. Default: false, the
    server speaks first."""


# --- the connection -------------------------------------------------------------------------------


# What stands twice in a grant does no harm.
_Names = Annotated[
    tuple[
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=255,
                json_schema_extra=matching(
                    r"^([^ \\t\\r\\n\\f.*>/\\\\]+[*]?|[*])$",
                    "this is the name of a stream in JetStream, or how names begin, with * at its "
                    "end, such as shop-*",
                ),
            ),
        ],
        ...,
    ],
    Field(min_length=1, max_length=64, json_schema_extra=ATOMIC_LIST),
]
_GrantedSubjects = Annotated[
    tuple[Subject, ...], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC_LIST)
]
_Grantees = Annotated[
    tuple[NamespaceOrAll, ...],
    Field(min_length=1, max_length=64, json_schema_extra=ATOMIC_LIST),
]


class Grant(Model):
    """What namespaces may do through a connection; several grants for one of them add up."""

    namespaces: _Grantees
    """Namespaces that have the grant; `*` is all of them."""
    streams: _Names | None = None
    """Names in JetStream that their streams may have; `*` at the end stands for any rest. Default:
    any name."""
    subjects: _GrantedSubjects | None = None
    """Subjects that their streams may take; wildcards allowed. Default: none."""
    sources_from: _Names | None = None
    """Streams, besides their own, that they may copy, and consume by streamName; `*` at the end
    stands for any rest. Default: none."""
    publish_to: _GrantedSubjects | None = None
    """Subjects, besides those that they may take, that they may have the server publish on, by
    republish, deliverSubject and external. Default: none."""
    max_bytes: Size | None = None
    """Most bytes that the streams of one namespace may declare as their maxBytes together, the
    oldest resource first: a number of bytes, or a quantity such as `10Gi`. Default: unlimited."""


class ConnectionSpec(Model):
    """A NATS system, how to log in to it, and who may use it."""

    servers: Annotated[
        tuple[ServerUrl, ...], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC_LIST)
    ]
    """The servers of one NATS system, tried in turn: `nats://host:4222`, `tls://host:4222` or
    `host:4222`; the port may be left out. With one tls:// URL, TLS is a must for all of them. Can
    be changed."""
    auth: Auth | None = None
    """How to log in, in exactly one way. Default: not at all, for open servers and for those that
    know the client by its certificate. Can be changed."""
    tls: Tls | None = None
    """How TLS is done; where it stands, even empty, TLS is a must. Default: TLS only if the URL or
    the server asks for it, with the system's authorities. Can be changed."""
    domain: Name | None = None
    """JetStream domain to work in, such as `hub`. Excludes apiPrefix. Default: that of the servers.
    Can be changed."""
    api_prefix: LiteralSubject | None = None
    """Prefix of the subjects of the JetStream API, for an account that imports it under another
    one, such as `$JS.hub.API`. Excludes domain. Default: $JS.API. Can be changed."""
    request_timeout: From1sTo5m | None = None
    """How long an answer of JetStream is waited for, before the outcome counts as unknown and is
    looked at again: a duration such as `30s`, from 1s to 5m. Default: 30s. Can be changed."""
    allowed_namespaces: Namespaces | None = None
    """Namespaces, besides its own, whose streams and consumers may use this connection; `*` allows
    all. Default: none. Can be changed."""

    grants: (
        Annotated[tuple[Grant, ...], Field(max_length=32, json_schema_extra=ATOMIC_LIST)] | None
    ) = None
    """What the namespaces that use this connection may do with it. With at least one grant, a
    namespace that none names gets nothing, this one included. Default: none, so that no namespace
    is limited. Can be changed; what is there already is left as it is."""
    suspend: bool | None = None
    """Change nothing in JetStream through this connection; what would be changed is reported, and
    deletions wait. Default: false. Can be changed."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.domain) && has(self.apiPrefix))",
                "domain and apiPrefix are two ways to say where the JetStream API is: remove one",
                "domain",
            )
        )
    )
