"""What a narrower filter, and the end of a consumer, do on real streams; and that plans know it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import nats
import pytest

from controlplane.nats import NatsServer
from coze_nats.core.kinds.consumer.costs import lost_with
from coze_nats.core.live import LiveConsumer
from coze_nats.core.names import Reason
from coze_nats.jetstream.gateway import Gateway
from support.convergence import apply, consumer, planned, stream
from support.eventually import eventually_async
from support.traffic import Traffic


async def test_narrowing_a_filter_discards_and_is_held(
    jetstream: Gateway, nats_server: NatsServer
) -> None:
    await apply(jetstream, stream("held", {"subjects": ["held.*"], "retention": "interest"}))
    await apply(jetstream, consumer("held", "work", {}))
    client = await nats.connect(nats_server.url)
    for subject in ("held.a", "held.a", "held.b"):
        await client.jetstream().publish(subject, b"precious")
    await client.close()

    narrow = consumer("held", "work", {"filterSubject": "held.a"})
    held = await planned(jetstream, narrow)
    assert held.refusal
    assert held.refusal.reason is Reason.WOULD_LOSE_DATA
    assert "filterSubject" in held.refusal.message

    live = await jetstream.consumer("held", "work")
    assert live
    await jetstream.update_consumer("held", {**live.config, "filter_subject": "held.a"})
    left = await jetstream.stream("held")
    assert left
    assert left.messages == 2


# --- a consumer's end -----------------------------------------------------------------------------

ONCE = {"maxDeliver": 1, "ackWait": "100ms"}
"""What is not acknowledged in time is given up: kept, but not counted as pending any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """A consumer is deleted that has acknowledged the first of six messages, on a, b, c, a, b, c.

    Attributes:
        spec: of the consumer; `rival`: of another one on the same stream; None: it is alone.
        foreseen: how many messages could go, as the operator reckons; `gone`: how many did.
    """

    retention: str = "interest"
    spec: Mapping[str, object] = field(default_factory=dict)
    rival: Mapping[str, object] | None = None
    acknowledged: int = 1
    foreseen: int = 0
    gone: int = 0


ENDS = {
    "the last one": End(foreseen=5, gone=5),
    "the last one, which gave up all others": End(spec=ONCE, foreseen=5, gone=5),
    "the last one, which is done": End(acknowledged=6),
    "one of two that want everything": End(rival={}, foreseen=5),
    "the only one for c": End(rival={"filterSubjects": ["held.a", "held.b"]}, foreseen=5, gone=2),
    # The servers look from the acknowledged ones on, so the first c stays for now.
    "the only one for c, which gave up": End(
        spec=ONCE, rival={"filterSubjects": ["held.a", "held.b"]}, foreseen=6, gone=1
    ),
    "of a stream with limits": End(retention="limits"),
    "of a work queue": End(retention="workqueue"),
    "of a work queue, which gave up all others": End(retention="workqueue", spec=ONCE),
}


@pytest.fixture
async def traffic(nats_server: NatsServer) -> AsyncIterator[Traffic]:
    client = await nats.connect(nats_server.url)
    yield Traffic(client)
    await client.close()


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_what_goes_with_a_consumer_is_foreseen(
    jetstream: Gateway, traffic: Traffic, end: End
) -> None:
    held = {"subjects": ["held.*"], "retention": end.retention, "storage": "memory"}
    await apply(jetstream, stream("held", held))
    await apply(jetstream, consumer("held", "work", end.spec))
    if end.rival is not None:
        await apply(jetstream, consumer("held", "rival", end.rival))
    await traffic.publish(*(f"held.{word}" for word in "abcabc"))
    await traffic.receive("held", "work", *[True] * end.acknowledged)
    if end.spec:
        await traffic.receive_all("held", "work")

    async def rests() -> LiveConsumer | None:
        # A server gives up what it would deliver again, so somebody has to ask for more.
        if end.spec:
            assert await traffic.receive_all("held", "work") == []
        found = await jetstream.consumer("held", "work")
        return None if found is None or found.ack_pending else found

    live, before = await eventually_async(rests), await jetstream.stream("held")
    assert live
    assert before
    assert lost_with(live, before) == end.foreseen

    await jetstream.delete_consumer("held", "work")
    after = await jetstream.stream("held")
    assert after
    assert before.messages - after.messages == end.gone


async def test_what_is_kept_goes_with_a_consumer_that_nats_removes(
    jetstream: Gateway, traffic: Traffic
) -> None:
    held = {"subjects": ["held.*"], "retention": "interest", "storage": "memory"}
    await apply(jetstream, stream("held", held))
    await apply(jetstream, consumer("held", "work", {}))
    await traffic.publish("held.a", "held.b")
    short = consumer("held", "work", {"inactiveThreshold": "100ms"})
    refusal = (await planned(jetstream, short)).refusal
    assert refusal is not None
    assert refusal.reason is Reason.WOULD_LOSE_DATA
    live = await jetstream.consumer("held", "work")
    assert live
    await jetstream.update_consumer("held", {**live.config, "inactive_threshold": 100_000_000})

    async def is_empty() -> bool:
        found = await jetstream.stream("held")
        return found is not None and found.messages == found.consumers == 0

    await eventually_async(is_empty)
