"""No silent status: any valid resource, beside any live stream, soon has a status about its spec.

Whatever it is: characters of all of Unicode, the largest sizes, names of strangers, policies.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import nats
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from coze_nats.core import names
from coze_nats.jetstream.gateway import Gateway
from support.eventually import eventually_async
from support.specs import consumer_specs, stream_specs
from support.tenant import Tenant

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
SOON = 35.0
"""Seconds: what a consumer waits in silence for a stream while others are made, and a bit."""

POLICIES = {
    "adoption": ("IfIdentical", "Always", "Never"),
    "dataLoss": ("Block", "Allow"),
    "deletion": ("DeleteIfEmpty", "Delete", "Retain"),
    "missing": ("Recreate", "Hold"),
    "replacement": ("Block", "Recreate"),
    "ownership": ("Mark", "Record"),
}

Json = dict[str, Any]


def drawn(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """As many examples, the same for the same number."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found


def text(chance: random.Random, most: int) -> str:
    """Any characters that JSON can hold, of all planes, and never a surrogate."""
    found = [
        chr(chance.choice((chance.randrange(32, 0xD800), chance.randrange(0xE000, 0x110000))))
        for _ in range(chance.randrange(most))
    ]
    return "".join(found)


def hostile(spec: Json, chance: random.Random) -> Json:
    """The spec with strings and sizes that nobody would think of."""
    found = dict(spec)
    if chance.random() < 0.5:
        found["description"] = text(chance, 800)
    if chance.random() < 0.3:
        found["metadata"] = {
            f"k{number}": text(chance, 400) for number in range(chance.randrange(40))
        }
    if chance.random() < 0.5:
        found["policies"] = {name: chance.choice(values) for name, values in POLICIES.items()}
    return found


def wide(spec: Json, chance: random.Random) -> Json:
    """A stream of as many subjects as there may be, each as long as it may be."""
    if {"mirror", "subjects"} & spec.keys() or chance.random() > 0.15:
        return spec
    word = "x" * 200
    return {**spec, "subjects": [f"{word}.{number}" for number in range(256)]}


async def strangers(client: Any, many: list[str], chance: random.Random) -> None:
    """Streams of somebody else with the names that will be declared, and metadata of any kind."""
    for name in many:
        config = {
            "name": name,
            "subjects": [f"theirs.{name}", *(["n.*"] if name == many[0] else [])],
            "storage": "memory",
            "description": text(chance, 300),
            "metadata": {text(chance, 20): text(chance, 500) for _ in range(chance.randrange(40))},
        }
        body = json.dumps(config, ensure_ascii=False).encode()
        await client.request(f"$JS.API.STREAM.CREATE.{name}", body, timeout=10)


async def declare_and_await(tenant: Tenant, url: str, count: int, number: int) -> None:
    chance = random.Random(number)
    streams = drawn(stream_specs(), count, number)
    consumers = drawn(consumer_specs(), count // 2, number)
    client = await nats.connect(url)
    await strangers(client, [f"r{number}" for number in range(0, len(streams), 3)], chance)
    await client.close()
    wanted = [
        (STREAM, f"r{n}", wide(hostile(spec, chance), chance)) for n, spec in enumerate(streams)
    ]
    for n, spec in enumerate(consumers):
        of = chance.randrange(len(streams) + 2)
        reference = (
            {"streamRef": {"name": f"r{of}"}} if chance.random() < 0.7 else {"streamName": f"r{of}"}
        )
        policies = {
            k: v for k, v in hostile(spec, chance).items() if k in ("description", "metadata")
        }
        kept = {k: v for k, v in spec.items() if k not in ("streamRef", "streamName")}
        wanted.append((CONSUMER, f"c{n}", {**kept, **policies, **reference}))
    accepted = [
        (kind, name)
        for kind, name, spec in wanted
        if tenant.client.create(
            tenant.resource(kind, name, {k: v for k, v in spec.items() if k != "name"})
        ).accepted
    ]
    assert len(accepted) > len(wanted) / 2

    async def silent() -> list[Any]:
        return [
            (item["kind"], item["metadata"]["name"], item["spec"])
            for kind in (STREAM, CONSUMER)
            for item in tenant.client.all_of(kind, tenant.namespace)
            if (item.get("status") or {}).get("observedGeneration")
            != item["metadata"]["generation"]
        ]

    async def none_silent() -> bool:
        return not await silent()

    try:
        await eventually_async(none_silent, SOON, "a status of each")
    except AssertionError as error:
        raise AssertionError(f"{error}: {(await silent())[:3]}") from error


@pytest.fixture(scope="module")
def world(run_operator: Callable[..., Any]) -> Any:
    return run_operator("2.15.1", "--resync-interval=10m")


async def test_any_resource_has_a_status_soon(
    world: Any, tenant: Tenant, jetstream: Gateway
) -> None:
    await declare_and_await(tenant, world.nats.url, 30, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [2, 3])
async def test_any_of_many_resources_has_a_status_soon(
    world: Any, tenant: Tenant, jetstream: Gateway, number: int
) -> None:
    for name in (await jetstream.streams()).found:
        await jetstream.delete_stream(name)
    await declare_and_await(tenant, world.nats.url, 300, number)
