"""Nobody uses a connection of another namespace without a grant, by no edit and by no race."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from connections.isolation.estate import (
    CONNECTION,
    CONSUMER,
    SECRET,
    STREAM,
    Estate,
    connect,
    connected,
    put_secret,
    to,
)
from coze_nats.core.conditions import condition
from support.eventually import eventually_async
from support.tenant import Tenant

NOT_ALLOWED = "ConnectionNotAllowed"
RACING = 100


async def test_without_a_grant_nothing_is_sent_anywhere(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red)
    guest.stream("sneaky", connection=to(host))
    guest.consumer("reader-sneaky", streamRef={"name": "sneaky"})
    guest.consumer("reader-direct", streamName="direct", connection=to(host))
    for kind, name in (
        (STREAM, "sneaky"),
        (CONSUMER, "reader-sneaky"),
        (CONSUMER, "reader-direct"),
    ):
        message = await guest.stalled(kind, name, NOT_ALLOWED)
        assert f"have {guest.namespace} added to its allowedNamespaces" in message
    for system in watched.systems:
        for name in ("sneaky", "reader-sneaky", "direct", "reader-direct"):
            assert await system.heard_of(name) == []


@pytest.mark.parametrize(
    "allowed",
    ["{}-", "{}x", "x{}", "guest", "{host}", "default"],
    ids=["a hyphen more", "longer", "other beginning", "shorter", "the host's own", "default"],
)
async def test_a_name_that_is_close_is_no_grant(
    watched: Estate, host: Tenant, guest: Tenant, allowed: str
) -> None:
    name = allowed.format(guest.namespace, host=host.namespace).rstrip("-")
    name = name if name != guest.namespace else f"{name}-0"
    await connected(host, watched.red, name)
    guest.stream("close-by", connection=to(host))
    await guest.stalled(STREAM, "close-by", NOT_ALLOWED)
    assert await watched.red.heard_of("close-by") == []


@pytest.mark.parametrize("grant", ["named", "everybody"])
async def test_a_grant_is_for_those_that_it_names(
    watched: Estate,
    host: Tenant,
    guest: Tenant,
    tenant_of: Callable[[str], Tenant],
    grant: str,
) -> None:
    other = tenant_of("other")
    granted, others = f"granted-{grant}", f"other-{grant}"
    await connected(host, watched.red, "*" if grant == "everybody" else guest.namespace)
    guest.stream(granted, connection=to(host))
    other.stream(others, connection=to(host))
    await guest.ready(STREAM, granted)
    assert await watched.red.owner(granted) == f"{guest.namespace}/{granted}"
    if grant == "everybody":
        await other.ready(STREAM, others)
    else:
        await other.stalled(STREAM, others, NOT_ALLOWED)
        assert await watched.red.heard_of(others) == []
    assert await watched.own.heard_of(granted) == []


async def what_it_says(guest: Tenant, when: str) -> dict[str, Any]:
    """The status of the stream `curious` after the operator was asked to look at it, and has."""
    guest.annotate(STREAM, "curious", reconcile_requested_at=when)

    async def handled() -> dict[str, Any]:
        status = guest.status(STREAM, "curious")
        return status if status.pop("lastHandledReconcileAt", "") == when else {}

    return await eventually_async(handled, 20, f"a look, {when}")


async def test_who_is_not_allowed_learns_nothing_about_the_connection(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    """Whatever becomes of the connection, not one byte of the guest's status changes."""
    guest.stream("curious", connection=to(host))
    before = await what_it_says(guest, "at first")
    connect(host, watched.red)
    await host.stalled(CONNECTION, "events", "SecretNotFound")
    assert await what_it_says(guest, "without a Secret") == before
    put_secret(host, "wrong")
    await host.reports(CONNECTION, "events", "Stalled", "AuthenticationFailed")
    assert await what_it_says(guest, "refused") == before
    put_secret(host, watched.red.token)
    await host.reports(CONNECTION, "events", "Ready", "Connected")
    assert await what_it_says(guest, "connected") == before
    connect(host, watched.red, "somebody-else")
    await host.reports(CONNECTION, "events", "Ready", "Connected")
    assert await what_it_says(guest, "granted to another") == before
    host.delete(CONNECTION, "events")
    await host.gone(CONNECTION, "events")
    assert await what_it_says(guest, "gone") == before
    assert guest.told("curious", NOT_ALLOWED) != []
    words = str(guest.client.events(guest.namespace))
    for word in (watched.red.url, watched.red.token, SECRET + '"', "2.14"):
        assert word not in words + str(before)


