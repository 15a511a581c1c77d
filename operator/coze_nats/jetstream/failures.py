"""Where the exceptions of nats-py, sockets and TLS end: as ours, or as a text for people."""

import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nats.errors

from coze_nats.core.errors import Failure, Nonsense, OutcomeUnknown, Rejected, Unavailable
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.addresses import LocalAddress, SlowName
from coze_nats.jetstream.authentication import UnusableCredentials
from coze_nats.jetstream.tls import UnusableCertificates

# asyncio joins the failures of a name with several addresses into one, without a number.
_JOINED = re.compile(r"\[Errno (\d+)\] Connect call failed")
_NO_INFO = "expecting INFO"
_NOT_SENT = (
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionDrainingError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.OutboundBufferLimitError,
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why there is no session: what kind of trouble it is, and words for a person, no secrets."""

    trouble: Trouble
    words: str


# What a server means that says nothing.
NO_GREETING = Cause(
    Trouble.UNREACHABLE, "no greeting: is it a NATS server, does it want the TLS handshake first?"
)
NO_HANDSHAKE = Cause(Trouble.TLS, "the TLS handshake was not answered in time")
NOT_FIRST = Cause(
    Trouble.TLS, "silence after the TLS handshake: this server does not want the handshake first"
)
WANTED = Cause(
    Trouble.TLS,
    "the server hung up after the TLS handshake: it seems to want a client certificate",
)
REFUSED = Cause(
    Trouble.TLS,
    "the server hung up after the TLS handshake: it seems to refuse the client certificate",
)


class NotConnected(Exception):
    """A server did not let us in; the message says why, and shows no secret."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.words)
        self.cause = cause


class TLSNotOffered(Exception):
    """TLS is required and the server does not offer it; nothing was sent."""

    def __str__(self) -> str:
        return "TLS is required but the server does not offer it, so no credentials were sent"


def from_request(error: Exception, subject: str) -> Failure:
    """Turn an exception of a publish, or of waiting for the answer, into a Failure."""
    if isinstance(error, _NOT_SENT):
        return Unavailable(f"not connected to NATS: {explain(error)}")
    if isinstance(error, TimeoutError):
        return OutcomeUnknown(f"no answer to {subject} in time")
    if isinstance(error, nats.errors.MaxPayloadError | nats.errors.BadSubjectError):
        return Rejected(f"{subject} can't be requested: {explain(error)}")
    return OutcomeUnknown(f"no answer to {subject}: {explain(error)}")


def cause_of(error: BaseException | None) -> Cause:
    """Say why there is no session, or no longer one."""
    return Cause(_trouble_of(error), explain(error))


def is_no_greeting(error: BaseException) -> bool:
    """Whether what answers there does not begin as NATS servers do."""
    return isinstance(error, TimeoutError) or _NO_INFO in str(error)


def explain(error: BaseException | None) -> str:
    """Say why in words that help a person and hold no secrets.

    Only texts that are known to be free of secrets are passed on; of others, just the type.
    """
    if error is None:
        return "the connection was closed"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words(error)
    return f"unexpected {type(error).__name__} in the NATS client"


def _trouble_of(error: BaseException | None) -> Trouble:
    if isinstance(error, UnusableCredentials):
        return Trouble.CREDENTIALS
    if isinstance(error, LocalAddress):
        return Trouble.ADDRESS
    if isinstance(error, Nonsense):
        return Trouble.NONSENSE
    if isinstance(error, TLSNotOffered | UnusableCertificates | ssl.SSLError):
        return Trouble.TLS
    if isinstance(error, nats.errors.Error):
        words = _server_words(error)
        return next((trouble for word, trouble in _SAID if word in words), Trouble.UNREACHABLE)
    return Trouble.UNREACHABLE


def _server_words(error: nats.errors.Error) -> str:
    words = str(error).removeprefix("nats: ").strip("'").lower()
    if _NO_INFO.lower() in words:
        return "what answers there is not a NATS server"
    return words or "the server refuses without a word"


def _system_words(error: OSError) -> str:
    number = error.errno
    if number is None and (joined := _JOINED.search(str(error))):
        number = int(joined[1])
    return os.strerror(number).lower() if number else "the connection failed"


def _tls_words(error: ssl.SSLError) -> str:
    # The reason is a constant of OpenSSL such as WRONG_VERSION_NUMBER.
    reason = getattr(error, "reason", None) or "connection cut"
    return f"the TLS handshake failed: {reason.replace('_', ' ').lower()}"


# The first that fits counts: subclasses stand before their bases.
_WORDS: tuple[tuple[type[BaseException], Callable[[Any], str]], ...] = (
    (LocalAddress, str),
    (SlowName, str),
    (TLSNotOffered, str),
    (UnusableCredentials, str),
    (UnusableCertificates, str),
    (Failure, lambda failure: failure.description),
    (
        ssl.SSLCertVerificationError,
        lambda error: f"the server's certificate is not accepted: {error.verify_message}",
    ),
    (ssl.SSLError, _tls_words),
    (nats.errors.UnexpectedEOF, lambda _: "the server closed the connection"),
    (TimeoutError, lambda _: "no answer in time"),
    (nats.errors.Error, _server_words),
    (socket.gaierror, lambda error: f"can't resolve the host name: {error.strerror}"),
    (OSError, _system_words),
)

# What servers say when they hang up: "Authorization Violation", "User Authentication Expired", …
_SAID = (
    ("authorization", Trouble.AUTHENTICATION),
    ("authentication", Trouble.AUTHENTICATION),
    ("tls", Trouble.TLS),
)
