"""Remedies that work: whoever does what a refusal says is not met by the next one."""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coze_nats.core import names
from coze_nats.core.api.consumer_rules import CONSUMER_RULES
from coze_nats.core.api.rules import IDENTITY_RULES
from coze_nats.core.blocking import Refusal
from coze_nats.core.desired import Desired
from coze_nats.core.incarnation import Incarnation
from coze_nats.core.live import Listing
from coze_nats.core.looks import (
    ConsumersLook,
    CopiesLook,
    Look,
    MessagesLook,
    ReturningLook,
    RivalsLook,
    Seen,
    StreamLook,
)
from coze_nats.core.names import Reason
from coze_nats.core.ownership import Live
from coze_nats.core.plan import Plan, Situation, plan
from coze_nats.core.policies import Policies
from coze_nats.core.remedies import LOOSENED
from support import specs
from support.convergence import OWNER, consumer, stream
from support.plans import ANOTHER, KNOWN, NOBODYS, OURS, SERVER, a_consumer, a_stream

PACKAGE = Path(__file__).resolve().parents[3] / "operator" / "coze_nats"
FIELDS = {each.name: field for field, each in LOOSENED.items()}
CAREFUL = Policies(missing="Hold")
ALLOW_TOO = ". That takes policies.dataLoss: Allow (as messages would be lost), too"
VAIN = ". Whoever runs the operator forbids policies.dataLoss: Allow: ask there"
HELD = "storage file → memory: NATS can't change it once the object exists. Nothing was changed: "
ANEW = "set the field back, or have it created anew with policies.replacement: Recreate"


def look_around(look: Look) -> Any:
    match look:
        case StreamLook():
            return a_stream({}, messages=5)
        case ConsumersLook():
            return Listing({"reader": a_consumer({}, NOBODYS)})
        case MessagesLook(patterns=patterns):
            return dict.fromkeys(patterns, 1)
        case RivalsLook():
            return ""
        case ReturningLook():
            return {}
        case CopiesLook():
            return ()


def planned(desired: Desired, live: Live | None, situation: Situation) -> Plan:
    """A plan that lacks no look."""
    while (found := plan(desired, live, situation)).looks:
        seen = {look: look_around(look) for look in found.looks}
        situation = replace(situation, seen=Seen({**situation.seen.found, **seen}))
    return found


def obeyed(policies: Policies, refusal: Refusal) -> Policies:
    """The policies as the message says to set them; of several values, the one that goes on."""
    said = re.findall(
        r"policies\.(\w+)(?: is Never: set it to IfIdentical or|:) (\w+)", refusal.message
    )
    return replace(policies, **{FIELDS[name]: value for name, value in said if name in FIELDS})


def is_held_by_policy(found: Plan) -> bool:
    return found.refusal is not None and found.refusal.held_by != ""


def one_round_is_enough(desired: Desired, live: Live | None, situation: Situation) -> None:
    found = planned(desired, live, situation)
    if not is_held_by_policy(found):
        return
    assert found.refusal is not None
    policies = obeyed(situation.policies, found.refusal)
    then = planned(desired, live, replace(situation, policies=policies))
    assert not is_held_by_policy(then), (found.refusal, then.refusal)
    if then.refusal:
        assert then.refusal.message in found.refusal.message


situations = st.builds(
    lambda adoption, incarnation: Situation(
        OWNER,
        SERVER,
        policies=replace(CAREFUL, adoption=adoption),
        incarnation=incarnation,
        recorded=incarnation is not None,
        last_known="8 messages" if incarnation else "",
    ),
    st.sampled_from(("Never", "IfIdentical", "Always")),
    st.sampled_from((None, KNOWN, Incarnation(ANOTHER, created_tells=True))),
)
owners = st.sampled_from((OURS, NOBODYS))
unhurried = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@unhurried
@given(specs.stream_changes(), situations, owners, st.sampled_from((0, 5)), st.booleans())
def test_a_refused_stream_names_all_policies_at_once(
    change: tuple[Any, Any],
    situation: Situation,
    owner: dict[str, str],
    held: int,
    is_gone: bool,
) -> None:
    before, after = change
    live = a_stream(before, owner, messages=held, bytes=held * 10, consumers=min(held, 1))
    one_round_is_enough(stream("work", after), None if is_gone else live, situation)


@unhurried
@given(specs.consumer_changes(), situations, owners, st.sampled_from((0, 5)), st.booleans())
def test_a_refused_consumer_names_all_policies_at_once(
    change: tuple[Any, Any],
    situation: Situation,
    owner: dict[str, str],
    held: int,
    is_gone: bool,
) -> None:
    before, after = change
    live = a_consumer(before, owner, pending=held)
    one_round_is_enough(consumer("work", "reader", after), None if is_gone else live, situation)


