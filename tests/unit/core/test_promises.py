"""The core's four promises for any spec, against a JetStream in memory.

tests/contract/test_plans_on_real_servers.py makes the same promises to real servers.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coze_nats.core.desired import Desired
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Action
from coze_nats.reconcile.performing import observe
from fakes.jetstream import FakeJetStream
from support import specs
from support.convergence import apply, consumer, planned, stream

Changes = tuple[specs.Spec, specs.Spec]
VERSIONS = st.sampled_from(("2.10.26", "2.11.11", "2.12.8", "2.14.6", "2.15.1"))
UNKNOWN = frozenset({"from_the_future"})
quick = settings(max_examples=60, deadline=None, print_blob=True)


async def a_stream(jetstream: FakeJetStream) -> None:
    await apply(jetstream, stream("work", {"subjects": ["in.>"]}))


async def expect_creation(jetstream: FakeJetStream, desired: Desired) -> Live:
    found = await apply(jetstream, desired)
    assert found.plan.action is Action.CREATE
    assert (await planned(jetstream, desired)).action is Action.NOTHING
    assert found.live is not None
    return found.live


async def expect_change_or_refusal(jetstream: FakeJetStream, desired: Desired) -> Live:
    before = await observe(jetstream, desired.target)
    found = await apply(jetstream, desired)
    if found.plan.refusal is None:
        assert found.left == ()
        assert (await planned(jetstream, desired)).action is Action.NOTHING
    else:
        assert found.plan.refusal.reason in (
            Reason.IMMUTABLE_FIELD,
            Reason.UNSUPPORTED_BY_SERVER,
            Reason.WOULD_LOSE_DATA,
        )
        assert found.live == before
    assert found.live is not None
    return found.live


@quick
@given(version=VERSIONS, spec=specs.new_stream_specs(level=0))
async def test_planning_a_stream_again_after_creating_it_yields_nothing(
    version: str, spec: specs.Spec
) -> None:
    await expect_creation(FakeJetStream(version), stream("work", spec))


@quick
@given(version=VERSIONS, spec=specs.consumer_specs(level=0))
async def test_planning_a_consumer_again_after_creating_it_yields_nothing(
    version: str, spec: specs.Spec
) -> None:
    jetstream = FakeJetStream(version)
    await a_stream(jetstream)
    await expect_creation(jetstream, consumer("work", "reader", spec))


@quick
@given(changes=specs.stream_changes(), messages=st.integers(0, 3))
async def test_any_spec_of_a_stream_is_reached_from_any_other_or_refused(
    changes: Changes, messages: int
) -> None:
    jetstream = FakeJetStream("2.15.1")
    before, after = changes
    live = await expect_creation(jetstream, stream("work", before))
    if "subjects" in live.config:
        jetstream.publish("work", messages)
    full = await observe(jetstream, stream("work", before).target)
    changed = await expect_change_or_refusal(jetstream, stream("work", after))
    assert isinstance(full, LiveStream)
    assert isinstance(changed, LiveStream)
    assert changed.messages == full.messages


@quick
@given(changes=specs.consumer_changes())
async def test_any_spec_of_a_consumer_is_reached_from_any_other_or_refused(
    changes: Changes,
) -> None:
    jetstream = FakeJetStream("2.15.1")
    before, after = changes
    await a_stream(jetstream)
    await expect_creation(jetstream, consumer("work", "reader", before))
    await expect_change_or_refusal(jetstream, consumer("work", "reader", after))


def comparable(live: Live) -> dict[str, Any]:
    """A configuration without its names, what is over, and what is the server's own affair."""
    left_out = {"name", "durable_name", "duplicate_window", "mirror_direct"}
    if live.config.get("sample_freq") == "0":
        left_out.add("sample_freq")
    if isinstance(live, LiveConsumer) and not live.paused:
        left_out.add("pause_until")
    config = {key: live.config[key] for key in live.config.keys() - left_out}
    metadata = config["metadata"]
    config["metadata"] = {k: v for k, v in metadata.items() if not k.startswith("_nats.")}
    return specs.comparable(config)


