"""docs/monitoring-nats.md: every figure that it names is in the answers of real servers."""

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
import yaml
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from controlplane import binaries
from controlplane.nats import NatsCluster, NatsServer
from coze_nats.jetstream.options import ConnectionOptions
from coze_nats.metrics.figures import CONSUMER_FAMILIES, STREAM_FAMILIES
from support.eventually import eventually, eventually_async

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "monitoring-nats.md").read_text(encoding="utf-8")
WHOLE = {
    "/connz": "/connz?subs=detail",
    "/jsz": "/jsz?accounts=true&streams=true&consumers=true&config=true",
}
"""How an endpoint is asked for all that the page names."""

STREAM, CONSUMER = "coze-workflow", "coze-consumer"


class Row(NamedTuple):
    """A figure on the page; `since` is the first server that tells it, as (2, 14)."""

    endpoint: str
    path: str
    since: tuple[int, int]


def rows() -> list[Row]:
    found = re.findall(r"^\| `(/[^`]+)` \| `(\.[^`]+)` \| (.+?) \|", PAGE, re.MULTILINE)
    return [Row(endpoint, path, since(text)) for endpoint, path, text in found]


def since(text: str) -> tuple[int, int]:
    found = re.search(r"\((\d+)\.(\d+)\)", text)
    return (int(found[1]), int(found[2])) if found else (2, 10)


def has(document: Any, path: str) -> bool:
    """Whether a path of jq leads to something that is not null."""
    places = [document]
    for key, every in re.findall(r"\.(\w+)(\[\])?", path):
        places = [place[key] for place in places if isinstance(place, dict) and key in place]
        if every:
            places = [item for place in places for item in place]
    return any(place is not None for place in places)


async def use(cluster: NatsCluster) -> Client:
    """Have a stream with a limit and a consumer, of whose messages one is open."""
    client = await nats.connect(cluster.urls, name="coze-studio")
    stream = client.jetstream(timeout=30)
    await stream.add_stream(
        name=STREAM, subjects=["coze.workflow.>"], num_replicas=3, max_bytes=2**20
    )
    await stream.add_consumer(
        STREAM, ConsumerConfig(durable_name=CONSUMER, ack_policy=AckPolicy.EXPLICIT)
    )
    for number in range(3):
        await stream.publish(f"coze.workflow.{number}.started", b"")
    subscription = await stream.pull_subscribe("coze.workflow.>", CONSUMER, stream=STREAM)
    first, _ = await subscription.fetch(2)
    await first.ack_sync()
    return client


def follower(cluster: NatsCluster) -> NatsServer:
    """A server that leads neither the cluster nor the stream."""
    leaders = {cluster.leader, leader_of_the_stream(cluster)}
    return next(node for node in cluster.nodes if node not in leaders)


def leader_of_the_stream(cluster: NatsCluster) -> NatsServer:
    """Who leads it; a server that lags behind may not know the stream, or its leader, yet."""

    def look() -> list[NatsServer]:
        for asked in filter(lambda node: node.running, cluster.nodes):
            for account in asked.monitor(WHOLE["/jsz"]).get("account_details", ()):
                for stream in account.get("stream_detail", ()):
                    leader = stream["cluster"].get("leader")
                    return [node for node in cluster.nodes if node.name == leader]
        return []

    return eventually(look, what="a leader of the stream")[0]


def told(cluster: NatsCluster, row: Row) -> bool:
    endpoint = WHOLE.get(row.endpoint, row.endpoint)
    return any(has(node.monitor(endpoint), row.path) for node in cluster.nodes if node.running)


@pytest.fixture(
    params=[
        pytest.param("2.10.26", marks=pytest.mark.slow),
        "2.14.6",
        pytest.param("2.15.1", marks=pytest.mark.slow),
    ]
)
def cluster(request: pytest.FixtureRequest) -> Iterator[NatsCluster]:
    with NatsCluster(request.param) as running:
        yield running


@pytest.fixture
async def client(cluster: NatsCluster) -> AsyncIterator[Client]:
    connected = await use(cluster)
    yield connected
    await connected.close()


