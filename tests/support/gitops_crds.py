"""The CRDs of Argo CD and Flux, from their own modules, to judge our examples by."""

from pathlib import Path

from controlplane import golang
from controlplane.kubernetes import KubernetesAPI
from support.eventually import eventually

ESTABLISHED_SECONDS = 30
POINTERS = ("applications.argoproj.io", "kustomizations.kustomize.toolkit.fluxcd.io")
"""The kinds that say which folder is applied."""

KINDS = (*POINTERS, "gitrepositories.source.toolkit.fluxcd.io")


def files() -> tuple[Path, ...]:
    """Of Argo CD 3.1 and Flux 2.7; downloaded once."""
    argo = golang.module(
        "github.com/argoproj/argo-cd/v3",
        "v3.1.0",
        "h1:2+gPskQKCyPC9DzRSWQ1AvmS3WiIlRR7bKz/FO3DozI=",
    )
    kustomizations = golang.module(
        "github.com/fluxcd/kustomize-controller",
        "v1.7.3",
        "h1:SzNnGn/4ObAPEHHleM5U7y/AKxKXph3Vj6ZhteeXw8M=",
        minimum=(1, 25),
    )
    sources = golang.module(
        "github.com/fluxcd/source-controller",
        "v1.7.2",
        "h1:PQLzvgHNEYsstl8uATBZg/70b/i0tj63e0IqnYDeJyg=",
        minimum=(1, 25),
    )
    flux = Path("config") / "crd" / "bases"
    return (
        argo / "manifests" / "crds" / "application-crd.yaml",
        kustomizations / flux / "kustomize.toolkit.fluxcd.io_kustomizations.yaml",
        sources / flux / "source.toolkit.fluxcd.io_gitrepositories.yaml",
    )


def install(api: KubernetesAPI) -> None:
    """Apply them, and return when their resources can be listed."""
    for file in files():
        # Too large for the annotation that client-side apply leaves.
        api.kubectl("apply", "--server-side", "-f", file)

    def are_served() -> bool:
        return api.kubectl("get", ",".join(KINDS), "-A", check=False).returncode == 0

    eventually(are_served, ESTABLISHED_SECONDS, "the CRDs of Argo CD and Flux")
