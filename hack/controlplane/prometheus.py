"""A Prometheus server on loopback that scrapes what it is told to, and answers queries."""

import json
import urllib.error
import urllib.parse
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from controlplane import binaries, ports, processes
from controlplane.directories import Directory
from controlplane.errors import ControlPlaneError
from controlplane.loopback import urlopen
from controlplane.recipes import Binary

REQUEST_SECONDS = 30.0


class Prometheus:
    """A Prometheus with a store of its own; a context manager.

    Args:
        targets: `host:port` of what serves /metrics.
        interval: seconds between two scrapes.
    """

    def __init__(self, targets: Sequence[str], interval: int = 1) -> None:
        self.port = ports.free()
        self._targets = targets
        self._interval = interval
        self._directory = Directory("prometheus")

    @property
    def url(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.port}"

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The samples that an expression has now."""
        return self._ask("query", query=expr)

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series of an expression between two Unix times."""
        times = {"start": str(start), "end": str(end), "step": str(step)}
        return self._ask("query_range", query=expr, **times)

    def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urlopen(url, timeout=REQUEST_SECONDS) as answer:
                found = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise ControlPlaneError(f"{parameters}: {error.read().decode()}") from error
        return list(found)

    def __enter__(self) -> Self:
        self._directory.make()
        folder = self._directory.path
        configuration = {
            "global": {"scrape_interval": f"{self._interval}s"},
            "scrape_configs": [
                {
                    "job_name": "coze-nats-operator",
                    "honor_labels": True,
                    "static_configs": [{"targets": list(self._targets)}],
                }
            ],
        }
        file = folder / "prometheus.yml"
        file.write_text(json.dumps(configuration), encoding="utf-8")
        self._server = processes.Server("prometheus", folder)
        self._server.start(
            [
                binaries.find(Binary.PROMETHEUS),
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={ports.LOOPBACK}:{self.port}",
            ]
        )
        try:
            self._server.await_ready(self._is_ready)
        except BaseException:
            self._end()
            raise
        return self

    def _is_ready(self) -> bool:
        """Whether it answers, and has scraped for the first time."""
        try:
            with urlopen(f"{self.url}/-/ready", timeout=REQUEST_SECONDS) as answer:
                return bool(answer.status == 200 and self.query("up"))
        except (OSError, ControlPlaneError):
            return False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._server.stop()
        self._directory.remove()
