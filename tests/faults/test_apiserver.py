"""The API server goes, keeps silent, loses its past, or says no."""

import asyncio
import base64
import http.client
import json
import socket
import time
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import pytest

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from coze_nats.core.names import CONNECTION_KIND, CONSUMER_KIND, STREAM_KIND
from faults.conftest import Begin
from support.connections import gateway_to
from support.eventually import eventually_async
from support.http_faults import (
    Matches,
    is_finalizer_write,
    is_list_of_streams,
    is_read_of_secret,
    is_status_write,
)
from support.resources import Resources
from support.tenant import Tenant
from support.until import until

COUNT, MORE = 100, 20
FOR_EVER = 10**6
TOKEN = "an-example-token"

RESTORED = "etcd restored from a backup"
COUNTING_ON = "etcd restored from a backup, counting on from above (--bump-revision)"


async def test_the_api_server_is_killed_under_load(begin: Begin) -> None:
    """Requests that broke are made again, watches go on where they were."""
    work = await begin(COUNT)
    going_on = asyncio.create_task(work.go_on(MORE))
    await asyncio.sleep(0)
    await asyncio.to_thread(work.site.cluster.api.restart)
    await going_on
    assert work.site.operator.probe("/healthz")[0] == 200
    work.survived(
        "API server killed under load, and started again",
        stayed_up="the operator; JetStream",
        retried="watches, and writes that broke",
        heal_seconds=await work.healed(),
        bound=4,
    )


