"""One request to the apiserver and its answer; the only place that reads HTTP status codes."""

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from coze_nats.core.errors import Failure, NotLeading, NotPermitted
from coze_nats.kube import measuring
from coze_nats.kube.lane import Lane
from coze_nats.kube.session import Session

# A request has its deadline when it is its turn (see `lane`); this is for the rest of the answer.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30)

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = measuring.APPLY


_HALVES = frozenset(map(chr, range(0xD800, 0xE000)))
_ESCAPED = re.compile("[\x7f-\uffff]")


class ApiServerError(Failure):
    """The apiserver didn't do what was asked; asking again later may help.

    Attributes:
        status: HTTP status code; None when there was no answer.
    """

    def __init__(self, description: str, status: int | None = None) -> None:
        super().__init__(description)
        self.status = status


class Gone(ApiServerError):
    """The object, or what was asked for, doesn't exist."""


class Refused(ApiServerError):
    """The apiserver doesn't know the operator (401), or doesn't allow that (`Forbidden`)."""


class Forbidden(Refused, NotPermitted):
    """The operator lacks a right (403), which the description names."""


class Api:
    """The apiserver's REST API, in JSON.

    Args:
        may_write: asked right before a request leaves that isn't a GET; NotLeading if not.
        lane: what bounds the requests at once; by default the session's, for all that have none.
    """

    def __init__(
        self,
        session: Session,
        *,
        may_write: Callable[[], bool] = lambda: True,
        lane: Lane | None = None,
    ) -> None:
        self._session = session
        self._may_write = may_write
        self._lane = lane

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        params: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send a request, return the answer's object; raises ApiServerError or NotLeading."""
        if method != "GET":
            self._check()
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            async with self._session.http.request(
                method,
                self._session.server + path,
                data=None if body is None else _Body(encoded(body), self._check),
                headers=headers,
                params=params,
                timeout=TIMEOUT,
                middlewares=self._session.own_requests(self._lane),
            ) as response:
                body_text = await response.text()
                status = response.status
            if status < HTTPStatus.BAD_REQUEST:
                return dict(json.loads(body_text))
        # RuntimeError: Kopf closed the session meanwhile, to log in anew.
        except (aiohttp.ClientError, TimeoutError, ValueError, RuntimeError) as error:
            if method != "GET":
                self._check()
            reason = str(error) or type(error).__name__
            raise ApiServerError(f"The Kubernetes API server doesn't answer: {reason}") from error
        if status == HTTPStatus.UNAUTHORIZED:
            await self._session.renew()
        raise _failure(status, body_text)

    def _check(self) -> None:
        if not self._may_write():
            raise NotLeading("nothing is written to the cluster: this operator doesn't lead")


def _failure(status: int, body_text: str) -> ApiServerError:
    description = f"The Kubernetes API server answered {status}: {_message(body_text)}"
    if status == HTTPStatus.UNAUTHORIZED:
        return Refused(description, status)
    if status == HTTPStatus.FORBIDDEN:
        return Forbidden(description, status)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Gone(description, status)
    return ApiServerError(description, status)


def encoded(body: Any) -> bytes:
    """JSON that is YAML as well: the API server reads the body of a server-side apply as YAML.

    YAML refuses JSON's pairs of escapes for characters beyond U+FFFF, and refuses or folds some
    characters below that stand unescaped. Half of such a pair is no character at all.
    """
    text = json.dumps(body, ensure_ascii=False)
    return _ESCAPED.sub(_escape, text).encode()


def _escape(found: re.Match[str]) -> str:
    return f"\\u{0xFFFD if found[0] in _HALVES else ord(found[0]):04x}"


class _Body(aiohttp.BytesPayload):
    """A body that is checked when it is about to leave.

    Before that, a request waits in its lane and for a connection; without its body it is none.
    """

    def __init__(self, value: bytes, check: Callable[[], None]) -> None:
        super().__init__(value)
        self._check = check

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        self._check()
        await super().write_with_length(writer, content_length)


def _message(body_text: str) -> str:
    """The message of a Status object; paths that nothing serves are answered in plain text."""
    try:
        return str(json.loads(body_text)["message"])
    except (ValueError, TypeError, KeyError):
        return body_text.strip()
