"""What can be wrong with TLS, on real servers: each has a reason, and none lets a secret out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from connections.systems import (
    FIRST,
    MUTUAL,
    PASSWORD,
    PLAIN,
    TLS,
    USER,
    VERSIONS,
    Encryption,
    Identities,
    Options,
    Systems,
)
from controlplane.nats import NatsServer
from controlplane.tls import tls_block
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.gateway import Gateway
from support.connections import connected, started
from support.until import until

RunServer = Callable[..., NatsServer]
LOGIN = {"user": USER, "password": PASSWORD}


pytestmark = pytest.mark.parametrize(
    "version",
    [pytest.param(each, marks=() if each == "2.14.6" else pytest.mark.slow) for each in VERSIONS],
)
Change = Callable[[Identities, Options], Options]


def _without(*names: str) -> Change:
    return lambda _, options: {key: value for key, value in options.items() if key not in names}


def _with(**more: Any) -> Change:
    return lambda _, options: {**options, **more}


def _foreign_ca(who: Identities, options: Options) -> Options:
    return {**options, "ca": who.foreign.certificate.read_text()}


def _foreign_certificate(who: Identities, options: Options) -> Options:
    pair = who.foreign.issue_client("coze", [])
    own = {"certificate": pair.certificate.read_text(), "private_key": pair.key.read_text()}
    return {**options, **own}


@dataclass(frozen=True)
class Mistake:
    """What is done wrong at a server, and some of the words that it is told with."""

    name: str
    encryption: Encryption
    options: Change
    words: str

    def __str__(self) -> str:
        return self.name


MISTAKES = (
    Mistake(
        "the system's authorities", TLS, _without("ca"), "certificate is not accepted: unable to"
    ),
    Mistake("another authority", TLS, _foreign_ca, "the server's certificate is not accepted: "),
    Mistake("another authority, first", FIRST, _foreign_ca, "certificate is not accepted: "),
    Mistake("another name", TLS, _with(server_name="nats.example"), "not valid for 'nats.example'"),
    Mistake(
        "no certificate",
        MUTUAL,
        _without("certificate", "private_key"),
        "it seems to want a client certificate",
    ),
    Mistake(
        "a foreign certificate", MUTUAL, _foreign_certificate, "to refuse the client certificate"
    ),
    Mistake("the handshake first", TLS, _with(handshake_first=True), "the TLS handshake"),
    Mistake("the handshake first, no TLS", PLAIN, _with(handshake_first=True), "the TLS handshake"),
    Mistake("no TLS there", PLAIN, _with(tls=True), "the server does not offer it"),
    Mistake("a CA that is none", TLS, _with(ca="nonsense"), "the CA can't be used"),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
async def test_a_mistake_about_tls_is_told_as_such(
    systems: Systems, version: str, mistake: Mistake
) -> None:
    server = systems.serving(version, mistake.encryption, "users")
    options = mistake.options(
        systems.identities, systems.identities.tls_options(mistake.encryption)
    )
    async with started(server.url, **options, **LOGIN) as connection:
        await until(lambda: connection.trouble)
        assert connection.trouble is Trouble.TLS
        assert mistake.words in connection.last_error


async def test_a_server_that_wants_the_handshake_first_is_guessed_from_its_silence(
    systems: Systems, version: str
) -> None:
    server = systems.serving(version, FIRST, "users")
    ca = systems.identities.authority.certificate.read_text()
    async with started(server.url, ca=ca, **LOGIN) as connection:
        await until(lambda: connection.trouble)
        assert (
            "no greeting: is it a NATS server, does it want the TLS handshake first?"
            in connection.last_error
        )
        assert connection.trouble is Trouble.UNREACHABLE


async def test_the_name_in_the_certificate_may_be_another_than_that_in_the_url(
    systems: Systems, version: str
) -> None:
    server = systems.serving(version, TLS, "users")
    ca = systems.identities.authority.certificate.read_text()
    async with connected(server.url, ca=ca, server_name="localhost", **LOGIN) as connection:
        assert connection.address == server.url


async def test_a_client_certificate_can_be_the_login(
    run_server: RunServer, systems: Systems, version: str
) -> None:
    who = systems.identities
    mapped = tls_block(who.authority).replace("verify: false", "verify_and_map: true")
    users = "authorization { users: [{ user: CN=coze }] }"
    server = run_server(version, config=f"{users}\n{mapped}")
    async with connected(server.url, **who.tls_options(MUTUAL)) as connection:
        assert (await Gateway(connection).server()).version == version
    stranger = who.authority.issue_client("stranger", [])
    other = {"certificate": stranger.certificate, "private_key": stranger.key}
    options = {**who.tls_options(MUTUAL), **{key: path.read_text() for key, path in other.items()}}
    async with started(server.url, **options) as connection:
        await until(lambda: connection.trouble)
        assert connection.trouble is Trouble.AUTHENTICATION
