"""What stands between the operator and a NATS system, as far as it decides what helps."""

from enum import StrEnum


class Trouble(StrEnum):
    """Why there is no connection; where servers differ, the first of these counts.

    That is the more telling one: a server that answered says more than one that did not.
    """

    CREDENTIALS = "credentials"
    """A seed, a JWT or a creds file is malformed or can't be read; nothing was sent."""
    AUTHENTICATION = "authentication"
    """The server refuses the user, also because a JWT has expired."""
    PERMISSION = "permission"
    """The user may log in, and may not hear the answers to its requests."""
    TLS = "tls"
    """TLS is not offered, the handshake failed, or a certificate or a CA can't be used."""
    ADDRESS = "address"
    """The address is one that such a connection may not lead to."""
    NONSENSE = "nonsense"
    """What the server sends breaks NATS's protocol, or makes no sense."""
    SILENT = "silent"
    """The server is there, and JetStream answers nothing."""
    UNREACHABLE = "unreachable"
    """Nobody answers there, or not a NATS server, or the connection broke."""
