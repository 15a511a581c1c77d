"""kstatus, and Flux by the expressions of the examples, judge every state as it is meant."""

import pytest

import argocd
from coze_nats.core.names import Reason
from support.recording import Judged, Scenario
from support.verdicts import verdicts

scenarios = pytest.mark.parametrize(
    "scenario", argocd.SCENARIOS, ids=lambda found: f"{found.kind}-{found.name}"
)


UNPLAYED = {
    Reason.CONNECTED,
    Reason.CONNECTION_NOT_FOUND,
    Reason.CONNECTION_NOT_READY,
    Reason.CONNECTION_NOT_ALLOWED,
    Reason.CONNECTING,
    Reason.UNREACHABLE,
    Reason.IN_USE,
    Reason.SECRET_NOT_FOUND,
    Reason.SECRET_KEY_MISSING,
    Reason.CREDENTIALS_INVALID,
    Reason.AUTHENTICATION_FAILED,
    Reason.TLS_FAILED,
    Reason.JETSTREAM_DISABLED,
    Reason.PERMISSION_DENIED,
}
"""Reasons that the operator doesn't give yet: connections are declared only."""


@scenarios
def test_a_state_is_judged_as_it_is_meant(scenario: Scenario) -> None:
    (verdict,) = verdicts([scenario.recorded()])
    assert Judged(verdict.argo, verdict.kstatus, verdict.flux) == scenario.judged


def test_every_reason_is_recorded() -> None:
    recorded = {
        item["reason"]
        for scenario in argocd.SCENARIOS
        for item in scenario.recorded()["status"].get("conditions", ())
        if item["type"] == "Ready"
    }
    assert recorded == set(Reason) - UNPLAYED
