"""What nats-py's client is made to bear."""

import asyncio

from coze_nats.core.words import Secrets
from coze_nats.jetstream.client import Client
from coze_nats.jetstream.lookups import Lookups


async def test_a_pong_may_come_when_who_waited_for_it_has_given_up() -> None:
    client = Client(require_tls=False, secrets=Secrets(), lookups=Lookups())
    given_up, waiting = asyncio.Future[bool](), asyncio.Future[bool]()
    given_up.cancel()
    client._pongs = [given_up, waiting]  # what the server would have to be timed for
    await client._process_pong()
    assert not waiting.done(), "each PONG is for the PING that was sent first"
    await client._process_pong()
    assert waiting.result() is True
