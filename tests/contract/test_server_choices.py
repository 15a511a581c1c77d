"""Where the spec says nothing, the server chooses: what it chose is right, and is kept.

Each time, what is left of the plan after acting is undeclared, and remembered it is no difference.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nats
import pytest

from controlplane.nats import NatsServer
from coze_nats.core.desired import Desired
from coze_nats.core.diff import choices
from coze_nats.core.errors import Rejected
from coze_nats.core.live import Config
from coze_nats.core.plan import Action, Plan, Situation, plan
from coze_nats.core.resource import Key
from coze_nats.jetstream.connection import Connection
from coze_nats.jetstream.gateway import Gateway
from coze_nats.jetstream.options import ConnectionOptions
from coze_nats.ports import JetStream
from coze_nats.reconcile.performing import observe
from support.bench import Bench
from support.connections import PatientGateway
from support.convergence import OWNER, apply, consumer, planned, stream

LIMITS = {"max_ack_pending": 100, "duplicate_window": "30s", "max_request_batch": 10}


@pytest.fixture
async def limited(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A server of the same version whose operator has set limits of his own."""
    jetstream = {"store_dir": str(tmp_path), "limits": LIMITS}
    config = f"jetstream: {json.dumps(jetstream)}"
    with NatsServer(nats_server.version, name="limited", store_dir=tmp_path, config=config) as it:
        connection = Connection(ConnectionOptions(servers=(it.url,), request_timeout=10))
        await connection.start()
        await connection.wait_connected()
        yield PatientGateway(connection)
        await connection.close()


async def remembering(jetstream: JetStream, desired: Desired, config: Config) -> Plan:
    """The plan when `config` is what the object was left with when this spec last converged."""
    chosen = choices(desired, config)
    situation = Situation(OWNER, await jetstream.server(), chosen=chosen)
    return plan(desired, await observe(jetstream, desired.target), situation)


async def expect_choice(jetstream: JetStream, desired: Desired, **wire: Any) -> None:
    """The server chooses these values; they are accepted, remembered, and put back."""
    found = await apply(jetstream, desired)
    assert found.live is not None
    assert {key: found.live.config.get(key) for key in wire} == wire
    assert found.left == ()
    chosen = found.live.config
    assert (await remembering(jetstream, desired, chosen)).action is Action.NOTHING
    # Somebody changes another one of the same fields by hand.
    other = {**chosen, "description": "by hand"}
    if desired.target.consumer is None:
        await jetstream.update_stream(other)
    else:
        await jetstream.update_consumer(desired.target.stream, other)
    (change,) = (await remembering(jetstream, desired, chosen)).changes
    assert change.name == "description"


async def test_a_server_with_a_shorter_duplicate_window_chooses_that(limited: Gateway) -> None:
    await expect_choice(limited, stream("work", {}), duplicate_window=30 * 10**9)


async def test_a_server_with_limits_for_consumers_chooses_those(limited: Gateway) -> None:
    await apply(limited, stream("work", {}))
    desired = consumer("work", "reader", {})
    await expect_choice(limited, desired, max_ack_pending=100, max_batch=10)


async def test_what_a_server_with_limits_chose_is_right_whatever_becomes_of_the_spec(
    limited: Gateway,
) -> None:
    bench = Bench(limited)
    keys = orders, reader = bench.stream(), bench.consumer()
    await bench.settle(*keys)
    assert bench.status(orders)["chosen"] == {"duplicateWindow": "30s"}
    assert bench.status(reader)["chosen"] == {"maxAckPending": 100, "maxBatch": 10}
    bench.stream(suspend=True)
    bench.consumer(suspend=True)
    for _ in range(2):
        await bench.settle(*keys)
        assert [bench.ready(key) for key in keys] == [("True", "Converged")] * 2
        bench.restart()


