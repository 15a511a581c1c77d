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
from typing import Any

import pytest
import yaml

from controlplane import binaries
from controlplane.binaries import Binary
from controlplane.kubernetes import KubernetesAPI
from controlplane.nats import NatsServer
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from support import gitops_crds
from support.eventually import eventually
from support.gitops import LOGIN_VARIABLES, USERS, connecting_to
from support.verdicts import GITOPS

ROOT = GITOPS.parents[1]
OPERATOR = ("coze-nats-system", "coze-nats-operator")

Json = dict[str, Any]


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


def built(api: KubernetesAPI, folder: Path) -> list[Json]:
    return list(yaml.safe_load_all(api.kubectl("kustomize", folder).stdout))


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


class Controllers:
    """Apply, as Argo CD's and Flux's would, what the resources in the cluster point to."""

    def __init__(self, api: KubernetesAPI, server: str, folder: Path) -> None:
        self._api, self._server, self._folder = api, server, folder
        self.applied: set[str] = set()

    def sync(self) -> None:
        """Apply what was not applied yet, and try again until that works."""
        kinds = ",".join(gitops_crds.POINTERS)
        listed = json.loads(self._api.kubectl("get", kinds, "-A", "-o", "json").stdout)
        wanted = {item["metadata"]["name"]: item for item in listed["items"]}

        def all_are_applied() -> bool:
            for name in wanted.keys() - self.applied:
                if self._apply(wanted[name]):
                    self.applied.add(name)
            return wanted.keys() == self.applied

        eventually(all_are_applied, what=f"the sync of {', '.join(wanted)}")

    def _apply(self, pointer: Json) -> bool:
        folder = path_of(pointer)
        if "overlays" in folder.parts:
            connecting_to([self._server], folder, self._folder)
            folder = self._folder
        words = ("apply", "--server-side", "--field-manager=controller", "-k", folder)
        return self._api.kubectl(*words, check=False).returncode == 0


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

    *steps, create_secret, wait = commands(f"With {tool}")
    with NatsServer(config=USERS) as nats:
        controllers = Controllers(cluster, nats.url, tmp_path)
        for step in steps:
            run(step)
        controllers.sync()
        assert controllers.applied == {"coze-nats-operator", "coze-events-dev"}
        with OperatorProcess(cluster.service_account_kubeconfig(*OPERATOR), ""):
            run(create_secret)
            ready = run(wait).splitlines()
    assert all(line.endswith(" condition met") for line in ready)
    declared = built(cluster, GITOPS / "overlays" / "dev")
    assert len(ready) == sum(item["kind"] in names.PLURALS for item in declared)
