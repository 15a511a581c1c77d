"""Configurations of a consumer that goes on where its forerunner stopped, and of what is let go."""

from typing import Any

import pytest

from coze_nats.core.configs import creation, declared_start, kept_start, released
from coze_nats.core.desired import Target
from coze_nats.core.diff import diff
from coze_nats.core.live import LiveConsumer, LiveStream, Server
from coze_nats.core.names import OWNER_METADATA, START_METADATA
from coze_nats.core.steps import Create, Replacement, Update
from fakes.configs import complete_consumer
from support.convergence import OWNER, consumer

Spec = dict[str, Any]
SERVER = Server("2.15.1", 5)
TIME = "2026-01-31T12:00:00Z"
STARTS: tuple[tuple[Spec, str], ...] = (
    ({}, "all"),
    ({"deliverPolicy": "all"}, "all"),
    ({"deliverPolicy": "new"}, "new"),
    ({"deliverPolicy": "last"}, "last"),
    ({"deliverPolicy": "byStartSequence", "optStartSeq": 7}, "by_start_sequence:7"),
    ({"deliverPolicy": "byStartTime", "optStartTime": TIME}, f"by_start_time:{TIME}"),
)
_ids = [word for _, word in STARTS]


def created(spec: Spec, replacing: Replacement | None) -> dict[str, Any]:
    (step,) = creation(consumer("work", "reader", spec), OWNER, replacing)
    assert isinstance(step, Create)
    return dict(step.config)


def live(spec: Spec, start: int) -> dict[str, Any]:
    """What a server has after a replacement."""
    config = created(spec, Replacement("before", start))
    return complete_consumer(
        config, {"consumer_limits": {}, "num_replicas": 1}, SERVER.version, SERVER.api_level
    )


def differing(spec: Spec, has: dict[str, Any]) -> set[str]:
    desired = consumer("work", "reader", spec)
    return {change.name for change in diff(desired, kept_start(desired, has), SERVER)}


@pytest.mark.parametrize("spec, word", STARTS, ids=_ids)
def test_a_declared_start_is_one_word(spec: Spec, word: str) -> None:
    assert declared_start(consumer("work", "reader", spec)) == word


@pytest.mark.parametrize("spec, word", STARTS, ids=_ids)
def test_a_replaced_consumer_starts_where_the_former_stopped_and_notes_what_that_stands_for(
    spec: Spec, word: str
) -> None:
    config = created(spec, Replacement("before", 41))
    assert config["deliver_policy"] == "by_start_sequence"
    assert config["opt_start_seq"] == 41
    assert "opt_start_time" not in config
    assert config["metadata"] == {OWNER_METADATA: OWNER, START_METADATA: f"41 {word}"}


@pytest.mark.parametrize("replacing", [None, Replacement("before", 0)])
@pytest.mark.parametrize("spec, word", STARTS, ids=_ids)
def test_a_consumer_with_no_place_to_go_on_starts_where_it_is_declared_to(
    spec: Spec, word: str, replacing: Replacement | None
) -> None:
    config = created(spec, replacing)
    declared = consumer("work", "reader", spec).declared
    assert config.get("deliver_policy") == declared.get("deliver_policy")
    assert config["metadata"] == {OWNER_METADATA: OWNER}


@pytest.mark.parametrize("spec, word", STARTS, ids=_ids)
def test_a_kept_position_is_no_difference(spec: Spec, word: str) -> None:
    assert differing(spec, live(spec, 41)) == set()


@pytest.mark.parametrize("before, word", STARTS, ids=_ids)
def test_another_declared_start_is_a_difference_again(before: Spec, word: str) -> None:
    has = live(before, 41)
    for after, other in STARTS:
        found = differing(after, has)
        assert bool(found) is (word != other), other
        assert found <= {"deliverPolicy", "optStartSeq", "optStartTime"}


def test_a_start_that_was_changed_by_hand_is_a_difference() -> None:
    has = live({}, 41)
    assert differing({}, {**has, "opt_start_seq": 40}) == {"deliverPolicy", "optStartSeq"}
    assert differing({}, {**has, "deliver_policy": "new", "opt_start_seq": 0}) == {"deliverPolicy"}


def test_a_start_without_a_note_is_a_difference() -> None:
    has = live({}, 41)
    assert differing({}, {**has, "metadata": {}}) == {"deliverPolicy", "optStartSeq"}
    without = {key: value for key, value in has.items() if key != "metadata"}
    assert differing({}, without) == {"deliverPolicy", "optStartSeq"}


@pytest.mark.parametrize(
    "metadata, left",
    [
        ({OWNER_METADATA: OWNER, "team": "a"}, {"team": "a"}),
        ({OWNER_METADATA: OWNER, START_METADATA: "41 all"}, {START_METADATA: "41 all"}),
        ({OWNER_METADATA: OWNER}, None),
    ],
    ids=["ours", "a consumer that goes on somewhere", "nothing else in it"],
)
def test_what_is_let_go_loses_its_owner_and_nothing_else(
    metadata: dict[str, str], left: dict[str, str] | None
) -> None:
    target = Target("work")
    config = {"name": "work", "max_msgs": 5}
    after = config | ({"metadata": left} if left else {})
    for kind in (LiveStream, LiveConsumer):
        found = kind({**config, "metadata": metadata}, "")
        assert released(target, found, found.config) == (Update(target, after),)


@pytest.mark.parametrize("metadata", [{"team": "a"}, None])
def test_what_bears_no_mark_is_let_go_without_a_word(metadata: dict[str, str] | None) -> None:
    config = {"name": "work", "metadata": metadata}
    target, found = Target("work"), LiveStream({**config, "republish": {}}, "")
    assert released(target, found, found.config) == ()
    (step,) = released(target, found, config)
    left = {"metadata": metadata} if metadata else {}
    assert step == Update(target, {"name": "work", **left}), "what must not stay goes all the same"
