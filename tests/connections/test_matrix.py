"""Every way to log in, over every kind of TLS, on every generation of servers.

Each cell logs in and uses JetStream, is refused with a wrong credential, and sends nothing with a
malformed one. What is logged meanwhile at DEBUG, and what is said, holds no byte of a secret.
"""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from connections.systems import (
    ENCRYPTIONS,
    METHODS,
    PLAIN,
    VERSIONS,
    Encryption,
    Method,
    Systems,
)
from controlplane.nats import NatsServer
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.gateway import Gateway
from support.connections import connected, started
from support.until import until

versions = pytest.mark.parametrize("version", VERSIONS)
encryptions = pytest.mark.parametrize("encryption", ENCRYPTIONS, ids=str)
methods = pytest.mark.parametrize("method", METHODS, ids=str)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of all libraries, at the level that tells most."""
    caplog.set_level(logging.DEBUG)
    return caplog


async def trouble_with(server: NatsServer, options: Mapping[str, Any]) -> tuple[Trouble, str]:
    """What comes of an attempt that can't succeed: the kind of trouble, and all that is said."""
    async with started(server.url, **options) as connection:
        await until(lambda: connection.trouble)
        assert not connection.is_connected
        assert connection.trouble
        return connection.trouble, f"{connection.last_error} {connection.options!r}"


def clients(server: NatsServer) -> list[dict[str, Any]]:
    """The clients that the server has had, those that have gone included."""
    found: list[dict[str, Any]] = server.monitor("/connz?state=any&auth=1")["connections"]
    return found


@versions
@encryptions
@methods
async def test_the_right_credentials_let_in_and_no_others_do(
    systems: Systems,
    version: str,
    encryption: Encryption,
    method: Method,
    everything_logged: pytest.LogCaptureFixture,
) -> None:
    who = systems.identities
    server = systems.serving(version, encryption, method.known_by)
    tls = who.tls_options(encryption)
    right, wrong, malformed = method.right(who), method.wrong(who), method.malformed(who)

    others = {each["cid"] for each in server.monitor("/connz")["connections"]}
    async with connected(server.url, **tls, **right) as connection:
        assert (await Gateway(connection).server()).version == version
        found = server.monitor("/connz")["connections"]
        (seen,) = (each for each in found if each["cid"] not in others)
        assert bool(seen.get("tls_version")) == encryption.on
        assert seen["lang"] == "python3"
        said = repr(connection.options)
    refused, why_refused = await trouble_with(server, {**tls, **wrong})
    unusable, why_unusable = await trouble_with(server, {**tls, **malformed})

    assert (refused, unusable) == (Trouble.AUTHENTICATION, Trouble.CREDENTIALS)
    told = f"{everything_logged.text}\n{said}\n{why_refused}\n{why_unusable}"
    for secret in who.secrets({**tls, **right}) + who.secrets(wrong) + who.secrets(malformed):
        assert secret not in told


@versions
@methods
async def test_where_tls_is_a_must_a_server_without_it_is_told_nothing(
    systems: Systems, version: str, method: Method, everything_logged: pytest.LogCaptureFixture
) -> None:
    who = systems.identities
    server = systems.serving(version, PLAIN, method.known_by)
    others = {each["cid"] for each in clients(server)}
    options = method.right(who)
    trouble, said = await trouble_with(server, {"tls": True, **options})
    assert trouble is Trouble.TLS
    assert "so no credentials were sent" in said
    met = [each for each in clients(server) if each["cid"] not in others]
    # CONNECT, which carries the credentials, is also what names a client's language.
    assert met
    assert not [each for each in met if "lang" in each or "authorized_user" in each]
    for secret in who.secrets(options):
        assert secret not in everything_logged.text + said
