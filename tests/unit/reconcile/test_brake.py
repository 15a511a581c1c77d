"""Too many deletions of streams that hold messages are stopped until somebody says yes."""

from coze_nats.reconcile.brake import QUIET, WITHIN, Brake


def test_without_a_number_all_pass() -> None:
    brake = Brake(0)
    assert all(brake.lets_pass(0.0) for _ in range(1000))


def test_so_many_pass_within_a_minute_and_then_none() -> None:
    brake = Brake(2)
    assert [brake.lets_pass(now) for now in (0.0, 1.0, 2.0, 3.0)] == [True, True, False, False]


def test_slow_deletions_are_no_mass_deletion() -> None:
    brake = Brake(2)
    assert all(brake.lets_pass(number * (WITHIN / 2 + 1)) for number in range(10))


def test_a_deletion_counts_for_a_whole_minute() -> None:
    brake = Brake(1)
    assert brake.lets_pass(0.0)
    assert not brake.lets_pass(WITHIN)


def test_once_stopped_it_stays_so_while_deletions_keep_asking() -> None:
    brake = Brake(1)
    brake.lets_pass(0.0)
    assert not brake.lets_pass(1.0)
    assert not any(brake.lets_pass(1.0 + number * (QUIET - 1)) for number in range(1, 20))


def test_it_lets_go_when_nobody_has_asked_for_long() -> None:
    brake = Brake(1)
    brake.lets_pass(0.0)
    assert not brake.lets_pass(1.0)
    assert brake.lets_pass(1.0 + QUIET)
    assert not brake.lets_pass(2.0 + QUIET)
