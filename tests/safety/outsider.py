"""Everybody else on the NATS account: applications, and people with a command line.

Speaks to JetStream by itself, not through the operator's gateway, so that what a test knows of the
world does not come from the code under test.
"""

import asyncio
import base64
import json
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from coze_nats.core.desired import Target
from safety.identity import Identity
from safety.snapshot import ConsumerFound, Snapshot, StreamFound
from safety.steps import (
    Attach,
    Consume,
    Foreign,
    ForeignCreate,
    ForeignDelete,
    ForeignEdit,
    ForeignRecreate,
    ForeignStrip,
    Publish,
    Start,
)
from support.until import until

Json = dict[str, Any]
_SECONDS = 10
_PAGE = 256
_HOUR = 3600 * 10**9


class Outsider:
    """Acts on one account; what a server refuses does not happen."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.identity = Identity()
        self._receipts: dict[str, _Receipts] = defaultdict(_Receipts)
        self._waiting: list[Subscription] = []

    async def clean(self) -> None:
        """Delete every stream."""
        self._receipts.clear()
        for subscription in self._waiting:
            await subscription.unsubscribe()
        self._waiting.clear()
        self.identity = Identity()
        names = (await self._api("STREAM.NAMES", {})).get("streams") or ()
        await asyncio.gather(*(self._api(f"STREAM.DELETE.{name}") for name in names))

    def reconnected(self, client: Client) -> None:
        """Go on with another connection; nobody waits for messages any more."""
        self.client = client
        self._waiting.clear()

    async def snapshot(self) -> Snapshot:
        """What there is now."""
        listed = (await self._api("STREAM.LIST", {})).get("streams") or ()
        assert len(listed) < _PAGE
        found = await asyncio.gather(*(self._stream(info) for info in listed))
        return Snapshot({stream.config["name"]: stream for stream in found})

    async def _stream(self, info: Json) -> StreamFound:
        name, state = info["config"]["name"], info["state"]
        consumers: list[Json] = []
        if state.get("num_deleted"):
            answer = await self._api(f"STREAM.INFO.{name}", {"deleted_details": True})
            state = answer["state"]
        if state["consumer_count"]:
            consumers = (await self._api(f"CONSUMER.LIST.{name}", {})).get("consumers") or []
        held = range(state["first_seq"], state["last_seq"] + 1) if state["messages"] else ()
        return StreamFound(
            config=info["config"],
            created=self.identity.of(info["created"]),
            messages=frozenset(held) - frozenset(state.get("deleted") or ()),
            last=state["last_seq"],
            subjects=state.get("num_subjects", 0),
            bytes=state["bytes"],
            consumers={item["name"]: await self._consumer(item) for item in consumers},
        )

    async def _consumer(self, info: Json) -> ConsumerFound:
        receipts = self._receipts_of(info)
        delivered = info["delivered"]["consumer_seq"]
        with suppress(AssertionError):
            # What was on its way when a server ended never comes.
            await until(lambda: receipts.count >= delivered, within=2)
        receipts.count = max(receipts.count, delivered)
        return ConsumerFound(
            config=info["config"],
            created=self.identity.of(info["created"]),
            delivered=info["delivered"]["stream_seq"],
            open=frozenset(receipts.open),
            done=max(receipts.done, default=0),
            attached=bool(info.get("num_waiting")),
        )

    def forget(self, stream: StreamFound) -> None:
        """Of the messages that were received from this stream, none counts any more."""
        for consumer in stream.consumers.values():
            self._receipts.pop(consumer.created, None)

    def _receipts_of(self, consumer: Json) -> "_Receipts":
        return self._receipts[self.identity.of(consumer["created"])]

    async def answers(self, target: Target) -> bool:
        """Whether a stream or a consumer is led, or isn't there at all."""
        try:
            info = await self._info(target)
        except NatsTimeoutError:
            return False
        return info is None or "leader" in info.get("cluster", {"leader": ""})

    async def last_sequence(self, stream: str) -> int | None:
        """The sequence of the last message that a stream ever had; None: there is none."""
        info = await self._info(Target(stream))
        return info["state"]["last_seq"] if info else None

    async def copied(self, stream: str) -> int | None:
        """Up to which sequence of its origin a copy has it; None: it isn't there, or no copy."""
        info = await self._info(Target(stream))
        if info is None or not (info["config"].get("mirror") or info["config"].get("sources")):
            return None
        last: int = info["state"]["last_seq"]
        if info["config"].get("mirror") or not last:
            return last
        answer = await self._api(f"STREAM.MSG.GET.{stream}", {"seq": last})
        if "error" in answer:
            return None
        headers = base64.b64decode(answer["message"]["hdrs"]).decode()
        _, _, rest = headers.partition("Nats-Stream-Source: ")
        return int(rest.split()[1])

    async def act(self, step: Foreign) -> frozenset[Target]:
        """Do what the step says; returns the objects that were made by it."""
        target = Target(step.stream, step.consumer)
        found = await self._info(target)
        match step:
            case ForeignCreate(config=config) if found is None:
                return await self._put(target, "CREATE", _new(target, config))
            case Start(config=config) if found is None or not step.updates:
                # An equal one is left as it is, and anything else refused.
                made = await self._put(target, "CREATE", _new(target, config))
                return made if found is None else frozenset()
            case Start(config=config):
                await self._put(target, "UPDATE", _new(target, config))
            case ForeignEdit(change=change) if found:
                await self._put(target, "UPDATE", {**found["config"], **change})
            case ForeignStrip() if found:
                await self._put(target, "UPDATE", {**found["config"], "metadata": {}})
            case ForeignDelete() if found:
                await self._delete(target)
            case ForeignRecreate() if found:
                await self._delete(target)
                config = found["config"]
                if not step.with_metadata:
                    config = {**config, "metadata": {}}
                return await self._put(target, "CREATE", config)
        return frozenset()

    async def publish(self, step: Publish) -> list[tuple[str, int]]:
        """Store messages, as far as there is a stream that takes them.

        Returns the stream and the sequence of each message that the server says is stored.
        """
        subject = f"{step.stream.lower()}.{step.token}"
        stored = []
        for _ in range(step.count):
            try:
                reply = await self.client.request(subject, b"x" * 40, timeout=_SECONDS)
            except NoRespondersError:
                break
            answer = json.loads(reply.data)
            if "error" not in answer:
                stored.append((answer["stream"], answer["seq"]))
        return stored

    async def attach(self, step: Attach) -> None:
        """Wait at a consumer for one message, for as long as the history lasts."""
        info = await self._info(Target(step.stream, step.consumer))
        # Without acknowledgements, what is delivered counts as done at once, whenever that is.
        if info is None or info["config"]["ack_policy"] == "none":
            return
        receipts, inbox = self._receipts_of(info), self.client.new_inbox()

        async def taken(message: Msg) -> None:
            if message.reply:
                receipts.take(_sequence(message.reply), "explicit", acknowledges=False)

        self._waiting.append(await self.client.subscribe(inbox, cb=taken))
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{step.stream}.{step.consumer}"
        want = json.dumps({"batch": 1, "expires": _HOUR}).encode()
        await self.client.publish(subject, want, reply=inbox)
        await self.client.flush()

    async def consume(self, step: Consume) -> None:
        """Take messages one after the other."""
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{step.stream}.{step.consumer}"
        want = json.dumps({"batch": 1, "no_wait": True}).encode()
        info = await self._info(Target(step.stream, step.consumer))
        if info is None:
            return
        receipts, policy = self._receipts_of(info), info["config"]["ack_policy"]
        await self._consumer(info)
        most = info["config"].get("max_ack_pending", 0)
        for _ in range(step.count):
            if 0 < most <= len(receipts.open):
                # A server doesn't answer before something is acknowledged.
                return
            message = await self.client.request(subject, want, timeout=_SECONDS, old_style=True)
            if not message.reply:
                # No messages, says the status.
                return
            receipts.take(_sequence(message.reply), policy, acknowledges=step.acknowledges)
            if step.acknowledges and policy != "none":
                await self.client.request(message.reply, b"+ACK", timeout=_SECONDS, old_style=True)

    async def _info(self, target: Target) -> Json | None:
        if target.consumer is None:
            answer = await self._api(f"STREAM.INFO.{target.stream}")
        else:
            answer = await self._api(f"CONSUMER.INFO.{target.stream}.{target.consumer}")
        return None if "error" in answer else answer

    async def _put(self, target: Target, verb: str, config: Json) -> frozenset[Target]:
        if target.consumer is None:
            answer = await self._api(f"STREAM.{verb}.{target.stream}", config)
        else:
            body = {"stream_name": target.stream, "config": config, "action": verb.lower()}
            answer = await self._api(f"CONSUMER.CREATE.{target.stream}.{target.consumer}", body)
        return frozenset() if "error" in answer else frozenset({target})

    async def _delete(self, target: Target) -> None:
        kind = "STREAM" if target.consumer is None else "CONSUMER"
        name = target.stream if target.consumer is None else f"{target.stream}.{target.consumer}"
        await self._api(f"{kind}.DELETE.{name}")

    async def _api(self, verb: str, body: Json | None = None) -> Json:
        payload = b"" if body is None else json.dumps(body).encode()
        reply = await self.client.request(f"$JS.API.{verb}", payload, timeout=_SECONDS)
        answer: Json = json.loads(reply.data)
        return answer


@dataclass(slots=True)
class _Receipts:
    """What an application got from one incarnation of a consumer."""

    open: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    count: int = 0

    def take(self, sequence: int, policy: str, *, acknowledges: bool) -> None:
        self.count += 1
        self.open.add(sequence)
        if acknowledges or policy == "none":
            done = set(self.open) if policy == "all" else {sequence}
            self.open -= done
            self.done |= done


def _sequence(reply: str) -> int:
    """Of the message in its stream: `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.…`."""
    return int(reply.split(".")[5])


def _new(target: Target, config: Any) -> Json:
    if target.consumer is None:
        subjects = [f"{target.stream.lower()}.>"]
        return {"name": target.stream, "subjects": subjects, "storage": "memory", **config}
    names = {"name": target.consumer, "durable_name": target.consumer}
    return {**names, "ack_policy": "explicit", **config}