@pytest.mark.parametrize(
    "matches, name, status",
    [
        pytest.param(
            is_status_write,
            "status",
            HTTPStatus.CONFLICT,
            id="status-409",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            is_status_write,
            "status",
            HTTPStatus.TOO_MANY_REQUESTS,
            id="status-429",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            is_status_write,
            "status",
            HTTPStatus.INTERNAL_SERVER_ERROR,
            id="status-500",
            marks=pytest.mark.slow,
        ),
        pytest.param(is_finalizer_write, "finalizer", HTTPStatus.CONFLICT, id="finalizer-409"),
        pytest.param(
            is_finalizer_write,
            "finalizer",
            HTTPStatus.TOO_MANY_REQUESTS,
            id="finalizer-429",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            is_finalizer_write,
            "finalizer",
            HTTPStatus.INTERNAL_SERVER_ERROR,
            id="finalizer-500",
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_writes_are_refused(
    begin: Begin, matches: Matches, name: str, status: HTTPStatus
) -> None:
    """A write that is refused is made again until it is taken, and then no more."""
    work = await begin(COUNT, over_http=True)
    work.site.http.refuse(matches, status, MORE)
    await work.go_on(MORE)
    seconds = await work.healed()
    assert work.site.http.refused[status] == MORE
    work.survived(
        f"{status} {status.phrase} for {MORE} {name} patches",
        stayed_up="all other writes",
        retried="the patches",
        heal_seconds=seconds,
        bound=3,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_watches_go_silent(begin: Begin) -> None:
    """An open connection on which nothing comes any more is given up, and all is listed anew."""
    work = await begin(COUNT, over_http=True)
    work.site.http.silence_watches()
    await work.go_on(MORE)
    before = work.site.http.watches
    work.site.http.heal()
    seconds = await work.healed(within=150)
    assert work.site.http.watches >= before + 2
    work.survived(
        "watches go silent, and stay open",
        stayed_up="the operator's own requests",
        retried="the watches, after 70 s without a byte",
        heal_seconds=seconds,
        bound=3,
    )


async def test_watches_are_told_that_their_version_is_gone(begin: Begin) -> None:
    """On 410 Gone all is listed anew: what came, what changed, and what went."""
    work = await begin(COUNT, over_http=True)
    work.site.http.expire_watches()
    await asyncio.to_thread(work.site.cluster.api.restart)
    await work.go_on(MORE)
    await until(lambda: work.site.http.refused[HTTPStatus.GONE] >= 2)
    work.site.http.heal()
    work.survived(
        "410 Gone for every watch",
        stayed_up="the operator's own requests",
        retried="list and watch, of everything",
        heal_seconds=await work.healed(),
        bound=3,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_etcd_is_compacted_while_the_operator_is_cut_off(begin: Begin) -> None:
    """The versions at which the watches were are no more; what went meanwhile is found out."""
    work = await begin(COUNT)
    work.site.api_proxy.refuse()
    await work.go_on(MORE)
    compact(work.site.cluster.api)
    # The API server's own memory of the past ends with its process.
    await asyncio.to_thread(work.site.cluster.api.restart)
    work.site.api_proxy.heal()
    work.survived(
        "etcd compacted while the operator is cut off",
        stayed_up="JetStream",
        retried="connections; then list and watch, of everything",
        heal_seconds=await work.healed(),
        bound=3,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_partition_from_the_api_server(begin: Begin) -> None:
    """Requests have deadlines, also when nobody refuses them; JetStream is looked after."""
    work = await begin(COUNT)
    before = work.site.api_proxy.accepted
    work.site.api_proxy.swallow()
    await work.go_on(MORE)
    # The watches were given up, and asked for again.
    await until(lambda: work.site.api_proxy.accepted > before + 1, 150)
    assert work.site.operator.probe("/healthz")[0] == 200
    work.site.api_proxy.heal()
    work.survived(
        "partition from the API server: connections stay, no byte passes",
        stayed_up="JetStream",
        retried="all requests, upon their deadlines",
        heal_seconds=await work.healed(within=150),
        bound=4,
    )


@pytest.mark.slow
async def test_connections_to_the_api_server_are_reset_again_and_again(begin: Begin) -> None:
    """Whatever was in flight is asked for again."""
    work = await begin(COUNT)
    going_on = asyncio.create_task(work.go_on(MORE))
    for _ in range(10):
        await asyncio.sleep(0.2)
        work.site.api_proxy.cut()
    await going_on
    work.survived(
        "connections to the API server reset, ten times in two seconds",
        stayed_up="the operator; JetStream",
        retried="watches, and writes that broke",
        heal_seconds=await work.healed(),
        bound=5,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", [RESTORED, COUNTING_ON], ids=["as-it-was", "counting-on"])
async def test_etcd_is_restored_from_a_backup(begin: Begin, tmp_path: Path, fault: str) -> None:
    """Nothing tells of what has changed by it: the operator ends, and begins anew.

    What was declared since the backup is forgotten, and what it made in JetStream is left alone.
    Declared again, as GitOps does, it is as before.
    """
    work = await begin(COUNT)
    api, operator = work.site.cluster.api, work.site.operator
    await asyncio.to_thread(api.back_up, tmp_path / "backup")
    of_the_backup = list(work.declared)
    await work.go_on(MORE)
    await work.healed()
    since = [found for found in work.declared if found not in of_the_backup]

    last = revision(api)
    work.site.api_proxy.refuse()
    await asyncio.to_thread(api.restore, tmp_path / "backup")
    if fault == COUNTING_ON:
        count_on(api, last + 1000)
        compact(api)
        await asyncio.to_thread(api.restart)
    work.site.api_proxy.heal()
    await until(lambda: not operator.running)
    assert "as when etcd is restored from a backup. The operator has to begin anew" in operator.log
    assert operator.stop() == 1

    start = time.monotonic()
    await asyncio.to_thread(operator.start)
    await work.declaring.create(since)
    work.declared, work.deleted, work.changed = of_the_backup + since, [], []
    await work.healed_in_jetstream()
    work.survived(
        fault,
        stayed_up="JetStream",
        retried="nothing: the operator ends, is started again, and compares everything",
        heal_seconds=time.monotonic() - start,
        bound=4,
    )


def revision(api: KubernetesAPI) -> int:
    """How far etcd has counted: the newest resourceVersion."""
    return int(_etcd(api, "/v3/maintenance/status", {})["header"]["revision"])


def count_on(api: KubernetesAPI, to: int) -> None:
    """Have etcd count further, as `etcdutl snapshot restore --bump-revision` does."""
    key = base64.b64encode(b"counted").decode()
    while revision(api) < to:
        _etcd(api, "/v3/kv/put", {"key": key, "value": key})


def compact(api: KubernetesAPI) -> None:
    """Forget all versions of the past in etcd."""
    _etcd(api, "/v3/kv/compaction", {"revision": revision(api), "physical": True})


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system, as etcd is reached here."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def _etcd(api: KubernetesAPI, path: str, body: dict[str, object]) -> dict[str, dict[str, int]]:
    connection = _SocketConnection(str(api.directory / "etcd:0"))
    connection.request("POST", path, json.dumps(body))
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == HTTPStatus.OK, text
    return dict(json.loads(text))


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_secrets_cant_be_read_while_nats_goes_and_comes_back(begin: Begin) -> None:
    """As when the provider of etcd's encryption keys is down: only the loss of NATS is told."""
    work = await begin(2, over_http=True)
    api, faults, namespace = work.site.cluster.api, work.site.http, work.declaring.namespace
    resources = Resources(api)
    tenant = Tenant(namespace, resources)
    with closing(resources), NatsServer(token=TOKEN) as server:
        api.kubectl(
            "create", "secret", "generic", "login", f"--from-literal=token={TOKEN}", "-n", namespace
        )
        reference = {"secretKeyRef": {"name": "login", "key": "token"}}
        tenant.apply(CONNECTION_KIND, "events", servers=[server.url], auth={"token": reference})
        await tenant.reports(CONNECTION_KIND, "events", "Ready", "Connected")
        faults.refuse(is_read_of_secret, HTTPStatus.INTERNAL_SERVER_ERROR, FOR_EVER)
        await until(lambda: faults.refused[HTTPStatus.INTERNAL_SERVER_ERROR] >= 2)
        await tenant.reports(CONNECTION_KIND, "events", "Ready", "Connected")
        server.halt()
        status = await tenant.reports(CONNECTION_KIND, "events", "Reconciling", "Unreachable")
        assert "the Kubernetes API server doesn't give Secret login" in str(status["conditions"])
        server.start()
        await tenant.reports(CONNECTION_KIND, "events", "Ready", "Connected")
        tenant.delete(CONNECTION_KIND, "events")
        await tenant.gone(CONNECTION_KIND, "events")


async def test_nothing_is_done_before_everything_has_been_listed(begin: Begin) -> None:
    """A consumer whose creation nobody could write down, and that is deleted meanwhile.

    Only its CozeStream tells on which stream it is; without it, nothing would seem to be left.
    """
    work = await begin(0, over_http=True)
    operator, faults = work.site.operator.start(), work.site.http
    with closing(Resources(work.site.cluster.api)) as resources:
        tenant = Tenant(work.declaring.namespace, resources)
        tenant.stream("orders", name="orders-of-the-shop", subjects=["orders"])
        await tenant.ready(STREAM_KIND, "orders")
        faults.refuse(is_status_write, HTTPStatus.INTERNAL_SERVER_ERROR, FOR_EVER)
        tenant.consumer("reader", streamRef={"name": "orders"})
        async with gateway_to(work.site.nats.url) as jetstream:

            async def is_made() -> bool:
                return await jetstream.consumer("orders-of-the-shop", "reader") is not None

            await eventually_async(is_made, what="the consumer")
            operator.kill()
            tenant.delete(CONSUMER_KIND, "reader")
            assert "stream" not in tenant.status(CONSUMER_KIND, "reader")
            faults.heal()
            faults.refuse(is_list_of_streams, HTTPStatus.INTERNAL_SERVER_ERROR, 2)
            operator.start()
            await tenant.gone(CONSUMER_KIND, "reader")
            assert faults.refused[HTTPStatus.INTERNAL_SERVER_ERROR] >= 2
            assert not await is_made()
