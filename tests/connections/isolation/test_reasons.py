"""Every reason of a connection comes about on real servers, in the words that the page quotes."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connections.isolation.estate import CONNECTION, STREAM, Estate, connected, to
from controlplane import ports
from controlplane.nats import NatsServer
from coze_nats.core.conditions import condition
from support.tenant import Tenant

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reasons.md"
EXAMPLE = "nats://nats.example.com:4222"
"""What stands on the page for a server of these tests."""

NOT_ALL = """
accounts { A { jetstream: enabled, users: [
  { user: a, password: a, permissions: { publish: { deny: "$JS.API.INFO" } } }
] } }
"""


def from_secret(key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": "events-nats", "key": key}}


@dataclass(frozen=True, slots=True)
class Case:
    """A connection that has something wrong, and what it comes to.

    Attributes:
        kept: what the Secret holds; None: there is none.
        server: which of the servers it is to.
    """

    reason: str
    spec: Mapping[str, Any]
    kept: Mapping[str, str] | None = field(default_factory=dict)
    server: str = "red"
    type: str = "Stalled"


TOKEN = {"auth": {"token": from_secret("token")}}
CASES = {
    "no Secret": Case("SecretNotFound", TOKEN, None),
    "no ConfigMap": Case(
        "SecretNotFound",
        {"tls": {"ca": {"configMapKeyRef": {"name": "authority", "key": "ca.crt"}}}},
    ),
    "no key": Case("SecretKeyMissing", TOKEN, {"other": "x"}),
    "an empty key": Case("SecretKeyMissing", TOKEN, {"token": ""}),
    "no seed": Case("CredentialsInvalid", {"auth": {"nkey": from_secret("seed")}}, {"seed": "SU"}),
    "no creds file": Case(
        "CredentialsInvalid", {"auth": {"creds": from_secret("user.creds")}}, {"user.creds": "x"}
    ),
    "no JWT": Case("CredentialsInvalid", {"auth": {"jwt": from_secret("jwt")}}, {"jwt": "x"}),
    "a wrong token": Case("AuthenticationFailed", TOKEN, {"token": "wrong"}),
    "no TLS there": Case("TLSFailed", {"tls": {}, **TOKEN}, {"token": "red-token"}),
    "no server": Case("Unreachable", {}, server="none", type="Reconciling"),
    "no JetStream there": Case(
        "JetStreamDisabled", {"domain": "elsewhere", **TOKEN}, {"token": "red-token"}
    ),
    "not all rights": Case(
        "PermissionDenied",
        {
            "auth": {
                "userPassword": {
                    "username": from_secret("user"),
                    "password": from_secret("password"),
                }
            }
        },
        {"user": "a", "password": "a"},
        server="strict",
    ),
    "all right": Case("Connected", TOKEN, {"token": "red-token"}, type="Ready"),
}


@pytest.fixture(scope="session")
def urls(estate: Estate) -> Iterator[Mapping[str, str]]:
    """Servers by what they are for."""
    with NatsServer(name="strict", config=NOT_ALL) as strict:
        nobody = f"nats://{ports.LOOPBACK}:{ports.NOBODY}"
        yield {"red": estate.red.url, "strict": strict.url, "none": nobody}


def entry(reason: str) -> str:
    """What the page says about a reason, as one line."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n### {reason}\n")
    return " ".join(re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0].split())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_what_is_wrong_has_its_reason_and_the_words_of_the_page(
    host: Tenant, urls: Mapping[str, str], case: Case
) -> None:
    if case.kept is not None:
        data = {k: base64.b64encode(v.encode()).decode() for k, v in case.kept.items()}
        metadata = {"name": "events-nats", "namespace": host.namespace}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
        assert host.client.create(body).accepted
    host.apply(CONNECTION, "events", servers=[urls[case.server]], **case.spec)
    status = await host.reports(CONNECTION, "events", case.type, case.reason, within=40)
    ready = condition(status, "Ready")
    assert ready
    said = ready["message"].replace(urls[case.server], EXAMPLE).replace(host.namespace, "shop")
    assert f"`{said}`" in entry(case.reason)


async def test_who_depends_on_a_connection_says_so_in_the_words_of_the_page(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    guest.stream("no-grant", connection=to(host))
    guest.stream("no-connection", connection={"name": "events"})
    said = {"ConnectionNotAllowed": await guest.stalled(STREAM, "no-grant", "ConnectionNotAllowed")}
    for reason in ("ConnectionNotFound", "ConnectionNotReady"):
        status = await guest.reports(STREAM, "no-connection", "Reconciling", reason)
        said[reason] = (condition(status, "Ready") or {})["message"]
        # Without its Secret.
        guest.apply(
            CONNECTION, "events", servers=[watched.red.url], auth={"token": from_secret("token")}
        )
    await connected(host, watched.red)
    host.stream("using", connection={"name": "events"})
    await host.ready(STREAM, "using")
    host.delete(CONNECTION, "events")
    status = await host.reports(CONNECTION, "events", "Reconciling", "InUse")
    said["InUse"] = (condition(status, "Ready") or {})["message"].replace("/using", "/orders")
    for reason, message in said.items():
        words = message.replace(guest.namespace, "shop").replace(host.namespace, "platform")
        assert f"`{words}`" in entry(reason)
