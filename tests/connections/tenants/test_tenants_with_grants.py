"""With grants on the connection, an editor reaches nothing foreign either, nor what is nobody's.

What remains possible then is the number of resources, names in refusals, and one's own Secrets.
"""

from typing import Any

from connections.tenants.account import STREAM, Account
from connections.tenants.trying import everything_fails, open_shop
from coze_nats.core import names
from support.connections import gateway_to

EVERYTHING = {"subjects": [">"], "publishTo": [">"], "sourcesFrom": ["*"]}
THEIRS = {"subjects": ["mine", "mine.>", "own.*", "h.>"], "publishTo": ["mine.>"]}


def through(account: Account) -> dict[str, Any]:
    """A connection of the shop that grants the editor's namespace what is its own, and no more."""
    shop, other = account.shop, account.other
    shop.apply(
        names.CONNECTION_KIND,
        "granting",
        servers=[account.server.url],
        allowedNamespaces=[other.namespace],
        grants=[
            {"namespaces": [shop.namespace], **EVERYTHING},
            {"namespaces": [other.namespace], **THEIRS},
        ],
    )
    return {"connection": {"name": "granting", "namespace": shop.namespace}}


async def test_an_editor_reaches_nothing_of_another_namespace_with_grants(account: Account) -> None:
    account.let_edit()
    connection = through(account)
    await open_shop(account, **connection)
    await everything_fails(account, also=frozenset({"NotGranted"}), **connection)


async def test_nor_what_is_nobodys_and_was_not_granted(account: Account) -> None:
    connection = through(account)
    async with gateway_to(account.server.url) as gateway:
        await gateway.create_stream({"name": "NOBODYS", "subjects": ["nobodys"]})
    before = await account.streams()
    early = {"source": "h.early", "destination": "later.a"}
    account.other.stream("free", subjects=["free.>"], storage="memory", **connection)
    account.other.stream("heard", subjects=["shop-says"], storage="memory", **connection)
    account.other.stream("copy", mirror={"name": "NOBODYS"}, storage="memory", **connection)
    account.other.stream(
        "early", subjects=["h.early"], storage="memory", republish=early, **connection
    )
    account.other.consumer("reader", streamName="NOBODYS", **connection)
    for name in ("free", "heard", "copy", "early"):
        await account.other.stalled(STREAM, name, "NotGranted")
    await account.other.stalled(names.CONSUMER_KIND, "reader", "NotGranted")
    assert await account.streams() == before
