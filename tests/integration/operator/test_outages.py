"""NATS away, NATS empty, the operator killed: in the end all is converged, nothing is left over."""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually, eventually_async

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
KILLS = int(os.environ.get("KILLS", "8"))


async def test_nats_restarted_empty_gets_everything_back(
    tenant: Any, world: Any, jetstream: Gateway
) -> None:
    for number in range(10):
        tenant.stream(f"s{number}", subjects=[f"s{number}"], storage="memory")
        tenant.consumer(f"c{number}", streamRef={"name": f"s{number}"})
    for number in range(10):
        await tenant.ready(CONSUMER, f"c{number}")
    world.nats.restart(wipe=True)

    async def all_are_back() -> bool:
        listing = await jetstream.streams()
        return {f"s{n}" for n in range(10)} <= listing.found.keys() and all(
            [await jetstream.consumer(f"s{n}", f"c{n}") for n in range(10)]
        )

    async def seen() -> bool:
        try:
            return await all_are_back()
        except Exception:  # noqa: BLE001 - the test's own connection is coming back too
            return False

    await eventually_async(seen, 60, "all streams and consumers")
    for number in range(10):
        await tenant.ready(STREAM, f"s{number}")
        await tenant.ready(CONSUMER, f"c{number}")


async def test_a_server_that_comes_back_without_jetstream_leaves_nothing_ready(
    tenant: Any, world: Any
) -> None:
    """It is away for less than anybody is told of, and its session is there all the time after."""
    tenant.stream("kept", subjects=["kept"])
    tenant.stream("unwanted", subjects=["unwanted"])
    tenant.consumer("reader", streamRef={"name": "kept"})
    declared = ((STREAM, "kept"), (STREAM, "unwanted"), (CONSUMER, "reader"))
    for kind, name in declared:
        await tenant.ready(kind, name)
    world.nats.restart(config="jetstream: disabled")
    try:
        for kind, name in declared:
            status = await tenant.reports(kind, name, "Reconciling", "Retrying")
            assert "nobody answers on $JS.API.INFO" in status["conditions"][0]["message"]
        versions = [tenant.get(*resource)["metadata"]["resourceVersion"] for resource in declared]
        failures = world.operator.log.count("put off")
        eventually(lambda: world.operator.log.count("put off") > failures + 3, 60, "more failures")
        assert versions == [
            tenant.get(*resource)["metadata"]["resourceVersion"] for resource in declared
        ], "told once"
        tenant.delete(STREAM, "unwanted")
    finally:
        world.nats.restart(config="")
    await tenant.ready(STREAM, "kept")
    await tenant.ready(CONSUMER, "reader")
    await tenant.gone(STREAM, "unwanted")


async def test_deletion_waits_for_nats_and_says_so(tenant: Any, world: Any) -> None:
    tenant.stream("waiting", subjects=["waiting"])
    await tenant.ready(STREAM, "waiting")
    world.nats.stop()
    try:
        tenant.delete(STREAM, "waiting")
        status = await tenant.reports(
            STREAM, "waiting", "Reconciling", "NATSUnavailable", within=40
        )
        assert "deletion waits" in status["conditions"][0]["message"]
    finally:
        world.nats.start()
    await tenant.gone(STREAM, "waiting")


async def test_an_unreachable_server_at_the_start_is_told_and_awaited(
    installed: KubernetesAPI, resources: Any, tmp_path: Path
) -> None:
    server = NatsServer(store_dir=tmp_path / "store").start()
    server.stop()
    kubeconfig = installed.service_account_kubeconfig("coze-nats-system", "coze-nats-operator")
    operator = OperatorProcess(
        kubeconfig, server.url, arguments=("--namespace=patient", "--resync-interval=2s")
    )
    resources.create_namespace("patient")
    wanted = {
        "apiVersion": names.API_VERSION,
        "kind": STREAM,
        "metadata": {"name": "patient", "namespace": "patient"},
        "spec": {},
    }
    assert resources.create(wanted).accepted

    def ready() -> dict[str, Any]:
        found = resources.get(wanted).document.get("status", {})
        return dict(found.get("conditions", [{}])[0])

    try:
        operator.start(until_ready=False)
        eventually(lambda: ready().get("reason") == "NATSUnavailable", 60, "the condition")
        code, body = operator.probe("/readyz")
        assert code == 503
        assert "connection refused" in body
        assert operator.probe("/healthz")[0] == 200
        assert str(server.port) in operator.log
        server.start()
        eventually(lambda: ready().get("status") == "True", 60, "Ready")
        eventually(lambda: operator.probe("/readyz")[0] == 200, 60, "readiness")
        resources.delete(wanted)
        eventually(lambda: not resources.get(wanted).accepted, 20, "deletion")
    finally:
        operator.remove()
        server.stop()


async def test_a_shutdown_finishes_and_exits_cleanly(tenant: Any, world: Any) -> None:
    tenant.stream("before", subjects=["before"])
    await tenant.ready(STREAM, "before")
    assert world.operator.stop() == 0
    assert "Traceback" not in world.operator.log
    tenant.stream("meanwhile", subjects=["meanwhile"])
    world.operator.start()
    await tenant.ready(STREAM, "meanwhile")


@pytest.mark.timeout(300 + 30 * KILLS)
async def test_killed_at_random_moments_it_still_converges(
    tenant: Any, world: Any, jetstream: Gateway
) -> None:
    names_ = [f"k{number}" for number in range(100)]

    async def apply_all() -> None:
        for name in names_:
            tenant.stream(name, subjects=[name], storage="memory", maxMsgs=random.randint(1, 9))
            tenant.consumer(name, streamRef={"name": name})
            await asyncio.sleep(0)

    async def kill_often() -> None:
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(0, 0.5))
            world.operator.kill()
            world.operator.start(until_ready=False)

    applying = asyncio.create_task(asyncio.to_thread(asyncio.run, apply_all()))
    await kill_often()
    await applying
    for name in names_:
        await tenant.ready(STREAM, name, within=60)
        await tenant.ready(CONSUMER, name, within=60)
    listing = await jetstream.streams()
    ours = [
        stream for stream in listing.found.values() if f"/{tenant.namespace}/" in owner_of(stream)
    ]
    assert sorted(stream.name for stream in ours) == sorted(names_)
    for name in names_:
        assert set((await jetstream.consumers(name)).found) == {name}
