"""Counts the requests to the apiserver, Kopf's and our own alike, by what they ask for."""

from collections.abc import Mapping

import aiohttp

from coze_nats import metrics

APPLY = "application/apply-patch+yaml"

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


async def measured(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Middleware for an HTTP session; put it last, where no waiting in line counts."""
    content_type = request.headers.get("Content-Type", "")
    verb, resource = asked(request.method, request.url.path, request.url.query, content_type)
    with metrics.KubernetesCall(verb, resource) as call:
        response = await send(request)
        call.code = str(response.status)
        return response


def asked(
    method: str, path: str, query: Mapping[str, str], content_type: str = ""
) -> tuple[str, str]:
    """The verb and the resource of a request, in the terms of Kubernetes and without names."""
    parts = path.strip("/").split("/")
    # /api/v1/… or /apis/<group>/<version>/…
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:  # noqa: PLR2004 - a namespace, and what in it
        parts = parts[2:]
    resource = "/".join((*parts[:1], *parts[2:3])) or "discovery"
    if method != "GET":
        verb = _VERBS.get(method, method.lower())
        return ("apply" if content_type == APPLY else verb), resource
    if "watch" in query:
        return "watch", resource
    return ("get" if len(parts) > 1 or resource == "discovery" else "list"), resource