@pytest.mark.parametrize(
    "messages, forbidden, message",
    [
        (0, (), HELD + ANEW),
        (3, (), HELD + ANEW + ALLOW_TOO),
        (3, (("dataLoss", "Allow"),), HELD + ANEW + ALLOW_TOO + VAIN),
    ],
    ids=["empty", "with messages", "where that is forbidden"],
)
def test_a_change_that_needs_a_new_stream_says_what_else_that_takes(
    messages: int, forbidden: tuple[tuple[str, str], ...], message: str
) -> None:
    situation = Situation(OWNER, SERVER, incarnation=KNOWN, forbidden=forbidden)
    live = a_stream({}, messages=messages)
    found = planned(stream("work", {"storage": "memory"}), live, situation)
    assert found.refusal == Refusal(Reason.IMMUTABLE_FIELD, message, "replacement")


def test_what_no_policy_removes_is_told_with_the_policies() -> None:
    situation = Situation(OWNER, SERVER, seen=Seen({RivalsLook("work", ("a",)): "subjects: taken"}))
    live = a_stream({"subjects": ["b"]})
    found = planned(stream("work", {"subjects": ["a"], "storage": "memory"}), live, situation)
    assert found.refusal
    assert ". Then SubjectOverlap follows: subjects: taken. " in found.refusal.message


# --- who is blamed --------------------------------------------------------------------------------


def test_what_only_follows_from_another_field_is_not_blamed() -> None:
    desired = consumer("work", "reader", {"deliverSubject": "there"})
    for owner in (OURS, NOBODYS):
        refusal = planned(desired, a_consumer({}, owner), Situation(OWNER, SERVER)).refusal
        assert refusal
        assert "deliverSubject unset → there" in refusal.message
        assert "maxWaiting" not in refusal.message


def test_what_the_user_took_out_of_the_spec_is_blamed() -> None:
    live = a_consumer({"maxWaiting": 7})
    refusal = planned(consumer("work", "reader", {}), live, Situation(OWNER, SERVER)).refusal
    assert refusal
    assert "maxWaiting 7 → 512" in refusal.message


@pytest.mark.parametrize(
    "before, after, shown",
    [
        ({"maxBytes": "1Gi"}, {"maxBytes": "512Mi"}, "maxBytes 1Gi → 512Mi"),
        ({"maxBytes": "1Gi"}, {"maxBytes": "0.5Gi"}, "maxBytes 1Gi → 0.5Gi"),
        ({"maxBytes": "1G"}, {"maxBytes": "500M"}, "maxBytes 1G → 500M"),
        ({"maxBytes": 1000}, {"maxBytes": 900}, "maxBytes 1000 → 900"),
        ({"maxBytes": "1Mi"}, {}, "maxBytes 1Mi → -1"),
        ({"maxAge": "2h"}, {"maxAge": "90m"}, "maxAge 2h → 90m"),
    ],
)
def test_a_value_is_shown_in_the_unit_that_the_user_wrote(
    before: Any, after: Any, shown: str
) -> None:
    always = Situation(OWNER, SERVER, incarnation=KNOWN, policies=Policies(data_loss="Allow"))
    (change,) = planned(stream("work", after), a_stream(before), always).changes
    assert str(change) == shown


# --- fields that can't be changed -----------------------------------------------------------------

FIXED = {
    str(rule["fieldPath"]).removeprefix(".spec").removeprefix(".")
    for rule in (*IDENTITY_RULES, *CONSUMER_RULES)
    if "can't be changed" in rule["message"]
}
"""Fields that the API server holds once a resource is there."""


@functools.cache
def texts() -> tuple[tuple[str, str], ...]:
    return tuple(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    """Every text of the package, with what is put into it as `{…}`, and where it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in node.values
        }
        for node in ast.walk(tree):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                yield (
                    where,
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else ast.unparse(part)
                        for part in node.values
                    ),
                )
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in inner
            ):
                yield where, node.value


def test_the_fields_that_are_held_are_known() -> None:
    assert {"name", "connection", "streamRef", "streamName"} == FIXED


CHANGES = re.compile(
    r"(?:correct|change|choose another|set another|use another) (?:the )?(?:name|stream|connection|"
    r"streamRef|streamName)\b"
)


def test_no_remedy_changes_what_can_not_be_changed() -> None:
    """Where it is a Secret or a ConfigMap that is named, the name can be corrected."""
    found = [
        (where, text)
        for where, text in texts()
        if CHANGES.search(text) and "document" not in text and not where.startswith("core/login")
    ]
    assert found == []


@pytest.mark.parametrize("field", ["streamRef", "streamName", "connection"])
def test_what_blames_a_field_that_is_held_has_the_resource_made_anew(field: str) -> None:
    there_is_none = re.compile(rf"^{field}: there is no ")
    blaming = [text for _, text in texts() if there_is_none.search(text)]
    assert blaming
    for text in blaming:
        assert re.search(r"names\.ANOTHER_\w+", text), text
    assert all(
        remedy.startswith("delete this resource and create one with ")
        for name, remedy in vars(names).items()
        if name.startswith("ANOTHER_")
    )
