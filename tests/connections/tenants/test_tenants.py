"""With `edit` in one namespace, nothing that another one declared can be reached.

What remains possible on a shared account stands in docs/security.md, and is tested here, too.
"""

from connections.tenants.account import CONSUMER, MESSAGES, STREAM, Account
from connections.tenants.tries import HONEST
from connections.tenants.trying import everything_fails, named, open_shop
from support.connections import gateway_to
from support.eventually import eventually_async


async def test_an_editor_of_one_namespace_reaches_nothing_of_another(account: Account) -> None:
    account.let_edit()
    await open_shop(account)
    await everything_fails(account)
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
    account.other.stream("first", name="SHOPS", subjects=["free.>"], storage="memory")
    await account.other.ready(STREAM, "first")
    account.shop.stream("named", name="SHOPS", subjects=["named"], storage="memory")
    await account.shop.stalled(STREAM, "named", "OwnedByAnother")
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
