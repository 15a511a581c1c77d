"""How GitOps tools judge resources, asked from their own code: hack/tools/verdicts.

That is kstatus as of sigs.k8s.io/cli-utils, Flux's evaluator of healthCheckExprs, and the Lua
interpreter of Argo CD with no library that Argo CD doesn't open.
"""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from controlplane import binaries
from controlplane.recipes import Binary

GITOPS = Path(__file__).resolve().parents[2] / "examples" / "gitops"
CUSTOMIZATIONS = GITOPS / "argocd" / "resource_customizations" / "jetstream.coze.dev"


class Verdict(NamedTuple):
    """What the tools say; `flux` is "" where no expression is about the kind."""

    kstatus: str
    flux: str
    argo: str
    message: str


def scripts() -> dict[str, str]:
    """Argo CD's health checks, by kind."""
    return {
        path.parent.name: path.read_text(encoding="utf-8")
        for path in sorted(CUSTOMIZATIONS.glob("*/health.lua"))
    }


def expressions() -> list[dict[str, Any]]:
    """The health checks for Flux."""
    prod = yaml.safe_load((GITOPS / "flux" / "prod.yaml").read_text(encoding="utf-8"))
    return list(prod["spec"]["healthCheckExprs"])


def verdicts(resources: Sequence[Mapping[str, Any]], *, with_flux: bool = True) -> list[Verdict]:
    """Each resource as judged by all three, with the scripts and expressions of the examples."""
    question = {
        "resources": resources,
        "lua": scripts(),
        "expressions": expressions() if with_flux else [],
    }
    answer = subprocess.run(
        [binaries.find(Binary.VERDICTS)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return [
        Verdict(found["kstatus"], found["flux"], found["argo"]["status"], found["argo"]["message"])
        for found in json.loads(answer.stdout)
    ]
