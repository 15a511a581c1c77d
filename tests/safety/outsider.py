"""Everybody else on the NATS account: applications, and people with a command line.

Speaks to JetStream by itself, not through the operator's gateway, so that what a test knows of the
world does not come from the code under test.
"""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client
from nats.errors import NoRespondersError

from coze_nats.core.desired import Target
from safety.snapshot import ConsumerFound, Snapshot, StreamFound
from safety.steps import (
    Consume,
    Foreign,
    ForeignCreate,
    ForeignDelete,
    ForeignEdit,
    ForeignRecreate,
    ForeignStrip,
    Publish,
)

Json = dict[str, Any]
_SECONDS = 10
_PAGE = 256


class Outsider:
    """Acts on one account; what a server refuses does not happen."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._receipts: dict[str, _Receipts] = defaultdict(_Receipts)

    async def clean(self) -> None:
        """Delete every stream."""
        self._receipts.clear()
        names = (await self._api("STREAM.NAMES", {})).get("streams") or ()
        await asyncio.gather(*(self._api(f"STREAM.DELETE.{name}") for name in names))

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
            created=info["created"],
            messages=frozenset(held) - frozenset(state.get("deleted") or ()),
            subjects=state.get("num_subjects", 0),
            bytes=state["bytes"],
            consumers={item["name"]: self._consumer(item) for item in consumers},
        )

    def _consumer(self, info: Json) -> ConsumerFound:
        receipts = self._receipts[info["created"]]
        return ConsumerFound(
            config=info["config"],
            created=info["created"],
            delivered=info["delivered"]["stream_seq"],
            open=frozenset(receipts.open),
            done=max(receipts.done, default=0),
        )

    async def act(self, step: Foreign) -> frozenset[Target]:
        """Do what the step says; returns the objects that were made by it."""
        target = Target(step.stream, step.consumer)
        found = await self._info(target)
        match step:
            case ForeignCreate(config=config) if found is None:
                return await self._put(target, "CREATE", _new(target, config))
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

    async def publish(self, step: Publish) -> None:
        """Store messages, as far as there is a stream that takes them."""
        subject = f"{step.stream.lower()}.{step.token}"
        for _ in range(step.count):
            try:
                await self._client.request(subject, b"x" * 40, timeout=_SECONDS)
            except NoRespondersError:
                return

    async def consume(self, step: Consume) -> None:
        """Take messages one after the other."""
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{step.stream}.{step.consumer}"
        want = json.dumps({"batch": 1, "no_wait": True}).encode()
        info = await self._info(Target(step.stream, step.consumer))
        if info is None:
            return
        receipts, policy = self._receipts[info["created"]], info["config"]["ack_policy"]
        most = info["config"].get("max_ack_pending", 0)
        for _ in range(step.count):
            if 0 < most <= len(receipts.open):
                # A server doesn't answer before something is acknowledged.
                return
            message = await self._client.request(subject, want, timeout=_SECONDS, old_style=True)
            if not message.reply:
                # No messages, says the status.
                return
            receipts.take(_sequence(message.reply), policy, acknowledges=step.acknowledges)
            if step.acknowledges and policy != "none":
                await self._client.request(message.reply, b"+ACK", timeout=_SECONDS, old_style=True)

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
        reply = await self._client.request(f"$JS.API.{verb}", payload, timeout=_SECONDS)
        answer: Json = json.loads(reply.data)
        return answer


@dataclass(slots=True)
class _Receipts:
    """What an application got from one incarnation of a consumer."""

    open: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)

    def take(self, sequence: int, policy: str, *, acknowledges: bool) -> None:
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
