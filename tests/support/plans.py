"""A stream and a consumer of it as a server has them, and whose they are, for tests of plans."""

from typing import Any

from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.names import OWNER_METADATA
from fakes.configs import complete_consumer, complete_stream
from support.convergence import OWNER, consumer, stream

Spec = dict[str, Any]
CREATED, ANOTHER = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
KNOWN = Incarnation(CREATED, created_tells=True)
SERVER = Server("2.15.1", 5)
OURS, NOBODYS = {OWNER_METADATA: OWNER}, dict[str, str]()
OTHERS = {OWNER_METADATA: "other/shop/orders"}


def a_stream(
    spec: Spec, metadata: dict[str, str] = OURS, created: str = CREATED, **state: Any
) -> LiveStream:
    declared = {**stream("work", spec).declared, "metadata": metadata}
    config = complete_stream(declared, SERVER.version, SERVER.api_level)
    return LiveStream(config, created, **state)


def a_consumer(spec: Spec, metadata: dict[str, str] = OURS, **state: Any) -> LiveConsumer:
    declared = {**consumer("work", "reader", spec).declared, "metadata": metadata}
    of = complete_stream({"name": "work"}, SERVER.version, SERVER.api_level)
    config = complete_consumer(declared, of, SERVER.version, SERVER.api_level)
    return LiveConsumer(config, CREATED, stream="work", **state)
