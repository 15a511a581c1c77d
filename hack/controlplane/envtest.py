"""etcd, kube-apiserver and kubectl, ready-made: the archives of kubernetes-sigs/controller-tools.

Each is held against the checksum in hack/tools/envtest.sha512. Whoever can't have one builds the
same programs; that is for binaries.py.
"""

import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from controlplane import cache, downloads, platforms, progress
from controlplane.downloads import DownloadError, Patience
from controlplane.errors import ControlPlaneError
from controlplane.recipes import TOOLS, Binary, recipe

PROGRAMS = frozenset({Binary.ETCD, Binary.KUBE_APISERVER, Binary.KUBECTL})
RELEASES = "https://github.com/kubernetes-sigs/controller-tools/releases/download"
SUMS = TOOLS / "envtest.sha512"
FOLDER = PurePosixPath("controller-tools/envtest")
PATIENCE = Patience()
MAX_PROGRAM_BYTES = 500_000_000


class UnusableError(Exception):
    """The archive is not what it should be; the message says why."""


@dataclass(frozen=True)
class Archive:
    version: str
    name: str
    sha512: str

    @property
    def url(self) -> str:
        releases = os.environ.get("COZE_ENVTEST_RELEASES") or RELEASES
        return f"{releases.rstrip('/')}/envtest-v{self.version}/{self.name}"

    @property
    def key(self) -> str:
        return f"envtest-{self.version}-{self.sha512[:12]}"


def cached(version: str) -> Path | None:
    """The folder with the programs of this version of Kubernetes, if they were fetched before."""
    archive = _archive(version)
    return cache.found(archive.key) if archive else None


def unpacked(version: str) -> Path:
    """The same folder, fetched if need be."""
    archive = _archive(version)
    if archive is None:
        raise ControlPlaneError(
            f"No ready-made Kubernetes {version} is known for {platforms.system()} on "
            f"{platforms.architecture()}."
        )
    return cache.kept(archive.key, lambda folder: _fetch(archive, folder))


def checksums() -> Mapping[str, str]:
    """The SHA-512 of each archive, by its name."""
    pairs = (line.split() for line in SUMS.read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, name in pairs}


def _archive(version: str) -> Archive | None:
    name = f"envtest-v{version}-{platforms.system()}-{platforms.architecture()}.tar.gz"
    digest = checksums().get(name)
    return Archive(version, name, digest) if digest else None


def _fetch(archive: Archive, folder: Path) -> None:
    file = folder / archive.name

    def detail() -> str:
        size = downloads.size_of(file)
        return f"{size / 1e6:.0f} MB" if size else ""

    programs = ", ".join(sorted(PROGRAMS))
    try:
        with progress.waiting(
            f"Downloading {programs} {archive.version} from {archive.url} (once)", detail
        ):
            downloads.download(archive.url, file, PATIENCE)
            _check(file, archive.sha512)
            _unpack(file, folder)
            _try(folder, archive.version)
    except (DownloadError, UnusableError) as error:
        raise ControlPlaneError(f"{archive.url} can't be used: {error}.") from error
    file.unlink()


def _check(file: Path, expected: str) -> None:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha512").hexdigest()
    if digest != expected:
        raise UnusableError(
            f"its SHA-512 begins with {digest[:12]}, and that of the one we know with "
            f"{expected[:12]}"
        )


def _unpack(file: Path, folder: Path) -> None:
    """Take the programs out, and nothing else; where they are written is not for the archive."""
    held = []
    with _readable(file) as archive:
        for member in archive:
            place = PurePosixPath(member.name)
            held.append(str(place))
            if place.parent == FOLDER and place.name in PROGRAMS and member.isfile():
                if member.size > MAX_PROGRAM_BYTES:
                    raise UnusableError(f"its {place.name} has {member.size:,} bytes")
                _write(archive, member, folder / place.name)
    missing = sorted(name for name in PROGRAMS if not (folder / name).exists())
    if missing:
        raise UnusableError(
            f"it lacks {', '.join(f'{FOLDER}/{name}' for name in missing)}; it holds "
            f"{', '.join(held[:10]) or 'nothing'}"
        )


@contextmanager
def _readable(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, "r:gz") as archive:
            yield archive
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UnusableError(f"it can't be unpacked ({error})") from error


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = archive.extractfile(member)
    assert content is not None
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
    target.chmod(0o755)


def _try(folder: Path, version: str) -> None:
    """They run here, and those of Kubernetes are of its version; etcd has one of its own."""
    for name in sorted(PROGRAMS):
        told = recipe(name).version_of(folder / name)
        if not told:
            raise UnusableError(f"its {name} does not run on this machine")
        if name != Binary.ETCD and told != version:
            raise UnusableError(f"its {name} says that it is {told}, not {version}")
