"""The operator without the right to read Secrets: it says so, and goes on as far as it can."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connections.isolation.conftest import OPERATOR
from connections.isolation.estate import CONNECTION, STREAM, Estate
from connections.isolation.test_reasons import EXAMPLE, entry, from_secret
from connections.site import secret
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from coze_nats.core.conditions import condition
from support.tenant import Tenant

TOKEN = "an-example-token"
SPEC = {"auth": {"token": from_secret("token")}}


@contextmanager
def without_secrets(kubernetes: KubernetesAPI) -> Iterator[None]:
    """Take the right away, as whoever edits a role or a policy engine may."""
    _, name = OPERATOR
    role = json.loads(kubernetes.kubectl("get", "clusterrole", name, "-o", "json").stdout)
    rules = [{**rule, "resources": _others(rule)} for rule in role["rules"] if _others(rule)]
    assert rules != role["rules"]
    _set_rules(kubernetes, rules)
    try:
        yield
    finally:
        _set_rules(kubernetes, role["rules"])


def _others(rule: dict[str, Any]) -> list[str]:
    return [resource for resource in rule["resources"] if resource != "secrets"]


def _set_rules(kubernetes: KubernetesAPI, rules: list[dict[str, Any]]) -> None:
    patch = json.dumps({"rules": rules})
    kubernetes.kubectl("patch", "clusterrole", OPERATOR[1], "--type=merge", "-p", patch)


def declare(host: Tenant, server: NatsServer) -> None:
    """A connection with its Secret, and a stream that uses it."""
    host.client.create(secret(host.namespace, "events-nats", {"token": TOKEN}))
    host.apply(CONNECTION, "events", servers=[server.url], **SPEC)
    host.stream("orders", subjects=["orders"], storage="memory", connection={"name": "events"})


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with NatsServer(token=TOKEN) as running:
        yield running


async def test_a_right_that_is_missing_is_named_in_the_words_of_the_page_until_it_is_granted(
    estate: Estate, host: Tenant, server: NatsServer
) -> None:
    with without_secrets(estate.kubernetes):
        declare(host, server)
        message = await host.stalled(CONNECTION, "events", "SecretForbidden")
        said = message.replace(server.url, EXAMPLE).replace(host.namespace, "shop")
        assert f"`{said}`" in entry("SecretForbidden")
        status = await host.reports(STREAM, "orders", "Reconciling", "ConnectionNotReady")
        assert "(SecretForbidden)" in (condition(status, "Ready") or {})["message"]
    await host.reports(CONNECTION, "events", "Ready", "Connected")
    await host.ready(STREAM, "orders")
    assert TOKEN not in estate.operator.log


@pytest.mark.slow
async def test_a_right_that_is_withdrawn_ends_no_session_and_hinders_no_other_one(
    estate: Estate, host: Tenant, server: NatsServer
) -> None:
    declare(host, server)
    await host.ready(STREAM, "orders")
    with without_secrets(estate.kubernetes):
        message = await host.stalled(CONNECTION, "events", "SecretForbidden")
        assert message.endswith("; the connection goes on with what was read before")
        server.restart()
        host.stream(
            "orders", subjects=["orders", "more"], storage="memory", connection={"name": "events"}
        )
        await host.ready(STREAM, "orders")
        assert host.status(CONNECTION, "events")["conditions"][0]["reason"] == "SecretForbidden"
    await host.reports(CONNECTION, "events", "Ready", "Connected")
