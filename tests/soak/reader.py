"""Compares what each status says with JetStream, by eyes of its own.

It knows the few fields that the users of a soak declare, and looks them up where NATS keeps them.
"""

import re
from collections.abc import Iterable
from typing import Any

from coze_nats.core import names
from soak.feed import Feed
from soak.findings import Findings
from soak.jetstream import JetStream
from support.declaring import Declaring, is_ready

LIE, LEFT = "no status lies", "nothing is left over"
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_STREAM = {
    "subjects": "subjects",
    "retention": "retention",
    "description": "description",
    "maxAge": "max_age",
    "maxMsgs": "max_msgs",
    "duplicateWindow": "duplicate_window",
}
_CONSUMER = {
    "description": "description",
    "ackWait": "ack_wait",
    "maxAckPending": "max_ack_pending",
}
_LEFT_OUT = {
    "description": "",
    "max_age": 0,
    "max_msgs": -1,
    "duplicate_window": 120 * 10**9,
    "max_ack_pending": 1000,
}

Json = dict[str, Any]


async def compare(
    declaring: Declaring,
    jetstreams: dict[str, JetStream],
    feeds: Iterable[Feed],
    findings: Findings,
) -> int:
    """Compare everything in a namespace; returns how many statuses were read."""
    found = {each["metadata"]["name"]: each for each in await declaring.all()}
    for name, resource in found.items():
        if not is_ready(resource):
            findings.breaks("everything is Ready at rest", f"{name}: {resource.get('status')}")
    for feed in feeds:
        jetstream = jetstreams[feed.account]
        info = await jetstream.ask(f"STREAM.INFO.{feed.name}")
        _judge(found.get(feed.name, {}), feed.stream, info, _STREAM, findings)
        owner = info.get("config", {}).get("metadata", {}).get(names.OWNER_METADATA, "")
        if not owner.endswith(f"/{feed.namespace}/{feed.name}"):
            findings.breaks(LIE, f"{feed.name} is owned by {owner!r}")
        verb = f"CONSUMER.INFO.{feed.name}.{feed.consumer_name}"
        consumer = await jetstream.ask(verb)
        _judge(found.get(feed.consumer_name, {}), feed.consumer, consumer, _CONSUMER, findings)
        if more := await jetstream.consumer_names(feed.name) - {feed.consumer_name}:
            findings.breaks(LEFT, f"consumers of {feed.name}: {sorted(more)}")
    return len(found)


async def nothing_else(
    jetstreams: dict[str, JetStream], feeds: Iterable[Feed], findings: Findings
) -> None:
    """There are the streams of these feeds, and no others."""
    declared = {(feed.account, feed.name) for feed in feeds}
    for account, jetstream in jetstreams.items():
        there = {(account, name) for name in await jetstream.names()}
        if more := there - declared:
            findings.breaks(LEFT, f"streams of {account}: {sorted(more)}")


def _judge(
    resource: Json, spec: Json, info: Json, fields: dict[str, str], findings: Findings
) -> None:
    """Hold a resource against its object: what it declares, and when that was created."""
    if not resource:
        findings.breaks(LIE, f"{spec} is declared, and no such resource is there")
        return
    name = resource["metadata"]["name"]
    if not info:
        findings.breaks(LIE, f"{name} is not in JetStream")
        return
    for field, on_the_wire in fields.items():
        default = _LEFT_OUT.get(on_the_wire)
        wanted = wire(spec[field]) if field in spec else default
        live = info["config"].get(on_the_wire, default)
        if live != wanted:
            findings.breaks(LIE, f"{name}: {field} is {live!r}; declared is {wanted!r}")
    created = resource["status"].get("created")
    if created != info["created"]:
        findings.breaks(LIE, f"{name}: created {created!r}; it is {info['created']!r}")


def wire(value: Any) -> Any:
    """A declared value as NATS has it: durations in nanoseconds."""
    if isinstance(value, str) and (found := re.fullmatch(r"(\d+)([smh])", value)):
        return int(found[1]) * _SECONDS[found[2]] * 10**9
    return value
