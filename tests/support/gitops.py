"""The worked repository in examples/gitops, connected to the NATS servers of a test."""

import os
from pathlib import Path

import yaml

from coze_nats.core import names

PASSWORD = "an-example"
USERS = f"authorization {{ user: coze, password: {PASSWORD} }}"
"""Configuration of a nats-server that the examples can log in to."""

LOGIN = ("--from-literal=username=coze", f"--from-literal=password={PASSWORD}")
"""Arguments of `kubectl create secret generic`."""

LOGIN_VARIABLES = {"NATS_PASSWORD": PASSWORD}
"""What the README's commands take from the environment."""


def connecting_to(servers: list[str], overlay: Path, folder: Path) -> None:
    """Write a kustomization of the overlay with other servers; its own are out of reach."""
    replaced = [{"op": "replace", "path": "/spec/servers", "value": servers}]
    kustomization = {
        "resources": [os.path.relpath(overlay, folder)],
        "patches": [{"target": {"kind": names.CONNECTION_KIND}, "patch": yaml.safe_dump(replaced)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
