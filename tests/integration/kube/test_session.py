"""Logging in: tokens that end or are refused, sessions that Kopf closes, servers that are away."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from controlplane import ports
from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from coze_nats.kube.api import Api, ApiServerError, Refused
from coze_nats.kube.session import NotConfigured, Session
from coze_nats.kube.watches import Watches, path_of

STREAMS = (names.STREAM_KIND, None)
CONSUMERS = (names.CONSUMER_KIND, None)
CONNECTIONS = (names.CONNECTION_KIND, None)

Login = Callable[..., Session]


@pytest.fixture
def token(apiserver: KubernetesAPI, namespace: str) -> str:
    """A token of somebody who may do nothing but ask what there is."""
    apiserver.kubectl("create", "serviceaccount", "somebody", f"--namespace={namespace}")
    kubeconfig = apiserver.service_account_kubeconfig(namespace, "somebody")
    return str(yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"])


@pytest.fixture
async def login(apiserver: KubernetesAPI, tmp_path: Path) -> AsyncIterator[Login]:
    """Open a session as a user of a KUBECONFIG."""
    sessions: list[Session] = []

    def open_(
        user: Mapping[str, Any],
        server: str = apiserver.url,
        watches: Watches | None = None,
        **cluster: str,
    ) -> Session:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [
                {
                    "name": "it",
                    "cluster": {
                        "server": server,
                        "certificate-authority": str(apiserver.ca_file),
                        **cluster,
                    },
                }
            ],
            "users": [{"name": "it", "user": dict(user)}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        sessions.append(Session(watches or Watches(), str(path)))
        return sessions[-1]

    yield open_
    for session in sessions:
        await session.close()


async def works(session: Session) -> bool:
    answer = await Api(session).request("GET", "/version")
    return bool(answer["major"] == "1")


async def test_a_token_file_is_read_again_when_its_token_is_refused(
    login: Login, token: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("expired")
    session = login({"tokenFile": str(file)})
    with pytest.raises(Refused, match="401"):
        await works(session)
    file.write_text(token)
    with pytest.raises(Refused):
        await works(session)
    assert await works(session)


async def test_a_plugins_token_is_renewed_when_its_time_is_up(
    login: Login, token: str, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"},
    }
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\necho called >> {calls}\necho '{json.dumps(credential)}'\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    session = login(
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": str(plugin),
                "interactiveMode": "Never",
            }
        }
    )
    assert await works(session)
    before = calls.read_text()
    assert await works(session)
    assert len(calls.read_text()) > len(before)


async def test_a_plugin_that_takes_its_time_holds_up_nothing_else(
    login: Login, token: str, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    go.touch()
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token, "expirationTimestamp": "2020-01-01T00:00:00Z"},
    }
    plugin = tmp_path / "plugin"
    wait = f"while [ ! -e {go} ]; do sleep 0.05; done"
    plugin.write_text(f"#!/bin/sh\n{wait}\necho '{json.dumps(credential)}'\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)}
    session = login({"exec": {**command, "interactiveMode": "Never"}})
    go.unlink()
    # Were the loop to wait for the plugin, nobody could let that go on.
    asyncio.get_running_loop().call_later(0.2, go.touch)
    assert await works(session)


async def test_the_name_that_a_kubeconfig_gives_is_the_one_that_must_be_in_the_certificate(
    login: Login, token: str
) -> None:
    session = login({"token": token}, **{"tls-server-name": "nobody.example"})
    with pytest.raises(ApiServerError, match=r"nobody\.example"):
        await works(session)


async def test_kopf_gets_a_new_session_when_it_has_closed_the_old_one(session: Session) -> None:
    first = (await session.login()).aiohttp_session
    assert (await session.login()).aiohttp_session is first
    await first.close()
    second = (await session.login()).aiohttp_session
    assert second is not first
    assert await works(session)


async def test_credentials_that_cannot_be_read_again_stay_as_they_were(
    login: Login, token: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = login({"token": token})
    (tmp_path / "kubeconfig").unlink()
    await session.renew()
    assert await works(session)
    assert "The credentials stay as they were" in caplog.text


async def test_a_server_that_is_away_is_an_error_that_says_so(login: Login, token: str) -> None:
    nowhere = f"https://{ports.LOOPBACK}:{ports.free()}"
    session = login({"token": token}, server=nowhere)
    with pytest.raises(ApiServerError, match="doesn't answer") as raised:
        await works(session)
    assert raised.value.status is None


def test_without_pod_and_kubeconfig_there_is_nothing_to_work_for(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="KUBECONFIG"):
        Session(Watches(), str(tmp_path / "missing"))


async def list_(session: Session, place: tuple[str, str | None], **query: str) -> None:
    url = session.server + path_of(*place)
    async with session.http.get(url, params=query) as response:
        await response.read()


async def first_page(session: Session) -> str:
    """List one stream of several; returns the token of the next page."""
    url = session.server + path_of(*STREAMS)
    async with session.http.get(url, params={"limit": "1"}) as response:
        token = (await response.json())["metadata"]["continue"]
    assert token
    return str(token)


async def test_the_cache_is_full_once_all_kinds_are_watched(
    session: Session, watches: Watches
) -> None:
    await list_(session, STREAMS)
    await list_(session, STREAMS, watch="true", timeoutSeconds="1")
    await list_(session, CONSUMERS, watch="true", timeoutSeconds="1")
    assert not watches.filled.is_set()
    await list_(session, CONNECTIONS, watch="true", timeoutSeconds="1")
    assert watches.filled.is_set()


async def test_the_cache_is_full_once_all_that_was_listed_is_heard_of(
    session: Session, watches: Watches, orders: Any
) -> None:
    """Kopf watches on while what it has read still waits to be passed on."""
    uids = [orders.create().uid, orders.create(name="payments").uid]
    async with session.http.get(session.server + path_of(*STREAMS)) as response:
        listed = [item["metadata"]["uid"] for item in (await response.json())["items"]]
    assert set(uids) <= set(listed)
    for place in watches.places:
        await list_(session, place, watch="true", timeoutSeconds="1")
    for uid in listed:
        assert not watches.filled.is_set()
        watches.heard(uid)
    assert watches.filled.is_set()
    watches.heard("of a resource that was made since then")
    assert watches.filled.is_set()


async def test_listing_again_is_losing_track_and_further_pages_are_not(
    session: Session, watches: Watches, orders: Any
) -> None:
    orders.create()
    orders.create(name="payments")
    relisted: list[tuple[str, str | None]] = []
    watches.on_relist = relisted.append
    token = await first_page(session)
    await list_(session, STREAMS, limit="1", **{"continue": token})
    await list_(session, STREAMS, watch="true", timeoutSeconds="1")
    await list_(session, CONSUMERS)
    assert relisted == []
    await list_(session, STREAMS, limit="1", **{"continue": await first_page(session)})
    assert relisted == [STREAMS]


async def test_a_first_list_that_broke_off_and_began_anew_is_losing_track(
    session: Session, watches: Watches
) -> None:
    relisted: list[tuple[str, str | None]] = []
    watches.on_relist = relisted.append
    await list_(session, STREAMS, limit="1")
    await list_(session, STREAMS, limit="1")
    assert relisted == [STREAMS]


async def test_losing_track_is_told_when_the_new_list_is_answered(
    session: Session, watches: Watches
) -> None:
    """What is deleted before the answer is missing in it, so nobody may look earlier."""
    relisted: list[tuple[str, str | None]] = []
    watches.on_relist = relisted.append
    sent, may_go = asyncio.Event(), asyncio.Event()

    async def hold(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        sent.set()
        await may_go.wait()
        return await send(request)

    await list_(session, STREAMS)
    url = session.server + path_of(*STREAMS)
    middlewares = (*session.own_requests(), watches.follow, hold)
    listing = asyncio.ensure_future(session.http.get(url, middlewares=middlewares))
    await sent.wait()
    assert relisted == []
    may_go.set()
    (await listing).close()
    assert relisted == [STREAMS]


async def test_a_list_that_is_refused_is_no_list(login: Login, token: str) -> None:
    relisted: list[tuple[str, str | None]] = []
    watches = Watches()
    watches.on_relist = relisted.append
    session = login({"token": token}, watches=watches)
    await list_(session, STREAMS)
    await list_(session, STREAMS)
    assert relisted == []


async def test_from_where_a_watch_goes_on_is_told_but_of_the_first(
    session: Session, watches: Watches
) -> None:
    resumed: list[tuple[tuple[str, str | None], str]] = []
    watches.on_resume = lambda *told: resumed.append(told)
    url = session.server + path_of(*STREAMS)
    async with session.http.get(url) as response:
        version = (await response.json())["metadata"]["resourceVersion"]
    query = {"watch": "true", "timeoutSeconds": "1", "resourceVersion": version}
    await list_(session, STREAMS, **query)
    assert resumed == []
    await list_(session, STREAMS, **query)
    assert resumed == [(STREAMS, version)]


async def test_a_watch_that_is_not_allowed_is_told(login: Login, token: str) -> None:
    watches = Watches()
    session = login({"token": token}, watches=watches)
    await list_(session, STREAMS, watch="true")
    reason = ": not allowed; it takes the verbs list and watch"
    assert f"cozestreams in all namespaces{reason}" in watches.closed()
    assert "cozeconsumers in all namespaces" in watches.closed()


async def test_a_watch_counts_while_it_is_open(session: Session, watches: Watches) -> None:
    none = [f"{plural} in all namespaces" for plural in names.PLURALS.values()]
    assert watches.closed() == none
    url = session.server + path_of(*STREAMS)
    query = {"watch": "true", "timeoutSeconds": "1"}
    async with session.http.get(url, params=query) as response:
        assert set(none) - set(watches.closed()) == {"cozestreams in all namespaces"}
        await response.read()
    assert watches.closed() == none


async def test_namespaces_are_watched_one_by_one(session: Session) -> None:
    assert Watches(["a", "b"]).places == tuple(
        (kind, namespace) for kind in names.PLURALS for namespace in ("a", "b")
    )


async def test_what_is_not_asked_for_any_more_is_stuck(login: Login, token: str) -> None:
    now = 1000.0
    watches = Watches(clock=lambda: now)
    session = login({"token": token}, watches=watches)
    assert watches.stuck() == [], "nothing has begun yet"
    await list_(session, STREAMS)
    now += 399
    assert watches.stuck() == []
    await list_(session, STREAMS, watch="true")
    now += 2
    assert "cozestreams in all namespaces" not in watches.stuck()
    assert "cozeconsumers in all namespaces" in watches.stuck()
