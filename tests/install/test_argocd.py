"""Argo CD's health checks in examples/gitops/argocd: in its own layout, on its own interpreter."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import argocd
from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from support.verdicts import CUSTOMIZATIONS, Verdict, scripts, verdicts

Case = dict[str, Any]
CASES = [
    (path.parent, case)
    for path in sorted(CUSTOMIZATIONS.glob("*/health_test.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
]


def named(value: Any) -> str:
    return value.name if isinstance(value, Path) else Path(value["inputPath"]).stem


@functools.cache
def judged() -> dict[Path, Verdict]:
    """Every recorded resource as the tools judge it; asked once for all."""
    files = [folder / case["inputPath"] for folder, case in CASES]
    bodies = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    return dict(zip(files, verdicts(bodies), strict=True))


@pytest.mark.parametrize("folder, case", CASES, ids=named)
def test_a_recorded_resource_has_the_health_that_is_written_down(folder: Path, case: Case) -> None:
    verdict = judged()[folder / case["inputPath"]]
    assert {"status": verdict.argo, "message": verdict.message} == case["healthStatus"]


@pytest.mark.parametrize("kind", names.PLURALS)
@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": 0}, {"conditions": []}])
def test_what_the_operator_has_not_told_is_in_progress(kind: str, status: Any) -> None:
    metadata = {"name": "new", "generation": 1}
    body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata}
    # Flux's expressions go by conditions, which are there once a generation was observed.
    told = body if status is None else {**body, "status": status}
    (verdict,) = verdicts([told], with_flux=False)
    assert verdict.argo == "Progressing"


def test_every_kind_has_the_same_script() -> None:
    assert scripts().keys() == names.PLURALS.keys()
    assert len(set(scripts().values())) == 1


def test_what_is_generated_is_fresh_and_nothing_else_is_there() -> None:
    wanted = dict(argocd.generated())
    found = [path for path in CUSTOMIZATIONS.rglob("*") if path.is_file()]
    assert {path: path.read_text(encoding="utf-8") for path in found} == {
        path: text for path, text in wanted.items() if path != argocd.CONFIG_MAP
    }
    assert argocd.CONFIG_MAP.read_text(encoding="utf-8") == wanted[argocd.CONFIG_MAP]


def test_the_config_map_holds_the_scripts_under_argo_cds_keys() -> None:
    data = yaml.safe_load(argocd.CONFIG_MAP.read_text(encoding="utf-8"))["data"]
    key = f"resource.customizations.health.{names.GROUP}"
    assert data == {f"{key}_{kind}": script for kind, script in scripts().items()}


def test_applying_the_config_map_leaves_what_argocd_cm_has_besides(
    apiserver: KubernetesAPI,
) -> None:
    apiserver.kubectl("create", "namespace", "argocd", check=False)
    words = ("-n", "argocd", "configmap", "argocd-cm")
    apiserver.kubectl("create", *words, "--from-literal=url=https://argocd.example.com")
    command = argocd.CONFIG_MAP.read_text(encoding="utf-8").splitlines()[3].split()[2:-2]
    for _ in range(2):
        apiserver.kubectl(*command, "-f", argocd.CONFIG_MAP)
    data = json.loads(apiserver.kubectl("get", *words, "-o", "json").stdout)["data"]
    assert data["url"] == "https://argocd.example.com"
    assert len(data) == 1 + len(names.PLURALS)
