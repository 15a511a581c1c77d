"""An endpoint logs in anew when what it logs in with has changed, without a gap between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from controlplane.accounts import Key
from controlplane.nats import NatsServer
from coze_nats.core.login import Login
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.endpoint import NatsEndpoint
from coze_nats.jetstream.options import ConnectionOptions
from support.eventually import eventually_async

FORMER, NEXT = Key(), Key()
USERS = f"authorization {{ users: [{{ nkey: {FORMER.public} }}, {{ nkey: {NEXT.public} }}] }}"


@pytest.fixture(scope="module")
def server() -> Any:
    with NatsServer(config=USERS) as found:
        yield found


def logged_in(server: NatsServer) -> set[str]:
    return {each["authorized_user"] for each in server.monitor("/connz?auth=true")["connections"]}


async def only(server: NatsServer, key: Key) -> None:
    async def look() -> bool:
        return logged_in(server) == {key.public}

    await eventually_async(look, 20, "the other session to be the only one")


@pytest.fixture
async def requests() -> AsyncIterator[Any]:
    """Keep sending requests; `failures` are those that didn't go well."""
    sending: list[asyncio.Task[None]] = []
    failures: list[Exception] = []

    def start(endpoint: NatsEndpoint) -> list[Exception]:
        async def send() -> None:
            while True:
                try:
                    await endpoint.jetstream.account()
                except Exception as error:  # noqa: BLE001 # whatever it is, it must not be
                    failures.append(error)
                await asyncio.sleep(0)

        sending.append(asyncio.create_task(send()))
        return failures

    yield start
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)


async def test_another_login_takes_over_under_load(server: NatsServer, requests: Any) -> None:
    endpoint = NatsEndpoint.dial(
        Login(servers=(server.url,), nkey_seed=FORMER.seed), allow_local=True
    )
    await endpoint.start()
    await endpoint.wait_connected()
    failures = requests(endpoint)
    endpoint.renew(Login(servers=(server.url,), nkey_seed=NEXT.seed))
    await only(server, NEXT)
    assert endpoint.epoch == 2
    assert failures == []
    await endpoint.close()


async def test_a_login_that_is_refused_leaves_the_former_session(
    server: NatsServer, requests: Any
) -> None:
    endpoint = NatsEndpoint.dial(
        Login(servers=(server.url,), nkey_seed=FORMER.seed), allow_local=True
    )
    await endpoint.start()
    await endpoint.wait_connected()
    failures = requests(endpoint)
    endpoint.renew(Login(servers=(server.url,), nkey_seed=Key().seed))

    async def is_refused() -> bool:
        return endpoint.trouble is Trouble.AUTHENTICATION

    await eventually_async(is_refused, 10, "the refusal")
    assert endpoint.is_connected
    assert "authorization violation" in endpoint.last_error
    assert failures == []
    endpoint.renew(Login(servers=(server.url,), nkey_seed=NEXT.seed))
    await only(server, NEXT)
    assert endpoint.trouble is None
    assert failures == []
    await endpoint.close()


async def test_a_file_that_changes_is_read_anew(server: NatsServer, tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    seed.write_text(FORMER.seed)
    options = ConnectionOptions(servers=(server.url,), nkey_seed_file=str(seed))
    endpoint = NatsEndpoint(options, files_every=0.01)
    await endpoint.start()
    await endpoint.wait_connected()
    seed.write_text(NEXT.seed)
    await only(server, NEXT)
    seed.unlink()
    seed.write_text(FORMER.seed)
    await only(server, FORMER)
    await endpoint.close()
