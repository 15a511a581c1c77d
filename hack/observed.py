"""The operator at work under the eyes of a Prometheus: for tests of metrics, and for the picture.

Everything runs on loopback; what is declared and the traffic are like Coze Studio's, only quicker.
"""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nats
from nats.aio.client import Client

from controlplane import ports
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from controlplane.prometheus import Prometheus
from coze_nats.core import names

INSTALL = Path(__file__).resolve().parent.parent / "manifests" / "install"
OPERATOR = ("coze-nats-system", "coze-nats-operator")
"""Namespace and name of the operator's ServiceAccount in manifests/install."""

NAMESPACE = "coze"
TOPICS = ("workflow", "agent", "knowledge", "plugin", "memory", "trigger")
TICK_SECONDS = 0.2
REQUEST_SECONDS = 30.0

STREAMS: Mapping[str, Mapping[str, Any]] = {
    "coze-workflow": {"subjects": ["coze.workflow.>"], "maxMsgs": 9000, "discard": "new"},
    "coze-agent": {"subjects": ["coze.agent.>"], "maxBytes": "1Mi", "maxConsumers": 4},
    "coze-knowledge": {"subjects": ["coze.knowledge.>"], "maxMsgs": 5000, "maxAge": "1h"},
    "coze-plugin": {"subjects": ["coze.plugin.>"], "maxMsgs": 5000, "maxAge": "1h"},
    "coze-memory": {"subjects": ["coze.memory.>"], "maxMsgs": 1000},
    "coze-trigger": {"subjects": ["coze.trigger.>"], "retention": "workqueue"},
    "coze-memory-copy": {"mirror": {"name": "coze-memory"}},
    # It is there, without an owner and different, so the operator refuses to touch it.
    "coze-legacy": {"subjects": ["coze.legacy.>"], "maxMsgs": 10},
}
LATECOMERS: Mapping[str, Mapping[str, Any]] = {
    # The operator can't make it: another stream holds these messages.
    "coze-agent-copy": {"subjects": ["coze.agent.1.started"]}
}
CONSUMERS: Mapping[str, Mapping[str, Any]] = {
    f"coze-{topic}-worker": {
        "streamRef": {"name": f"coze-{topic}"},
        "ackWait": "2s",
        "maxAckPending": 100,
        "maxDeliver": 3,
    }
    for topic in TOPICS
} | {
    # It waits for its stream, for ever.
    "coze-orphan": {"streamName": "coze-nowhere"},
    # It is made, and warned of: nothing that the stream stores can reach it.
    "coze-mute": {"streamRef": {"name": "coze-memory"}, "filterSubject": "coze.nothing"},
}


def resource(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": dict(spec),
    }


class Observed:
    """NATS, the operator, and a Prometheus that scrapes it every second; a context manager.

    Args:
        kubernetes: runs, and has our CRDs.
    """

    def __init__(self, kubernetes: KubernetesAPI, *arguments: str) -> None:
        self.kubernetes = kubernetes
        self._arguments = ("--resync-interval=1s", *arguments)
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self.kubernetes.kubectl("apply", "-k", INSTALL)
            self.nats = starting.enter_context(NatsServer())
            kubeconfig = self.kubernetes.service_account_kubeconfig(*OPERATOR)
            self.operator = OperatorProcess(kubeconfig, self.nats.url, arguments=self._arguments)
            starting.enter_context(self.operator)
            target = f"{ports.LOOPBACK}:{self.operator.health_port}"
            self.prometheus = starting.enter_context(Prometheus([target]))
            self._running = starting.pop_all()
        asyncio.run(self._inherit())
        return self

    async def _inherit(self) -> None:
        """Make the stream that is there before anything is declared."""
        client = await nats.connect(self.nats.url)
        config = json.dumps({"name": "coze-legacy", "subjects": ["coze.legacy.>"]}).encode()
        await client.request("$JS.API.STREAM.CREATE.coze-legacy", config, timeout=REQUEST_SECONDS)
        await client.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.__exit__(kind, error, traceback)

    def declare(self) -> None:
        """Apply Coze Studio's streams and consumers, in a namespace of their own."""
        streams = [resource(names.STREAM_KIND, name, spec) for name, spec in STREAMS.items()]
        consumers = [resource(names.CONSUMER_KIND, name, spec) for name, spec in CONSUMERS.items()]
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self._apply(namespace, *streams, *consumers)
        self.kubernetes.kubectl(
            *("wait", "--for=condition=Ready", "cozestream/coze-agent", "--timeout=120s"),
            *("--namespace", NAMESPACE),
        )
        self._apply(*(resource(names.STREAM_KIND, name, spec) for name, spec in LATECOMERS.items()))

    def _apply(self, *items: Mapping[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(items)}
        self.kubernetes.kubectl("apply", "-f", "-", input=json.dumps(listed))

    @contextlib.asynccontextmanager
    async def traffic(self) -> AsyncIterator[None]:
        """Have messages published and worked off, not all of them, while the block runs."""
        client = await nats.connect(self.nats.url)
        stop = asyncio.Event()
        # Told to stop and not cancelled: nats-py's waiting may swallow a cancellation.
        working = asyncio.create_task(_work(client, stop), name="traffic")
        try:
            yield
        finally:
            stop.set()
            await working
            await client.close()


async def _work(client: Client, stop: asyncio.Event) -> None:
    """Publish in waves, work most of it off, and once in a while change a stream by hand."""
    tick = 0
    while not stop.is_set():
        tick += 1
        for index, topic in enumerate(TOPICS):
            wave = 1 + math.sin(tick * TICK_SECONDS / (20 + 10 * index))
            for number in range(round(4 * wave / (1 + index)) + (tick % 5 == 0)):
                await client.publish(f"coze.{topic}.{number}.started", b"x" * 200)
            await _take(client, topic, most=3 if topic == "workflow" else 6, fails=tick % 7 == 0)
        if tick % 400 == 50:
            await _meddle(client)
        await asyncio.sleep(TICK_SECONDS)


async def _take(client: Client, topic: str, *, most: int, fails: bool) -> None:
    """Work messages off; what fails is not acknowledged, and so delivered again."""
    body = json.dumps({"batch": most, "no_wait": True}).encode()
    inbox = client.new_inbox()
    subscription = await client.subscribe(inbox, max_msgs=most + 1)
    name = f"coze-{topic}"
    await client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{name}.{name}-worker", body, reply=inbox)
    with contextlib.suppress(nats.errors.TimeoutError, nats.errors.Error):
        for _ in range(most):
            message = await subscription.next_msg(timeout=TICK_SECONDS)
            if message.headers and "Status" in message.headers:
                break
            if not fails:
                await message.respond(b"+ACK")
    with contextlib.suppress(nats.errors.Error):
        await subscription.unsubscribe()


async def _meddle(client: Client) -> None:
    """Change what is declared, as somebody with the nats tool would."""
    answer = await client.request("$JS.API.STREAM.INFO.coze-knowledge", timeout=REQUEST_SECONDS)
    config = json.loads(answer.data).get("config")
    if config:
        changed = json.dumps({**config, "max_msgs": 6000}).encode()
        await client.request(
            "$JS.API.STREAM.UPDATE.coze-knowledge", changed, timeout=REQUEST_SECONDS
        )
