"""A connection that grants: what it names is as declared, all else is told and leaves no trace."""

from typing import Any

from connections.tenants.account import CONSUMER, STREAM, Account
from connections.tenants.trying import named
from coze_nats.core import names

MEBIBYTE = 1 << 20


def connect(account: Account, *grants: dict[str, Any]) -> None:
    account.shop.apply(
        names.CONNECTION_KIND,
        "granting",
        servers=[account.server.url],
        allowedNamespaces=[account.other.namespace],
        grants=[
            {"namespaces": [account.shop.namespace], "subjects": ["theirs.>"]},
            *grants,
        ],
    )


async def test_what_is_granted_is_as_declared_and_nothing_else(account: Account) -> None:
    shop, other = account.shop, account.other
    through = {"name": "granting", "namespace": shop.namespace}
    common = {"connection": through, "storage": "memory", "maxBytes": "1Mi"}
    grant: dict[str, Any] = {
        "namespaces": [other.namespace],
        "streams": ["g-*"],
        "subjects": ["granted.>"],
        "sourcesFrom": ["THEIRS"],
        "publishTo": ["published.>"],
        "maxBytes": "4Mi",
    }
    connect(account, grant)
    shop.stream(
        "theirs",
        name="THEIRS",
        subjects=["theirs.>"],
        connection={"name": "granting"},
        storage="memory",
    )
    await shop.ready(STREAM, "theirs")
    publishing = {"source": "granted.c.*", "destination": "published.{{wildcard(1)}}"}
    allowed: dict[str, dict[str, Any]] = {
        "g-one": {"subjects": ["granted.a"]},
        "g-copy": {"mirror": {"name": "THEIRS"}},
        "g-own-copy": {"mirror": {"name": "g-one"}},
        "g-publisher": {"subjects": ["granted.c.*"], "republish": publishing},
    }
    for name, spec in allowed.items():
        other.stream(name, **common, **spec)
        await other.ready(STREAM, name)
    other.consumer("g-reader", streamName="THEIRS", connection=through)
    await other.ready(CONSUMER, "g-reader")
    before = await account.streams()
    refused: dict[str, dict[str, Any]] = {
        "another name": {"name": "else", "subjects": ["granted.b"]},
        "another subject": {"name": "g-2", "subjects": ["else"]},
        "its name as subject": {"name": "g-3"},
        "another origin": {"name": "g-4", "mirror": {"name": "UNKNOWN"}},
        "another destination": {
            "name": "g-5",
            "subjects": ["granted.d"],
            "republish": {"source": "granted.d", "destination": "elsewhere.d"},
        },
        "more bytes": {"name": "g-6", "subjects": ["granted.e"]},
    }
    for words, spec in refused.items():
        other.stream(named(words), **common, **spec)
    for words in refused:
        message = await other.stalled(STREAM, named(words), "NotGranted")
        assert f"CozeConnection {shop.namespace}/granting grants" in message
    message = await other.stalled(STREAM, "more-bytes", "NotGranted")
    assert f"of older resources are more than maxBytes {4 * MEBIBYTE}" in message

    connect(account, {**grant, "maxBytes": "2Mi"})
    other.stream("g-one", **{**common, "maxBytes": "5Mi"}, subjects=["granted.a"])
    await other.stalled(STREAM, "g-one", "NotGranted")
    kept = ("g-copy", "g-own-copy", "g-publisher")
    for name in kept:
        await other.ready(STREAM, name)

    connect(account)
    for name in kept:
        message = await other.stalled(STREAM, name, "NotGranted")
        assert "nothing is granted to it" in message
    assert await account.streams() == before
