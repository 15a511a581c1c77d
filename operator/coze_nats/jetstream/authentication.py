"""From options to what nats-py wants for logging in and for TLS; key files are read in here.

Called anew for every attempt to connect, so that a rotated Secret is picked up.
"""

import base64
import re
from contextlib import suppress
from pathlib import Path
from ssl import SSLContext
from typing import Any

import nkeys

from coze_nats.core.words import Secrets
from coze_nats.jetstream.options import Address, ConnectionOptions

_JWT = re.compile(r"eyJ[\w-]*\.[\w-]+\.[\w-]+")


class UnusableCredentials(Exception):
    """A seed, a JWT or a creds file can't be used; the message says why and shows no secret."""


def connect_arguments(
    options: ConnectionOptions, address: Address, context: SSLContext | None = None
) -> dict[str, Any]:
    """Build the keyword arguments of nats-py's connect that log in at one server.

    Args:
        context: for TLS, where it is required.

    Raises:
        UnusableCredentials: a file can't be read, or what it holds is malformed.
    """
    arguments = _login(options, address)
    if context is not None:
        arguments["tls"] = context
        arguments["tls_handshake_first"] = options.handshake_first
    if options.server_name:
        arguments["tls_hostname"] = options.server_name
    return arguments


def secrets_of(options: ConnectionOptions, address: Address) -> Secrets:
    """What one server gets, or could get, to know by a login."""
    texts = [options.token, options.password, options.jwt, options.private_key]
    texts += [address.password or address.username, options.creds, options.nkey_seed]
    for option in ("creds", "nkey_seed"):
        if getattr(options, f"{option}_file"):
            with suppress(UnusableCredentials):
                texts.append(_text(options, option))
    lines = {line.strip() for text in texts for line in text.splitlines()}
    values = {line for line in lines if not line.startswith("---")}
    return Secrets(values, names=(options.user.strip(), address.username))


def _login(options: ConnectionOptions, address: Address) -> dict[str, Any]:
    # Secrets often arrive with the line end of the file that they were made from.
    if options.has("creds"):
        return _jwt_login(*read_creds(_text(options, "creds")))
    if options.jwt:
        seed = read_seed(_text(options, "nkey_seed")) if options.has("nkey_seed") else ""
        return _jwt_login(read_jwt(options.jwt), seed)
    if options.has("nkey_seed"):
        return {"nkeys_seed_str": read_seed(_text(options, "nkey_seed"))}
    if options.token:
        return {"token": _not_blank(options.token.strip(), "token")}
    if options.user:
        password = _not_blank(options.password.rstrip("\r\n"), "password")
        return {"user": _not_blank(options.user.strip(), "user name"), "password": password}
    if address.password:
        return {"user": address.username, "password": address.password}
    return {"token": address.username} if address.username else {}


def _jwt_login(jwt: str, seed: str) -> dict[str, Any]:
    if not seed:
        # A bearer token needs no signature; nats-py sends the JWT only with one, so it is empty.
        return {"user_jwt_cb": jwt.encode, "signature_cb": lambda _: b""}

    def sign(nonce: str) -> bytes:
        return base64.b64encode(nkeys.from_seed(bytearray(seed, "ascii")).sign(nonce.encode()))

    return {"user_jwt_cb": jwt.encode, "signature_cb": sign}


def _not_blank(value: str, content: str) -> str:
    if not value:
        raise UnusableCredentials(f"the {content} is blank")
    return value


def _text(options: ConnectionOptions, option: str) -> str:
    """The option, or what the file of that name holds."""
    path = getattr(options, f"{option}_file")
    if not path:
        return str(getattr(options, option))
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        content = {"creds": "the creds", "nkey_seed": "the nkey seed"}[option]
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UnusableCredentials(f"the file of {content} can't be read: {reason}") from None


def read_creds(text: str) -> tuple[str, str]:
    """Find the JWT and the seed in the text of a creds file, with any line ends.

    Raises:
        UnusableCredentials: one is missing, twice there or malformed.
    """
    try:
        return read_jwt(text), read_seed(text)
    except UnusableCredentials as error:
        raise UnusableCredentials(f"the creds can't be used: {error}") from None


def read_jwt(text: str) -> str:
    """Find the user's JWT in a text: bare or between BEGIN and END lines, any line ends.

    Raises:
        UnusableCredentials: there is none, or several.
    """
    found = [line.strip() for line in text.splitlines() if _JWT.fullmatch(line.strip())]
    if len(found) != 1:
        raise UnusableCredentials(
            "the user's JWT is malformed: it is the one line between BEGIN NATS USER JWT and END "
            "NATS USER JWT"
        )
    return found[0]


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
