"""Two operators, and a record of who wrote what and when: to the API server, and to JetStream."""

import asyncio
import itertools
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
from nats.aio.msg import Msg

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from coze_nats.core.conditions import is_true
from support import crds
from support.eventually import eventually_async
from support.resources import Resources

ROOT = Path(__file__).resolve().parents[3]
NAMESPACE = "coze-nats-system"
WRITING = frozenset({"create", "update", "patch", "delete"})
DURATION = 13.0
TERMS = ("--lease-duration=13s", "--lease-renew-deadline=8s", "--lease-retry-period=1s")
USERS = ("red", "blue")
_numbers = itertools.count(1)

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "Metadata",
            "users": [f"system:serviceaccount:{NAMESPACE}:{user}" for user in USERS],
        },
        {"level": "None"},
    ],
}
NATS_CONFIG = "authorization {{ users: [{}] }}".format(
    ", ".join(f"{{user: {user}, password: {user}}}" for user in (*USERS, "observer"))
)


class Request(NamedTuple):
    """What one of the operators asked for; `at` is in seconds of the clock that all share."""

    at: float
    user: str
    what: str
    writes: bool


def _seconds(time_: str) -> float:
    return datetime.fromisoformat(time_).timestamp()


class Record:
    """All requests of the operators since it was begun."""

    def __init__(self, audit_log: Path) -> None:
        self._audit_log = audit_log
        self._begun_at = time.time()
        self._started: list[tuple[float, str]] = []
        self._advisories: list[Request] = []

    def hear(self, advisory: bytes) -> None:
        """Take in what JetStream says of a request."""
        told = json.loads(advisory)
        subject = str(told["subject"])
        writes = not {"INFO", "LIST", "NAMES"} & set(subject.split(".")[2:4])
        user = str(told["client"].get("user", ""))
        if user in USERS:
            self._advisories.append(Request(_seconds(told["timestamp"]), user, subject, writes))

    @property
    def requests(self) -> list[Request]:
        """To both, in order; without those about the Lease."""
        return sorted(
            each for each in (*self._advisories, *self._audited()) if each.at >= self._begun_at
        )

    def started(self, user: str) -> None:
        """A new process of this user is about to start; an earlier one has ended."""
        self._started.append((time.time(), user))

    @property
    def writers(self) -> list[str]:
        """The processes that wrote, in order, each named once for each time it was its turn.

        A process is named by its user and its number among those of the user, such as `red 2`.
        """
        writing = [self._process(each) for each in self.requests if each.writes]
        return [process for process, _ in itertools.groupby(writing)]

    def _process(self, request: Request) -> str:
        number = sum(at < request.at and user == request.user for at, user in self._started)
        return f"{request.user} {number}"

    def _audited(self) -> Iterator[Request]:
        # The last line may be half written.
        for line in self._audit_log.read_text().rpartition("\n")[0].splitlines():
            event = json.loads(line)
            if event.get("objectRef", {}).get("resource") == "leases":
                continue
            user = event["user"]["username"].rpartition(":")[2]
            at = _seconds(event["requestReceivedTimestamp"])
            what = f"{event['verb']} {event['requestURI']}"
            yield Request(at, user, what, event["verb"] in WRITING)


