"""A CozeStream in every state that it can be in."""

from coze_nats.core.errors import Rejected, Transient, Unavailable
from coze_nats.core.live import Config, LiveStream, Origin, Raft
from coze_nats.core.names import STREAM_KIND
from coze_nats.core.replication import GRACE
from coze_nats.core.resource import Key
from coze_nats.reconcile import AWAY_GRACE
from coze_nats.reconcile.contests import ROUNDS
from coze_nats.reconcile.reconciler import HICCUPS
from fakes.jetstream import FakeJetStream
from support.recording import (
    HEALTHY,
    HELD,
    LEAVING,
    STUCK,
    WORKING,
    Scenario,
    Stage,
)

NO_ORIGIN = (Origin("origin", error="stream not found (10059)"),)


class Stubborn(FakeJetStream):
    """Takes a change, and has something else in mind."""

    async def update_stream(self, config: Config) -> LiveStream:
        return await super().update_stream({**config, "max_msgs": 3})


# --- as declared ----------------------------------------------------------------------------------


async def _converged(stage: Stage) -> Key:
    return await stage.stream(maxMsgs=5)


async def _suspended_as_declared(stage: Stage) -> Key:
    await stage.stream(maxMsgs=5)
    return await stage.stream(maxMsgs=5, suspend=True)


# --- at work --------------------------------------------------------------------------------------


async def _unseen(stage: Stage) -> Key:
    return stage.bench.stream("orders")


async def _outdated(stage: Stage) -> Key:
    await stage.stream(maxMsgs=5)
    return stage.bench.stream("orders", maxMsgs=7)


async def _nats_unavailable(stage: Stage) -> Key:
    stage.bench.session.away_since = stage.bench.clock.monotonic()
    stage.bench.clock.advance(AWAY_GRACE)
    away = Unavailable("not connected to NATS: nats://nats:4222: connection refused")
    return await stage.once(stage.bench.stream("orders"), away)


async def _retrying(stage: Stage) -> Key:
    busy = Transient("JetStream system temporarily unavailable", 10008)
    return await stage.once(stage.bench.stream("orders"), *[busy] * (HICCUPS + 1))


async def _replacing(stage: Stage) -> Key:
    await stage.stream()
    stage.jetstream.refusals["delete_stream"] = Transient("no leader", 10009)
    changed = stage.bench.stream("orders", storage="memory", policies={"replacement": "Recreate"})
    return await stage.once(changed)


async def _insufficient_capacity(stage: Stage) -> Key:
    await stage.bench.settle(stage.bench.stream("first", maxBytes=600))
    return await stage.once(stage.bench.stream("orders", maxBytes=500))


async def _scaling(stage: Stage) -> Key:
    stage.jetstream.rafts["orders"] = Raft("nats-0", ("nats-1", "nats-2"), behind=("nats-2",))
    return await stage.once(stage.bench.stream("orders"))


async def _moving(stage: Stage) -> Key:
    await stage.stream()
    replicas = ("nats-1", "nats-2", "nats-3")
    stage.jetstream.rafts["orders"] = Raft("nats-0", replicas, behind=("nats-3",))
    return await stage.once(stage.bench.stream("orders", placement={"tags": ["east"]}))


async def _replication_failing(stage: Stage) -> Key:
    stage.jetstream.origins["orders"] = NO_ORIGIN
    return await stage.once(stage.bench.stream("orders", mirror={"name": "origin"}))


# --- held back ------------------------------------------------------------------------------------


async def _suspended(stage: Stage) -> Key:
    return await stage.stream(suspend=True)


async def _dry_run(stage: Stage) -> Key:
    return await stage.stream()


# --- stalled --------------------------------------------------------------------------------------


async def _invalid_spec(stage: Stage) -> Key:
    return await stage.stream(maxBytes="1.0001k")


async def _unsupported_by_server(stage: Stage) -> Key:
    return await stage.stream(allowMsgTtl=True)


async def _rejected_by_server(stage: Stage) -> Key:
    refused = Rejected("replicas > 1 not supported in non-clustered mode", 10074)
    stage.jetstream.refusals["create_stream"] = refused
    return await stage.stream(replicas=3)


async def _subject_overlap(stage: Stage) -> Key:
    await stage.bench.settle(stage.bench.stream("first", subjects=["orders.*"]))
    return await stage.stream(subjects=["orders.new"])


async def _immutable_field(stage: Stage) -> Key:
    await stage.stream()
    return await stage.stream(storage="memory")


async def _suspended_and_immutable(stage: Stage) -> Key:
    await stage.stream()
    return await stage.stream(storage="memory", suspend=True)