async def test_all_who_are_not_allowed_are_told_the_same(
    watched: Estate, host: Tenant, guest: Tenant, tenant_of: Callable[[str], Tenant]
) -> None:
    """The words differ by nothing but the names that the guest itself has written."""
    await connected(host, watched.red)
    empty = tenant_of("empty")
    guest.stream("exists", connection=to(host))
    guest.stream("another-name", connection=to(host, "not-there"))
    guest.stream("another-namespace", connection=to(empty))
    guest.stream("nowhere", connection={"name": "events", "namespace": "nowhere"})
    found = set()
    for name in ("exists", "another-name", "another-namespace", "nowhere"):
        message = await guest.stalled(STREAM, name, NOT_ALLOWED)
        for word in (host.namespace, empty.namespace, "nowhere", "not-there"):
            message = message.replace(f" {word} ", " … ")
        found.add(message.replace("CozeConnection events", "CozeConnection …"))
    assert len(found) == 1


async def test_a_grant_that_is_withdrawn_ends_the_use_and_touches_nothing(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red, guest.namespace)
    guest.stream("lent", connection=to(host))
    guest.consumer("lent-reader", streamRef={"name": "lent"})
    host.stream("kept", connection={"name": "events"})
    await guest.ready(STREAM, "lent")
    await guest.ready(CONSUMER, "lent-reader")
    await host.ready(STREAM, "kept")
    connect(host, watched.red, "somebody-else")
    await guest.stalled(STREAM, "lent", NOT_ALLOWED)
    await guest.stalled(CONSUMER, "lent-reader", NOT_ALLOWED)
    before, so_far = await watched.red.stream("lent"), await watched.red.heard_of("lent")
    guest.stream("lent", connection=to(host), maxMsgs=1, policies={"dataLoss": "Allow"})
    await guest.stalled(STREAM, "lent", NOT_ALLOWED)
    guest.delete(CONSUMER, "lent-reader")
    guest.delete(STREAM, "lent")
    for kind, name in ((STREAM, "lent"), (CONSUMER, "lent-reader")):
        message = await guest.stalled(kind, name, NOT_ALLOWED)
        assert "jetstream.coze.dev/release=true" in message
    host.stream("kept", connection={"name": "events"}, maxMsgs=7)
    await host.ready(STREAM, "kept")
    heard = [subject for subject in await watched.red.heard_of("lent") if "INFO" not in subject]
    assert heard == [subject for subject in so_far if "INFO" not in subject]
    assert await watched.red.stream("lent") == before
    guest.annotate(CONSUMER, "lent-reader", release="true")
    guest.annotate(STREAM, "lent", release="true")
    await guest.gone(CONSUMER, "lent-reader")
    await guest.gone(STREAM, "lent")
    assert await watched.red.stream("lent") == before


async def test_a_grant_that_is_withdrawn_while_the_operator_is_away_is_not_used_again(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red, guest.namespace)
    for name in ("left", "right"):
        guest.stream(f"absent-{name}", connection=to(host))
        guest.consumer(f"reader-{name}", streamRef={"name": f"absent-{name}"})
    for name in ("left", "right"):
        await guest.ready(CONSUMER, f"reader-{name}")
    await watched.crash()
    connect(host, watched.red)
    guest.stream("absent-left", connection=to(host), maxMsgs=1, policies={"dataLoss": "Allow"})
    guest.delete(STREAM, "absent-right")
    guest.delete(CONSUMER, "reader-right")
    so_far = len(await watched.red.heard())
    watched.operator.start()
    for kind, name in (
        (STREAM, "absent-left"),
        (CONSUMER, "reader-left"),
        (STREAM, "absent-right"),
        (CONSUMER, "reader-right"),
    ):
        await guest.stalled(kind, name, NOT_ALLOWED)
    await host.reports(CONNECTION, "events", "Ready", "Connected")
    said = (await watched.red.heard())[so_far:]
    assert [item for item in said if "absent-" in item or "reader-" in item] == []
    assert await watched.red.owner("absent-right") == f"{guest.namespace}/absent-right"


