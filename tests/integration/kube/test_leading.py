"""What leaves for the API server, and what doesn't when the operator leads no more."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from yarl import URL

from coze_nats.core.errors import NotLeading
from coze_nats.kube.api import Api, Gone
from coze_nats.kube.lane import Lane
from coze_nats.kube.session import Session
from support.until import until


class Answers:
    """Answers `may_write` in turn, and then always alike."""

    def __init__(self, *answers: bool) -> None:
        self._answers: Iterator[bool] = iter(answers)
        self.last = answers[-1]
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        self.last = next(self._answers, self.last)
        return self.last


def settings(namespace: str, name: str = "written") -> tuple[str, dict[str, Any]]:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    return path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def exists(api: Api, namespace: str) -> bool:
    try:
        await api.request("GET", f"{settings(namespace)[0]}/written")
    except Gone:
        return False
    return True


async def test_who_does_not_lead_may_read_and_writes_nothing(
    session: Session, namespace: str
) -> None:
    api = Api(session, may_write=lambda: False)
    path, body = settings(namespace)
    with pytest.raises(NotLeading):
        await api.request("POST", path, body=body)
    assert not await exists(api, namespace)


async def test_a_write_that_waited_in_line_is_not_sent_when_the_lead_is_lost(
    session: Session, namespace: str
) -> None:
    lane = Lane(1)
    leads = True
    api = Api(session, may_write=lambda: leads, lane=lane)
    path, body = settings(namespace)
    before, may_end = SimpleNamespace(url=URL(session.server)), asyncio.Event()
    taking = asyncio.ensure_future(lane(cast(Any, before), cast(Any, lambda _: may_end.wait())))
    waiting = asyncio.create_task(api.request("POST", path, body=body))
    await until(lambda: len(lane._waiting))
    leads = False
    may_end.set()
    await taking
    with pytest.raises(NotLeading):
        await waiting
    assert not await exists(api, namespace)


async def test_a_write_is_asked_about_when_its_body_is_about_to_leave(
    session: Session, namespace: str
) -> None:
    may_write = Answers(True, False)
    api = Api(session, may_write=may_write)
    path, body = settings(namespace)
    with pytest.raises(NotLeading):
        await api.request("POST", path, body=body)
    assert may_write.asked >= 2
    assert not await exists(api, namespace)
    may_write.last = True
    await api.request("POST", path, body=body)
    assert await exists(api, namespace)


async def test_kopf_can_write_nothing(session: Session, namespace: str) -> None:
    path, body = settings(namespace)
    with pytest.raises(RuntimeError, match="Kopf shall write nothing"):
        await session.http.post(session.server + path, json=body)
    assert not await exists(Api(session), namespace)
