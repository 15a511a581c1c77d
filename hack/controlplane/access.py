"""Ways into the API server: kubeconfig files and plain HTTPS requests. Starts nothing."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controlplane.certificates import Pair
from controlplane.errors import ControlPlaneError
from controlplane.loopback import urlopen

REQUEST_SECONDS = 30.0


class AdminClient:
    """HTTPS with the administrator's certificate, for the few calls that need no kubectl."""

    def __init__(self, url: str, ca_file: Path, admin: Pair) -> None:
        self._url = url
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._tls.load_cert_chain(admin.certificate, admin.key)

    def get(self, path: str) -> str:
        return self._send(urllib.request.Request(f"{self._url}{path}"))

    def post(self, path: str, document: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self._url}{path}",
            data=json.dumps(document).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        return json.loads(self._send(request))

    def serves(self, path: str) -> bool:
        """Whether a GET succeeds right now."""
        try:
            self.get(path)
        except (OSError, ControlPlaneError):
            return False
        return True

    def _send(self, request: urllib.request.Request) -> str:
        try:
            with urlopen(request, timeout=REQUEST_SECONDS, context=self._tls) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode(errors="replace")
            raise ControlPlaneError(
                f"{request.get_method()} {request.full_url} was answered with {error.code}: {words}"
            ) from None


def client_certificate(pair: Pair) -> dict[str, str]:
    """The user entry of a kubeconfig that authenticates with a certificate."""
    return {
        "client-certificate-data": _encoded(pair.certificate),
        "client-key-data": _encoded(pair.key),
    }


def write_kubeconfig(
    path: Path, url: str, ca_file: Path, user: Mapping[str, str], namespace: str = "default"
) -> Path:
    """Write a kubeconfig that stands alone; JSON, which is YAML too."""
    cluster = {"server": url, "certificate-authority-data": _encoded(ca_file)}
    context = {"cluster": "local", "user": "local", "namespace": namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "local", "user": dict(user)}],
        "contexts": [{"name": "local", "context": context}],
        "current-context": "local",
    }
    path.write_text(json.dumps(document, indent=2))
    path.chmod(0o600)
    return path


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
