"""Runs what a Dockerfile built as a container would run it, as far as that goes.

As the user of the file, with its variables only, in a tree that nobody may write to, and with a
limit under which no byte can be written to a file anywhere.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.dockerfile import Builder, Built, Dockerfile

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = ("site-packages", "test", "tests", "idlelib", "tkinter", "__pycache__")
_WRITES_NO_FILE = 'ulimit -f 0 && exec "$@"'
COMMAND_SECONDS = 60


@dataclass
class Image:
    """The image, as folders on this machine.

    Attributes:
        file: the Dockerfile.
        prefix: where the operator is installed.
        stages: what was carried out, by name.
        final: the last stage.
        environment: what only this machine needs, to run its Python from where it is.
    """

    file: Dockerfile
    prefix: Path
    stages: Mapping[str, Built]
    final: Built
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def user(self) -> int:
        return int(self.file.final.last("USER").text.partition(":")[0])

    @property
    def entrypoint(self) -> list[str]:
        return list(json.loads(self.file.final.last("ENTRYPOINT").text))

    @property
    def command(self) -> list[str]:
        return list(json.loads(self.file.final.last("CMD").text))

    def start(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start the entry point; standard output and error come out together."""
        name, *words = self.entrypoint
        variables = {**self.final.environment, **self.environment, **(environment or {})}
        program = shutil.which(name, path=variables["PATH"])
        assert program
        # Only root may become another; anybody else has lost the right to write all the same.
        other = self.user if os.geteuid() == 0 else None
        return subprocess.Popen(
            ["/bin/sh", "-c", _WRITES_NO_FILE, "sh", program, *words, *arguments],
            cwd="/",
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=other,
            group=other,
            extra_groups=None if other is None else [],
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of the entry point with these arguments."""
        with self.start(*arguments) as process:
            output, _ = process.communicate(timeout=COMMAND_SECONDS)
            return process.returncode, output


def build(folder: Path) -> Image:
    """Carry out our Dockerfile; `folder` must be one that every user can enter."""
    file = Dockerfile.parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    python, environment = _python(folder)
    prefix = folder / "prefix"
    builder = Builder(
        folder / "stages", ROOT, python, {"PREFIX": str(prefix)}, environment=environment
    )
    final = builder.build(file)
    make_read_only(prefix)
    return Image(file, prefix, builder.built, final, environment)


def make_read_only(tree: Path) -> None:
    """Take the right to write from everybody."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def _python(folder: Path) -> tuple[Path, dict[str, str]]:
    """A folder with a `python` that every user can run, in place of the base image's.

    That is the one that runs this, or a copy of it if others can't reach it. A copy must be told
    where its library is.
    """
    original = Path(sys.base_prefix)
    if all(place.stat().st_mode & 0o001 for place in (original, *original.parents)):
        links = folder / "bin"
        links.mkdir()
        (links / "python").symlink_to(Path(sys.base_exec_prefix) / "bin" / _versioned())
        return links, {}
    copy = folder / "python"
    ignored = shutil.ignore_patterns(*NOT_COPIED)
    for part in ("bin", "lib"):
        shutil.copytree(original / part, copy / part, symlinks=True, ignore=ignored)
    return copy / "bin", {"LD_LIBRARY_PATH": str(copy / "lib")}


def _versioned() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