@quick
@given(spec=specs.new_stream_specs(), data=st.data())
async def test_a_field_of_a_stream_that_is_removed_returns_to_the_default(
    spec: specs.Spec, data: st.DataObject
) -> None:
    jetstream, another = FakeJetStream("2.15.1"), FakeJetStream("2.15.1")
    removed = data.draw(st.sampled_from(sorted(spec) or [""]))
    rest = specs.coherent_stream({key: spec[key] for key in spec.keys() - {removed}})
    await expect_creation(jetstream, stream("work", spec))
    found = await apply(jetstream, stream("work", rest))
    if found.plan.refusal is None:
        assert found.live is not None
        twin = await expect_creation(another, stream("work", rest))
        assert comparable(found.live) == comparable(twin)


@quick
@given(spec=specs.consumer_specs(), data=st.data())
async def test_a_field_of_a_consumer_that_is_removed_returns_to_the_default(
    spec: specs.Spec, data: st.DataObject
) -> None:
    jetstream = FakeJetStream("2.15.1")
    removed = data.draw(st.sampled_from(sorted(spec) or [""]))
    rest = specs.coherent_consumer({key: spec[key] for key in spec.keys() - {removed}})
    await a_stream(jetstream)
    await expect_creation(jetstream, consumer("work", "reader", spec))
    found = await apply(jetstream, consumer("work", "reader", rest))
    if found.plan.refusal is None:
        assert found.live is not None
        twin = await expect_creation(jetstream, consumer("work", "twin", rest))
        assert comparable(found.live) == comparable(twin)


@quick
@given(changes=specs.stream_changes())
async def test_what_the_operator_does_not_know_of_a_stream_survives(changes: Changes) -> None:
    jetstream = FakeJetStream("2.15.1", knows=UNKNOWN)
    before, after = changes
    live = await expect_creation(jetstream, stream("work", before))
    foreign = {"_nats.hint": "a", "coze.dev/note": "b"}
    by_hand = {
        "from_the_future": {"is": "kept"},
        "placement": {**live.config.get("placement", {}), "preferred": "kept"},
        "consumer_limits": {**live.config["consumer_limits"], "new": "kept"},
        "metadata": {**live.config["metadata"], **foreign},
    }
    await jetstream.update_stream({**live.config, **by_hand})
    changed = (await expect_change_or_refusal(jetstream, stream("work", after))).config
    assert changed["from_the_future"] == {"is": "kept"}
    assert changed["placement"]["preferred"] == "kept"
    assert changed["consumer_limits"]["new"] == "kept"
    assert {key: changed["metadata"].get(key) for key in foreign} == foreign


@quick
@given(changes=specs.consumer_changes())
async def test_what_the_operator_does_not_know_of_a_consumer_survives(changes: Changes) -> None:
    jetstream = FakeJetStream("2.15.1", knows=UNKNOWN)
    before, after = changes
    await a_stream(jetstream)
    live = await expect_creation(jetstream, consumer("work", "reader", before))
    by_hand = {
        "from_the_future": [1],
        "metadata": {**live.config["metadata"], "_nats.hint": "a", "coze.dev/note": "b"},
    }
    await jetstream.update_consumer("work", {**live.config, **by_hand})
    changed = (await expect_change_or_refusal(jetstream, consumer("work", "reader", after))).config
    assert changed["from_the_future"] == [1]
    assert changed["metadata"].items() >= {"_nats.hint": "a", "coze.dev/note": "b"}.items()


async def test_an_unknown_member_of_a_source_survives_while_the_source_stays() -> None:
    jetstream = FakeJetStream("2.15.1")
    before = {"sources": [{"name": "a"}, {"name": "b", "filterSubject": "in.>"}]}
    live = await expect_creation(jetstream, stream("work", before))
    marked = [{**source, "new": "kept"} for source in live.config["sources"]]
    await jetstream.update_stream({**live.config, "sources": marked})
    after = {"sources": [{"name": "c"}, {"name": "b", "filterSubject": "in.>"}]}
    changed = await expect_change_or_refusal(jetstream, stream("work", after))
    assert changed.config["sources"] == [
        {"name": "c"},
        {"name": "b", "filter_subject": "in.>", "new": "kept"},
    ]


async def test_a_durable_that_was_made_ephemeral_becomes_durable_again() -> None:
    jetstream = FakeJetStream("2.15.1")
    await a_stream(jetstream)
    live = await expect_creation(jetstream, consumer("work", "reader", {}))
    ephemeral = {key: value for key, value in live.config.items() if key != "durable_name"}
    await jetstream.update_consumer("work", ephemeral)
    changed = await expect_change_or_refusal(jetstream, consumer("work", "reader", {}))
    assert changed.config["durable_name"] == "reader"
