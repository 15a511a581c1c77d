"""Helm, of the version that the control plane's tools name, against a local API server or alone."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane import binaries
from controlplane.kubernetes import KubernetesAPI
from controlplane.recipes import Binary

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "coze-nats-operator"
SECONDS = 120

Values = Mapping[str, Any]
Document = dict[str, Any]


class HelmError(Exception):
    """Helm ended with an error; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """Runs helm; it keeps nothing outside of `directory`, and sees no settings of the user's."""

    directory: Path
    api: KubernetesAPI | None = None

    def __call__(self, *words: str | Path, values: Values | None = None) -> str:
        """What helm printed. `values` overrule those of the chart. Raises HelmError."""
        command = [str(binaries.find(Binary.HELM)), *map(str, words)]
        completed = subprocess.run(
            [*command, "--values=-"] if values is not None else command,
            env=self._environment(),
            input=json.dumps(values) if values is not None else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        if completed.returncode:
            raise HelmError(completed.stderr.strip() + completed.stdout)
        return completed.stdout

    def render(self, values: Values | None = None, *words: str | Path) -> list[Document]:
        """The documents that `helm template` makes of the chart."""
        name = ("coze-nats-operator", CHART, "--namespace=coze-nats-system")
        rendered = self("template", *name, *words, values=values or {})
        return [found for found in yaml.safe_load_all(rendered) if found]

    @contextmanager
    def installed(
        self, namespace: str, values: Values | None = None, *words: str | Path
    ) -> Iterator[None]:
        """The chart in a namespace of that name, until the end of the block."""
        place = f"--namespace={namespace}"
        flags = (place, "--create-namespace", *words)
        self("upgrade", "--install", "coze-nats-operator", CHART, *flags, values=values or {})
        try:
            yield
        finally:
            self("uninstall", "coze-nats-operator", place, "--ignore-not-found")

    def _environment(self) -> dict[str, str]:
        own = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
        own |= {f"HELM_{name}_HOME": str(self.directory) for name in ("CACHE", "CONFIG", "DATA")}
        nowhere = {"KUBECONFIG": os.devnull}
        return own | (self.api.environment() if self.api else nowhere)
