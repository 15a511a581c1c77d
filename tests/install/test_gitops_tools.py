"""What points Argo CD and Flux to examples/gitops, and the README's way through it from the top.

The controllers of the two don't run here. What they would apply is applied in their place, and
their own CRDs judge their resources.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controlplane import binaries
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from controlplane.recipes import Binary
from coze_nats.core import names
from support import gitops_crds
from support.gitops import LOGIN_VARIABLES, USERS, Json, built, connecting_to, sync_in_waves
from support.verdicts import GITOPS

ROOT = GITOPS.parents[1]
OPERATOR = ("coze-nats-system", "coze-nats-operator")


def documents(pattern: str) -> list[Json]:
    return [
        document
        for path in sorted(GITOPS.glob(pattern))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document["kind"] in ("Application", "Kustomization")
    ]


POINTERS = [*documents("argocd/*.yaml"), *documents("flux/*.yaml")]
each = pytest.mark.parametrize("pointer", POINTERS, ids=lambda item: item["metadata"]["name"])


def path_of(pointer: Json) -> Path:
    """The folder that an Application or a Kustomization applies."""
    spec = pointer["spec"]
    return ROOT / str(spec["source"]["path"] if "source" in spec else spec["path"])


@pytest.fixture
def cluster() -> Iterator[KubernetesAPI]:
    """An API server with the CRDs of Argo CD and Flux; ours come with the operator."""
    with KubernetesAPI() as api:
        gitops_crds.install(api)
        for namespace in ("argocd", "flux-system"):
            api.kubectl("create", "namespace", namespace)
        yield api


def test_argo_cd_and_flux_know_every_field(cluster: KubernetesAPI) -> None:
    for folder in ("argocd", "flux"):
        cluster.kubectl("apply", "--dry-run=server", "-f", GITOPS / folder)
    dev = (GITOPS / "flux" / "dev.yaml").read_text(encoding="utf-8")
    words = ("apply", "--dry-run=server", "-f", "-")
    wrong = cluster.kubectl(*words, input=dev.replace("healthChecks:", "healthy:"), check=False)
    assert 'unknown field "spec.healthy"' in wrong.stderr


@each
def test_it_points_to_what_can_be_built_for_the_namespace_that_it_names(
    pointer: Json, apiserver: KubernetesAPI
) -> None:
    found = built(apiserver, path_of(pointer))
    spec = pointer["spec"]
    namespaces = {item["metadata"].get("namespace") for item in found} - {None}
    if "destination" in spec:
        assert namespaces == {spec["destination"]["namespace"]}
    here = {
        (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
        for item in found
    }
    for check in spec.get("healthChecks", ()):
        assert (check["kind"], check["namespace"], check["name"]) in here
    if "healthCheckExprs" in spec:
        covered = {check["kind"] for check in spec["healthCheckExprs"]}
        assert covered == {item["kind"] for item in found} & names.PLURALS.keys()
    known = {other["metadata"]["name"] for other in POINTERS}
    assert {needed["name"] for needed in spec.get("dependsOn", ())} <= known


def commands(section: str) -> list[str]:
    """The commands of a section of the README."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.split(r"^#+ ", page.split(f"\n### {section}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert found
    return [str(command) for command in found]


def pointed_to(api: KubernetesAPI) -> dict[str, Path]:
    """The folders that the Applications and Kustomizations in the cluster point to, by name."""
    kinds = ",".join(gitops_crds.POINTERS)
    listed = json.loads(api.kubectl("get", kinds, "-A", "-o", "json").stdout)
    return {item["metadata"]["name"]: path_of(item) for item in listed["items"]}


@pytest.mark.parametrize("tool", ["Argo CD", pytest.param("Flux", marks=pytest.mark.slow)])
def test_the_way_in_the_readme_leads_to_streams_that_are_ready(
    tool: str, cluster: KubernetesAPI, tmp_path: Path
) -> None:
    kubectl = binaries.find(Binary.KUBECTL)
    environment = {
        **cluster.environment(),
        **LOGIN_VARIABLES,
        "PATH": f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}",
    }

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    *steps, wait = commands(f"With {tool}")
    for step in steps:
        run(step)
    folders = pointed_to(cluster)
    assert folders.keys() == {"coze-nats-operator", "coze-events-dev"}
    cluster.kubectl("apply", "--server-side", "-k", folders["coze-nats-operator"])
    with (
        NatsServer(config=USERS) as nats,
        OperatorProcess(cluster.service_account_kubeconfig(*OPERATOR), ""),
    ):
        connecting_to([nats.url], folders["coze-events-dev"], tmp_path)
        if tool == "Argo CD":
            assert sync_in_waves(cluster, tmp_path) == {"Healthy"}
        else:
            cluster.kubectl("apply", "--server-side", "-k", tmp_path)
        ready = run(wait).splitlines()
    assert all(line.endswith(" condition met") for line in ready)
    declared = built(cluster, tmp_path)
    assert len(ready) == sum(item["kind"] in names.PLURALS for item in declared)
