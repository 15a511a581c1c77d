"""The samples are what they say: applied as they are, they become real, field by field."""

from pathlib import Path
from typing import Any

import yaml

from coze_nats.core import names
from coze_nats.core.api.consumer import ConsumerSpec
from coze_nats.core.api.stream import StreamSpec
from coze_nats.core.desired import desired_consumer, desired_stream
from coze_nats.core.diff import diff
from coze_nats.jetstream.gateway import Gateway

SAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "samples"
FOLDERS = (SAMPLES / "coze-studio", SAMPLES / "coze-events")


def documents() -> list[dict[str, Any]]:
    return [
        document
        for folder in (SAMPLES, *FOLDERS)
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document
    ]


async def test_all_samples_together_become_ready_and_real(
    tenant: Any, world: Any, jetstream: Gateway
) -> None:
    for folder in FOLDERS:
        world.kubernetes.kubectl("-n", tenant.namespace, "apply", "-f", folder)
    for path in sorted(SAMPLES.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            world.kubernetes.kubectl("-n", tenant.namespace, "apply", "-f", path)
    found = documents()
    assert {document["kind"] for document in found} == {names.STREAM_KIND, names.CONSUMER_KIND}
    server = await jetstream.server()
    for document in found:
        name = document["metadata"]["name"]
        status = await tenant.ready(document["kind"], name)
        if document["kind"] == names.STREAM_KIND:
            spec = StreamSpec.model_validate(document.get("spec") or {})
            desired: Any = desired_stream(name, spec, None)
            live: Any = await jetstream.stream(status["stream"])
        else:
            consumer = ConsumerSpec.model_validate(document["spec"])
            desired = desired_consumer(name, consumer, status["stream"])
            live = await jetstream.consumer(status["stream"], status["consumer"])
        assert diff(desired, live.config, server) == ()
