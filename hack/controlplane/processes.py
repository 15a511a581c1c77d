"""Starts, awaits and ends server processes; each has its log in a file.

Knows nothing of the servers themselves. Nothing is ever ended by name: only by the process that
was started here. If this Python process dies, guardian.py ends them.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from controlplane import guardian
from controlplane.errors import ControlPlaneError

START_SECONDS = 180.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.02

_guardian: subprocess.Popen[str] | None = None
_guardian_lock = threading.Lock()


class AddressInUseError(ControlPlaneError):
    """The server lost the race for its port; another port may do."""


class Server:
    """One server process that may be started, stopped and started again."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.log = directory / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(
        self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start the process in its directory; readiness is another matter, see `await_ready`."""
        if self.running:
            raise ControlPlaneError(f"{self.name} is running already.")
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal is for us: we stop the servers in order.
                start_new_session=True,
            )
        guard(self.process.pid)

    def await_ready(self, ready: Callable[[], bool], within: float = START_SECONDS) -> None:
        """Return once `ready()`; raise with the end of the log if that does not come about."""
        deadline = time.monotonic() + within
        while not ready():
            if not self.running:
                raise self._failure("ended while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {within:.0f} s")
            time.sleep(POLL_SECONDS)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait until it is gone; SIGKILL if it takes too long."""
        process = self.process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(with_signal)
            # A process that a test has suspended would never see another signal.
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        unguard(process.pid)
        self.process = None

    def log_tail(self, lines: int = 30) -> str:
        """The last lines that the latest start wrote."""
        if not self.log.exists():
            return ""
        text = self.log.read_bytes()[self._log_start :].decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _failure(self, what: str) -> ControlPlaneError:
        tail = self.log_tail()
        kind = AddressInUseError if "address already in use" in tail else ControlPlaneError
        return kind(f"{self.name} {what}. The end of its log:\n{tail}")


def guard(what: int | Path) -> None:
    """End this process, or remove this directory, should this Python process die."""
    _tell_guardian(f"+{what}")


def unguard(what: int | Path) -> None:
    _tell_guardian(f"-{what}")


def _tell_guardian(line: str) -> None:
    global _guardian  # noqa: PLW0603  one guardian per process, made when first needed
    with _guardian_lock:
        if _guardian is None:
            _guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", guardian.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
            atexit.register(_dismiss_guardian, _guardian, os.getpid())
        assert _guardian.stdin is not None
        print(line, file=_guardian.stdin, flush=True)


def _dismiss_guardian(process: subprocess.Popen[str], owner: int) -> None:
    """At a regular exit: what is still guarded ends now, and nothing outlives the exit."""
    if os.getpid() != owner:
        return
    with contextlib.suppress(OSError):
        assert process.stdin is not None
        process.stdin.close()
    process.wait()
