"""Our kinds, installed on an API server."""

import json
from pathlib import Path

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from support.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
ESTABLISHED_SECONDS = 30
SELECTING_SINCE = 31
"""The minor version of Kubernetes from which on `selectableFields` count; 1.30 drops them."""


def install(api: KubernetesAPI) -> None:
    """Apply the CRDs, and return when their resources can be listed."""
    api.kubectl("apply", "-f", ROOT / "crds")
    await_served(api)


def await_served(api: KubernetesAPI) -> None:
    """Return when resources of our kinds can be listed."""
    # Not `kubectl wait`: it fails on a CRD that is too new to have any conditions.
    kinds = ",".join(f"{plural}.{names.GROUP}" for plural in names.PLURALS.values())

    def are_served() -> bool:
        return api.kubectl("get", kinds, "--all-namespaces", check=False).returncode == 0

    eventually(are_served, ESTABLISHED_SECONDS, "the CRDs")


def fields_are_selectable(api: KubernetesAPI) -> bool:
    """Whether resources can be chosen by fields of their spec."""
    version = json.loads(api.kubectl("get", "--raw=/version").stdout)
    return int(version["minor"].rstrip("+")) >= SELECTING_SINCE
