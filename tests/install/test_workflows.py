"""The workflows of GitHub Actions: nothing here runs them, so what they name is looked up."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from controlplane import binaries, recipes
from support.dockerfile import Dockerfile

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROGRAMS = ROOT / ".venv" / "bin"


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def jobs() -> list[Any]:
    """All jobs, each as a case of a test that tells its workflow and its name."""
    return [
        pytest.param(job, id=f"{path.stem}: {name}")
        for path in WORKFLOWS
        for name, job in yaml.safe_load(text_of(path))["jobs"].items()
    ]


def scripts() -> str:
    """All that the workflows run, one after another."""
    documents = [yaml.safe_load(text_of(path)) for path in WORKFLOWS]
    steps = [step for each in documents for job in each["jobs"].values() for step in steps_of(job)]
    return "\n".join(step["run"] for step in steps if "run" in step)


def steps_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    return list(job.get("steps", ()))


def checked_by(*command: str | Path) -> str:
    """What a checker finds fault with; empty if nothing."""
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if outcome.returncode == 0 else outcome.stdout + outcome.stderr


def test_actionlint_and_shellcheck_find_no_fault() -> None:
    actionlint = binaries.find("actionlint")
    shellcheck = shutil.which("shellcheck", path=f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    assert shellcheck
    assert checked_by(actionlint, "-shellcheck", shellcheck, *WORKFLOWS) == ""


@pytest.mark.parametrize(
    "schema, files",
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"]),
    ],
)
def test_they_are_as_their_schemas_say(schema: str, files: list[Path]) -> None:
    assert checked_by(PROGRAMS / "check-jsonschema", "--builtin-schema", schema, *files) == ""


def test_every_action_is_pinned_by_a_commit_and_the_same_one_everywhere() -> None:
    used = [found for path in WORKFLOWS for found in re.findall(r"uses: (.+)", text_of(path))]
    elsewhere = {each for each in used if not each.startswith("./")}
    pins = {
        re.fullmatch(r"([\w.-]+/[\w.-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in elsewhere
    }
    assert None not in pins
    assert len({pin[1] for pin in pins if pin}) == len(elsewhere) > 5


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_rights_of_its_own_and_runs_once_at_a_time(path: Path) -> None:
    workflow = yaml.safe_load(text_of(path))
    assert workflow["permissions"] == {}
    assert workflow["concurrency"]["group"]


@pytest.mark.parametrize("job", jobs())
def test_a_job_names_its_rights_and_ends_in_time(job: dict[str, Any]) -> None:
    assert job["permissions"]["contents"] in ("read", "write")
    assert "uses" in job or job["timeout-minutes"] <= 90
    checkouts = [each for each in steps_of(job) if "/checkout@" in each.get("uses", "")]
    assert all(each["with"] == {"persist-credentials": False} for each in checkouts)


def test_what_the_workflows_run_is_there() -> None:
    run = scripts()
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", run)) <= targets
    named = set(re.findall(r"\b(?:charts|examples|manifests|\.ci)/[\w./-]+", run))
    named |= set(re.findall(r"[\w-]+\.txt", run)) & {"requirements-build.txt"}
    assert named
    assert {each for each in named if not (ROOT / each).exists()} == set()


def test_the_oldest_kubernetes_that_the_chart_takes_is_tested_and_the_newest_one() -> None:
    workflow = yaml.safe_load(text_of(ROOT / ".github" / "workflows" / "kubernetes.yml"))
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["version"]
    chart = yaml.safe_load(text_of(ROOT / "charts" / "coze-nats-operator" / "Chart.yaml"))
    oldest = re.fullmatch(r">=(\d+\.\d+)\.0-0", chart["kubeVersion"])
    known = sorted(recipes.kubernetes_versions(), key=lambda it: [*map(int, it.split("."))])
    assert oldest
    assert tested[0].startswith(f"{oldest[1]}.")
    assert tested == [known[0], known[-1]]


def test_nothing_is_published_before_all_tests_have_passed() -> None:
    release = yaml.safe_load(text_of(ROOT / ".github" / "workflows" / "release.yml"))["jobs"]

    def before(job: str) -> set[str]:
        direct = set(release[job].get("needs", ()))
        return direct | {each for other in direct for each in before(other)}

    writing = [name for name, job in release.items() if "write" in job["permissions"].values()]
    assert {"packages", "image", "chart", "publish"} == set(writing)
    for name in writing:
        assert {"check", "test", "long", "e2e", "facts"} <= before(name)


def test_no_suite_is_left_out() -> None:
    """Of `make test`, of `make test-long`, and of the machines that run it every night."""
    suites = {path.name for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py"))}
    makefile = text_of(ROOT / "Makefile")
    short = re.search(r"^SUITES := \$\(addprefix tests/,([a-z ]+)\)", makefile, re.MULTILINE)
    long = re.search(r"^test-long: (test-[a-z -]+)", makefile, re.MULTILINE)
    assert short
    assert long
    assert {"unit", *short[1].split()} == suites
    workflow = yaml.safe_load(text_of(ROOT / ".github" / "workflows" / "long.yml"))
    targets = workflow["jobs"]["long"]["strategy"]["matrix"]["target"]
    assert targets == long[1].split()
    assert {each.removeprefix("test-") for each in targets} == suites


def test_all_that_is_released_has_one_version() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["version"]
    chart = yaml.safe_load(text_of(ROOT / "charts" / "coze-nats-operator" / "Chart.yaml"))
    image = Dockerfile.parse(text_of(ROOT / "Dockerfile")).final
    (default,) = (each.text for each in image.all_of("ARG") if each.text.startswith("VERSION="))
    assert default == f"VERSION={project}"
    assert {chart["version"], chart["appVersion"]} == {project}
