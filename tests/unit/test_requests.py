"""Requests that wait for their answers, without a connection."""

import asyncio
import gc
from typing import Any

import pytest

from coze_nats.core.errors import OutcomeUnknown
from coze_nats.jetstream.requests import Requests


async def test_a_request_that_could_not_be_sent_leaves_no_error_that_nobody_retrieves() -> None:
    """The connection breaks: sending fails, and so does the waiting that was never begun."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, found: reported.append(found))
    requests = Requests()

    def send() -> None:
        with requests.waiting("$JS.API.INFO"):
            requests.abandon()
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        send()
    gc.collect()
    assert reported == []
    assert requests.idle.is_set()


async def test_who_waits_for_an_answer_learns_that_the_connection_broke() -> None:
    requests = Requests()
    with requests.waiting("$JS.API.INFO") as request:
        requests.abandon()
        with pytest.raises(OutcomeUnknown, match="the connection broke"):
            await request.answer
