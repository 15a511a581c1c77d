"""The operator's own policies hold where a resource names none, and status shows them."""

from collections.abc import Callable
from typing import Any

import pytest
from nats.aio.client import Client

from coze_nats.core import names
from coze_nats.core.ownership import owner_of
from coze_nats.jetstream.gateway import Gateway

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND


@pytest.fixture(scope="module")
def world(run_operator: Callable[..., Any]) -> Any:
    defaults = ("--default-policy=deletion=Retain", "--default-policy=dataLoss=Allow")
    return run_operator("2.14.6", *defaults, COZE_NATS_DEFAULT_POLICIES="missing=Hold")


async def test_defaults_hold_where_a_resource_says_nothing(
    tenant: Any, jetstream: Gateway, client: Client
) -> None:
    tenant.stream("plain", subjects=["plain"])
    tenant.stream("own", subjects=["own"], policies={"deletion": "Delete", "missing": "Recreate"})
    tenant.consumer("work", streamRef={"name": "plain"})
    assert (await tenant.ready(STREAM, "plain"))["policies"] == {
        "deletion": "Retain",
        "adoption": "IfIdentical",
        "dataLoss": "Allow",
        "replacement": "Block",
        "ownership": "Mark",
        "missing": "Hold",
    }
    policies = (await tenant.ready(STREAM, "own"))["policies"]
    assert (policies["deletion"], policies["missing"]) == ("Delete", "Recreate")
    policies = (await tenant.ready(CONSUMER, "work"))["policies"]
    assert (policies["deletion"], policies["missing"]) == ("Retain", "Hold")
    assert policies["position"] == "Keep"
    for _ in range(3):
        await client.jetstream().publish("plain", b"one of three")
    tenant.stream("plain", subjects=["plain"], maxMsgs=1)
    await tenant.ready(STREAM, "plain")
    tenant.delete(STREAM, "plain")
    tenant.delete(STREAM, "own")
    await tenant.gone(STREAM, "plain")
    await tenant.gone(STREAM, "own")
    plain = await jetstream.stream("plain")
    assert plain
    assert (plain.messages, owner_of(plain)) == (1, "")
    assert await jetstream.stream("own") is None
