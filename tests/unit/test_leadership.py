"""Whose turn it is to act, where no Lease is asked for; with Leases: tests/integration/kube."""

import asyncio

from coze_nats.kube.session import Session
from coze_nats.leadership import Leadership
from support.until import until


async def test_without_an_election_it_begins_when_everything_was_listed_and_not_before(
    session: Session,
) -> None:
    leadership = Leadership(session, None)
    listed, stop, begun = asyncio.Event(), asyncio.Event(), asyncio.Event()
    leadership.start(listed, begun.set, stop)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not begun.is_set()
    listed.set()
    await until(begun.is_set)
    assert leadership.leads
    assert leadership.may_write()
    await leadership.end(is_done=True)
    assert not stop.is_set()


async def test_an_end_that_comes_before_the_beginning_leaves_nothing_behind(
    session: Session,
) -> None:
    leadership = Leadership(session, None)
    listed, begun = asyncio.Event(), asyncio.Event()
    leadership.start(listed, begun.set, asyncio.Event())
    await leadership.end(is_done=True)
    listed.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not begun.is_set()