async def _would_lose_data(stage: Stage) -> Key:
    await stage.stream(maxMsgs=5)
    stage.jetstream.publish("orders", 5)
    return await stage.stream(maxMsgs=2)


async def _owned_by_another(stage: Stage) -> Key:
    await stage.bench.settle(stage.bench.stream("first", name="orders"))
    return await stage.stream()


async def _not_identical(stage: Stage) -> Key:
    await stage.jetstream.create_stream({"name": "orders", "max_msgs": 7})
    return await stage.stream(maxMsgs=8)


async def _adoption_refused(stage: Stage) -> Key:
    await stage.jetstream.create_stream({"name": "orders"})
    return await stage.stream(policies={"adoption": "Never"})


async def _forbidden_subject(stage: Stage) -> Key:
    return await stage.stream(subjects=["_INBOX.>"])


async def _not_granted(stage: Stage) -> Key:
    theirs = stage.bench.kubernetes.apply(STREAM_KIND, "elsewhere", "theirs", {})
    await stage.bench.settle(theirs)
    return await stage.stream(sources=[{"name": "theirs"}])


async def _missing(stage: Stage) -> Key:
    orders = await stage.stream(policies={"missing": "Hold"})
    stage.jetstream.wipe()
    return await stage.once(orders)


async def _drift_contested(stage: Stage) -> Key:
    orders = await stage.stream(maxMsgs=5)
    for _ in range(ROUNDS + 1):
        live = await stage.jetstream.stream("orders")
        assert live
        await stage.jetstream.update_stream({**live.config, "max_msgs": 7})
        await stage.once(orders)
    return orders


async def _mass_deletion(stage: Stage) -> Key:
    keys = [
        stage.bench.stream(name, policies={"deletion": "Delete"}) for name in ("first", "orders")
    ]
    await stage.bench.settle(*keys)
    for key in keys:
        stage.jetstream.publish(key.name)
        stage.bench.kubernetes.delete(key)
        await stage.once(key)
    return keys[-1]


async def _replication_stalled(stage: Stage) -> Key:
    copy = await _replication_failing(stage)
    stage.bench.clock.advance(GRACE)
    return await stage.once(copy)


async def _not_converging(stage: Stage) -> Key:
    await stage.stream()
    return await stage.stream(maxMsgs=5)


UNSEEN_SAYS = "The operator has not looked at this generation yet"
SUSPENDED_SAYS = "stream orders is as declared; suspended, so drift is reported and not corrected"

STREAMS = tuple(
    Scenario(STREAM_KIND, *row)
    for row in (
        ("converged", HEALTHY, _converged),
        ("suspended-as-declared", HEALTHY, _suspended_as_declared, SUSPENDED_SAYS),
        ("unseen", WORKING, _unseen, UNSEEN_SAYS),
        ("outdated", WORKING, _outdated, UNSEEN_SAYS),
        ("nats-unavailable", WORKING, _nats_unavailable),
        ("retrying", WORKING, _retrying),
        ("replacing", WORKING, _replacing),
        ("insufficient-capacity", WORKING, _insufficient_capacity, "", {"storage": 1000}),
        ("scaling", WORKING, _scaling),
        ("moving", WORKING, _moving),
        ("replication-failing", WORKING, _replication_failing),
        ("suspended", HELD, _suspended),
        ("dry-run", HELD, _dry_run, "", {"dry_run": True}),
        ("invalid-spec", STUCK, _invalid_spec),
        ("unsupported-by-server", STUCK, _unsupported_by_server, "", {"version": "2.10.26"}),
        ("rejected-by-server", STUCK, _rejected_by_server),
        ("subject-overlap", STUCK, _subject_overlap),
        ("immutable-field", STUCK, _immutable_field),
        ("suspended-and-immutable", STUCK, _suspended_and_immutable),
        ("would-lose-data", STUCK, _would_lose_data),
        ("owned-by-another", STUCK, _owned_by_another),
        ("not-identical", STUCK, _not_identical),
        ("adoption-refused", STUCK, _adoption_refused),
        ("forbidden-subject", STUCK, _forbidden_subject),
        ("not-granted", STUCK, _not_granted),
        ("missing", STUCK, _missing),
        ("drift-contested", STUCK, _drift_contested),
        ("mass-deletion", LEAVING, _mass_deletion, "", {"most_deletions": 1}),
        ("replication-stalled", STUCK, _replication_stalled),
        ("not-converging", STUCK, _not_converging, "", {"jetstream": Stubborn}),
    )
)
