"""Two shards: each looks after what uses its connections, and touches nothing else."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from coze_nats.core.conditions import is_true
from coze_nats.core.shards import Shard, owner
from support.eventually import eventually_async
from support.resources import Resources

NAMESPACE = "coze-nats-system"
USERS = ("red", "blue")


class Shards:
    """Two operators, and a connection for each: `connections` are named by who has them."""

    def __init__(self, api: KubernetesAPI, record: Any) -> None:
        self.api = api
        self.record = record
        self.resources = Resources(api)
        self.connections = {
            user: next(
                name
                for name in map("nats-{}".format, itertools.count())
                if Shard(index, 2).holds(f"default/{name}")
            )
            for index, user in enumerate(USERS)
        }

    def resource(self, kind: str, name: str, **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": names.API_VERSION,
            "kind": kind,
            "metadata": {"name": name, "namespace": "default"},
            "spec": spec,
        }

    def declare(self, kind: str, name: str, **spec: Any) -> None:
        verdict = self.resources.create(self.resource(kind, name, **spec))
        assert verdict.status == HTTPStatus.CREATED, verdict.message

    async def is_ready(self, kind: str, name: str) -> None:
        async def look() -> bool:
            found = self.resources.get(self.resource(kind, name)).document
            return is_true(found.get("status") or {}, "Ready")

        await eventually_async(look, 60, f"{kind} {name} being ready")

    async def is_gone(self, kind: str, name: str) -> None:
        async def look() -> bool:
            return self.resources.get(self.resource(kind, name)).status == HTTPStatus.NOT_FOUND

        await eventually_async(look, 60, f"the end of {kind} {name}")

    def touched(self, user: str) -> set[str]:
        """The names of the resources that an operator wrote to."""
        return {
            each.what.partition("?")[0].removesuffix("/status").rpartition("/")[2]
            for each in self.record.requests
            if each.writes and each.user == user and "/events" not in each.what
        }


async def started(
    running: ExitStack, api: KubernetesAPI, user: str, shard: str, servers: str, *more: str
) -> OperatorProcess:
    """A shard's operator, until `running` ends."""
    process = OperatorProcess(
        api.service_account_kubeconfig(NAMESPACE, user),
        servers,
        arguments=(f"--shard={shard}", f"--lease-namespace={NAMESPACE}", *more),
    )
    running.callback(process.remove)
    await asyncio.to_thread(process.start)
    return process


@pytest.fixture
async def shards(kubernetes: tuple[KubernetesAPI, Path], new_record: Any) -> AsyncIterator[Shards]:
    api, log = kubernetes
    found = Shards(api, new_record(log))
    with ExitStack() as running:
        for user, connection in found.connections.items():
            server = running.enter_context(NatsServer())
            found.declare(names.CONNECTION_KIND, connection, servers=[server.url])
            shard = f"{USERS.index(user)}/2"
            await started(running, api, user, shard, "", "--resync-interval=2s")
        yield found
        for kind in (names.CONSUMER_KIND, names.STREAM_KIND, names.CONNECTION_KIND):
            for resource in found.resources.all_of(kind, "default"):
                found.resources.delete(resource)
                found.resources.release(resource)
        found.resources.close()


async def test_shards_of_another_number_wait_until_the_last_of_the_former_has_ended(
    kubernetes: tuple[KubernetesAPI, Path], new_record: Any, terms: tuple[str, ...], duration: float
) -> None:
    api, log = kubernetes
    found = Shards(api, new_record(log))
    with ExitStack() as running:
        server = running.enter_context(NatsServer())

        start = partial(started, running, api)
        more = (server.url, "--lease-name=divided", *terms)

        def says(process: OperatorProcess, words: str) -> Callable[[], Awaitable[bool]]:
            async def look() -> bool:
                return words in process.probe("/readyz")[1]

            return look

        def renewed() -> datetime:
            where = ("lease", "divided", f"--namespace={NAMESPACE}")
            shown = api.kubectl("get", *where, "--output=jsonpath={.spec.renewTime}").stdout
            return datetime.fromisoformat(shown)

        # Both would look after the operator's own connection, by different Leases of their own.
        index = owner("", 2)
        count = next(n for n in itertools.count(3) if owner("", n) != index)
        former = await start("red", f"{index}/2", *more)
        await eventually_async(says(former, "leading by"), 60, "the lead of the former")
        newer = await start("blue", f"{owner('', count)}/{count}", *more)
        await eventually_async(says(newer, "shards-of-2 holds Lease"), 60, "the wait of the newer")
        found.declare(names.STREAM_KIND, "divided", storage="memory")
        await found.is_ready(names.STREAM_KIND, "divided")
        begun = renewed()

        async def goes_on() -> bool:
            assert not await says(newer, "leading by")()
            # Longer than it takes to follow somebody who is dead.
            return (renewed() - begun).total_seconds() > 2 * duration

        await eventually_async(goes_on, 120, "the renewals of the former")
        assert found.touched("blue") == set()
        await asyncio.to_thread(former.stop)
        await eventually_async(says(newer, "leading by"), 60, "the lead of the newer")
        found.resources.delete(found.resource(names.STREAM_KIND, "divided"))
        await found.is_gone(names.STREAM_KIND, "divided")
        assert found.touched("blue") == {"divided"}
    found.resources.close()


async def test_each_shard_looks_after_its_connections_and_touches_nothing_else(
    shards: Shards,
) -> None:
    for user, connection in shards.connections.items():
        # The consumer first: whose it is can't be known before its stream is there.
        shards.declare(names.CONSUMER_KIND, f"{user}-work", streamRef={"name": user})
        shards.declare(names.STREAM_KIND, user, connection={"name": connection}, storage="memory")
    for user, connection in shards.connections.items():
        await shards.is_ready(names.CONNECTION_KIND, connection)
        await shards.is_ready(names.STREAM_KIND, user)
        await shards.is_ready(names.CONSUMER_KIND, f"{user}-work")
    for user in USERS:
        for kind, name in ((names.CONSUMER_KIND, f"{user}-work"), (names.STREAM_KIND, user)):
            shards.resources.delete(shards.resource(kind, name))
            await shards.is_gone(kind, name)
    for user, other in (USERS, USERS[::-1]):
        touched = shards.touched(user)
        assert {user, f"{user}-work", shards.connections[user]} <= touched
        assert not {other, shards.connections[other]} & touched
    leases = shards.api.kubectl("get", "leases", f"--namespace={NAMESPACE}", "-o=name").stdout
    assert "/coze-nats-operator-0" in leases
    assert "/coze-nats-operator-1" in leases
