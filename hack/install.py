"""Installs the locked packages into the environment of the Python that runs this.

Nothing but that Python's pip is needed, of any age: it is asked for one package without
dependencies, uv, which installs the others. Every package is held against its hash, those that
build others too.

usage: install.py [LOCK]
"""

import os
import subprocess
import sys
from pathlib import Path

import pip_settings
from controlplane import progress

ROOT = Path(__file__).resolve().parent.parent


class InstallError(Exception):
    """What the installer said."""


def main(lock: str = "requirements-dev.txt") -> int:
    what = f"Installing the Python packages into {Path(sys.prefix).name} (once)"
    try:
        with progress.waiting(what):
            install_uv()
            install(Path(lock))
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def install_uv() -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    lock = ["--no-deps", "--require-hashes", "--requirement", "requirements-uv.txt"]
    _run([*pip, "--only-binary=:all:", *lock], {})


def install(lock: Path) -> None:
    """By the lock alone: it names every package, so nothing is resolved."""
    settings = pip_settings.read()
    uv = [f"{sys.prefix}/bin/uv", "pip", "install", "--quiet", "--python", sys.executable]
    packages = ["--no-deps", "--require-hashes", "--requirement", str(lock)]
    # A package that has no wheel is built with what the lock of building names.
    building = ["--build-constraints", "requirements-build.txt", "--require-build-hashes"]
    building += ["--preview-features", "build-dependency-hashes"]
    _run(
        [*uv, *pip_settings.arguments(settings), *packages, *building],
        pip_settings.for_uv(settings, os.environ),
    )


def _run(command: list[str], variables: dict[str, str]) -> None:
    outcome = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if outcome.returncode:
        raise InstallError(outcome.stdout.strip())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
