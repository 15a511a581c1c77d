"""From options to a TLS context, of material that is in memory only.

Asked for anew at every attempt to connect, so that rotated certificates are picked up; made once
for each content, and apart from the event loop: it takes some twenty milliseconds.
"""

import asyncio
import os
import re
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from coze_nats.jetstream.options import ConnectionOptions

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class UnusableCertificates(Exception):
    """A certificate, a key or a CA can't be used; the message says why and shows no secret."""


class _Material(NamedTuple):
    """What a context is made of.

    Attributes:
        authorities: as PEM; None for the system's.
        system: of which age and size the system's are.
        pair: our certificate and its private key, as PEM.
    """

    authorities: str | None
    system: tuple[object, ...]
    pair: tuple[str, str] | None


KEPT = 128
"""So many contexts are kept, those that were asked for last."""

_MAKING = ThreadPoolExecutor(1, thread_name_prefix="tls")


async def context_of(options: ConnectionOptions) -> ssl.SSLContext:
    """`make_context` apart from the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_MAKING, make_context, options)


def make_context(options: ConnectionOptions) -> ssl.SSLContext:
    """The context that verifies the server, and shows our certificate if there is one.

    Raises:
        UnusableCertificates: a file can't be read, or what it holds is malformed.
    """
    authorities = _read(options, "ca", "CA") if options.has("ca") else None
    pair = None
    if options.has("certificate"):
        certificate = _read(options, "certificate", "client certificate")
        pair = certificate, _read(options, "private_key", "private key")
    return _made(_Material(authorities, () if authorities else _of_the_system(), pair))


def _of_the_system() -> tuple[object, ...]:
    """What differs when the system's authorities have been replaced."""
    paths = ssl.get_default_verify_paths()
    found = [Path(path) for path in (paths.cafile, paths.capath) if path]
    return tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in found)


@lru_cache(KEPT)
def _made(material: _Material) -> ssl.SSLContext:
    context = _trusting(material.authorities)
    # From Python 3.13 on, an authority without extensions that NATS's other clients never asked for
    # would be refused. Chain, names and times are verified all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if material.pair:
        _show(context, *material.pair)
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
