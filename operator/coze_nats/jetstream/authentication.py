"""From options to what nats-py wants for logging in and for TLS; key files are read in here.

Called anew for every attempt to connect, so that a rotated Secret is picked up.
"""

import base64
import ssl
from pathlib import Path
from typing import Any

import nkeys

from coze_nats.jetstream.options import Address, ConnectionOptions


class UnusableCredentials(Exception):
    """A seed or a certificate file can't be used; the message says why and shows no secret."""


def connect_arguments(options: ConnectionOptions, address: Address) -> dict[str, Any]:
    """Build the keyword arguments of nats-py's connect that log in at one server.

    Raises:
        UnusableCredentials: the seed or the CA file can't be read or is malformed.
    """
    arguments = _login(options, address)
    if options.requires_tls:
        try:
            arguments["tls"] = ssl.create_default_context(cafile=options.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise UnusableCredentials(f"the CA file can't be used: {error.strerror}") from error
    return arguments


def _login(options: ConnectionOptions, address: Address) -> dict[str, Any]:
    if options.jwt:
        return _jwt_login(options)
    if options.nkey_seed or options.nkey_seed_file:
        return {"nkeys_seed_str": _seed(options)}
    if options.token:
        return {"token": options.token}
    if options.user:
        return {"user": options.user, "password": options.password}
    if address.password:
        return {"user": address.username, "password": address.password}
    return {"token": address.username} if address.username else {}


def _jwt_login(options: ConnectionOptions) -> dict[str, Any]:
    jwt = options.jwt.encode()
    if not (options.nkey_seed or options.nkey_seed_file):
        # A bearer token needs no signature; nats-py sends the JWT only with one, so it is empty.
        return {"user_jwt_cb": lambda: jwt, "signature_cb": lambda _: b""}
    seed = _seed(options)

    def sign(nonce: str) -> bytes:
        return base64.b64encode(nkeys.from_seed(bytearray(seed, "ascii")).sign(nonce.encode()))

    return {"user_jwt_cb": lambda: jwt, "signature_cb": sign}


def _seed(options: ConnectionOptions) -> str:
    """Read and check the seed."""
    if not options.nkey_seed_file:
        return read_seed(options.nkey_seed)
    try:
        return read_seed(Path(options.nkey_seed_file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UnusableCredentials(f"the file of the nkey seed can't be read: {reason}") from error


def read_seed(text: str) -> str:
    """Find the user's seed in a file's text: bare or between BEGIN and END lines, any line ends.

    Raises:
        UnusableCredentials: there is none, or it is malformed.
    """
    lines = [line.strip() for line in text.splitlines()]
    seeds = [line for line in lines if line.startswith("SU")]
    if len(seeds) != 1:
        raise UnusableCredentials("the nkey seed is malformed: it is one line that starts with SU")
    seed = bytearray(seeds[0], "utf-8")
    try:
        nkeys.from_seed(seed)
        raw = base64.b32decode(seed + b"=" * (-len(seed) % 8))
    except Exception as error:  # noqa: BLE001 # the library's choice, see below
        # nkeys lets ValueError and nacl's exceptions through, and their text may quote the input.
        raise UnusableCredentials(
            f"the nkey seed is malformed ({type(error).__name__}): it is 58 letters and digits"
        ) from None
    if nkeys.crc16_checksum(raw[:-2]) != raw[-2:]:
        raise UnusableCredentials("the nkey seed is malformed: its checksum does not match")
    return seeds[0]