class Operator:
    """One of the two operators: a process with a user of its own, here and there."""

    def __init__(
        self, kubernetes: KubernetesAPI, server: NatsServer, record: Record, user: str, *more: str
    ) -> None:
        self.user = user
        self._record = record
        self.process = OperatorProcess(
            kubernetes.service_account_kubeconfig(NAMESPACE, user),
            server.url,
            arguments=("--leader-elect", "--resync-interval=2s", *TERMS, *more),
            environment={"NATS_USERNAME": user, "NATS_PASSWORD": user},
        )

    @property
    def leads(self) -> bool:
        """Whether it says so."""
        return "leading by" in self.process.probe("/readyz")[1]

    async def start(self) -> None:
        """Start a new process, and wait until it leads or stands by."""
        self._record.started(self.user)
        await asyncio.to_thread(self.process.start)

    def freeze(self) -> None:
        """Stop it as a debugger, a full disk or a virtual machine's pause would."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    async def takes_over(self) -> None:
        """Wait until it leads; if it ends, start it again, as the kubelet would.

        On a machine that is too busy for renewals, leaders come and go.
        """

        async def look() -> bool:
            if not self.process.running:
                await self.start()
            return self.leads

        await eventually_async(look, 60, f"the lead of {self.user}")

    async def ends(self) -> None:
        """Wait until its process has ended by itself."""

        async def look() -> bool:
            return not self.process.running

        await eventually_async(look, 60, f"the end of {self.user}")


@dataclass(slots=True)
class World:
    """The servers, and whoever uses them."""

    kubernetes: KubernetesAPI
    nats: NatsServer
    resources: Resources
    record: Record
    operators: tuple[Operator, Operator]

    async def leader(self) -> tuple[Operator, Operator]:
        """Who leads, and the other one; who has ended is started again."""

        async def look() -> list[Operator]:
            for each in self.operators:
                if not each.process.running:
                    await each.start()
            return [each for each in self.operators if each.leads]

        found = (await eventually_async(look, 60, "a leader"))[0]
        return found, next(each for each in self.operators if each is not found)

    def stream(self, name: str) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "default"}
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.STREAM_KIND,
            "metadata": metadata,
            "spec": {"subjects": [name], "storage": "memory"},
        }

    def declare(self) -> str:
        """Have one stream more; returns its name."""
        name = f"stream-{next(_numbers)}"
        assert self.resources.create(self.stream(name)).status == HTTPStatus.CREATED
        return name

    async def is_ready(self, name: str, within: float = 60.0) -> None:
        async def look() -> bool:
            found = self.resources.get(self.stream(name)).document
            return is_true(found.get("status") or {}, "Ready")

        await eventually_async(look, within, f"{name} being ready")

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Declare streams all the time, so that whoever leads writes all the time."""

        async def declare() -> None:
            while True:
                self.declare()
                await asyncio.sleep(0.08)

        declaring = asyncio.create_task(declare())
        try:
            yield
        finally:
            declaring.cancel()
            await asyncio.gather(declaring, return_exceptions=True)


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KubernetesAPI, Path]]:
    """An API server that writes down what the operators ask of it, and where."""
    folder = tmp_path_factory.mktemp("audit")
    policy, log = folder / "policy.json", folder / "audit.log"
    policy.write_text(json.dumps(AUDIT_POLICY))
    log.touch()
    arguments = (f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    with KubernetesAPI(arguments=arguments) as api:
        crds.install(api)
        api.kubectl("apply", "-k", ROOT / "manifests" / "install")
        leases = ("--verb=get,create,update", "--resource=leases.coordination.k8s.io")
        api.kubectl("create", "role", "leases", f"--namespace={NAMESPACE}", *leases)
        for user in USERS:
            account = f"--serviceaccount={NAMESPACE}:{user}"
            api.kubectl("create", "serviceaccount", user, f"--namespace={NAMESPACE}")
            api.kubectl(
                "create", "clusterrolebinding", user, "--clusterrole=coze-nats-operator", account
            )
            api.kubectl(
                *("create", "rolebinding", user, f"--namespace={NAMESPACE}"),
                *("--role=leases", account),
            )
        yield api, log


@pytest.fixture
async def world(kubernetes: tuple[KubernetesAPI, Path]) -> AsyncIterator[World]:
    """Both operators on their way; nothing is declared yet."""
    api, log = kubernetes
    lease = f"--lease-name=test-{next(_numbers)}"
    namespace = f"--lease-namespace={NAMESPACE}"
    record = Record(log)

    async def hear(message: Msg) -> None:
        record.hear(message.data)

    with ExitStack() as running:
        server = running.enter_context(NatsServer(config=NATS_CONFIG))
        red, blue = (Operator(api, server, record, user, lease, namespace) for user in USERS)
        for operator in (red, blue):
            running.callback(operator.process.remove)
        await asyncio.gather(red.start(), blue.start())
        resources = Resources(api)
        observer = await nats.connect(server.url, user="observer", password="observer")
        await observer.subscribe("$JS.EVENT.ADVISORY.API", cb=hear)
        try:
            yield World(api, server, resources, record, (red, blue))
        finally:
            for operator in (red, blue):
                operator.process.kill()
                # Shown by pytest when the test failed.
                logging.getLogger(operator.user).warning("%s", operator.process.log[-4000:])
            await observer.close()
            _clear(resources)
            resources.close()


def _clear(resources: Resources) -> None:
    for resource in resources.all_of(names.STREAM_KIND, "default"):
        resources.delete(resource)
        resources.release(resource)


@pytest.fixture
def new_record() -> type[Record]:
    """Begins a record of what is asked of the API server, from its audit log."""
    return Record


@pytest.fixture
def terms() -> tuple[str, ...]:
    """Flags for the times of a Lease."""
    return TERMS


@pytest.fixture
def duration() -> float:
    """Seconds after which a Lease that nobody renews is taken."""
    return DURATION
