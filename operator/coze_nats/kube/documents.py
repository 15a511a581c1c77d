"""The Secrets and ConfigMaps that connections name: read one by one, never listed or watched."""

import base64
import binascii
from collections.abc import Mapping

from coze_nats.core.login import SECRET, Document
from coze_nats.kube.api import Api, Gone

_PLURALS = {"Secret": "secrets", "ConfigMap": "configmaps"}


class Documents:
    """Implements `coze_nats.ports.Documents`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def read(self, namespace: str, document: Document) -> Mapping[str, str] | None:
        """Its data as text, or None when it doesn't exist; raises ApiServerError."""
        path = f"/api/v1/namespaces/{namespace}/{_PLURALS[document.kind]}/{document.name}"
        try:
            answer = await self._api.request("GET", path)
        except Gone:
            return None
        data = answer.get("data") or {}
        if document.kind != SECRET:
            return data
        return {key: text for key, value in data.items() if (text := _text(value)) is not None}


def _text(value: str) -> str | None:
    """A Secret's value; None for one that is no text, which no login can be made of."""
    try:
        return base64.b64decode(value).decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError):
        return None
