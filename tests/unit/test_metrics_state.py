"""What a scrape tells of the moment: read from those who know it, and never stored."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from coze_nats import metrics
from coze_nats.core import names
from coze_nats.core.resource import Key, Resource
from coze_nats.metrics import ConnectionState, Load, State
from coze_nats.metrics import state as module

Value = Callable[..., float | None]


def resource(name: str, status: str = "", reason: str = "", **more: Any) -> Resource:
    """A CozeStream whose condition Ready has this status, if any."""
    conditions = [{"type": "Ready", "status": status, "reason": reason}] if status else []
    found: dict[str, Any] = {"observedGeneration": 1, "conditions": conditions}
    fields: dict[str, Any] = {
        "uid": name,
        "generation": 1,
        "finalized": True,
        "deleting": False,
        "reconcile_requested_at": "",
        "spec": {},
        "status": found,
    }
    return Resource(Key(names.STREAM_KIND, "coze", name), **{**fields, **more})


@pytest.fixture
def resources() -> list[Resource]:
    """What the operator knows of."""
    return []


@pytest.fixture
def connections() -> list[ConnectionState]:
    return []


@pytest.fixture
def value(resources: list[Resource], connections: list[ConnectionState]) -> Value:
    """Looks up a sample in a scrape of now."""
    registry = CollectorRegistry()
    load = Load(ready=3, running=2, parked=1, oldest=1.5, longest=4.0)
    registry.register(State(lambda: resources, lambda: load, lambda: connections))

    def look(metric: str, /, **labels: str) -> float | None:
        return registry.get_sample_value(f"coze_nats_{metric}", labels)

    return look


def count(value: Value, ready: str, reason: str) -> float | None:
    labels = {"kind": "CozeStream", "namespace": "coze"}
    return value("resources", ready=ready, reason=reason, **labels)


def test_resources_are_counted_by_their_readiness(value: Value, resources: list[Resource]) -> None:
    resources += [
        resource("a", "True", "Converged"),
        resource("b", "True", "Converged"),
        resource("c", "False", "SubjectOverlap"),
    ]
    assert count(value, "True", "Converged") == 2
    assert count(value, "False", "SubjectOverlap") == 1
    labels = {"kind": "CozeStream", "namespace": "coze"}
    assert value("resource_not_ready", name="c", reason="SubjectOverlap", **labels) == 1
    assert value("resource_not_ready", name="a", reason="Converged", **labels) is None


def test_a_resource_that_is_gone_is_not_told_of_any_more(
    value: Value, resources: list[Resource]
) -> None:
    resources.append(resource("a", "False", "Missing"))
    assert count(value, "False", "Missing") == 1
    resources.clear()
    assert count(value, "False", "Missing") is None


def test_a_status_about_another_spec_is_not_taken_for_one_about_this(
    value: Value, resources: list[Resource]
) -> None:
    resources += [resource("a", "True", "Converged", generation=2), resource("b")]
    assert count(value, "Unknown", "Outdated") == 1
    assert count(value, "Unknown", "NotReported") == 1


def test_names_of_resources_that_are_not_ready_are_told_up_to_a_number(
    value: Value, resources: list[Resource]
) -> None:
    resources += [resource(str(n), "False", "Missing") for n in range(module.MOST_NOT_READY + 7)]
    assert value("resource_not_ready_left_out") == 7
    assert count(value, "False", "Missing") == module.MOST_NOT_READY + 7


def test_resources_that_warn_are_told_by_name_and_condition(
    value: Value, resources: list[Resource]
) -> None:
    warned = resource("copy", "True", "Converged")
    condition = {"type": "ReplicationStalled", "status": "True", "reason": "ReplicationStalled"}
    conditions = [*warned.status["conditions"], condition]
    resources.append(warned.with_status({**warned.status, "conditions": conditions}))
    labels = {"kind": names.STREAM_KIND, "namespace": "coze", "name": "copy"}
    assert value("resource_warning", condition="ReplicationStalled", **labels) == 1
    assert value("resource_warning", condition="FilterMatchesNothing", **labels) is None


def test_the_queue_is_looked_into(value: Value) -> None:
    assert [
        value("queue_depth", state=state) for state in ("ready", "running", "delayed", "parked")
    ] == [3, 2, 0, 1]
    assert value("queue_oldest_seconds") == 1.5
    assert value("queue_longest_run_seconds") == 4.0


def test_connections_are_told_with_their_server(
    value: Value, connections: list[ConnectionState]
) -> None:
    connections += [
        ConnectionState(metrics.OWN_CONNECTION, is_up=True, sessions=3, server="2.14.6"),
        ConnectionState("coze/other", is_up=False, sessions=0),
    ]
    assert value("connection_up", connection="operator") == 1
    assert value("connection_up", connection="coze/other") == 0
    assert value("connection_sessions_total", connection="operator") == 3
    assert value("connection_info", connection="operator", server_version="2.14.6") == 1
    assert value("connection_info", connection="coze/other", server_version="") is None


def test_who_leads_says_so() -> None:
    registry = CollectorRegistry()
    registry.register(State(list, Load, list, leads=lambda: False, shard="1/4"))
    assert registry.get_sample_value("coze_nats_leader", {"shard": "1/4"}) == 0


async def test_the_tasks_of_the_event_loop_are_counted_from_another_thread() -> None:
    registry = CollectorRegistry()
    registry.register(State(list, Load, list, loop=asyncio.get_running_loop()))

    def tasks() -> float | None:
        return registry.get_sample_value("coze_nats_tasks")

    before = await asyncio.to_thread(tasks)
    assert before
    more = [asyncio.create_task(asyncio.sleep(60)) for _ in range(3)]
    assert await asyncio.to_thread(tasks) == before + 3
    for task in more:
        task.cancel()


def test_a_held_plan_is_told_until_it_is_not_held(value: Value) -> None:
    key = Key(names.STREAM_KIND, "coze", "held")
    labels = {"kind": "CozeStream", "action": "create", "reason": "DryRun"}
    metrics.held(key, "create", "DryRun")
    assert value("plans_held", **labels) == 1
    metrics.forget(key)
    assert value("plans_held", **labels) is None
