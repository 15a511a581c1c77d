"""What the checks find: a restart only for what it would cure, and the truth about the work."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coze_nats import progress
from coze_nats.checks import SILENT_SECONDS, Checks
from coze_nats.controller.links import Link
from coze_nats.controller.queue import KeyedQueue
from coze_nats.core import names
from coze_nats.core.resource import Key
from coze_nats.core.terms import LONGEST_REQUEST_SECONDS
from coze_nats.jetstream.environment import from_environment
from coze_nats.jetstream.options import InvalidOptions
from coze_nats.kube.session import Session
from coze_nats.kube.watches import Watches
from coze_nats.leadership import Leadership
from coze_nats.reconcile import Next
from coze_nats.settings import Election
from support.clock import ManualClock

CRDS = Path(__file__).parents[2] / "crds"
KEY = Key(names.STREAM_KIND, "coze", "orders")


def link(*, last_error: str = "", trouble: str = "") -> Link:
    """What works for a connection, as far as it is looked at here."""
    endpoint = SimpleNamespace(is_connected=not last_error, last_error=last_error)
    return cast(Link, SimpleNamespace(endpoint=endpoint, resync=SimpleNamespace(trouble=trouble)))


def checks(session: Session, **changes: Any) -> Checks:
    wanted: dict[str, Any] = {
        "watches": Watches(),
        "leadership": Leadership(session, None),
        "own_link": lambda: None,
        "has_own_connection": False,
    }
    return Checks(**(wanted | changes))


def never_ending(concurrency: int = 32) -> tuple[KeyedQueue, ManualClock]:
    async def work(_: Key) -> Next:
        await asyncio.Event().wait()
        return Next()

    clock = ManualClock()
    return KeyedQueue(work, clock=clock, concurrency=concurrency), clock


async def test_an_operator_that_is_starting_is_alive_and_says_what_it_waits_for(
    session: Session,
) -> None:
    found = checks(session, waiting_for="the CRDs")
    assert found.unhealthy() == {}
    assert found.unready() == {"kubernetes": "waiting for the CRDs"}
    assert found.facts() == {}


async def test_nats_being_away_is_no_reason_for_a_restart(session: Session) -> None:
    for own, part, reason in (
        (None, "nats", "not tried yet"),
        (link(last_error="connection refused"), "nats", "not connected: connection refused"),
        (link(trouble="no responders"), "jetstream", "no responders"),
    ):
        found = checks(session, has_own_connection=True, own_link=lambda own=own: own)
        assert found.unhealthy() == {}
        assert reason in found.unready()[part]


async def test_a_reconcile_that_gets_no_answer_at_all_is_a_reason_for_a_restart(
    session: Session,
) -> None:
    queue, clock = never_ending()
    found = checks(session, queue=queue)
    queue.add(KEY)
    await asyncio.sleep(0)
    clock.advance(3599)
    assert found.unhealthy() == {}
    clock.advance(2)
    assert "CozeStream coze/orders has come to a halt for 3601 s" in found.unhealthy()["queue"]
    await queue.stop(0)


async def test_a_reconcile_whose_answers_are_slow_is_no_reason_for_a_restart(
    session: Session,
) -> None:
    clock = ManualClock()
    answered = asyncio.Event()

    async def work(_: Key) -> Next:
        for _answer in range(256):
            await answered.wait()
            answered.clear()
            progress.made()
        return Next()

    queue = KeyedQueue(work, clock=clock)
    found = checks(session, queue=queue)
    queue.add(KEY)
    for _ in range(256):
        clock.advance(LONGEST_REQUEST_SECONDS)
        assert found.unhealthy() == {}
        answered.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await queue.idle()


def test_the_limits_of_requests_are_within_what_is_taken_for_stuck() -> None:
    crd = (CRDS / "cozeconnections.jetstream.coze.dev.yaml").read_text()
    assert f"length <= {LONGEST_REQUEST_SECONDS * 1e9:.0f}.0" in crd
    with pytest.raises(InvalidOptions, match="NATS_TIMEOUT"):
        from_environment({"NATS_SERVER_URL": "nats://a.example", "NATS_TIMEOUT": "301s"})
    # Six are made at once in a cluster, of the 32 that one connection works on.
    assert SILENT_SECONDS > 32 / 6 * 2 * LONGEST_REQUEST_SECONDS


async def test_a_queue_that_starts_nothing_is_a_reason_for_a_restart(session: Session) -> None:
    queue, clock = never_ending(concurrency=0)
    found = checks(session, queue=queue)
    queue.add(KEY)
    clock.advance(299)
    assert found.unhealthy() == {}
    clock.advance(2)
    assert found.unhealthy() == {"queue": "1 resources are due and none is reconciled"}


async def test_a_task_that_ended_by_itself_is_a_reason_for_a_restart(session: Session) -> None:
    task = asyncio.create_task(asyncio.sleep(0), name="sweep")
    found = checks(session, tasks=[task])
    assert found.unhealthy() == {}
    await task
    assert found.unhealthy() == {"tasks": "ended by themselves: sweep"}


async def test_a_candidate_says_that_it_stands_by(session: Session) -> None:
    leadership = Leadership(session, Election(lease="it", namespace="coze"))
    found = checks(session, leadership=leadership)
    assert found.facts() == {"leadership": "standing by: nobody holds Lease coze/it"}
    assert not leadership.may_write()
