"""The alerts: what promtool says of them, and that each can be followed up."""

import copy
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from controlplane import binaries
from support.helm import Helm, HelmError

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


# --- several releases -----------------------------------------------------------------------------

HEALTHY = {
    'coze_nats_build_info{version="0.1.0"}': "1x240",
    'coze_nats_connection_up{connection="operator"}': "1x240",
    'coze_nats_connection_up{connection="coze/main"}': "1x240",
    "coze_nats_leader": "1x240",
    'coze_nats_leader{shard="0/2"}': "1x240",
    'coze_nats_leader{shard="1/2"}': "1x240",
    "coze_nats_queue_oldest_seconds": "0x240",
    'coze_nats_resync_duration_seconds_count{connection="operator",result="success"}': "0+1x240",
    'coze_nats_resync_duration_seconds_count{connection="coze/main",result="success"}': "0+1x240",
    'coze_nats_stream_rolls{connection="operator",name="work",stream="WORK"}': "1x240",
    'coze_nats_stream_rolls{connection="operator",namespace="coze",name="work"}': "1x240",
    'coze_nats_consumer_paused{connection="operator",namespace="coze",name="worker",stream="WORK",'
    'consumer="worker"}': "1x240",
}
"""A release with which all is well, and what would hide alerts if it were the other one's."""


def of_release(series: str, release: str) -> str:
    """The series as Prometheus has it: what tells of a resource has a namespace of its own."""
    name, _, labels = series.partition("{")
    own = f'job="{release}"' + ("" if 'namespace="' in labels else f',namespace="{release}"')
    rest = labels.removesuffix("}")
    return f"{name}{{{own}{f',{rest}' if rest else ''}}}"


def beside_another(test: dict[str, Any]) -> dict[str, Any]:
    """The test for one release, beside another one with which all is well."""
    found = copy.deepcopy(test)
    for item in found["input_series"]:
        item["series"] = of_release(item["series"], "one")
    for series, values in HEALTHY.items():
        found["input_series"].append({"series": of_release(series, "two"), "values": values})
    for case in found["alert_rule_test"]:
        for alert in case["exp_alerts"]:
            alert["exp_labels"] = {"namespace": "one", "job": "one"} | alert["exp_labels"]
    return found


@pytest.mark.timeout(900)
def test_no_release_hides_the_alerts_of_another(tmp_path: Path) -> None:
    """Where nothing of a release was ever seen, only the other one's silence would tell."""
    told = yaml.safe_load(TESTS.read_text(encoding="utf-8"))
    tests = [beside_another(test) for test in told["tests"] if test["input_series"]]
    file = tmp_path / "two_releases.yaml"
    file.write_text(
        yaml.safe_dump({**told, "rule_files": [str(FILE)], "tests": tests}), encoding="utf-8"
    )
    assert "SUCCESS" in promtool("test", "rules", file)


@pytest.mark.parametrize("name", ALERTS)
def test_what_sums_up_keeps_releases_apart(name: str) -> None:
    for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", ALERTS[name]["expr"]):
        assert {"namespace", "job"} <= {label.strip() for label in labels.split(",")}
    assert not re.search(r"\b(?:sum|max|min|count|avg) ?\((?!.* by )", ALERTS[name]["expr"])


# --- values ---------------------------------------------------------------------------------------


def rendered(helm: Helm, **values: Any) -> dict[str, dict[str, Any]]:
    """The rules of the PrometheusRule, by alert."""
    rule = {"enabled": True, **values}
    metrics = {"renderMode": "alwaysRender", "prometheusRule": rule}
    found = helm.render({"metrics": metrics}, "--show-only=templates/prometheusrule.yaml")
    return {item["alert"]: item for group in found[0]["spec"]["groups"] for item in group["rules"]}


def test_without_values_the_rules_are_those_of_the_file(offline: Helm) -> None:
    assert rendered(offline) == ALERTS


def test_every_alert_can_be_left_out_and_have_another_duration_severity_and_page(
    offline: Helm,
) -> None:
    changed: dict[str, dict[str, Any]] = {
        name: {"for": "7h", "severity": "page"} for name in ALERTS
    }
    changed["CozeMetricsLeftOut"] = {"enabled": False}
    found = rendered(offline, alerts=changed, runbookUrl="https://wiki.example.com/nats")
    assert found.keys() == ALERTS.keys() - {"CozeMetricsLeftOut"}
    for name, rule in found.items():
        assert (rule["for"], rule["labels"]["severity"]) == ("7h", "page")
        link = f"https://wiki.example.com/nats#{name.lower()}"
        assert rule["annotations"]["runbook_url"] == link


@pytest.mark.parametrize(
    "name, before, threshold, after",
    [
        ("CozeConsumerBacklogGrowing", "> 1000\n", 50000, "> 50000\n"),
        ("CozeStreamNearLimit", "> 0.9\n", 0.75, "> 0.75\n"),
        ("CozeReplicaLagging", "> 1000\n", 20, "> 20\n"),
        ("CozeOperatorBehind", "> 60", 300, "> 300"),
    ],
)
def test_an_alert_with_a_threshold_can_have_another_one(
    offline: Helm, name: str, before: str, threshold: float, after: str
) -> None:
    found = rendered(offline, alerts={name: {"threshold": threshold}})
    expected = ALERTS[name]["expr"]
    assert before in expected
    assert found[name]["expr"] == expected.replace(before, after)


@pytest.mark.parametrize(
    "alerts", [{"CozeNoSuchAlert": {}}, {"CozeNoLeader": {"threshold": 2}}], ids=str
)
def test_what_there_is_not_is_refused(offline: Helm, alerts: dict[str, Any]) -> None:
    with pytest.raises(HelmError, match="additional properties"):
        rendered(offline, alerts=alerts)


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
    _, _, rest = page.read_text(encoding="utf-8").partition(f"\n### {name}\n")
    section = re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]
    assert f"**Severity:** {rule['labels']['severity']}. " in section
    assert re.search(r"^```console\n\$ (kubectl|nats) .+\n```$", section, re.MULTILINE)


def test_no_alert_is_explained_that_does_not_exist() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == set(ALERTS)
