"""What a narrower filter does on a real interest stream, and that the plan knows it."""

from dataclasses import replace

import nats

from controlplane.nats import NatsServer
from coze_nats.core.desired import Desired
from coze_nats.core.names import Reason
from coze_nats.core.plan import Plan, Situation, plan
from coze_nats.jetstream.gateway import Gateway
from coze_nats.reconcile.performing import observe
from coze_nats.reconcile.surroundings import surroundings
from support.convergence import OWNER, apply, consumer, stream


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
    held = await _planned(jetstream, narrow)
    assert held.refusal
    assert held.refusal.reason is Reason.WOULD_LOSE_DATA
    assert "filterSubject" in held.refusal.message

    live = await jetstream.consumer("held", "work")
    assert live
    await jetstream.update_consumer("held", {**live.config, "filter_subject": "held.a"})
    left = await jetstream.stream("held")
    assert left
    assert left.messages == 2


async def _planned(jetstream: Gateway, desired: Desired) -> Plan:
    live = await observe(jetstream, desired.target)
    situation = Situation(OWNER, await jetstream.server())
    around = await surroundings(jetstream, desired, live, plan(desired, live, situation))
    assert around
    return plan(desired, live, replace(situation, around=around))