async def test_what_a_server_with_limits_chose_is_identical_when_it_is_adopted_again(
    limited: Gateway,
) -> None:
    bench = Bench(limited)

    def declare() -> tuple[Key, Key]:
        kept = {"deletion": "Retain"}
        return bench.stream(policies=kept), bench.consumer(policies=kept)

    await bench.settle(*declare())
    orders, reader = keys = declare()
    chosen = [bench.status(key)["chosen"] for key in keys]
    for key in (reader, orders):
        bench.kubernetes.delete(key)
        await bench.reconcile(key)
    await bench.settle(*declare())
    assert [bench.ready(key) for key in keys] == [("True", "Converged")] * 2
    assert [bench.events(key)[-1].reason for key in keys] == ["Adopted", "Adopted"]
    assert [bench.status(key)["chosen"] for key in keys] == chosen


async def test_what_a_suspended_resource_no_longer_declares_is_not_what_the_server_chose(
    limited: Gateway,
) -> None:
    bench = Bench(limited)
    orders, reader = bench.stream(), bench.consumer(maxAckPending=50)
    await bench.settle(orders, reader)
    assert bench.status(reader)["chosen"] == {"maxBatch": 10}
    bench.consumer(suspend=True)
    await bench.settle(reader)
    assert bench.ready(reader) == ("False", "Suspended")
    assert bench.status(reader)["plan"].endswith(": maxAckPending 50 → 1000")
    assert bench.status(reader)["chosen"] == {"maxBatch": 10}
    bench.consumer()
    await bench.settle(reader)
    assert bench.status(reader)["chosen"] == {"maxAckPending": 100, "maxBatch": 10}


@pytest.mark.parametrize("policy", ["explicit", "none"])
async def test_the_limits_of_a_stream_are_its_consumers_defaults(
    jetstream: Gateway, policy: str
) -> None:
    limits = {"maxAckPending": 50, "inactiveThreshold": "1h"}
    await apply(jetstream, stream("work", {"consumerLimits": limits}))
    wire = {"max_ack_pending": 50, "inactive_threshold": 3600 * 10**9}
    desired = consumer("work", "reader", {"ackPolicy": policy}).under(wire)
    assert (await apply(jetstream, desired)).live is not None
    assert (await planned(jetstream, desired)).changes == ()
    await expect_choice(jetstream, desired, max_ack_pending=50, inactive_threshold=3600 * 10**9)


async def test_a_mirror_follows_its_origin_without_a_difference(jetstream: Gateway) -> None:
    for is_direct in (True, False):
        origin, name = f"origin-{is_direct}", f"copy-{is_direct}"
        await apply(jetstream, stream(origin, {"allowDirect": is_direct}))
        desired = stream(name, {"mirror": {"name": origin}})
        await expect_choice(jetstream, desired, mirror_direct=is_direct)


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("comes_first", ["origin", "copy"])
async def test_a_mirror_that_contradicts_its_origin_is_as_its_origin_says(
    jetstream: Gateway, allowed: bool, comes_first: str
) -> None:
    """Whatever is declared: an update gives it the origin's, so there is nothing to be changed."""
    origin = stream("origin", {"allowDirect": allowed})
    copy = stream("copy", {"mirror": {"name": "origin"}, "mirrorDirect": not allowed})
    for each in (origin, copy) if comes_first == "origin" else (copy, origin):
        assert (await apply(jetstream, each)).left == ()
    assert (await planned(jetstream, copy)).action is Action.NOTHING
    live = await observe(jetstream, copy.target)
    assert live is not None
    updated = await jetstream.update_stream({**live.config, "mirror_direct": not allowed})
    assert updated.config["mirror_direct"] is allowed
    assert (await planned(jetstream, copy)).action is Action.NOTHING
    await apply(jetstream, stream("origin", {"allowDirect": not allowed}))
    assert (await apply(jetstream, copy)).left == ()
    live = await observe(jetstream, copy.target)
    assert live is not None
    assert live.config["mirror_direct"] is not allowed


async def test_a_sourced_stream_has_a_window_or_none_and_both_are_right(
    jetstream: Gateway,
) -> None:
    desired = stream("work", {"sources": [{"name": "far"}]})
    usual = {"duplicate_window": 120 * 10**9}
    newest = (await jetstream.server()).api_level >= 4
    await expect_choice(jetstream, desired, **({"duplicate_window": None} if newest else usual))


