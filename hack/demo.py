"""The operator's main job on this machine, from nothing to a converged, self-healing topology.

A real etcd, kube-apiserver and nats-server are started on loopback and removed at the end; the
operator runs with its ServiceAccount's rights and nothing more.
"""

import asyncio
import json
import shlex
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client

from controlplane import ControlPlaneError, binaries, recipes
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from stage import Stage
from topology import outline

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "manifests/samples/coze-studio"
APPS, RESOURCES = "opencoze_search_app", "opencoze_search_resource"
"""Topics of Coze Studio's back end: the subjects of its streams."""
NAMESPACE = "coze"
RESYNC = "1s"
WITHIN_SECONDS = 120.0

Json = dict[str, Any]


class BrokenPromise(Exception):
    """What the demo shows did not come about."""


@dataclass
class Demo:
    """The parts that the steps share."""

    stage: Stage
    kubernetes: KubernetesAPI
    nats: NatsServer
    client: Client

    def kubectl(self, *args: str, show: bool = True) -> str:
        """Run and show a kubectl command in the demo's namespace."""
        if show:
            self.stage.command(shlex.join(("kubectl", *args)))
        return self.kubernetes.kubectl("-n", NAMESPACE, *args).stdout

    def resources(self) -> list[Json]:
        found = self.kubernetes.kubectl("-n", NAMESPACE, "get", "coze", "-o", "json").stdout
        items: list[Json] = json.loads(found)["items"]
        return items

    def stream_of(self, topic: str) -> Json:
        """The CozeStream that stores a topic of Coze Studio's."""
        return next(
            item
            for item in self.resources()
            if item["kind"] == "CozeStream" and topic in item["spec"].get("subjects", [])
        )

    async def api(self, verb: str, body: Json | None = None) -> Json:
        """One raw JetStream API request, as any NATS client would make it."""
        payload = json.dumps(body).encode() if body else b""
        answer = await self.client.request(f"$JS.API.{verb}", payload, timeout=30)
        found: Json = json.loads(answer.data)
        return found

    async def seconds_until(self, look: Callable[[], Awaitable[bool]], what: str) -> float:
        """Wait for something to come about; returns how long it took."""
        start = time.monotonic()
        while not await look():
            if time.monotonic() - start > WITHIN_SECONDS:
                raise BrokenPromise(f"{what} did not come about within {WITHIN_SECONDS:.0f} s")
            await asyncio.sleep(0.02)
        return time.monotonic() - start


async def apply_the_sample(demo: Demo) -> None:
    stage = demo.stage
    stage.step("Declare Coze Studio's topology and wait until JetStream has it")
    start = time.monotonic()
    stage.show(demo.kubectl("apply", "-f", SAMPLE))
    ready = ("--for=condition=Ready", "cozestreams,cozeconsumers", "--all", "--timeout=120s")
    stage.show(demo.kubectl("wait", *ready))
    seconds = time.monotonic() - start
    stage.show(demo.kubectl("get", "coze"))
    stage.done(f"{len(demo.resources())} resources applied and Ready", seconds)


async def compare_with_jetstream(demo: Demo) -> None:
    stage = demo.stage
    stage.step("Ask JetStream itself what it has")
    for name in sorted((await demo.api("STREAM.NAMES")).get("streams") or []):
        config = (await demo.api(f"STREAM.INFO.{name}"))["config"]
        hours = config["max_age"] / 3_600e9
        stage.show(
            f"stream {name}: subjects {', '.join(config['subjects'])}; {config['retention']}, "
            f"{config['storage']}; maxAge {hours:g} h; maxBytes {config['max_bytes']:,}"
        )
        for consumer in (await demo.api(f"CONSUMER.LIST.{name}"))["consumers"]:
            settings = consumer["config"]
            stage.show(
                f"  consumer {consumer['name']}: ack {settings['ack_policy']}, "
                f"wait {settings['ack_wait'] / 1e9:g} s, max deliver {settings['max_deliver']}, "
                f"max ack pending {settings['max_ack_pending']}"
            )
    await check_what_was_declared(demo)
    stage.done("JetStream has what was declared")


