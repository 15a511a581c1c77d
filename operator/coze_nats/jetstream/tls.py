"""From options to a TLS context, of material that is in memory only.

Called anew for every attempt to connect, so that rotated certificates are picked up.
"""

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coze_nats.jetstream.options import ConnectionOptions

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class UnusableCertificates(Exception):
    """A certificate, a key or a CA can't be used; the message says why and shows no secret."""


def make_context(options: ConnectionOptions) -> ssl.SSLContext:
    """Build the context that verifies the server, and shows our certificate if there is one.

    Raises:
        UnusableCertificates: a file can't be read, or what it holds is malformed.
    """
    context = _trusting(_read(options, "ca", "CA")) if options.has("ca") else _trusting(None)
    # From Python 3.13 on, an authority without extensions that NATS's other clients never asked for
    # would be refused. Chain, names and times are verified all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if options.has("certificate"):
        certificate = _read(options, "certificate", "client certificate")
        key = _read(options, "private_key", "private key")
        _show(context, certificate, key)
    return context


def _trusting(authorities: str | None) -> ssl.SSLContext:
    """A context that trusts these authorities, or the system's."""
    if authorities is None:
        return ssl.create_default_context()
    certificates = _certificates(authorities, "CA")
    try:
        return ssl.create_default_context(cadata=certificates)
    except (ssl.SSLError, ValueError):
        raise UnusableCertificates("the CA can't be used: it is malformed") from None


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    chain = _certificates(certificate, "client certificate")
    if "ENCRYPTED" in key:
        raise UnusableCertificates("the private key is encrypted: give one without a passphrase")
    try:
        with _as_file(chain) as chain_file, _as_file(key) as key_file:
            # Without a password of ours, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(chain_file, key_file, password="")
    except (ssl.SSLError, OSError):
        # What OpenSSL says depends on its version, and can be about the pipe.
        raise UnusableCertificates(
            "the client certificate and its private key can't be used: one is malformed, or they "
            "don't fit each other"
        ) from None


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Show a text, to those who want files, as one that is a pipe and touches no disk."""
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        with os.fdopen(writer, "wb", buffering=0) as pipe:
            if pipe.write(text.encode()) != len(text.encode()):
                raise OSError("too long")
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)


def _read(options: ConnectionOptions, option: str, content: str) -> str:
    path = getattr(options, f"{option}_file")
    if not path:
        return str(getattr(options, option))
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UnusableCertificates(f"the {content} can't be used: {reason}") from None


def _certificates(text: str, content: str) -> str:
    """Only the certificates of a PEM text: comments may be in any language."""
    found = _CERTIFICATE.findall(text)
    if not found:
        raise UnusableCertificates(f"the {content} can't be used: it holds no certificate")
    return "\n".join([*found, ""])
