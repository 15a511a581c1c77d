"""A thousand resources at once, and what they cost the apiserver: writes, and none at rest."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from coze_nats.core.conditions import is_true
from support.api_writes import writes
from support.eventually import eventually

STREAM, CONSUMER = names.STREAM_KIND, names.CONSUMER_KIND
STREAMS = 500
AT_REST_SECONDS = 180
Declared = list[tuple[str, str, Mapping[str, Any]]]
"""Kind, name and spec."""


def operators_writes(kubernetes: KubernetesAPI, before: Counter[str], tests_verb: str) -> Any:
    """What was written since, without the test's own writes, which have a verb of their own."""
    since = writes(kubernetes) - before
    return Counter({what: n for what, n in since.items() if not what.startswith(tests_verb)})


def assert_costs(found: Counter[str], least: int) -> None:
    """As many writes as there must be; `make bench` shows that there are no others.

    On a machine that stands still for seconds, some write may be refused or time out, and some
    consumer may say that it waits for its stream.
    """
    assert least <= found.total() <= 1.02 * least, found


@pytest.fixture
def declared() -> Declared:
    """500 streams and 500 consumers, in any order."""
    found: Declared = []
    for number in range(STREAMS):
        name = f"n{number:03}"
        found.append((STREAM, name, {"subjects": [name], "storage": "memory"}))
        found.append((CONSUMER, name, {"streamRef": {"name": name}}))
    random.shuffle(found)
    return found


def all_ready(tenant: Any) -> bool:
    for kind in (STREAM, CONSUMER):
        resources = tenant.client.all_of(kind, tenant.namespace)
        if len(resources) < STREAMS:
            return False
        for resource in resources:
            status = resource.get("status") or {}
            if not is_true(status, "Ready"):
                return False
            if status["observedGeneration"] != resource["metadata"]["generation"]:
                return False
    return True


def all_gone(tenant: Any) -> bool:
    return not any(tenant.client.all_of(kind, tenant.namespace) for kind in (STREAM, CONSUMER))


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_thousand_resources_cost_two_one_one_and_no_writes(
    tenant: Any, world: Any, declared: Declared
) -> None:
    kubernetes = world.kubernetes
    objects = len(declared)

    before = writes(kubernetes)
    for kind, name, spec in declared:
        assert tenant.client.create(tenant.resource(kind, name, spec)).accepted
    eventually(lambda: all_ready(tenant), 120, "a thousand resources Ready")
    created = operators_writes(kubernetes, before, "POST coze")
    assert_costs(created, 2 * objects)

    before = writes(kubernetes)
    await asyncio.sleep(AT_REST_SECONDS)  # the time itself is what is tested: nothing happens in it
    assert operators_writes(kubernetes, before, "none") == {}

    before = writes(kubernetes)
    for kind, name, spec in declared:
        wanted = tenant.get(kind, name)
        wanted["spec"] = {**spec, "description": "changed"}
        assert tenant.client.replace(wanted).accepted
    eventually(lambda: all_ready(tenant), 120, "all changed")
    changed = operators_writes(kubernetes, before, "PUT")
    assert_costs(changed, objects)

    before = writes(kubernetes)
    for kind, name, _ in declared:
        tenant.delete(kind, name)
    eventually(lambda: all_gone(tenant), 120, "all gone")
    deleted = operators_writes(kubernetes, before, "DELETE")
    assert_costs(deleted, objects)
