"""Users that may not do everything: a violation is told to the request that it belongs to."""

import asyncio
from collections.abc import Callable

import pytest

from controlplane.nats import NatsServer
from coze_nats.core.errors import Denied, OutcomeUnknown
from coze_nats.core.live import LiveStream
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support.connections import connected, started
from support.until import until

RunServer = Callable[..., NatsServer]
SECRET = "correct-horse-battery-staple"
STREAM = {"name": "orders", "subjects": ["orders.>"], "storage": "memory"}


def permissions(rules: str) -> str:
    return f"""
        authorization {{ users: [{{ user: op, password: {SECRET}, permissions: {{ {rules} }} }}] }}
    """


@pytest.mark.parametrize("version", ["2.10.26", "2.12.8", "2.14.6", "2.15.1"])
async def test_a_request_that_is_not_permitted_is_rejected_by_name(
    run_server: RunServer, version: str
) -> None:
    rules = 'publish: { deny: ["$JS.API.STREAM.CREATE.>"] }'
    server = run_server(version, config=permissions(rules))
    login = {"user": "op", "password": SECRET}
    async with connected(server.url, request_timeout=600, **login) as connection:
        gateway = Gateway(connection)
        async with asyncio.timeout(30):
            with pytest.raises(Denied, match="the user may not publish to ") as refusal:
                await gateway.create_stream(STREAM)
        assert refusal.value.subject == "$JS.API.STREAM.CREATE.orders"
        assert (await gateway.streams()).found == {}
        assert connection.is_connected


async def test_violations_that_cannot_be_told_apart_are_left_to_the_time_out(
    run_server: RunServer,
) -> None:
    rules = 'publish: { deny: ["$JS.API.STREAM.CREATE.orders"] }'
    server = run_server(config=permissions(rules))
    # The violation is reported in lower case, and the stream ORDERS is permitted.
    login = {"user": "op", "password": SECRET}
    async with connected(server.url, request_timeout=3, **login) as connection:
        gateway = Gateway(connection)
        denied, created = await asyncio.gather(
            gateway.create_stream(STREAM),
            gateway.create_stream({**STREAM, "name": "ORDERS"}),
            return_exceptions=True,
        )
    assert isinstance(denied, OutcomeUnknown)
    assert isinstance(created, LiveStream)


async def test_a_user_that_may_not_hear_the_answers_is_told_so(run_server: RunServer) -> None:
    server = run_server(config=permissions('subscribe: { deny: ["_INBOX.>"] }'))
    async with started(server.url, user="op", password=SECRET) as connection:
        await until(lambda: connection.last_error)
        assert "the user may not subscribe to _INBOX.>" in connection.last_error
        assert connection.trouble is Trouble.PERMISSION


async def test_a_subscription_that_is_not_permitted_is_told_and_disturbs_nothing_else(
    run_server: RunServer,
) -> None:
    server = run_server(config=permissions('subscribe: { deny: ["$JS.EVENT.>"] }'))
    options = ConnectionOptions(servers=(server.url,), user="op", password=SECRET)
    connection = Connection(options)
    heard: list[str] = []
    for subject in ("$JS.EVENT.ADVISORY.STREAM.CREATED.>", "permitted"):
        connection.subscribe(subject, lambda found, _: heard.append(found))
    await connection.start()
    try:
        await until(lambda: connection.is_connected)
        assert connection.denied == {"$JS.EVENT.ADVISORY.STREAM.CREATED.>"}
        with pytest.raises(OutcomeUnknown):
            await connection.request("permitted", b"", timeout=0.1)
        await until(lambda: heard == ["permitted"])
    finally:
        await connection.close()


async def test_a_right_to_subscribe_counts_from_the_next_session_and_its_loss_at_once(
    run_server: RunServer, caplog: pytest.LogCaptureFixture
) -> None:
    able, deaf = permissions(""), permissions('subscribe: { deny: ["told.>"] }')
    server = run_server(config=able)
    connection = Connection(ConnectionOptions(servers=(server.url,), user="op", password=SECRET))
    connection.subscribe("told.*", lambda *_: None)
    await connection.start()
    try:
        await until(lambda: connection.is_connected)
        await asyncio.to_thread(server.reload, deaf)
        await until(lambda: connection.denied == {"told.*"})
        assert connection.epoch == 1
        assert "may no longer subscribe to told.*" in caplog.text
        await asyncio.to_thread(server.reload, able)
        assert connection.epoch == 1
        assert connection.denied == {"told.*"}
        connection.renew_with(connection.options)
        await until(lambda: connection.epoch == 2)
        assert connection.denied == set()
    finally:
        await connection.close()
