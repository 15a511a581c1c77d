"""The alerts: what promtool says of them, and that each can be followed up."""

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from controlplane import binaries

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "charts" / "coze-nats-operator" / "files" / "alerts.yaml"
TESTS = Path(__file__).with_name("alerts_test.yaml")
PAGES = "https://github.com/coze-dev/coze-nats-operator/blob/main/"

ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}


def promtool(*arguments: str | Path) -> str:
    """What promtool says; it must be content."""
    command = [binaries.find("promtool"), *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.mark.timeout(900)
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", "--lint=all", FILE)


@pytest.mark.timeout(900)
def test_every_alert_fires_when_it_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = [
        (case["alertname"], bool(case["exp_alerts"]))
        for test in yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
        for case in test["alert_rule_test"]
    ]
    assert set(cases) == {(name, fires) for name in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
    link = rule["annotations"]["runbook_url"]
    assert link.startswith(PAGES)
    page, anchor = ROOT / urlsplit(link.removeprefix(PAGES)).path, urlsplit(link).fragment
    assert anchor == name.lower()
    assert re.search(rf"^### {name}$", page.read_text(encoding="utf-8"), re.MULTILINE)


def test_no_alert_is_explained_that_does_not_exist() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == set(ALERTS)
