"""What the operator wrote to the API server, from the audit log: it outlives API servers."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from coze_nats.core import names

OPERATOR = "system:serviceaccount:coze-nats-system:coze-nats-operator"
_WRITES = frozenset({"create", "update", "patch", "delete"})
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "Metadata", "users": [OPERATOR], "verbs": sorted(_WRITES)},
        {"level": "None"},
    ],
}


class Written(NamedTuple):
    """One write of the operator that reached the API server.

    Attributes:
        about: plural and name of the resource; for an event, "events" and the event's name.
    """

    namespace: str
    about: tuple[str, str]
    subresource: str
    code: int


class Audit:
    """An audit log in a directory; `arguments` make an API server write it."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "audit.log"
        policy = directory / "audit-policy.json"
        policy.write_text(json.dumps(_POLICY))
        self.arguments = (
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self._log}",
            "--audit-log-mode=blocking",
        )

    def writes(self, namespace: str) -> list[Written]:
        """All writes so far to our kinds and of events in a namespace."""
        return [written for written in self._all() if written.namespace == namespace]

    def _all(self) -> Iterator[Written]:
        if not self._log.exists():
            return
        with self._log.open(encoding="utf-8") as lines:
            for line in lines:
                # A killed API server may leave a line that breaks off, and others after it.
                with suppress(json.JSONDecodeError):
                    yield _written(json.loads(line))


def per_resource(writes: list[Written]) -> Counter[tuple[str, str]]:
    """How often each resource was written to; events don't count here."""
    plurals = set(names.PLURALS.values())
    return Counter(written.about for written in writes if written.about[0] in plurals)


def _written(entry: dict[str, Any]) -> Written:
    about = entry["objectRef"]
    return Written(
        namespace=about.get("namespace", ""),
        about=(about["resource"], about.get("name", "")),
        subresource=about.get("subresource", ""),
        code=entry.get("responseStatus", {}).get("code", 0),
    )
