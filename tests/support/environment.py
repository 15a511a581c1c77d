"""One environment of the worked repository: a namespace, NATS, and an operator of its own."""

import json
from dataclasses import dataclass
from pathlib import Path

from controlplane.kubernetes import KubernetesAPI
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from support.eventually import eventually
from support.gitops import LOGIN, Json
from support.verdicts import Verdict, verdicts

OPERATOR = ("coze-nats-system", "coze-nats-operator")
"""Namespace and name of the operator's ServiceAccount."""

KINDS = ",".join(names.PLURALS.values())
COUNTED_SECONDS = 120


@dataclass(slots=True)
class Environment:
    """A namespace that an overlay was applied to, with NATS and an operator of its own."""

    api: KubernetesAPI
    overlay: Path
    servers: list[str]
    folder: Path
    """The overlay, with these servers instead of its own."""

    @property
    def namespace(self) -> str:
        return f"coze-{self.overlay.name}"

    def log_in(self) -> None:
        """Make the Secret that the connection names, if it is not there."""
        where, secret = ("-n", self.namespace), ("secret", "coze-nats")
        if self.api.kubectl(*where, "get", *secret, check=False).returncode:
            self.api.kubectl(*where, "create", "secret", "generic", secret[1], *LOGIN)

    def resources(self, kinds: str = KINDS) -> list[Json]:
        listed = self.api.kubectl("-n", self.namespace, "get", kinds, "-o", "json").stdout
        return list(json.loads(listed)["items"])

    def verdicts(self) -> set[Verdict]:
        """How the tools judge what is there, without their words."""
        return {found._replace(message="") for found in verdicts(self.resources())}

    def wait(self, timeout: str = "60s") -> str:
        """`kubectl wait` as in the documentation; returns what it printed."""
        words = ("wait", "--for=condition=Ready", KINDS, "--all", f"--timeout={timeout}")
        return self.api.kubectl("-n", self.namespace, *words).stdout

    def await_rest(self) -> None:
        """Wait until all is ready, and the connection's status has counted it, after a minute."""
        self.wait()

        def all_is_counted() -> bool:
            found = self.resources()
            (connection,) = (item for item in found if item["kind"] == names.CONNECTION_KIND)
            account = connection["status"]["account"]
            return all(
                account[used]["used"] == sum(item["kind"] == kind for item in found)
                for used, kind in (
                    ("streams", names.STREAM_KIND),
                    ("consumers", names.CONSUMER_KIND),
                )
            )

        eventually(all_is_counted, COUNTED_SECONDS, "the connection's figures")

    def await_reason(self, kind: str, reason: str) -> None:
        """Wait until all resources of that kind say so."""
        path = "{.status.conditions[0].reason}"
        words = ("wait", f"--for=jsonpath={path}={reason}", kind, "--all", "--timeout=180s")
        self.api.kubectl("-n", self.namespace, *words)

    def operator(self) -> OperatorProcess:
        return OperatorProcess(
            self.api.service_account_kubeconfig(*OPERATOR),
            "",  # it has no connection of its own
            arguments=("--resync-interval=1s", f"--namespace={self.namespace}"),
        )