async def check_what_was_declared(demo: Demo) -> None:
    """Every subject and every ack setting of the sample, by JetStream's own word."""
    for resource in demo.resources():
        spec, status = resource["spec"], resource["status"]
        if resource["kind"] == "CozeStream":
            live = (await demo.api(f"STREAM.INFO.{status['stream']}"))["config"]
            same = sorted(live["subjects"]) == sorted(spec["subjects"])
        else:
            where = f"{status['stream']}.{status['consumer']}"
            live = (await demo.api(f"CONSUMER.INFO.{where}"))["config"]
            same = (live["max_deliver"], live["max_ack_pending"], live["ack_policy"]) == (
                spec["maxDeliver"],
                spec["maxAckPending"],
                spec["ackPolicy"],
            )
        if not same:
            raise BrokenPromise(f"{status['stream']} differs: declared {spec}, JetStream {live}")


async def heal_a_deleted_stream(demo: Demo) -> None:
    stage = demo.stage
    stage.step("Somebody deletes a stream behind Kubernetes' back")
    name = demo.stream_of(APPS)["status"]["stream"]
    stage.command(f"nats stream rm -f {name}")
    await demo.api(f"STREAM.DELETE.{name}")

    async def is_back() -> bool:
        consumers = await demo.api(f"CONSUMER.NAMES.{name}")
        return bool(consumers.get("consumers"))

    seconds = await demo.seconds_until(is_back, f"stream {name} with its consumer")
    stage.done(f"the deleted stream {name} is back, with its consumer", seconds)


async def heal_an_edited_limit(demo: Demo) -> None:
    stage = demo.stage
    stage.step("Somebody changes a limit by hand")
    name = demo.stream_of(RESOURCES)["status"]["stream"]
    config = (await demo.api(f"STREAM.INFO.{name}"))["config"]
    stage.command(f"nats stream edit -f {name} --max-bytes=1024")
    await demo.api(f"STREAM.UPDATE.{name}", {**config, "max_bytes": 1024})

    async def is_right() -> bool:
        live = (await demo.api(f"STREAM.INFO.{name}"))["config"]
        return bool(live["max_bytes"] == config["max_bytes"])

    seconds = await demo.seconds_until(is_right, "the declared limit")
    stage.done(f"maxBytes of {name} is {config['max_bytes']:,} again", seconds)


async def change_the_spec(demo: Demo) -> None:
    stage = demo.stage
    stage.step("The spec changes")
    resource = demo.stream_of(RESOURCES)
    patch = '{"spec":{"maxMsgs":250000}}'
    start = time.monotonic()
    demo.kubectl("patch", "cozestream", resource["metadata"]["name"], "--type=merge", "-p", patch)

    async def has_arrived() -> bool:
        live = await demo.api(f"STREAM.INFO.{resource['status']['stream']}")
        return bool(live["config"]["max_msgs"] == 250_000)

    await demo.seconds_until(has_arrived, "the new limit")
    stage.done("maxMsgs: 250000 arrived in JetStream", time.monotonic() - start)


async def consume_an_event(demo: Demo) -> None:
    stage = demo.stage
    stage.step("An application publishes an event, and a worker consumes it through the durable")
    resource = demo.stream_of(APPS)
    stream = resource["status"]["stream"]
    consumer = next(
        item["status"]["consumer"]
        for item in demo.resources()
        if item["kind"] == "CozeConsumer" and item["status"]["stream"] == stream
    )
    jetstream = demo.client.jetstream()
    subject = APPS
    stage.command(f'nats pub {subject} \'{{"by": "demo"}}\'')
    await jetstream.publish(subject, b'{"by": "demo"}')
    stage.command(f"nats consumer next {stream} {consumer}")
    pulling = await jetstream.pull_subscribe_bind(consumer=consumer, stream=stream)
    [message] = await pulling.fetch(1, timeout=30)
    info = await demo.api(f"CONSUMER.INFO.{stream}.{consumer}")
    if message.subject != subject or info["num_ack_pending"] != 1:
        raise BrokenPromise(f"the event was not delivered as declared: {info}")
    await message.ack_sync()
    floor = (await demo.api(f"CONSUMER.INFO.{stream}.{consumer}"))["ack_floor"]["stream_seq"]
    if floor != message.metadata.sequence.stream:
        raise BrokenPromise("the acknowledgement did not arrive")
    settings = info["config"]
    stage.done(
        f"{message.subject} delivered once and acknowledged; unacknowledged it would have come "
        f"again after {settings['ack_wait'] / 1e9:g} s"
    )


