"""Answers to a list that Kopf would take for the end of everything."""

from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from coze_nats.core import names
from coze_nats.kube.watches import Answer, Watches, path_of

PATH = path_of(names.STREAM_KIND, None)


@pytest.fixture
async def listed() -> AsyncIterator[Callable[..., Awaitable[object]]]:
    """Ask as Kopf does: what a list with this query is answered, given status and body."""
    answer = web.Response()

    async def give(_: web.Request) -> web.StreamResponse:
        return answer

    app = web.Application()
    app.router.add_get(PATH, give)
    watches = Watches(unserved_delay=0)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(middlewares=(watches.follow,), response_class=Answer) as session,
    ):

        async def ask(query: str, status: int, body: str) -> object:
            nonlocal answer
            answer = web.Response(status=status, text=body, content_type="application/json")
            async with session.get(server.make_url(PATH).update_query(query)) as response:
                return (
                    response.status if response.status != HTTPStatus.OK else await response.json()
                )

        yield ask


@pytest.mark.parametrize("status", [HTTPStatus.GONE, HTTPStatus.BAD_REQUEST])
async def test_a_list_whose_next_page_has_expired_begins_anew(
    listed: Callable[..., Awaitable[object]], status: HTTPStatus
) -> None:
    # Kopf lists from the first page on after this error, and ends after others.
    with pytest.raises(aiohttp.ClientPayloadError, match="expired"):
        await listed("limit=500&continue=token", status, "{}")
    assert await listed("limit=500", status, "{}") == status
    assert await listed("limit=500&continue=token", HTTPStatus.OK, '{"items": []}') == {"items": []}


async def test_a_list_that_is_not_json_is_asked_for_again(
    listed: Callable[..., Awaitable[object]],
) -> None:
    with pytest.raises(aiohttp.ClientPayloadError, match="not JSON"):
        await listed("limit=500", HTTPStatus.OK, "<html>a proxy's own page</html>")