async def test_a_grant_that_comes_back_lets_everything_go_on(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red, guest.namespace)
    guest.stream("on-and-off", connection=to(host))
    await guest.ready(STREAM, "on-and-off")
    created = (await watched.red.streams())["on-and-off"].created
    connect(host, watched.red)
    await guest.stalled(STREAM, "on-and-off", NOT_ALLOWED)
    guest.delete(STREAM, "on-and-off")
    await guest.stalled(STREAM, "on-and-off", NOT_ALLOWED)
    assert (await watched.red.streams())["on-and-off"].created == created
    connect(host, watched.red, guest.namespace)
    await guest.gone(STREAM, "on-and-off")
    assert await watched.red.stream("on-and-off") is None


async def test_a_grant_withdrawn_while_a_hundred_streams_are_applied_leaves_none_in_use(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    await connected(host, watched.red, guest.namespace)
    for number in range(RACING):
        guest.stream(f"race-{number}", connection=to(host))
        if number == RACING // 2:
            connect(host, watched.red)
        await asyncio.sleep(0)

    async def all_are_told() -> bool:
        statuses = [
            item.get("status") or {} for item in guest.client.all_of(STREAM, guest.namespace)
        ]
        return len(statuses) == RACING and all(
            (condition(status, "Ready") or {}).get("reason") == NOT_ALLOWED for status in statuses
        )

    await eventually_async(all_are_told, 60, "all streams to be told")
    before = {name: live for name, live in (await watched.red.streams()).items() if "race-" in name}
    assert len(before) < RACING
    changing = len(await watched.red.heard())
    for number in range(RACING):
        guest.stream(f"race-{number}", connection=to(host), maxMsgs=5)
    for number in range(RACING):
        await guest.stalled(STREAM, f"race-{number}", NOT_ALLOWED)
    await host.reports(CONNECTION, "events", "Ready", "Connected")
    after = {name: live for name, live in (await watched.red.streams()).items() if "race-" in name}
    assert after == before
    said = (await watched.red.heard())[changing:]
    assert [item for item in said if "race-" in item] == []


async def test_who_is_not_allowed_is_in_nobodys_way(
    watched: Estate, host: Tenant, guest: Tenant
) -> None:
    """The guest's resources come first by name, and still don't count."""
    await watched.red.create("contested")
    await connected(host, watched.red)
    guest.stream("contested", connection=to(host))
    await guest.stalled(STREAM, "contested", NOT_ALLOWED)
    host.stream("contested", connection={"name": "events"})
    await host.ready(STREAM, "contested")
    assert host.status(STREAM, "contested")["adopted"] is True
    assert guest.namespace not in str(host.status(STREAM, "contested"))


async def test_a_grant_is_no_ownership(watched: Estate, host: Tenant, guest: Tenant) -> None:
    """Who shares an account can't take, consume or delete what another namespace has there."""
    await connected(host, watched.red, guest.namespace)
    host.stream("mine", connection={"name": "events"})
    await host.ready(STREAM, "mine")
    before = await watched.red.stream("mine")
    guest.stream("mine", connection=to(host), maxMsgs=1, policies={"adoption": "Always"})
    guest.consumer("thief", streamName="mine", connection=to(host))
    await guest.stalled(STREAM, "mine", "OwnedByAnother")
    await guest.stalled(CONSUMER, "thief", "StreamIsManaged")
    guest.delete(STREAM, "mine")
    guest.delete(CONSUMER, "thief")
    await guest.gone(STREAM, "mine")
    await guest.gone(CONSUMER, "thief")
    after = await watched.red.stream("mine")
    assert before
    assert after == before