async def test_a_stream_that_somebody_else_made_so_is_adopted(jetstream: Gateway) -> None:
    """Adoption compares without a memory: what any server might have chosen is identical."""
    await jetstream.create_stream(
        {"name": "work", "sources": [{"name": "b"}, {"name": "a"}], "duplicate_window": 120 * 10**9}
    )
    spec = {"sources": [{"name": "a"}, {"name": "b"}]}
    found = await apply(jetstream, stream("work", spec))
    assert found.plan.action is Action.ADOPT
    assert found.before is not None
    assert found.live is not None
    for key in found.before.config.keys() - {"metadata"}:
        assert found.live.config[key] == found.before.config[key]


MAPPED = {"source": "in.>", "destination": "out.>"}


@pytest.mark.parametrize(
    "spec, source",
    [
        ({"subjects": ["in.>"], "republish": {"destination": ">"}}, "in.>"),
        ({"subjects": ["in.>"], "republish": {"source": ">", "destination": ">"}}, "in.>"),
        ({"republish": {"destination": ">", "headersOnly": True}}, "work"),
    ],
    ids=["one subject", "a source", "its name"],
)
async def test_what_is_transformed_is_republished_as_the_server_says_it(
    jetstream: Gateway, spec: dict[str, Any], source: str
) -> None:
    def declared(destination: str) -> Desired:
        to = source.replace("in", destination).replace("work", destination)
        return stream("work", {**spec, "subjectTransform": {"source": source, "destination": to}})

    if (await jetstream.server()).api_level < 1:
        with pytest.raises(Rejected, match="cycle"):
            await apply(jetstream, declared("out"))
        return
    for destination in ("out", "elsewhere"):
        found = await apply(jetstream, declared(destination))
        assert found.left == ()
        assert found.live is not None
        to = found.live.config["subject_transform"]["dest"]
        assert to.startswith(destination)
        republish = found.live.config["republish"]
        assert (republish["src"], republish["dest"]) == (to, to)
        assert (await planned(jetstream, declared(destination))).action is Action.NOTHING


@pytest.mark.parametrize(
    "spec",
    [
        {"subjects": ["in.>"]},
        {"subjects": ["in.>"], "subjectTransform": {**MAPPED, "source": "in.a.>"}},
        {"subjects": ["in.>", "a"], "subjectTransform": MAPPED},
    ],
    ids=["no transform", "of other subjects", "of a part"],
)
async def test_otherwise_what_is_republished_on_every_subject_comes_back(
    jetstream: Gateway, spec: dict[str, Any]
) -> None:
    with pytest.raises(Rejected, match="cycle"):
        await apply(jetstream, stream("work", {**spec, "republish": {"destination": ">"}}))


async def test_sampling_ends_when_its_field_is_removed(
    jetstream: Gateway, nats_server: NatsServer
) -> None:
    await apply(jetstream, stream("work", {}))
    await apply(jetstream, consumer("work", "reader", {"sampleFreq": "100%"}))
    client = await nats.connect(nats_server.url)
    samples = await client.subscribe("$JS.EVENT.METRIC.CONSUMER.ACK.work.reader")

    async def acknowledge_one() -> None:
        await client.request("work", b"message", timeout=30)
        request = "$JS.API.CONSUMER.MSG.NEXT.work.reader"
        message = await client.request(request, b"1", timeout=30, old_style=True)
        await client.request(message.reply, b"+ACK", timeout=30, old_style=True)

    await acknowledge_one()
    await samples.next_msg(timeout=30)
    await apply(jetstream, consumer("work", "reader", {}))
    await acknowledge_one()
    await apply(jetstream, consumer("work", "reader", {"sampleFreq": "100%"}))
    await acknowledge_one()
    # The sample of the third; of the second there is none.
    sample = json.loads((await samples.next_msg(timeout=30)).data)
    await client.close()
    assert sample["stream_seq"] == 3
