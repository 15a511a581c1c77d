"""Every field of both kinds, on every server: set, changed, removed, refused where it must be.

Holds the tables of `coze_nats.core.fields` against the servers, in both directions: what is called
changeable is changed, and what is called immutable is refused by the server, too.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from coze_nats.core.configs import updated
from coze_nats.core.desired import Desired
from coze_nats.core.errors import Rejected
from coze_nats.core.live import Config, LiveStream
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Action
from coze_nats.jetstream.gateway import Gateway
from coze_nats.ports import JetStream
from coze_nats.reconcile.performing import observe
from support.cases import CONSUMER_CASES, STREAM_CASES, Case, Spec, State
from support.convergence import OWNER, Applied, apply, consumer, planned, stream

LEVELS = {"2.10": 0, "2.11": 1, "2.12": 2, "2.14": 4}
WITHOUT_EFFECT = {"firstSequence": 5, "memStorage": 3}
"""Immutable fields that servers up to an API level pretend to change."""

Declare = Callable[[Spec], Desired]
_names = (f"work-{number}" for number in itertools.count())


async def create(jetstream: JetStream, desired: Desired) -> Live:
    if desired.declared.get("sealed"):
        # NATS creates none that is sealed.
        config = {key: value for key, value in desired.declared.items() if key != "sealed"}
        await create(jetstream, replace(desired, declared=config))
        live = (await apply(jetstream, desired)).live
        assert live is not None
        return live
    found = await apply(jetstream, desired)
    assert found.plan.action is Action.CREATE
    assert found.left == ()
    assert found.live is not None
    return found.live


def said(config: Config, case: Case) -> object:
    """What JetStream says about the field, as the cases put it."""
    value = config.get(case.wire)
    if value is None and case.default is False:
        return False  # what is off may be left out
    if value == "0":
        return None  # how sampling is turned off
    if case.name == "subjects" and value == [config["name"]]:
        return ["work"]
    if case.name == "metadata":
        return {key: text for key, text in config["metadata"].items() if key in {"team", "empty"}}
    return value


async def is_supported(jetstream: JetStream, case: Case, declare: Declare) -> bool:
    """Whether the server knows the field; if not, the plan must say so."""
    server = await jetstream.server()
    if LEVELS[case.since] <= server.api_level:
        return True
    desired = declare(case.spec(case.values[0]))
    refusal = (await planned(jetstream, desired)).refusal
    assert refusal is not None
    assert refusal.reason is Reason.UNSUPPORTED_BY_SERVER
    assert f"{case.name} needs nats-server {case.since}" in refusal.message
    assert server.version in refusal.message
    assert await observe(jetstream, desired.target) is None
    return False


async def take(
    jetstream: JetStream, case: Case, declare: Declare, before: State, after: State
) -> None:
    """Go from one state of a field to another, and let the server be the judge."""
    live = await create(jetstream, declare(before.spec))
    assert said(live.config, case) == before.wire
    found = await apply(jetstream, declare(after.spec))
    if found.plan.refusal is None:
        assert found.left == ()
        assert found.live is not None
        assert said(found.live.config, case) == after.wire
    else:
        assert found.plan.refusal.reason in (Reason.IMMUTABLE_FIELD, Reason.UNSUPPORTED_BY_SERVER)
        assert case.name in found.plan.refusal.message
        assert found.live == found.before
        await expect_server_to_refuse(jetstream, case, declare(after.spec), found)


async def expect_server_to_refuse(
    jetstream: JetStream, case: Case, desired: Desired, refused: Applied
) -> None:
    """Make the change that the plan refuses; the server must refuse it, too, or only pretend."""
    assert refused.live is not None
    config = updated(desired, refused.live.config, refused.plan.changes, OWNER)
    is_pretence = WITHOUT_EFFECT.get(case.name, -1) >= (await jetstream.server()).api_level
    try:
        if isinstance(refused.live, LiveStream):
            await jetstream.update_stream(config)
        else:
            await jetstream.update_consumer(desired.target.stream, config)
    except Rejected:
        assert not is_pretence
    else:
        assert is_pretence


@pytest.mark.parametrize("case", STREAM_CASES, ids=str)
async def test_a_field_of_a_stream_is_set_changed_and_removed_or_refused(
    jetstream: JetStream, case: Case
) -> None:
    for before, after in case.transitions():
        name = next(_names)

        def declare(spec: Spec, name: str = name) -> Desired:
            return stream(name, spec)

        if not await is_supported(jetstream, case, declare):
            return
        await take(jetstream, case, declare, before, after)
        await jetstream.delete_stream(name)


@pytest.mark.parametrize("case", CONSUMER_CASES, ids=str)
async def test_a_field_of_a_consumer_is_set_changed_and_removed_or_refused(
    jetstream: JetStream, case: Case
) -> None:
    name = next(_names)
    await create(jetstream, stream(name, {"subjects": ["in.>"]}))

    def declare(spec: Spec) -> Desired:
        return consumer(name, "reader", spec)

    for before, after in case.transitions():
        if not await is_supported(jetstream, case, declare):
            return
        await take(jetstream, case, declare, before, after)
        await jetstream.delete_consumer(name, "reader")


async def test_a_first_sequence_that_is_given_later_has_no_effect(jetstream: Gateway) -> None:
    name = next(_names)
    live = await create(jetstream, stream(name, {}))
    await jetstream.update_stream({**live.config, "first_seq": 50})
    stored = json.loads(await jetstream._connection.request(name, b"message"))
    assert stored["seq"] == 1
