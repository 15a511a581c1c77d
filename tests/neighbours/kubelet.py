"""What the kubelet does with an operator's pod: its limit of memory, and its probe of liveness."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml
from benchmarks.processes import peak_rss_mb, rss_mb

from controlplane.operator import OperatorProcess

CHART = Path(__file__).resolve().parents[2] / "charts" / "coze-nats-operator" / "values.yaml"
LOOK_SECONDS = 0.02
PROBE_SECONDS = 1.0
MEBIBYTES = 1_000_000 / 2**20
"""In a megabyte."""


class Kubelet(threading.Thread):
    """Watches a process from a thread of its own; ends it above the chart's limit, as Linux does.

    A limit of address space (RLIMIT_AS) would count what is reserved and never used. A control
    group counts as is done here, and needs rights that tests don't have.

    Attributes:
        peak: the most memory so far, in MiB.
        out_of_memory: whether the process was ended for it.
        refusals: how often /healthz said that the process should be restarted.
        silence: the longest time without an answer of /healthz, in seconds.
    """

    def __init__(self, operator: OperatorProcess) -> None:
        super().__init__(name="kubelet", daemon=True)
        values: dict[str, Any] = yaml.safe_load(CHART.read_text(encoding="utf-8"))
        liveness = values["livenessProbe"]
        self.limit = int(values["resources"]["limits"]["memory"].removesuffix("Mi"))
        self.patience = float(liveness["periodSeconds"] * liveness["failureThreshold"])
        self.peak = 0.0
        self.out_of_memory = False
        self.refusals = 0
        self.silence = 0.0
        self._operator = operator
        self._pid = operator.pid
        self._ended = threading.Event()
        self._prober = threading.Thread(target=self._probe, name="prober", daemon=True)

    def run(self) -> None:
        self._prober.start()
        while not self._ended.wait(LOOK_SECONDS) and self._operator.running:
            self._weigh()
        self._prober.join()

    def end(self) -> None:
        self._weigh()
        self._ended.set()
        self.join()

    def complaints(self) -> list[str]:
        """Why the pod's container would have been restarted, or was."""
        found = {
            f"it took {self.peak:.0f} MiB, the limit is {self.limit} MiB": self.out_of_memory,
            f"/healthz refused {self.refusals} times": self.refusals > 0,
            f"/healthz was silent for {self.silence:.0f} s": self.silence > self.patience,
            "the process has ended": not self._operator.running,
        }
        return [complaint for complaint, is_so in found.items() if is_so]

    def _weigh(self) -> None:
        with suppress(OSError, AssertionError):
            self.peak = max(self.peak, MEBIBYTES * peak_rss_mb(self._pid))
            if MEBIBYTES * rss_mb(self._pid) > self.limit:
                self.out_of_memory = True
                self._operator.kill()

    def _probe(self) -> None:
        answered = time.monotonic()
        while not self._ended.wait(PROBE_SECONDS) and self._operator.running:
            status, _ = self._operator.probe("/healthz")
            if status == HTTPStatus.SERVICE_UNAVAILABLE:
                self.refusals += 1
            self.silence = max(self.silence, time.monotonic() - answered)
            if status:
                answered = time.monotonic()


@contextmanager
def watched(operator: OperatorProcess) -> Iterator[Kubelet]:
    kubelet = Kubelet(operator)
    kubelet.start()
    try:
        yield kubelet
    finally:
        kubelet.end()
