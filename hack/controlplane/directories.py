"""Directories of running servers: temporary, and gone even if this Python process is killed."""

import shutil
import tempfile
from pathlib import Path

from controlplane import processes


class Directory:
    """Made by `make`, removed by `remove`; a directory that was given stays."""

    def __init__(self, purpose: str, given: Path | None = None) -> None:
        self._purpose = purpose
        self._given = given
        self._path: Path | None = given

    @property
    def path(self) -> Path:
        if self._path is None:
            raise RuntimeError(f"The directory for {self._purpose} exists only while it runs.")
        return self._path

    def make(self) -> None:
        if self._given is not None:
            self._given.mkdir(parents=True, exist_ok=True)
        elif self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix=f"coze-nats-{self._purpose}-"))
            processes.guard(self._path)

    def remove(self) -> None:
        if self._given is None and self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            processes.unguard(self._path)
            self._path = None
