"""What every endpoint does: the real one with a nats-server, and the fake.

What is the real one's own, such as requests that are under way, is in test_endpoint.py.
"""

from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from controlplane.nats import NatsServer
from coze_nats.core.errors import Unavailable
from coze_nats.core.login import Login, UnusableLogin
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.endpoint import NatsEndpoint
from coze_nats.ports import Endpoint
from fakes.endpoint import FakeEndpoint
from support.until import until

RIGHT, WRONG = "the-right-password", "the-wrong-password"
ABLE, DEAF = "able", "deaf"
"""A user, and another one who may not subscribe to everything."""
TOLD, UNTOLD = "told", "untold.*"
USERS = f"""
authorization {{ users: [
  {{ user: {ABLE}, password: "{RIGHT}" }},
  {{ user: {DEAF}, password: "{RIGHT}", permissions: {{ subscribe: {{ deny: "{UNTOLD}" }} }} }}
] }}
"""


class System(Protocol):
    """A NATS system that lets in whoever has the right password."""

    def dial(self, login: Login) -> Endpoint: ...

    async def lets_in(self, endpoint: Endpoint) -> None:
        """One more session begins."""

    async def refuses(self, endpoint: Endpoint) -> None:
        """The endpoint finds that its login is refused."""

    async def ends(self, endpoint: Endpoint) -> None:
        """The session ends, as the server goes."""


class FakeSystem:
    def dial(self, login: Login) -> FakeEndpoint:
        return FakeEndpoint(login)

    async def lets_in(self, endpoint: Endpoint) -> None:
        assert isinstance(endpoint, FakeEndpoint)
        endpoint.accept({UNTOLD} if endpoint.login.user == DEAF else ())

    async def refuses(self, endpoint: Endpoint) -> None:
        assert isinstance(endpoint, FakeEndpoint)
        endpoint.refuse(Trouble.AUTHENTICATION, "authorization violation")

    async def ends(self, endpoint: Endpoint) -> None:
        assert isinstance(endpoint, FakeEndpoint)
        endpoint.end()


class RealSystem:
    def __init__(self, server: NatsServer) -> None:
        self._server = server

    def dial(self, login: Login) -> NatsEndpoint:
        return NatsEndpoint.dial(login, allow_local=True)

    async def lets_in(self, endpoint: Endpoint) -> None:
        before = endpoint.epoch
        await until(lambda: endpoint.epoch > before)

    async def refuses(self, endpoint: Endpoint) -> None:
        await until(lambda: endpoint.trouble is Trouble.AUTHENTICATION)

    async def ends(self, endpoint: Endpoint) -> None:
        self._server.stop()
        await until(lambda: not endpoint.is_connected)


@pytest.fixture(params=["fake", "server"])
def system(request: pytest.FixtureRequest, server: NatsServer) -> System:
    return FakeSystem() if request.param == "fake" else RealSystem(server)


@pytest.fixture(scope="module")
def _started() -> object:
    with NatsServer(config=USERS) as found:
        yield found


@pytest.fixture
def server(_started: NatsServer) -> NatsServer:
    if not _started.running:
        _started.start()
    return _started


