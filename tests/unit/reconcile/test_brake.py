"""Too many deletions of streams that hold messages are stopped until somebody says yes."""

import itertools

import pytest

from coze_nats.reconcile.brake import QUIET, WITHIN, Answer, Brake

PASS, WAIT, STOP = Answer.PASS, Answer.WAIT, Answer.STOP
_uids = (f"uid-{number}" for number in itertools.count())


def delete(brake: Brake, now: float, namespace: str = "shop") -> Answer:
    """Ask, and delete if it may be."""
    uid = next(_uids)
    answer = brake.asked(namespace, uid, now)
    if answer is PASS:
        brake.deleted(namespace, uid, now)
    return answer


def test_without_a_number_all_pass() -> None:
    brake = Brake(0)
    assert all(delete(brake, 0.0) is PASS for _ in range(1000))
    brake.failed("shop", "uid")


def test_so_many_pass_within_a_minute_and_then_none() -> None:
    brake = Brake(2)
    assert [delete(brake, now) for now in (0.0, 1.0, 2.0, 3.0)] == [PASS, PASS, STOP, STOP]


def test_slow_deletions_are_no_mass_deletion() -> None:
    brake = Brake(2)
    assert all(delete(brake, number * (WITHIN / 2 + 1)) is PASS for number in range(10))


def test_a_deletion_counts_for_a_whole_minute() -> None:
    brake = Brake(1)
    assert delete(brake, 0.0) is PASS
    assert delete(brake, WITHIN) is STOP


def test_once_stopped_it_stays_so_while_deletions_keep_asking() -> None:
    brake = Brake(1)
    delete(brake, 0.0)
    assert all(delete(brake, 1.0 + number * (QUIET - 1)) is STOP for number in range(20))


def test_it_lets_go_when_nobody_has_asked_for_long() -> None:
    brake = Brake(1)
    delete(brake, 0.0)
    assert [delete(brake, now) for now in (1.0, 1.0 + QUIET, 2.0 + QUIET)] == [STOP, PASS, STOP]


def test_namespaces_have_a_brake_each() -> None:
    brake = Brake(1)
    assert [delete(brake, 0.0, namespace) for namespace in ("a", "a", "b")] == [PASS, STOP, PASS]


def test_what_was_not_deleted_stops_nobody() -> None:
    brake = Brake(2)
    for number in range(100):
        assert brake.asked("shop", f"{number}", float(number)) is PASS
        brake.failed("shop", f"{number}")


def test_what_is_under_way_is_waited_for() -> None:
    brake = Brake(1)
    assert brake.asked("shop", "first", 0.0) is PASS
    assert brake.asked("shop", "second", 0.0) is WAIT
    brake.failed("shop", "first")
    assert brake.asked("shop", "second", 1.0) is PASS
    brake.deleted("shop", "second", 1.0)
    assert brake.asked("shop", "first", 2.0) is STOP


def test_what_was_let_pass_may_be_tried_again_and_counts_once() -> None:
    brake = Brake(2)
    for now in (0.0, 1.0, 2.0):
        assert brake.asked("shop", "same", now) is PASS
        brake.deleted("shop", "same", now)
    assert delete(brake, 3.0) is PASS
    assert delete(brake, 4.0) is STOP


@pytest.mark.parametrize("passed, known", [(WITHIN + 1, 1), (0.0, 11)])
def test_namespaces_that_delete_no_more_are_forgotten(passed: float, known: int) -> None:
    brake = Brake(1)
    for number in range(10):
        delete(brake, 0.0, f"n{number}")
    delete(brake, passed, "last")
    assert len(brake._paces) == known
