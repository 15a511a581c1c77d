"""The servers and operators of a soak: real ones, with proxies between them.

One operator lives all the time; its figures tell what an operator gathers. Two others share a
Lease, and are ended and started again.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from controlplane import ControlPlaneError, ports
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from faults import site as faults
from soak.feed import Book
from soak.jetstream import Account
from support.eventually import eventually
from support.tcp_proxy import TcpProxy

STEADY, PAIRED = "steady", "paired"
NAMESPACES = (STEADY, PAIRED)
OWN, TENANT = "OWN", "TENANT"
"""Accounts: of the operator's own connection, and of the CozeConnections."""

LOGIN = "tenant-login"
"""The Secret with what the CozeConnections log in with."""

_ARGUMENTS = ("--resync-interval=10s", "--log-level=info")
_LEASE = ("--leader-elect", f"--lease-namespace={faults.ACCOUNT[0]}")


@dataclass(slots=True)
class Replica:
    """A process of the operator that is started again when it ends, as the kubelet would."""

    name: str
    process: OperatorProcess
    is_wanted: bool = True
    ended: int = 0

    async def start(self) -> None:
        """Start it; if it ends at once, whoever starts what has ended will start it again."""
        with contextlib.suppress(ControlPlaneError):
            await asyncio.to_thread(self.process.start, until_ready=False)
        self.is_wanted = True


@dataclass(slots=True)
class Site:
    """The servers, who works on them, and what is known of the messages.

    Attributes:
        to_api: between the API server and the operator of each namespace.
        to_nats: the same for NATS.
        users: of NATS's configuration, with their passwords, by account.
    """

    cluster: faults.Cluster
    nats: NatsServer
    to_api: dict[str, TcpProxy]
    to_nats: dict[str, TcpProxy]
    users: dict[str, dict[str, str]]
    replicas: list[Replica] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    book: Book = field(default_factory=Book)

    @property
    def steady(self) -> Replica:
        return self.replicas[0]

    @property
    def pair(self) -> list[Replica]:
        return self.replicas[1:]

    def to_nats_url(self, namespace: str) -> str:
        """Where an operator of the namespace finds NATS."""
        return f"nats://{ports.LOOPBACK}:{self.to_nats[namespace].port}"

    def write_logins(self) -> None:
        """Put the newest login of the tenant into both Secrets."""
        user, password = list(self.users[TENANT].items())[-1]
        secrets_ = {
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": LOGIN, "namespace": namespace},
                    "stringData": {"username": user, "password": password},
                }
                for namespace in NAMESPACES
            ],
        }

        def are_written() -> bool:
            words, text = ("apply", "-f", "-"), json.dumps(secrets_)
            return self.cluster.api.kubectl(*words, input=text, check=False).returncode == 0

        eventually(are_written, 300, "the Secrets")

    def nats_config(self) -> str:
        return configuration(self.users)


@contextmanager
def site(directory: Path) -> Iterator[Site]:
    """All of it; operators are yet to be started, namespaces to be made."""
    people = secrets.token_hex(8)
    users = {
        OWN: {"operator": secrets.token_hex(8), "people": people},
        TENANT: {"visitors": people, "tenant-0": secrets.token_hex(8)},
    }
    with faults.cluster(directory) as cluster, NatsServer(config=configuration(users)) as nats:
        found = Site(cluster, nats, {}, {}, users)
        found.accounts = {
            OWN: Account(OWN, nats.url, "people", people),
            TENANT: Account(TENANT, nats.url, "visitors", people),
        }
        with _proxies(found), _operators(found):
            yield found


@contextmanager
def _proxies(found: Site) -> Iterator[None]:
    api, nats = found.cluster.api.port, found.nats.port
    with (
        TcpProxy(api) as one,
        TcpProxy(api) as two,
        TcpProxy(nats) as three,
        TcpProxy(nats) as four,
    ):
        found.to_api = dict(zip(NAMESPACES, (one, two), strict=True))
        found.to_nats = dict(zip(NAMESPACES, (three, four), strict=True))
        yield


@contextmanager
def _operators(found: Site) -> Iterator[None]:
    found.replicas = [
        Replica(STEADY, _operator(found, STEADY)),
        Replica(f"{PAIRED} 1", _operator(found, PAIRED, *_LEASE)),
        Replica(f"{PAIRED} 2", _operator(found, PAIRED, *_LEASE)),
    ]
    try:
        yield
    finally:
        for replica in found.replicas:
            replica.process.remove()


def _operator(found: Site, namespace: str, *arguments: str) -> OperatorProcess:
    return OperatorProcess(
        faults.kubeconfig(found.cluster.api, namespace, found.to_api[namespace]),
        found.to_nats_url(namespace),
        arguments=(f"--namespace={namespace}", *_ARGUMENTS, *arguments),
        environment={
            "NATS_USERNAME": "operator",
            "NATS_PASSWORD": found.users[OWN]["operator"],
        },
    )


def configuration(users: dict[str, dict[str, str]]) -> str:
    """The accounts of a nats-server with these users."""
    accounts = []
    for account, passwords in users.items():
        logins = ", ".join(
            f"{{user: {json.dumps(user)}, password: {json.dumps(password)}}}"
            for user, password in passwords.items()
        )
        accounts.append(f"{account} {{ jetstream: enabled, users: [{logins}] }}")
    return f"accounts {{ {', '.join(accounts)} }}"
