"""Holds each Ready against JetStream, over and over, and says who lied for how long.

It asks JetStream by itself, and knows the few fields that its users declare.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nats.aio.client import Client
from nats.errors import Error

from coze_nats.core import names
from coze_nats.core.conditions import is_true
from support.tenant import Tenant

KINDS = (names.STREAM_KIND, names.CONSUMER_KIND)
BEFORE = 2.0
"""Seconds between what was done and a lie that may be its consequence."""

_ANSWER = 2.0
_FIELDS = {"description": ("description", ""), "maxMsgs": ("max_msgs", -1)}
_FIELDS |= {"maxAckPending": ("max_ack_pending", 1000)}


@dataclass
class Lie:
    """A resource that said Ready while JetStream had something else.

    Attributes:
        since, until: when it was seen to lie first and last, on the monotonic clock.
        what: what JetStream had.
        slowest: seconds of the longest cycle of the reader meanwhile: the machine's own delay.
    """

    name: str
    since: float
    until: float
    what: str
    slowest: float = 0.0

    @property
    def seconds(self) -> float:
        return self.until - self.since


class Act(NamedTuple):
    """Something that was done behind the operator's back, or to it.

    Attributes:
        names: the resources that it may make liars; empty for all.
        bound: for so many seconds at most.
    """

    at: float
    what: str
    names: frozenset[str]
    bound: float


@dataclass
class Reader:
    """Reads JetStream, then the statuses: a status that is written in between is no lie."""

    client: Client
    tenant: Tenant
    usual: float
    acts: list[Act] = field(default_factory=list)
    lies: list[Lie] = field(default_factory=list)
    read: int = 0
    _lying: dict[str, Lie] = field(default_factory=dict)

    def did(self, what: str, bound: float, *about: str) -> None:
        self.acts.append(Act(time.monotonic(), what, frozenset(about), bound))

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            await self.cycle()
            took = time.monotonic() - began
            for lie in self._lying.values():
                lie.slowest = max(lie.slowest, took)
            await asyncio.sleep(0.05)

    async def cycle(self) -> None:
        """Look once."""
        at = time.monotonic()
        objects = {name: await self._object(name) for name in self._names()}
        found = [
            item
            for kind in KINDS
            for item in self.tenant.client.all_of(kind, self.tenant.namespace)
        ]
        seen = set()
        for resource in found:
            name = resource["metadata"]["name"]
            seen.add(name)
            self.read += 1
            what = wrong(resource, objects[name]) if name in objects else ""
            if what and says_ready(resource):
                lie = self._lying.setdefault(name, Lie(name, at, at, what))
                lie.until = at
            elif name in self._lying:
                self.lies.append(self._lying.pop(name))
        for name in self._lying.keys() - seen:
            self.lies.append(self._lying.pop(name))

    def beyond(self, patience: float) -> list[str]:
        """The lies that lasted longer than the bound of their cause."""
        found = []
        for lie in [*self.lies, *self._lying.values()]:
            causes = [
                act
                for act in self.acts
                if act.at <= lie.until
                and act.at + act.bound * patience >= lie.since - BEFORE
                and (not act.names or lie.name in act.names)
            ]
            bound = max((act.bound for act in causes), default=self.usual)
            if lie.seconds > bound * patience + 2 * lie.slowest:
                why = [act.what for act in causes]
                found.append(
                    f"{lie.name} for {lie.seconds:.1f} s, bound {bound} s: {lie.what}; {why}"
                )
        return found

    def _names(self) -> list[str]:
        kind = names.CONSUMER_KIND
        consumers = self.tenant.client.all_of(kind, self.tenant.namespace)
        streams = self.tenant.client.all_of(names.STREAM_KIND, self.tenant.namespace)
        self._streams = {
            item["metadata"]["name"]: item["spec"]["streamRef"]["name"] for item in consumers
        }
        return [item["metadata"]["name"] for item in (*streams, *consumers)]

    async def _object(self, name: str) -> Mapping[str, Any] | None:
        """Its info in JetStream; {} when it isn't there, None when nobody answers."""
        stream = self._streams.get(name)
        subject = f"STREAM.INFO.{name}" if stream is None else f"CONSUMER.INFO.{stream}.{name}"
        try:
            answer = await self.client.request(f"$JS.API.{subject}", b"", timeout=_ANSWER)
        except (Error, OSError, TimeoutError):
            return None
        found: dict[str, Any] = json.loads(answer.data)
        code = (found.get("error") or {}).get("err_code")
        return found if not code else {} if code in (10014, 10059) else None


def says_ready(resource: Mapping[str, Any]) -> bool:
    """Whether it says Ready about the spec that it has."""
    status, metadata = resource.get("status") or {}, resource["metadata"]
    is_now = status.get("observedGeneration") == metadata["generation"]
    return is_now and is_true(status, "Ready") and "deletionTimestamp" not in metadata


def wrong(resource: Mapping[str, Any], info: Mapping[str, Any] | None) -> str:
    """In what JetStream differs from what is declared; "" where it doesn't, or nobody answers."""
    if info is None:
        return ""
    if not info:
        return "it is not there"
    for name, (wire, default) in _FIELDS.items():
        declared = resource["spec"].get(name, default)
        if wire in info["config"] and info["config"][wire] != declared and name in resource["spec"]:
            return f"{name} is {info['config'][wire]!r}, declared is {declared!r}"
    replicas = resource["spec"].get("replicas")
    if replicas and info["config"].get("num_replicas") != replicas:
        return f"replicas is {info['config'].get('num_replicas')}, declared is {replicas}"
    return ""
