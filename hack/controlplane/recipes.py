"""How each program is built, at which version, and how one that is there tells its version.

Gets none of them; see binaries.py for that.
"""

import enum
import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from controlplane.errors import ControlPlaneError

TOOLS = Path(__file__).resolve().parent.parent / "tools"
KUBERNETES = "1.34.1"  # the default; every version with a folder in hack/tools can be had
ETCD = "3.6.4"
HELM = "3.19.2"
ACTIONLINT = "1.7.11"
PROMETHEUS = "3.5.1"
VERDICTS = "1"  # programs of our own: hack/tools/verdicts and hack/tools/busclient
BUS_CLIENT = "1"
ASK_SECONDS = 30

_STRIP = "-s -w"
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
    BUS_CLIENT = "bus-client"


@dataclass(frozen=True)
class Recipe:
    """How a binary is built, and how one that is already there tells its version.

    Attributes:
        ask_version: its arguments; without any, only what is built here will do.
        module: the folder of the Go module that says what it is made of.
    """

    version: str
    package: str
    linker_flags: str
    ask_version: tuple[str, ...]
    module: Path

    @property
    def digest(self) -> str:
        """Changes with everything that changes the built file, but for Go itself."""
        content = hashlib.sha256(self.linker_flags.encode())
        for file in ("go.mod", "go.sum", *sorted(each.name for each in self.module.glob("*.go"))):
            content.update((self.module / file).read_bytes())
        return content.hexdigest()[:12]

    def version_of(self, program: Path) -> str:
        """What a program says that it is, such as `1.34.1`; empty if it doesn't run or say."""
        try:
            outcome = subprocess.run(
                [program, *self.ask_version],
                capture_output=True,
                text=True,
                check=False,
                timeout=ASK_SECONDS,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        version = re.search(r"\b(?:v|[Vv]ersion:? )(\d+\.\d+\.\d+)", outcome.stdout)
        return version[1] if version else ""


_OF_KUBERNETES = {
    Binary.KUBE_APISERVER: ("--version",),
    Binary.KUBECTL: ("version", "--client"),
    Binary.KUBE_CONTROLLER_MANAGER: ("--version",),
}

_OTHERS = {
    Binary.ETCD: Recipe(
        ETCD,
        "go.etcd.io/etcd/server/v3",
        _STRIP,
        ("--version",),
        TOOLS / "etcd",
    ),
    Binary.HELM: Recipe(
        HELM, "helm.sh/helm/v3/cmd/helm", _HELM_FLAGS, ("version", "--short"), TOOLS / "helm"
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
    Binary.BUS_CLIENT: Recipe(BUS_CLIENT, ".", _STRIP, (), TOOLS / "busclient"),
}


def recipe(binary: Binary) -> Recipe:
    if binary not in _OF_KUBERNETES:
        return _OTHERS[binary]
    version = kubernetes_version()
    major, minor, _ = version.split(".")
    return Recipe(
        version,
        f"k8s.io/kubernetes/cmd/{binary}",
        f"{_STRIP} -X k8s.io/component-base/version.gitVersion=v{version}"
        f" -X k8s.io/component-base/version.gitMajor={major}"
        f" -X k8s.io/component-base/version.gitMinor={minor}",
        _OF_KUBERNETES[binary],
        TOOLS / f"kubernetes-{version}",
    )


def kubernetes_version() -> str:
    """Of the API server, kubectl and the controllers: $COZE_KUBERNETES, else the default."""
    chosen = os.environ.get("COZE_KUBERNETES") or KUBERNETES
    if chosen not in kubernetes_versions():
        known = ", ".join(kubernetes_versions())
        raise ControlPlaneError(
            f"COZE_KUBERNETES={chosen} is not among the known versions ({known}). "
            "To add one, see 'Changing versions' in CONTRIBUTING.md."
        )
    return chosen


def kubernetes_versions() -> list[str]:
    prefix = "kubernetes-"
    return sorted(folder.name.removeprefix(prefix) for folder in TOOLS.glob(f"{prefix}*"))
