"""Deletion under trouble: it waits with a condition that says how to let the resource go."""

from collections.abc import Callable
from typing import Any

import pytest
from nats.aio.client import Client

from coze_nats.core import names
from coze_nats.core.conditions import condition
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually_async

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
DELETE = {"deletion": "Delete"}
MOST = 2


@pytest.fixture(scope="module")
def world(run_operator: Callable[..., Any]) -> Any:
    return run_operator("2.14.6", f"--max-deletions-per-minute={MOST}")


async def test_an_annotation_lets_a_resource_go_while_nats_is_away(
    tenant: Any, world: Any, jetstream: Gateway
) -> None:
    tenant.stream("stuck", subjects=["stuck"])
    tenant.consumer("work", streamRef={"name": "stuck"})
    await tenant.ready(CONSUMER, "work")
    world.nats.halt()
    try:
        for kind, name in ((CONSUMER, "work"), (STREAM, "stuck")):
            tenant.delete(kind, name)
            status = await tenant.reports(kind, name, "Reconciling", "NATSUnavailable", within=40)
            assert "jetstream.coze.dev/release=true" in status["conditions"][0]["message"]
            tenant.annotate(kind, name, release="true")
            await tenant.gone(kind, name, within=60)
            assert "released by annotation" in await tenant.event(name, "Released")
    finally:
        world.nats.start()

    async def is_there() -> bool:
        try:
            return await jetstream.consumer("stuck", "work") is not None
        except Exception:  # noqa: BLE001 - the test's own connection is coming back too
            return False

    await eventually_async(is_there, what="the consumer, untouched")
    await jetstream.delete_stream("stuck")


async def test_a_resource_that_was_not_deleted_is_not_let_go_by_the_annotation(
    tenant: Any, jetstream: Gateway
) -> None:
    tenant.stream("living", subjects=["living"])
    await tenant.ready(STREAM, "living")
    tenant.annotate(STREAM, "living", release="true")
    tenant.stream("living", subjects=["living"], maxMsgs=9)
    await tenant.ready(STREAM, "living")
    assert tenant.told("living", "Released") == []
    stream = await jetstream.stream("living")
    assert stream
    assert stream.config["max_msgs"] == 9


async def test_mass_deletion_of_streams_with_messages_waits_for_a_yes(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    streams = [f"mass{number}" for number in range(5)]
    for name in (*streams, "empty"):
        tenant.stream(name, subjects=[name], policies=DELETE)
        await tenant.ready(STREAM, name)
    for name in streams:
        await client.jetstream().publish(name, b"precious")
    for name in (*streams, "empty"):
        tenant.delete(STREAM, name)
    await tenant.gone(STREAM, "empty")

    async def waiting() -> list[str]:
        left = [name for name in streams if tenant.get(STREAM, name)]
        is_told = all(_stalls_for_mass(tenant, name) for name in left)
        return left if is_told and len(left) == len(streams) - MOST else []

    held = await eventually_async(waiting, what="the brake")
    assert {f"mass{n}" for n in range(5)} & (await jetstream.streams()).found.keys() == set(held)
    confirmed, released, last = held
    tenant.annotate(STREAM, confirmed, confirm_deletion="true")
    await tenant.gone(STREAM, confirmed)
    assert await jetstream.stream(confirmed) is None
    tenant.annotate(STREAM, released, release="true")
    await tenant.gone(STREAM, released)
    assert await jetstream.stream(released) is not None
    assert _stalls_for_mass(tenant, last)
    assert await jetstream.stream(last) is not None
    tenant.annotate(STREAM, last, confirm_deletion="true")
    await tenant.gone(STREAM, last)
    await jetstream.delete_stream(released)


def _stalls_for_mass(tenant: Any, name: str) -> bool:
    stalled = condition(tenant.status(STREAM, name), "Stalled") or {}
    remedy = "jetstream.coze.dev/confirm-deletion=true"
    return stalled.get("reason") == "MassDeletion" and remedy in stalled["message"]
