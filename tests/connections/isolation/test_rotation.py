"""A rotated Secret: the new login takes over under load, and soon nobody uses the former one."""

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from connections.isolation.estate import CONNECTION, SECRET, STREAM, Estate
from connections.systems import Identities
from controlplane.accounts import Key, Operator, User
from controlplane.certificates import Authority, Pair
from controlplane.nats import NatsServer
from controlplane.tls import tls_block
from coze_nats.core.conditions import condition
from support.eventually import eventually_async
from support.tenant import Tenant

STREAMS = 20
WITHIN = 30.0
"""Seconds after which nobody may use the former login."""

Data = Mapping[str, str]
RunServer = Callable[..., NatsServer]


@dataclass(frozen=True)
class Rotation:
    """A way to log in, with a former and a next login.

    Attributes:
        fields: of the connection's auth, each with its key in the Secret.
        config: of a server that lets both in, or the one and then the other.
        tls: of the connection.
    """

    name: str
    auth: Mapping[str, Any]
    former: Data
    next: Data
    config: str
    next_config: str = ""
    tls: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return self.name


def key(name: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": SECRET, "key": name}}


def rotations() -> list[Rotation]:
    one, two = Key(), Key()
    operator = Operator()
    account = operator.account("A")
    first, second = account.user(), account.user()

    def signed(user: User) -> Data:
        return {"j": user.jwt, "n": user.seed}

    both = "user: a, password: pa }, { user: b, password: pb"
    return [
        Rotation(
            "token, where a server knows only one",
            {"token": key("t")},
            {"t": "former-token"},
            {"t": "next-token"},
            'authorization { token: "former-token" }',
            'authorization { token: "next-token" }',
        ),
        Rotation(
            "user and password",
            {"userPassword": {"username": key("u"), "password": key("p")}},
            {"u": "a", "p": "pa"},
            {"u": "b", "p": "pb"},
            f"authorization {{ users: [{{ {both} }}] }}",
        ),
        Rotation(
            "nkey",
            {"nkey": key("n")},
            {"n": one.seed},
            {"n": two.seed},
            f"authorization {{ users: [{{ nkey: {one.public} }}, {{ nkey: {two.public} }}] }}",
        ),
        Rotation(
            "creds",
            {"creds": key("c")},
            {"c": first.creds},
            {"c": second.creds},
            operator.config,
        ),
        Rotation(
            "jwt and nkey",
            {"jwt": key("j"), "nkey": key("n")},
            signed(first),
            signed(second),
            operator.config,
        ),
        Rotation(
            "bearer jwt",
            {"jwt": key("j")},
            {"j": account.user(bearer=True).jwt},
            {"j": account.user(bearer=True).jwt},
            operator.config,
        ),
    ]


def of_certificates(authority: Authority) -> Rotation:
    """Another client certificate and its key, where that is all of the login."""

    def shown(pair: Pair) -> Data:
        return {
            "ca": authority.certificate.read_text(),
            "tls.crt": pair.certificate.read_text(),
            "tls.key": pair.key.read_text(),
        }

    return Rotation(
        "client certificate",
        {},
        shown(authority.issue_client("former", [])),
        shown(authority.issue_client("next", [])),
        tls_block(authority, verify=True),
        tls={"ca": key("ca"), "certificate": {"secretName": SECRET}},
    )


def put(tenant: Tenant, data: Data) -> None:
    """Create or replace the Secret, as any tool would: the operator has to find out."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": tenant.namespace},
        "data": {name: base64.b64encode(text.encode()).decode() for name, text in data.items()},
    }
    if not tenant.client.create(secret).accepted:
        assert tenant.client.replace(secret).accepted


def sessions(server: NatsServer) -> set[int]:
    """The sessions of the operator at a server."""
    return {
        each["cid"]
        for each in server.monitor("/connz")["connections"]
        if each.get("name") == "coze-nats-operator"
    }


def cases() -> list[Any]:
    """The first one is done in every run."""
    first, *others = rotations()
    return [first, *(pytest.param(each, marks=pytest.mark.slow) for each in others)]


@pytest.mark.parametrize("rotation", cases(), ids=str)
async def test_a_rotated_secret_takes_over_under_load(
    estate: Estate, host: Tenant, run_server: RunServer, rotation: Rotation
) -> None:
    await takes_over(estate, host, run_server, rotation)


@pytest.mark.slow
async def test_a_rotated_client_certificate_takes_over_under_load(
    estate: Estate, host: Tenant, run_server: RunServer, identities: Identities
) -> None:
    await takes_over(estate, host, run_server, of_certificates(identities.authority))


async def takes_over(
    estate: Estate, host: Tenant, run_server: RunServer, rotation: Rotation
) -> None:
    """Rotate while streams are made: nothing flaps, and soon the next login is the only one."""
    server = run_server(config=rotation.config)
    put(host, rotation.former)
    fields = {"auth": rotation.auth, "tls": rotation.tls}
    used = {name: value for name, value in fields.items() if value}
    host.apply(CONNECTION, "events", servers=[server.url], **used)
    for number in range(STREAMS):
        declare(host, number)
    for number in range(STREAMS):
        await host.ready(STREAM, f"s{number}", within=40)
    before = [since(host, STREAM, f"s{number}") for number in range(STREAMS)]
    connected = since(host, CONNECTION, "events")
    former = sessions(server)
    assert former

    put(host, rotation.next)
    start = time.monotonic()
    if rotation.next_config:
        server.reload(rotation.next_config)
    more = STREAMS

    async def taken_over() -> bool:
        nonlocal more
        declare(host, more)
        more += 1
        return bool(sessions(server)) and not sessions(server) & former

    await eventually_async(taken_over, WITHIN, "the next login to be the only one")
    assert time.monotonic() - start < WITHIN
    for number in range(more):
        await host.ready(STREAM, f"s{number}", within=40)
    assert [since(host, STREAM, f"s{number}") for number in range(STREAMS)] == before
    assert since(host, CONNECTION, "events") == connected
    for secret in (*rotation.former.values(), *rotation.next.values()):
        assert not [line for line in telling(secret) if line in estate.operator.log]
    await asyncio.gather(*(gone(host, number) for number in range(more)))


def telling(secret: str) -> list[str]:
    """The lines of a secret that can't be in a text by chance."""
    return [line for line in secret.splitlines() if len(line) > 3 and not line.startswith("--")]


def declare(host: Tenant, number: int) -> None:
    name = f"s{number}"
    host.stream(name, subjects=[name], storage="memory", connection={"name": "events"})


def since(host: Tenant, kind: str, name: str) -> str:
    """Since when it is as ready as it is: a flap would show."""
    ready = condition(host.status(kind, name), "Ready")
    assert ready
    assert ready["status"] == "True"
    return str(ready["lastTransitionTime"])


async def gone(host: Tenant, number: int) -> None:
    host.delete(STREAM, f"s{number}")
    await host.gone(STREAM, f"s{number}", within=40)
