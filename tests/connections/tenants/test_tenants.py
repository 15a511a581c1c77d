"""With `edit` in one namespace, nothing that another one declared can be reached.

What remains possible on a shared account stands in docs/security.md, and is tested here, too.
"""

import asyncio
from typing import Any

import pytest

from connections.tenants.account import CONSUMER, MESSAGES, STREAM, Account
from connections.tenants.tries import AT_APPLY, HONEST, TRIES
from coze_nats.core.conditions import condition
from support.connections import gateway_to
from support.eventually import eventually_async

SHOP: dict[str, dict[str, Any]] = {
    "orders": {"name": "ORDERS", "subjects": ["orders.>"]},
    "jobs": {"name": "JOBS", "subjects": ["jobs.*"], "retention": "workqueue"},
    "conf": {"name": "KV_conf", "subjects": ["$KV.conf.>"], "maxMsgsPerSubject": 1},
    "topic": {"subjects": ["topic"]},
}


def named(words: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in words.lower()).strip("-")


async def open_shop(account: Account) -> None:
    for name, spec in SHOP.items():
        account.shop.stream(name, storage="memory", **spec)
    account.shop.consumer("workers", streamRef={"name": "jobs"})
    account.other.stream("own", subjects=["own.*"], storage="memory")
    for name in SHOP:
        await account.shop.ready(STREAM, name)
    await account.shop.ready(CONSUMER, "workers")
    await account.other.ready(STREAM, "own")
    await account.publish("orders.a", "jobs.a", "$KV.conf.a", "topic", "own.a", count=MESSAGES)


async def refusal(account: Account, kind: str, name: str) -> str:
    """The reason for which a resource is not Ready, once it says one that lasts."""

    async def look() -> str:
        ready = condition(account.other.status(kind, name), "Ready") or {}
        passing = ready.get("reason") in (None, "WaitingForStream", "Retrying")
        return "" if passing else str(ready["reason"])

    return await eventually_async(look, 60, f"the verdict on {name}")


@pytest.mark.slow
async def test_an_editor_of_one_namespace_reaches_nothing_of_another(account: Account) -> None:
    account.let_edit()
    await open_shop(account)
    before = await account.streams()
    wrong = {}
    taken = []
    for words, each in TRIES.items():
        said = account.edit(
            each.kind,
            named(words),
            {"storage": "memory", **each.spec} if each.kind == STREAM else each.spec,
        )
        if each.refused == AT_APPLY:
            if "is invalid" not in said:
                wrong[words] = said or "was applied"
        elif said:
            wrong[words] = said
        else:
            taken.append(words)
    reasons = await asyncio.gather(
        *(refusal(account, TRIES[words].kind, named(words)) for words in taken)
    )
    wrong |= {
        words: reason
        for words, reason in zip(taken, reasons, strict=True)
        if reason not in TRIES[words].refused
    }
    await account.publish("mine.a.b", "mine.$JS-API-STREAM-PURGE-ORDERS.x", "mine", count=3)
    assert wrong == {}
    assert await account.streams() == before
    shop = account.shop.namespace
    assert account.kubernetes.kubectl(
        "--as=mallory", f"--namespace={shop}", "get", "cozestreams", check=False
    ).returncode


async def test_honest_topologies_are_as_declared(account: Account) -> None:
    account.other.stream("own", subjects=["own.*"], storage="memory")
    await account.other.ready(STREAM, "own")
    for words, spec in HONEST.items():
        account.other.stream(f"honest-{named(words)}", storage="memory", **spec)
    for words in HONEST:
        await account.other.ready(STREAM, f"honest-{named(words)}")


async def test_who_is_allowed_by_the_owner_may_copy_consume_and_publish(account: Account) -> None:
    shared = {"name": "SHARED", "subjects": ["shared.>"], "storage": "memory"}
    account.shop.stream("shared", **shared)
    await account.shop.ready(STREAM, "shared")
    await account.publish("shared.a", count=MESSAGES)
    mirror = {"mirror": {"name": "SHARED"}, "storage": "memory"}
    giving = {
        "subjects": ["giving.*"],
        "storage": "memory",
        "republish": {"source": "giving.*", "destination": "shared.given"},
    }
    account.other.stream("copy", **mirror)
    account.other.stream("giving", **giving)
    account.other.consumer("reading", streamName="SHARED")
    message = await account.other.stalled(STREAM, "copy", "NotGranted")
    assert f"CozeStream {account.shop.namespace}/shared" in message
    await account.other.stalled(STREAM, "giving", "NotGranted")
    await account.other.stalled(CONSUMER, "reading", "StreamIsManaged")

    account.shop.stream("shared", **shared, allowedNamespaces=[account.other.namespace])
    await account.other.ready(STREAM, "copy")
    await account.other.ready(STREAM, "giving")
    await account.other.ready(CONSUMER, "reading")
    await account.publish("giving.a")

    async def copied() -> bool:
        return bool((await account.streams())["copy"][1] == MESSAGES + 1)

    await eventually_async(copied, 30, "the copy with what was given")

    account.shop.stream("shared", **shared)
    message = await account.other.stalled(STREAM, "copy", "NotGranted")
    assert "does so already in JetStream (mirror.name SHARED)" in message
    account.other.delete(STREAM, "giving")
    await account.other.gone(STREAM, "giving")
    kept = (await account.streams()).get("giving")
    assert kept is None or "republish" not in kept[0]


async def test_what_remains_possible_on_a_shared_account(account: Account) -> None:
    """Names and subjects that nobody has are for whoever comes first, and so is room."""
    account.other.stream("first", subjects=["free.>"], storage="memory")
    await account.other.ready(STREAM, "first")
    account.shop.stream("second", subjects=["free.a"], storage="memory")
    message = await account.shop.stalled(STREAM, "second", "SubjectOverlap")
    assert "first" in message
    account.other.stream("heard", subjects=["shop-says"], storage="memory")
    await account.other.ready(STREAM, "heard")
    await account.publish("shop-says")

    async def heard() -> bool:
        return bool((await account.streams())["heard"][1] == 1)

    await eventually_async(heard, 30, "what was said on a subject of no stream")


async def test_streams_of_nobody_and_subjects_of_nobody_yet_remain_within_reach(
    account: Account,
) -> None:
    async with gateway_to(account.server.url) as gateway:
        await gateway.create_stream(
            {"name": "NOBODYS", "subjects": ["nobodys"], "storage": "memory"}
        )
    account.other.stream("nobodys-copy", mirror={"name": "NOBODYS"}, storage="memory")
    account.other.consumer("nobodys-reader", streamName="NOBODYS")
    early = {"source": "early.*", "destination": "later.{{wildcard(1)}}"}
    account.other.stream("early", subjects=["early.*"], storage="memory", republish=early)
    await account.other.ready(STREAM, "nobodys-copy")
    await account.other.ready(CONSUMER, "nobodys-reader")
    await account.other.ready(STREAM, "early")
    account.shop.stream("later", subjects=["later.>"], storage="memory")
    await account.shop.ready(STREAM, "later")
    message = await account.other.stalled(STREAM, "early", "NotGranted")
    assert "does so already in JetStream (republish.destination later.{{wildcard(1)}})" in message
    account.other.stream("early", subjects=["early.*"], storage="memory")
    await account.other.ready(STREAM, "early")
    assert "republish" not in (await account.streams())["early"][0]
