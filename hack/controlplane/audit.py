"""What the API server was asked for, and by whom: its audit log, without bodies."""

import json
from dataclasses import dataclass
from pathlib import Path

_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class Request:
    """One finished request; `namespace` and `resource` are empty where it has none."""

    user: str
    verb: str
    resource: str
    namespace: str
    path: str
    code: int


class AuditLog:
    """The audit log in `directory` of an API server: `KubernetesAPI(arguments=log.flags())`."""

    def __init__(self, directory: Path) -> None:
        self._policy = directory / "audit-policy.json"
        self._log = directory / "audit.log"

    def flags(self) -> list[str]:
        """Flags of kube-apiserver that make it write the log; each request is in it at its end."""
        self._policy.write_text(json.dumps(_POLICY))
        return [f"--audit-policy-file={self._policy}", f"--audit-log-path={self._log}"]

    def requests(self, user: str) -> list[Request]:
        """All requests of this user so far."""
        # The last line may be half written.
        lines = self._log.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        events = map(json.loads, lines)
        return [
            Request(
                user,
                event["verb"],
                event.get("objectRef", {}).get("resource", ""),
                event.get("objectRef", {}).get("namespace", ""),
                event["requestURI"],
                event["responseStatus"]["code"],
            )
            for event in events
            if event["user"]["username"] == user
        ]
