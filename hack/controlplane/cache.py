"""Things made once and kept outside the tree: whole or not at all, and by one process at a time.

Knows nothing of what is kept; see binaries.py for that.
"""

import fcntl
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from controlplane import progress


def folder() -> Path:
    """Where the cache is: $COZE_NATS_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("COZE_NATS_CACHE"):
        return Path(chosen).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "coze-nats-operator"


def found(key: str) -> Path | None:
    """The directory `key` of the cache, if it is there."""
    place = _place(key)
    return place if place.is_dir() else None


def kept(key: str, make: Callable[[Path], None]) -> Path:
    """The directory `key` of the cache, made by `make(empty directory)` if it is not there yet.

    An interrupted `make` leaves nothing under `key`: the directory gets its name when it is whole.
    """
    place = _place(key)
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place):
        if not place.is_dir():
            _remove_remains(place)
            fresh = Path(tempfile.mkdtemp(prefix=f"{place.name}.partial-", dir=place.parent))
            try:
                make(fresh)
                fresh.chmod(0o755)
                fresh.rename(place)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return place


def _place(key: str) -> Path:
    return folder() / f"{sys.platform}-{platform.machine()}" / key


def _remove_remains(place: Path) -> None:
    """Only called under the lock, so whatever is partial belongs to a process that was killed."""
    for remains in place.parent.glob(f"{place.name}.partial-*"):
        shutil.rmtree(remains, ignore_errors=True)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    # The kernel drops the lock with its holder, so a killed build never blocks the next one.
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.waiting(f"Waiting for another process that makes {place.name}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
