"""What `kubectl describe` tells of a stream's life, to somebody who only looks there."""

import re
from typing import Any

from nats.aio.client import Client

from coze_nats.core.names import STREAM_KIND
from coze_nats.jetstream.gateway import Gateway


def story(world: Any, tenant: Any, name: str) -> list[tuple[str, str]]:
    """The events that `kubectl describe` ends with: type and reason, in its order."""
    words = ("-n", tenant.namespace, "describe", "cozestream", name)
    events = world.kubernetes.kubectl(*words).stdout.partition("\nEvents:")[2]
    return re.findall(r"^  (Normal|Warning) +(\w+) ", events, re.MULTILINE)


async def test_describe_tells_the_story_of_a_stream(
    tenant: Any, world: Any, jetstream: Gateway, client: Client
) -> None:
    declared = {"subjects": ["orders"], "maxMsgs": 100}
    tenant.stream("orders", **declared)
    await tenant.ready(STREAM_KIND, "orders")
    assert story(world, tenant, "orders") == []

    live = await jetstream.stream("orders")
    assert live
    await jetstream.update_stream({**live.config, "max_msgs": 7})
    await tenant.event("orders", "DriftCorrected")
    tenant.stream("orders", **declared, storage="memory")
    await tenant.stalled(STREAM_KIND, "orders", "ImmutableField")
    tenant.stream("orders", **declared)
    await tenant.event("orders", "Recovered")
    await jetstream.delete_stream("orders")
    await tenant.event("orders", "Recreated")
    await tenant.ready(STREAM_KIND, "orders")
    known = [
        ("Normal", "DriftCorrected"),
        ("Warning", "ImmutableField"),
        ("Normal", "Recovered"),
        ("Warning", "DataLossDetected"),
        ("Warning", "Recreated"),
    ]
    assert story(world, tenant, "orders") == known

    await client.jetstream().publish("orders", b"precious")
    # What describe has to hold on to is gone with the resource; the events stay for an hour.
    tenant.delete(STREAM_KIND, "orders")
    await tenant.gone(STREAM_KIND, "orders")
    message = await tenant.event("orders", "Retained")
    assert message.endswith("to delete it with its messages: nats stream rm orders")
    await jetstream.delete_stream("orders")