async def test_every_figure_is_told_from_the_version_on_that_the_page_says(
    cluster: NatsCluster, client: Client
) -> None:
    major, minor, _ = map(int, cluster.version.split("."))
    expected = {row for row in rows() if row.since <= (major, minor)}
    # A replica's lag and absence are told only while there are any.
    await asyncio.to_thread(follower(cluster).halt)
    await client.jetstream().publish("coze.workflow.4.started", b"")
    seen: set[Row] = set()

    async def look() -> bool:
        seen.update({row for row in expected - seen if told(cluster, row)})
        return seen == expected

    try:
        await eventually_async(look, 30, "every figure")
    except AssertionError:
        assert sorted(expected - seen) == []
    assert [row for row in rows() if row not in expected and told(cluster, row)] == []


def test_the_page_names_figures_of_every_endpoint() -> None:
    assert len(rows()) > 60
    assert len(set(rows())) == len(rows())
    assert {row.endpoint.partition("?")[0] for row in rows()} == {
        *("/varz", "/connz", "/subsz", "/jsz", "/accstatz", "/healthz")
    }


@pytest.mark.parametrize("endpoint", ["varz", "subsz"])
def test_the_exporter_names_a_figure_by_its_path(endpoint: str) -> None:
    """It does so by itself for these endpoints; for the others it has a list."""
    pattern = rf"^\| `/{endpoint}` \| `(\.[^`]+)` \| .+? \| `(\w+)` \|$"
    found = re.findall(pattern, PAGE, re.MULTILINE)
    assert found
    for path, name in found:
        assert name == f"nats_{endpoint}{path.replace('.', '_')}"


def test_the_operator_calls_itself_what_the_page_says() -> None:
    name = ConnectionOptions(servers=("nats://localhost",)).name
    assert f"the operator's is `{name}`" in PAGE


# --- the queries ----------------------------------------------------------------------------------


def nats_series(metric: str, stream: str = STREAM, **labels: str) -> str:
    given = {"account_name": "COZE", "server_name": "nats-0", "stream_name": stream, **labels}
    listed = ",".join(f'{name}="{value}"' for name, value in given.items())
    return f"{metric}{{{listed}}}"


RESOURCE = 'connection="operator",namespace="coze",name="workflow",stream="coze-workflow"'
SERIES = {
    nats_series("nats_stream_last_seq", is_stream_leader="true"): "0+600x10",
    nats_series("nats_stream_last_seq", is_stream_leader="false"): "0+590x10",
    nats_series("nats_stream_last_seq", "by-hand", is_stream_leader="true"): "0+60x10",
    nats_series("nats_stream_total_messages", is_stream_leader="true"): "7x10",
    nats_series("nats_stream_total_messages", "by-hand", is_stream_leader="true"): "7x10",
    nats_series(
        "nats_consumer_ack_floor_stream_seq", consumer_name=CONSUMER, is_consumer_leader="true"
    ): "0+300x10",
    f"coze_nats_stream_messages{{{RESOURCE}}}": "7x10",
    f'coze_nats_consumer_pending_messages{{{RESOURCE},consumer="coze-consumer"}}': "200x10",
}
"""What the exporter and the operator tell, by the minute."""

ANSWERS = {
    "published": ('{namespace="coze",name="workflow",stream="coze-workflow"}', 10),
    "backlog": (
        '{namespace="coze",name="workflow",stream="coze-workflow",consumer="coze-consumer"}',
        40,
    ),
    "undeclared": ('{stream="by-hand",stream_name="by-hand"}', 1),
}


def queries() -> dict[str, str]:
    found = re.findall(r"<!-- promql: (\w+) -->\n```promql\n(.*?)```", PAGE, re.DOTALL)
    return dict(found)


def test_the_queries_name_metrics_of_the_operator_that_exist() -> None:
    figures = {f"coze_nats_{family.name}" for family in (*STREAM_FAMILIES, *CONSUMER_FAMILIES)}
    named = set(re.findall(r"\bcoze_nats_\w+", PAGE))
    assert named
    assert named <= figures


@pytest.mark.timeout(900)
def test_the_queries_join_what_both_sides_tell(tmp_path: Path) -> None:
    assert set(queries()) == set(ANSWERS)
    cases = [
        {
            "expr": query,
            "eval_time": "10m",
            "exp_samples": [dict(zip(("labels", "value"), ANSWERS[name], strict=True))],
        }
        for name, query in queries().items()
    ]
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    file = tmp_path / "queries.yaml"
    file.write_text(
        yaml.safe_dump(
            {"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": cases}]}
        )
    )
    outcome = subprocess.run(
        [binaries.find("promtool"), "test", "rules", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
