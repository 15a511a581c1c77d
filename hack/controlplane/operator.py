"""The operator as a process of its own, as in a cluster: for the demo, tests and benchmarks.

Runs what is in this virtual environment; nothing of the operator is imported here.
"""

import os
import signal
import sys
import urllib.error
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from controlplane import ports, processes
from controlplane.directories import Directory
from controlplane.loopback import urlopen

REQUEST_SECONDS = 10.0


class OperatorProcess:
    """`coze-nats operator`; a context manager, `start` and `stop` do the same for fixtures.

    Args:
        kubeconfig: whose rights it has.
        nats_url: where NATS is.
        arguments: further command line arguments.
        environment: further environment variables.
    """

    def __init__(
        self,
        kubeconfig: Path,
        nats_url: str,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.health_port = ports.free()
        self._directory = Directory("operator")
        self._arguments = (*arguments, f"--health-port={self.health_port}")
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("NATS_")},
            "KUBECONFIG": str(kubeconfig),
            "NATS_SERVER_URL": nats_url,
            "PYTHONUNBUFFERED": "1",
            # All servers here are on loopback.
            "COZE_NATS_ALLOW_LOCAL_SERVERS": "true",
            **(environment or {}),
        }
        self._server: processes.Server | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._server is not None
        assert self._server.process is not None
        return self._server.process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._server is not None and self._server.running

    @property
    def log(self) -> str:
        """All that it logged, over restarts."""
        assert self._server is not None
        return self._server.log.read_text(encoding="utf-8", errors="replace")

    def start(self, *, until_ready: bool = True) -> Self:
        """Start it and wait until it says that it is ready, or only that it is alive."""
        self._directory.make()
        self._server = self._server or processes.Server("operator", self._directory.path)
        command = [sys.executable, "-m", "coze_nats", "operator", *self._arguments]
        self._server.start(command, self._environment)
        path = "/readyz" if until_ready else "/healthz"
        self._server.await_ready(lambda: self.probe(path)[0] == 200)
        return self

    def probe(self, path: str) -> tuple[int, str]:
        """HTTP status and body of a health path; status 0 while nobody answers."""
        url = f"http://{ports.LOOPBACK}:{self.health_port}{path}"
        try:
            with urlopen(url, timeout=REQUEST_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int | None:
        """End it; returns the exit code, None when it did not run."""
        if self._server is None or self._server.process is None:
            return None
        process = self._server.process
        self._server.stop(with_signal)
        return process.returncode

    def kill(self) -> None:
        """End it as a crash would."""
        self.stop(signal.SIGKILL)

    def remove(self) -> None:
        """End it and remove its log."""
        self.stop()
        self._directory.remove()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and self._server is not None:
            print(self._server.log_tail(), file=sys.stderr)
        self.remove()
