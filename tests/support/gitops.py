"""The worked repository in examples/gitops: built, connected to the NATS of a test, and synced."""

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names
from support.eventually import eventually
from support.verdicts import verdicts

PASSWORD = "an-example"
USERS = f"authorization {{ user: coze, password: {PASSWORD} }}"
"""Configuration of a nats-server that the examples can log in to."""

LOGIN = ("--from-literal=username=coze", f"--from-literal=password={PASSWORD}")
"""Arguments of `kubectl create secret generic`."""

LOGIN_VARIABLES = {"NATS_PASSWORD": PASSWORD}
"""What the README's commands take from the environment."""

WAVE = "argocd.argoproj.io/sync-wave"
HEALTHY = {"Healthy"}
HEALTH_SECONDS = 60

Json = dict[str, Any]


def built(api: KubernetesAPI, folder: Path) -> list[Json]:
    """What kustomize makes of a folder."""
    return list(yaml.safe_load_all(api.kubectl("kustomize", folder).stdout))


def connecting_to(
    servers: list[str], overlay: Path, folder: Path, **targets: Sequence[Json]
) -> None:
    """Write a kustomization of the overlay with other servers and no TLS; its own aren't there.

    Args:
        targets: further JSON patches, by kind.
    """
    # A removal wants something to be there.
    replaced = [
        {"op": "replace", "path": "/spec/servers", "value": servers},
        {"op": "add", "path": "/spec/tls", "value": {}},
        {"op": "remove", "path": "/spec/tls"},
    ]
    patched = {names.CONNECTION_KIND: replaced, **targets}
    kustomization = {
        "resources": [os.path.relpath(overlay, folder)],
        "patches": [
            {"target": {"kind": kind}, "patch": yaml.safe_dump(list(patch))}
            for kind, patch in patched.items()
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")


def waves(items: Sequence[Json]) -> dict[int, list[Json]]:
    """The resources by their sync wave, the first wave first."""
    found: dict[int, list[Json]] = {}
    for item in items:
        wave = item["metadata"].get("annotations", {}).get(WAVE, "0")
        found.setdefault(int(wave), []).append(item)
    return dict(sorted(found.items()))


def sync_in_waves(api: KubernetesAPI, folder: Path) -> set[str]:
    """Apply a folder as Argo CD does: a wave begins when all of the one before is healthy.

    Returns:
        the healths that the last wave which began came to.
    """
    health = HEALTHY
    for items in waves(built(api, folder)).values():
        if health == HEALTHY:
            manifest = yaml.safe_dump_all(items)
            words = ("apply", "--server-side", "--field-manager=argocd-controller", "-f", "-")
            api.kubectl(*words, input=manifest)
            look = functools.partial(_settled, api, manifest)
            health = eventually(look, HEALTH_SECONDS, "the health of a wave")
    return health


def _settled(api: KubernetesAPI, manifest: str) -> set[str]:
    """The healths of what a manifest declares; none while there is progress."""
    answer = json.loads(api.kubectl("get", "-f", "-", "-o", "json", input=manifest).stdout)
    live = [item for item in answer.get("items", [answer]) if item["kind"] in names.PLURALS]
    found = {verdict.argo for verdict in verdicts(live, with_flux=False)} or HEALTHY
    return set() if "Progressing" in found else found
