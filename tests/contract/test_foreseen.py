"""What the operator foresees is what real servers say, so that nothing is deleted in vain."""

import pytest

from coze_nats.core.errors import Failure
from coze_nats.core.foreseen import refused_by
from coze_nats.jetstream.gateway import Gateway
from support.convergence import consumer, stream
from support.foreseen import REFUSED, RefusedConsumer


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
async def test_a_consumer_that_is_foreseen_to_be_refused_is(
    jetstream: Gateway, case: RefusedConsumer
) -> None:
    live = await jetstream.create_stream(stream("work", case.stream).declared)
    bad, good = (consumer("work", "reader", spec) for spec in (case.spec, case.accepted))
    assert refused_by(live.config, bad) == case.says
    with pytest.raises(Failure):
        await jetstream.create_consumer("work", bad.declared)
    assert refused_by(live.config, good) == ""
    await jetstream.create_consumer("work", good.declared)
