"""The commands in the pages about installing, each section from its top, on a real API server."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import binaries
from controlplane.kubernetes import KubernetesAPI
from controlplane.recipes import Binary
from coze_nats.core import names
from support.eventually import eventually
from support.helm import Helm

ROOT = Path(__file__).resolve().parents[2]
RELEASE, NAMESPACE = "coze-nats-operator", "coze-nats-system"
KUBECTL, HELM, NOTHING = "kubectl", "helm", ""

SECTIONS = [
    ("docs/install.md", "With Helm", NOTHING),
    ("docs/install.md", "Credentials", NOTHING),
    ("docs/install.md", "With kubectl and kustomize", NOTHING),
    ("docs/install.md", "See that it works", HELM),
    ("docs/install.md", "Upgrade", HELM),
    ("docs/install.md", "From kubectl to Helm", KUBECTL),
    ("docs/install.md", "Uninstall", HELM),
    ("docs/install.md", "Removing everything", HELM),
    ("docs/install.md", "When the operator is gone", HELM),
    ("README.md", "Installing it into a cluster", NOTHING),
]

NEEDS_PODS = ("rollout status", "helm test")
"""What can't be done here: no kubelet runs pods."""


def commands(page: str, section: str) -> Iterator[tuple[str, str]]:
    """Every command of a section, with the output that the page shows."""
    text = (ROOT / page).read_text("utf-8")
    (part,) = re.findall(rf"^(?:##|###) {section}\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE)
    for block in re.findall(r"^```console\n(.*?)^```", part, re.DOTALL | re.MULTILINE):
        for item in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            found = re.fullmatch(r"((?:.*\\\n)*.*\n)((?s:.*))", item)
            assert found
            command, output = found.groups()
            yield command.strip(), output.strip()


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubernetesAPI]:
    with KubernetesAPI(controllers=["namespace-controller"]) as api:
        yield api


@pytest.fixture
def fresh(cluster: KubernetesAPI, tmp_path: Path) -> Iterator[KubernetesAPI]:
    """A cluster without anything of ours."""
    yield cluster
    Helm(tmp_path / "helm", cluster)("uninstall", RELEASE, "-n", NAMESPACE, "--ignore-not-found")
    everything = ROOT / "manifests" / "install"
    cluster.kubectl("delete", "-k", everything, "--ignore-not-found", "--wait=false")
    for plural in names.PLURALS.values():
        listed = cluster.kubectl("get", plural, "-o", "name", check=False).stdout.split()
        for name in listed:
            patch = '-p={"metadata": {"finalizers": []}}'
            cluster.kubectl("patch", name, "--type=merge", patch, check=False)
    crds = [f"crd/{plural}.{names.GROUP}" for plural in names.PLURALS.values()]
    for what in (*crds, f"namespace/{NAMESPACE}"):
        cluster.kubectl("wait", "--for=delete", what, "--timeout=180s")


def declare(cluster: KubernetesAPI) -> None:
    """A stream, as a running operator would have it."""
    stream = {
        "apiVersion": names.API_VERSION,
        "kind": names.STREAM_KIND,
        "metadata": {"name": "orders", "namespace": "default"},
        "spec": {},
    }
    eventually(
        lambda: (
            cluster.kubectl("apply", "-f", "-", input=json.dumps(stream), check=False).returncode
            == 0
        ),
        20,
        "the kind CozeStream",
    )


@pytest.mark.slow
@pytest.mark.parametrize("page, section, before", SECTIONS)
def test_the_commands_of_a_section_do_what_the_page_says(
    fresh: KubernetesAPI, tmp_path: Path, page: str, section: str, before: str
) -> None:
    if before == HELM:
        Helm(tmp_path / "helm", fresh)(
            "install", RELEASE, ROOT / "charts" / RELEASE, "-n", NAMESPACE, "--create-namespace"
        )
    elif before == KUBECTL:
        fresh.kubectl("apply", "-k", ROOT / "manifests" / "install")
    if before:
        declare(fresh)
    programs = os.pathsep.join(
        str(binaries.find(name).parent) for name in (Binary.KUBECTL, Binary.HELM)
    )
    environment = fresh.environment() | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PASSWORD": "s3cret",
    }
    ran = 0
    for command, output in commands(page, section):
        if any(words in command for words in NEEDS_PODS):
            continue
        completed = subprocess.run(
            ["bash", "-euc", command],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=100,
        )
        told = completed.stdout + completed.stderr
        fails = output.startswith("Error")
        assert (completed.returncode != 0) is fails, f"{command}: {told}"
        assert not fails or output in told, told
        ran += 1
    assert ran
