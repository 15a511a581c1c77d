"""The samples: what kubectl applies, what JetStream makes of it, and what the documents promise."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from coze_nats.core import names
from coze_nats.core.desired import Desired
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from support import convergence

SAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "samples"
FILES = sorted(SAMPLES.rglob("*.yaml"))
CONNECTION = SAMPLES / "connection"
COZE_STUDIO = SAMPLES / "coze-studio"
HARDENED = SAMPLES / "coze-studio-hardened"
COZE_EVENTS = SAMPLES / "coze-events"
ON_THEIR_OWN = {CONNECTION, HARDENED}
"""The first needs a NATS system and a Secret of its own, the second takes another one's place."""
TOPICS = ("search-app", "search-resource", "knowledge")
OLDEST, NEWEST = "2.10.26", "2.15.1"
NAMESPACE = "samples"

Document = Mapping[str, Any]


def _documents(*files: Path) -> list[Document]:
    return [found for file in files for found in yaml.safe_load_all(file.read_text("utf-8"))]


def _desired(documents: list[Document]) -> list[Desired]:
    """What JetStream shall have, streams before their consumers."""
    streams = {item["metadata"]["name"]: item for item in _of(names.STREAM_KIND, documents)}
    found = [convergence.stream(name, item["spec"]) for name, item in streams.items()]
    for item in _of(names.CONSUMER_KIND, documents):
        spec = {key: value for key, value in item["spec"].items() if key != "streamRef"}
        stream = item["spec"]["streamRef"]["name"]
        target = streams[stream]["spec"].get("name", stream)
        found.append(convergence.consumer(target, spec.get("name", stream), spec))
    return found


def _of(kind: str, documents: list[Document]) -> list[Document]:
    return [item for item in documents if item["kind"] == kind]


@pytest.fixture(params=[OLDEST, NEWEST])
async def jetstream(request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    with NatsServer(request.param) as server:
        connection = Connection(ConnectionOptions(servers=(server.url,), request_timeout=10))
        await connection.start()
        await connection.wait_connected()
        yield Gateway(connection)
        await connection.close()


def test_kubectl_applies_all_samples_at_once(apiserver: KubernetesAPI) -> None:
    apiserver.kubectl("create", "namespace", NAMESPACE)
    applied = apiserver.kubectl("apply", "-n", NAMESPACE, "-k", SAMPLES).stdout.splitlines()
    together = [file for file in FILES if not ON_THEIR_OWN & {*file.parents}]
    assert len(applied) == len(_documents(*together)), "a file is missing in Kustomization"
    assert all(line.endswith(" created") for line in applied)


@pytest.mark.parametrize(
    "path",
    [SAMPLES, COZE_STUDIO, HARDENED, COZE_EVENTS, CONNECTION, *FILES],
    ids=lambda path: str(path.relative_to(SAMPLES)),
)
def test_kubectl_applies_each_sample_alone(apiserver: KubernetesAPI, path: Path) -> None:
    assert apiserver.kubectl("apply", "--dry-run=server", "-f", path).stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SAMPLES)))
def test_a_sample_is_complete_in_itself(file: Path) -> None:
    documents = _documents(file)
    streams = {item["metadata"]["name"] for item in _of(names.STREAM_KIND, documents)}
    referred = {i["spec"]["streamRef"]["name"] for i in _of(names.CONSUMER_KIND, documents)}
    for item in _of(names.STREAM_KIND, documents):
        mirror = [item["spec"]["mirror"]] if "mirror" in item["spec"] else []
        referred |= {source["name"] for source in (*mirror, *item["spec"].get("sources", ()))}
    assert referred <= streams


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SAMPLES)))
def test_a_sample_goes_into_any_namespace_and_leaves_the_replicas_to_the_operator(
    file: Path,
) -> None:
    for item in _documents(file):
        assert "namespace" not in item["metadata"]
        # What is adopted without a change says how many there are.
        assert "replicas" not in item["spec"] or COZE_STUDIO in file.parents


def test_the_sample_of_a_connection_is_used_by_its_stream_and_by_its_consumer() -> None:
    documents = _documents(CONNECTION / "connection.yaml")
    (connection,) = _of(names.CONNECTION_KIND, documents)
    (stream,) = _of(names.STREAM_KIND, documents)
    (consumer,) = _of(names.CONSUMER_KIND, documents)
    assert stream["spec"]["connection"] == {"name": connection["metadata"]["name"]}
    assert consumer["spec"]["streamRef"] == {"name": stream["metadata"]["name"]}


async def test_jetstream_takes_all_samples_together_as_they_are(jetstream: Gateway) -> None:
    together = [file for file in FILES if HARDENED not in file.parents]
    for desired in _desired(_documents(*together)):
        outcome = await convergence.apply(jetstream, desired)
        assert outcome.plan.refusal is None, desired.target
        assert outcome.left == (), desired.target


@pytest.mark.parametrize("form", [COZE_STUDIO, HARDENED], ids=lambda form: str(form.name))
@pytest.mark.parametrize("file", TOPICS)
def test_coze_studio_has_the_topology_of_its_back_end(file: str, form: Path) -> None:
    stream, consumer = _documents(form / f"{file}.yaml")
    name = file.replace("-", "_")
    topic = f"opencoze_{name}"
    assert stream["spec"]["name"] == f"{topic}_STREAM"
    assert stream["spec"]["subjects"] == [topic]
    assert consumer["spec"]["name"] == f"cg_{name}"
    assert consumer["spec"]["filterSubject"] == topic
    assert "deliverSubject" not in consumer["spec"]


@pytest.mark.parametrize("topic", ["workflow", "agent", "knowledge"])
def test_events_of_ones_own_have_the_documented_topology(topic: str) -> None:
    stream, consumer = _documents(COZE_EVENTS / f"{topic}.yaml")
    assert stream["spec"]["subjects"] == [f"coze.{topic}.*.*"]
    spec = consumer["spec"]
    assert spec["name"] == "coze-consumer"
    assert spec["ackPolicy"] == "explicit"
    assert spec["maxDeliver"] == 3
    assert spec["maxAckPending"] == 100
    assert (spec.get("ackWait") or spec["backoff"][0]) == "30s"
    assert "deliverSubject" not in spec
