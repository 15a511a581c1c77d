"""Has somebody with `edit` try everything on a shop, and judges what came of it."""

import asyncio
from typing import Any

from connections.tenants.account import CONSUMER, MESSAGES, STREAM, Account
from connections.tenants.tries import AT_APPLY, TRIES, Try
from coze_nats.core.conditions import condition
from support.eventually import eventually_async

SHOP: dict[str, dict[str, Any]] = {
    "orders": {"name": "ORDERS", "subjects": ["orders.>"]},
    "jobs": {"name": "JOBS", "subjects": ["jobs.*"], "retention": "workqueue"},
    "conf": {"name": "KV_conf", "subjects": ["$KV.conf.>"], "maxMsgsPerSubject": 1},
    "topic": {"subjects": ["topic"]},
}


def named(words: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in words.lower()).strip("-")


async def open_shop(account: Account, **common: Any) -> None:
    """Declare what is to be kept from the editor; `common` stands in the spec of each stream."""
    for name, spec in SHOP.items():
        account.shop.stream(name, storage="memory", **spec, **common)
    account.shop.consumer("workers", streamRef={"name": "jobs"})
    account.other.stream("own", subjects=["own.*"], storage="memory", **common)
    for name in SHOP:
        await account.shop.ready(STREAM, name)
    await account.shop.ready(CONSUMER, "workers")
    await account.other.ready(STREAM, "own")
    await account.publish("orders.a", "jobs.a", "$KV.conf.a", "topic", "own.a", count=MESSAGES)


async def everything_fails(
    account: Account, *, also: frozenset[str] = frozenset(), **common: Any
) -> None:
    """Try all of it, and see that each try is refused as it is to be, and leaves no trace.

    Args:
        also: reasons for which any try that the API server takes may be refused.
        common: what stands in the spec of each stream, and of consumers by streamName.
    """
    before = await account.streams()
    refused_at_apply = {
        words: account.edit(each.kind, named(words), _spec(each, common))
        for words, each in TRIES.items()
    }
    wrong, taken = {}, []
    for words, said in refused_at_apply.items():
        if TRIES[words].refused != AT_APPLY and not said:
            taken.append(words)
        elif TRIES[words].refused != AT_APPLY or "is invalid" not in said:
            wrong[words] = said or "was applied"
    reasons = await asyncio.gather(
        *(_refusal(account, TRIES[words].kind, named(words)) for words in taken)
    )
    wrong |= {
        words: reason
        for words, reason in zip(taken, reasons, strict=True)
        if reason not in TRIES[words].refused and reason not in also
    }
    await account.publish("mine.a.b", "mine.$JS-API-STREAM-PURGE-ORDERS.x", "mine", count=3)
    assert wrong == {}
    assert await account.streams() == before


def _spec(each: Try, common: dict[str, Any]) -> dict[str, Any]:
    if each.kind == STREAM:
        return {"storage": "memory", **each.spec, **common}
    return {**each.spec, **(common if "streamName" in each.spec else {})}


async def _refusal(account: Account, kind: str, name: str) -> str:
    """The reason for which a resource is not Ready, once it says one that lasts."""

    async def look() -> str:
        ready = condition(account.other.status(kind, name), "Ready") or {}
        passing = ready.get("reason") in (None, "WaitingForStream", "Retrying")
        return "" if passing else str(ready["reason"])

    return await eventually_async(look, 60, f"the verdict on {name}")
