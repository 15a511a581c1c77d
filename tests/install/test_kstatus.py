"""kstatus, and Flux by the expressions of the examples, judge every state as it is meant."""

import functools

import pytest

import argocd
from coze_nats.core.names import Reason
from support.recording import Judged, Scenario
from support.verdicts import Verdict, verdicts

scenarios = pytest.mark.parametrize(
    "scenario", argocd.SCENARIOS, ids=lambda found: f"{found.kind}-{found.name}"
)


@functools.cache
def judged() -> dict[tuple[str, str], Verdict]:
    """Every state as the tools judge it, by kind and name; asked once for all."""
    found = verdicts([scenario.recorded() for scenario in argocd.SCENARIOS])
    states = [(scenario.kind, scenario.name) for scenario in argocd.SCENARIOS]
    return dict(zip(states, found, strict=True))


@scenarios
def test_a_state_is_judged_as_it_is_meant(scenario: Scenario) -> None:
    verdict = judged()[scenario.kind, scenario.name]
    assert Judged(verdict.argo, verdict.kstatus, verdict.flux) == scenario.judged


def test_every_reason_is_recorded() -> None:
    recorded = {
        item["reason"]
        for scenario in argocd.SCENARIOS
        for item in scenario.recorded()["status"].get("conditions", ())
        if item["type"] == "Ready"
    }
    assert recorded == set(Reason)