class Heard:
    """An endpoint, and what it told its listeners."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.told: list[str] = []
        endpoint.on_connected(lambda: self.told.append("connected"))
        endpoint.on_disconnected(lambda: self.told.append("disconnected"))


def login(server: NatsServer, password: str = RIGHT, user: str = ABLE) -> Login:
    return Login(servers=(server.url,), user=user, password=password)


@pytest.fixture
async def heard(system: System, server: NatsServer) -> AsyncIterator[Heard]:
    """An endpoint with the right password, not started."""
    found = Heard(system.dial(login(server)))
    yield found
    await found.endpoint.close(0)


async def test_nothing_is_known_before_there_is_a_session(heard: Heard) -> None:
    endpoint = heard.endpoint
    await endpoint.start()
    assert not endpoint.is_connected
    assert (endpoint.epoch, endpoint.trouble, endpoint.last_error) == (0, None, "")
    assert (endpoint.server_version, endpoint.cluster) == ("", "")
    assert endpoint.away_since is not None
    with pytest.raises(Unavailable):
        await endpoint.jetstream.account()


async def test_a_session_begins(heard: Heard, system: System) -> None:
    endpoint = heard.endpoint
    await endpoint.start()
    await system.lets_in(endpoint)
    assert endpoint.is_connected
    assert (endpoint.epoch, endpoint.trouble, endpoint.last_error) == (1, None, "")
    assert endpoint.away_since is None
    assert endpoint.server_version
    assert heard.told == ["connected"]
    assert (await endpoint.jetstream.server()).version == endpoint.server_version


async def test_a_refused_login_is_told_of_without_it(system: System, server: NatsServer) -> None:
    heard = Heard(system.dial(login(server, WRONG)))
    endpoint = heard.endpoint
    await endpoint.start()
    await system.refuses(endpoint)
    assert not endpoint.is_connected
    assert endpoint.trouble is Trouble.AUTHENTICATION
    assert "authorization violation" in endpoint.last_error
    assert WRONG not in endpoint.last_error
    assert heard.told == []
    await endpoint.close(0)


async def test_a_session_ends(heard: Heard, system: System) -> None:
    endpoint = heard.endpoint
    await endpoint.start()
    await system.lets_in(endpoint)
    await system.ends(endpoint)
    assert not endpoint.is_connected
    assert endpoint.trouble is Trouble.UNREACHABLE
    assert endpoint.last_error
    assert endpoint.away_since is not None
    assert (endpoint.server_version, endpoint.cluster) == ("", "")
    assert heard.told == ["connected", "disconnected"]
    with pytest.raises(Unavailable):
        await endpoint.jetstream.account()


async def test_a_renewed_login_takes_over_without_a_loss(
    heard: Heard, system: System, server: NatsServer
) -> None:
    endpoint = heard.endpoint
    await endpoint.start()
    await system.lets_in(endpoint)
    endpoint.renew(login(server))
    assert endpoint.is_connected
    await system.lets_in(endpoint)
    assert endpoint.epoch == 2
    assert heard.told == ["connected", "connected"]


async def test_a_renewed_login_that_is_refused_leaves_the_session(
    heard: Heard, system: System, server: NatsServer
) -> None:
    endpoint = heard.endpoint
    await endpoint.start()
    await system.lets_in(endpoint)
    endpoint.renew(login(server, WRONG))
    await system.refuses(endpoint)
    assert endpoint.is_connected
    assert endpoint.trouble is Trouble.AUTHENTICATION
    assert endpoint.epoch == 1
    assert heard.told == ["connected"]
    await endpoint.jetstream.server()
    endpoint.renew(login(server))
    assert endpoint.last_error == ""
    await system.lets_in(endpoint)
    assert heard.told == ["connected", "connected"]


async def test_what_a_user_may_not_hear_is_known_as_long_as_the_users_session_lasts(
    heard: Heard, system: System, server: NatsServer
) -> None:
    endpoint = heard.endpoint
    for subject in (TOLD, UNTOLD):
        endpoint.subscribe(subject, lambda *_: None)
    await endpoint.start()
    assert endpoint.denied == set()
    await system.lets_in(endpoint)
    assert endpoint.denied == set()
    endpoint.renew(login(server, user=DEAF))
    await system.lets_in(endpoint)
    assert endpoint.denied == {UNTOLD}
    endpoint.renew(login(server, WRONG))
    await system.refuses(endpoint)
    assert endpoint.denied == {UNTOLD}
    endpoint.renew(login(server))
    await system.lets_in(endpoint)
    assert endpoint.denied == set()


async def test_what_is_no_url_of_a_server_is_refused_before_anything_is_tried(
    heard: Heard, system: System
) -> None:
    unusable = Login(servers=("http://nats:4222",), user=ABLE, password=RIGHT)
    with pytest.raises(UnusableLogin):
        system.dial(unusable)
    endpoint = heard.endpoint
    await endpoint.start()
    await system.lets_in(endpoint)
    with pytest.raises(UnusableLogin):
        endpoint.renew(unusable)
    assert endpoint.is_connected
    assert endpoint.trouble is None


async def test_a_closed_endpoint_sends_nothing_and_tells_nothing(
    heard: Heard, system: System
) -> None:
    endpoint = heard.endpoint
    await endpoint.start()
    await system.lets_in(endpoint)
    await endpoint.close(0)
    assert not endpoint.is_connected
    assert heard.told == ["connected"]
    with pytest.raises(Unavailable):
        await endpoint.jetstream.account()
