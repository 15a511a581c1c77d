"""The documented rights are enough for every request, and each of them is needed for some."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controlplane.accounts import Operator
from controlplane.nats import NatsServer
from coze_nats.core.errors import Denied
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.connections import started
from support.until import until

RunServer = Callable[..., NatsServer]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "permissions.md"
PASSWORD = "an-example"
ADVISORIES = ("$JS.EVENT.ADVISORY.STREAM.CREATED.*", "$JS.EVENT.ADVISORY.CONSUMER.DELETED.*.*")

STREAM = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}
CONSUMER = {"durable_name": "work", "ack_policy": "explicit", "filter_subject": "orders.new"}


def _pause(gateway: Gateway) -> Awaitable[object]:
    return gateway.pause_consumer("orders", "work", "2199-01-01T00:00:00Z")


REQUESTS: Sequence[Callable[[Gateway], Awaitable[object]]] = (
    lambda gateway: gateway.server(),
    lambda gateway: gateway.account(),
    lambda gateway: gateway.create_stream(STREAM),
    lambda gateway: gateway.update_stream({**STREAM, "max_msgs": 7}),
    lambda gateway: gateway.stream("orders"),
    lambda gateway: gateway.streams(),
    lambda gateway: gateway.streams_on("orders.new"),
    lambda gateway: gateway.messages_on("orders", "orders.>"),
    lambda gateway: gateway.create_consumer("orders", CONSUMER),
    lambda gateway: gateway.update_consumer("orders", {**CONSUMER, "max_deliver": 3}),
    lambda gateway: gateway.consumer("orders", "work"),
    lambda gateway: gateway.consumers("orders"),
    _pause,
    lambda gateway: gateway.delete_consumer("orders", "work"),
    lambda gateway: gateway.delete_stream("orders"),
)
"""Every request that the operator makes, in an order that works; 2.10 can't pause."""


def in_the_server_configuration() -> str:
    """The user as the page shows it, with a password."""
    found = re.search(r"```text\n(authorization .+?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1].replace("$PASSWORD", PASSWORD)


def with_nsc(direction: str) -> list[str]:
    """What the user may publish or subscribe to, as the page gives it to nsc."""
    flags = re.findall(rf"--allow-{direction} '([^']+)'", PAGE.read_text("utf-8"))
    return ",".join(flags).split(",")


PUBLISH, SUBSCRIBE = with_nsc("pub"), with_nsc("sub")


def matches(permission: str, subject: str) -> bool:
    tokens = re.escape(permission).replace(r"\*", "[^.]+").replace(">", ".+")
    return re.fullmatch(tokens, subject) is not None


@asynccontextmanager
async def as_user(
    options: ConnectionOptions, denied: Collection[str] = ()
) -> AsyncIterator[Gateway]:
    """A gateway whose user may not hear these advisories, and may hear the others."""
    connection = Connection(options)
    for subject in ADVISORIES:
        connection.subscribe(subject, lambda *_: None)
    await connection.start()
    try:
        await until(lambda: connection.is_connected)
        assert connection.denied == set(denied)
        yield Gateway(connection)
    finally:
        await connection.close()


async def refusals(gateway: Gateway, version: str) -> set[str]:
    """The subjects that were refused, when everything is asked for."""
    found = set()
    for request in REQUESTS:
        if request is _pause and version == "2.10.26":
            continue
        try:
            await request(gateway)
        except Denied as denied:
            found.add(denied.subject)
    return found


@pytest.mark.parametrize("version", ["2.10.26", "2.14.6", "2.15.1"])
async def test_a_user_with_the_documented_rights_can_do_everything(
    run_server: RunServer, version: str
) -> None:
    server = run_server(version, config=in_the_server_configuration())
    options = ConnectionOptions(servers=(server.url,), user="coze-operator", password=PASSWORD)
    async with as_user(options) as gateway:
        assert await refusals(gateway, version) == set()


async def test_what_nsc_is_told_is_what_stands_in_the_server_configuration() -> None:
    subjects = re.findall(r'"([^"]+)"', in_the_server_configuration())
    assert subjects == PUBLISH + SUBSCRIBE


async def test_every_right_is_in_the_table_that_says_what_it_is_for() -> None:
    rows = re.findall(r"^\| `([^`]+)`", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == PUBLISH + SUBSCRIBE


async def test_a_user_with_what_nsc_is_told_can_do_everything(run_server: RunServer) -> None:
    operator = Operator()
    user = operator.account("A").user(publish=PUBLISH, subscribe=SUBSCRIBE)
    server = run_server(config=operator.config)
    options = ConnectionOptions(servers=(server.url,), creds=user.creds)
    async with as_user(options) as gateway:
        assert await refusals(gateway, server.version) == set()


@pytest.mark.parametrize("taken", PUBLISH)
async def test_a_right_that_is_taken_away_is_missed_by_its_name(
    run_server: RunServer, taken: str
) -> None:
    operator = Operator()
    account = operator.account("A")
    user = account.user(publish=[each for each in PUBLISH if each != taken], subscribe=SUBSCRIBE)
    server = run_server(config=operator.config)
    # What the user may not create is there already.
    async with as_user(
        ConnectionOptions(servers=(server.url,), creds=account.user().creds)
    ) as able:
        await able.create_stream(STREAM)
        await able.create_consumer("orders", CONSUMER)
    options = ConnectionOptions(servers=(server.url,), creds=user.creds, request_timeout=5)
    async with as_user(options) as gateway:
        refused = await refusals(gateway, server.version)
    assert refused
    assert all(matches(taken, subject) for subject in refused)


@pytest.mark.parametrize("taken", SUBSCRIBE)
async def test_a_subscription_that_is_taken_away_is_missed_by_its_name(
    run_server: RunServer, taken: str
) -> None:
    operator = Operator()
    rights = [each for each in SUBSCRIBE if each != taken]
    user = operator.account("A").user(publish=PUBLISH, subscribe=rights)
    server = run_server(config=operator.config)
    if taken == "_INBOX.>":
        async with started(server.url, creds=user.creds) as connection:
            await until(lambda: connection.trouble is Trouble.PERMISSION)
            assert taken in connection.last_error
        return
    options = ConnectionOptions(servers=(server.url,), creds=user.creds)
    denied = [each for each in ADVISORIES if matches(taken, each)]
    async with as_user(options, denied) as gateway:
        assert await refusals(gateway, server.version) == set()
