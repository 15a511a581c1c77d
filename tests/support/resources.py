"""A fast way to ask an API server for its verdict on our resources, and for what it holds."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controlplane import ports
from controlplane.kubernetes import KubernetesAPI
from coze_nats.core import names

_BUILT_IN = {"Secret": "secrets", "ConfigMap": "configmaps"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the apiserver answered: the resource as it holds it, or a Status with its reasons."""

    status: int
    document: Mapping[str, Any]

    @property
    def accepted(self) -> bool:
        return self.status < http.client.BAD_REQUEST

    @property
    def message(self) -> str:
        """Why it was refused, as kubectl prints it; empty when it was accepted."""
        return "" if self.accepted else str(self.document["message"])


class Resources:
    """Our resources, and what connections refer to, over one HTTPS connection.

    kubectl takes 50 times as long.

    Validation is strict, as kubectl's is. With `dry_run` nothing is stored, but all is judged.
    """

    def __init__(self, apiserver: KubernetesAPI) -> None:
        tls = ssl.create_default_context(cafile=str(apiserver.ca_file))
        tls.load_cert_chain(apiserver.directory / "admin.crt", apiserver.directory / "admin.key")
        self._connection = http.client.HTTPSConnection(
            ports.LOOPBACK, apiserver.port, timeout=180, context=tls
        )

    def create(self, resource: Mapping[str, Any], *, dry_run: bool = False) -> Verdict:
        return self._send("POST", _collection(resource), resource, dry_run=dry_run)

    def replace(self, resource: Mapping[str, Any], *, dry_run: bool = False) -> Verdict:
        """Put the resource in place of the one that is there; what it leaves out is unset."""
        return self._send("PUT", _path(resource), resource, dry_run=dry_run)

    def delete(self, resource: Mapping[str, Any]) -> Verdict:
        return self._send("DELETE", _path(resource))

    def get(self, resource: Mapping[str, Any]) -> Verdict:
        """The resource of that kind, namespace and name as it is now."""
        return self._send("GET", _path(resource))

    def release(self, resource: Mapping[str, Any]) -> Verdict:
        """Take all finalizers off, so that the resource can go without its operator."""
        found = self.get(resource)
        if not found.accepted:
            return found
        metadata = {**found.document["metadata"], "finalizers": []}
        return self.replace({**found.document, "metadata": metadata})

    def all_of(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        """All resources of a kind in a namespace."""
        example = {"kind": kind, "metadata": {"namespace": namespace}}
        return list(self._send("GET", _collection(example)).document["items"])

    def create_namespace(self, name: str) -> None:
        self._send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def events(self, namespace: str) -> list[dict[str, Any]]:
        """All events in a namespace."""
        path = f"/api/v1/namespaces/{namespace}/events"
        return list(self._send("GET", path).document["items"])

    def close(self) -> None:
        self._connection.close()

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        dry_run: bool = False,
    ) -> Verdict:
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        headers = {"Content-Type": "application/json"}
        try:
            self._connection.request(method, path + query, json.dumps(body), headers)
        except OSError:
            # The apiserver closes a connection that was idle for long; nothing has been sent.
            self._connection.close()
            self._connection.request(method, path + query, json.dumps(body), headers)
        try:
            answer = self._connection.getresponse()
            return Verdict(answer.status, json.loads(answer.read()))
        except OSError:
            # What was asked may have been done, so it is not asked again; what comes next is.
            self._connection.close()
            raise


def _collection(resource: Mapping[str, Any]) -> str:
    namespace = resource["metadata"].get("namespace", "default")
    kind = resource["kind"]
    if plural := _BUILT_IN.get(kind):
        return f"/api/v1/namespaces/{namespace}/{plural}"
    return f"/apis/{names.API_VERSION}/namespaces/{namespace}/{names.PLURALS[kind]}"


def _path(resource: Mapping[str, Any]) -> str:
    return f"{_collection(resource)}/{resource['metadata']['name']}"