async def keep_a_stream_with_messages(demo: Demo) -> None:
    stage = demo.stage
    stage.step("The resource of a stream that holds messages is deleted")
    resource = demo.stream_of(APPS)
    name, stream = resource["metadata"]["name"], resource["status"]["stream"]
    demo.kubectl("delete", "cozestream", name, "--timeout=120s")
    live = await demo.api(f"STREAM.INFO.{stream}")
    if "error" in live or live["state"]["messages"] < 1:
        raise BrokenPromise(f"stream {stream} is gone, and its messages with it")

    about = f"involvedObject.kind=CozeStream,involvedObject.name={name}"

    async def is_told() -> bool:
        return "is kept in JetStream" in events()

    def events() -> str:
        return demo.kubernetes.kubectl(
            "-n", NAMESPACE, "get", "events", "--field-selector", about,
            "--sort-by=.metadata.creationTimestamp",
            "-o", "custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message",
        ).stdout  # fmt: skip

    await demo.seconds_until(is_told, "the event")
    stage.command(f"kubectl get events --field-selector {about}")
    stage.show(events())
    stage.done(
        f"stream {stream} was kept with its {live['state']['messages']} message, and said so"
    )


STORY = (
    apply_the_sample,
    compare_with_jetstream,
    heal_a_deleted_stream,
    heal_an_edited_limit,
    change_the_spec,
    consume_an_event,
    keep_a_stream_with_messages,
)


async def play(stage: Stage, running: ExitStack) -> None:
    """Start everything, then tell the story."""
    stage.step("Start a NATS server and a Kubernetes API server, for real, on this machine")
    with stage.setting_up():
        binaries.nats_server()
    server = NatsServer()
    start = time.monotonic()
    running.enter_context(server)
    stage.done(f"nats-server {server.version} is up, with nothing in it", time.monotonic() - start)
    # What can be shown at once; on a new machine, the API server may have to be built first.
    stage.say(f"It shall get what {SAMPLE} declares:")
    stage.show(outline(ROOT / SAMPLE))
    with stage.setting_up():
        binaries.find_all(binaries.DEFAULT)
    start = time.monotonic()
    kubernetes = running.enter_context(KubernetesAPI())
    version = recipes.kubernetes_version()
    stage.done(f"kube-apiserver {version} is up", time.monotonic() - start)

    stage.step("Install the operator and run it with its own ServiceAccount's rights")
    stage.command("kubectl apply -k manifests/install")
    kubernetes.kubectl("apply", "-k", ROOT / "manifests/install")
    kubernetes.kubectl("create", "namespace", NAMESPACE)
    account = kubernetes.service_account_kubeconfig("coze-nats-system", "coze-nats-operator")
    stage.command(f"coze-nats operator --resync-interval={RESYNC}")
    start = time.monotonic()
    arguments = (f"--resync-interval={RESYNC}",)
    running.enter_context(OperatorProcess(account, server.url, arguments=arguments))
    stage.done("the operator is ready", time.monotonic() - start)

    client = await nats.connect(server.url)
    try:
        for act in STORY:
            await act(Demo(stage, kubernetes, server, client))
    finally:
        await client.close()


def main() -> int:
    """Return 0 when every promise was kept."""
    stage = Stage()
    try:
        with ExitStack() as running:
            asyncio.run(play(stage, running))
    except (BrokenPromise, ControlPlaneError, nats.errors.Error) as error:
        stage.failed(error)
        return 1
    stage.summary()
    return 0


if __name__ == "__main__":
    sys.exit(main())
