"""What a server is and can do: asked for anew now and then, as servers are upgraded one by one."""

import json
from typing import Any

from coze_nats.core.live import Server
from coze_nats.core.words import Secrets
from coze_nats.jetstream.gateway import Gateway


class Leader:
    """A connection to a cluster whose leader has this API level."""

    def __init__(self) -> None:
        self.epoch, self.name, self.cluster = 1, "operator", "c1"
        self.server_version, self.secrets = "2.14.6", Secrets()
        self.level, self.asked = 3, 0

    async def request(self, _: str, __: bytes) -> bytes:
        self.asked += 1
        return json.dumps({"api": {"level": self.level}}).encode()


def gateway(leader: Any, seconds: float) -> Gateway:
    return Gateway(leader, "$JS.API", server_seconds=seconds)


async def test_the_level_is_that_of_who_leads_now_within_one_session() -> None:
    leader = Leader()
    jetstream = gateway(leader, seconds=0)
    assert await jetstream.server() == Server("2.14.6", 3)
    leader.level = 4
    assert await jetstream.server() == Server("2.14.6", 4)


async def test_it_is_not_asked_for_at_each_look() -> None:
    leader = Leader()
    jetstream = gateway(leader, seconds=3600)
    for _ in range(3):
        assert (await jetstream.server()).api_level == 3
    assert leader.asked == 1
    leader.epoch += 1
    assert (await jetstream.server()).api_level == 3
    assert leader.asked == 2
