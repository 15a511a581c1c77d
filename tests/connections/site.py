"""An operator that serves connections only, and connections declared from options."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connections.systems import Encryption, Options
from controlplane.operator import OperatorProcess
from coze_nats.core import names
from support.resources import Resources
from support.tenant import Tenant

_OF_TLS = ("ca", "certificate", "private_key", "handshake_first")


@dataclass(frozen=True)
class Site:
    """An operator that has no connection of its own and logs all that it can."""

    operator: OperatorProcess
    resources: Resources


def secret(namespace: str, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


def auth(name: str, options: Options) -> dict[str, Any]:
    """The auth of a CozeConnection, with one key of a Secret for each option."""
    reference = {key: {"secretKeyRef": {"name": name, "key": key}} for key in options}
    if "user" in options:
        return {"userPassword": {"username": reference["user"], "password": reference["password"]}}
    words = {"nkey_seed": "nkey"}
    return {words.get(key, key): value for key, value in reference.items()}


def tls(name: str, encryption: Encryption) -> dict[str, Any]:
    certificate = {"certificate": {"secretName": name}} if encryption.block.get("verify") else {}
    first = {"handshakeFirst": True} if encryption.options else {}
    return {"ca": {"secretKeyRef": {"name": name, "key": "ca"}}, **certificate, **first}


def declare(tenant: Tenant, name: str, url: str, encryption: Encryption, options: Options) -> None:
    """A CozeConnection with a Secret of its own."""
    keys = {"certificate": "tls.crt", "private_key": "tls.key"}
    values = {keys.get(key, key): str(value) for key, value in options.items()}
    verdict = tenant.client.create(secret(tenant.namespace, name, values))
    assert verdict.accepted, verdict.message
    login = {key: value for key, value in options.items() if key not in _OF_TLS}
    more = {"tls": tls(name, encryption)} if encryption.on else {}
    tenant.apply(names.CONNECTION_KIND, name, servers=[url], auth=auth(name, login), **more)
