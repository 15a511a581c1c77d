"""HTTP to what was started here: never by way of a proxy, whatever the environment says."""

import ssl
import urllib.request
from http.client import HTTPResponse
from typing import cast


def urlopen(
    request: urllib.request.Request | str, *, timeout: float, context: ssl.SSLContext | None = None
) -> HTTPResponse:
    """As urllib.request.urlopen; `timeout` in seconds."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    return cast(HTTPResponse, opener.open(request, timeout=timeout))
