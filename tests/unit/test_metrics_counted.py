"""What is counted as it happens, and what is remembered of single resources for it."""

from collections.abc import Iterator

import pytest

from coze_nats import metrics
from coze_nats.core import names
from coze_nats.core.errors import OutcomeUnknown
from coze_nats.core.resource import Key
from coze_nats.metrics.counted import ResyncRound, forget_connection, know_connection

KEY = Key(names.STREAM_KIND, "coze", "orders")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    know_connection("test")
    yield
    metrics.forget(KEY)
    forget_connection("test")


def value(name: str, **labels: str) -> float:
    """The value of a sample, 0 while there is none."""
    return metrics.REGISTRY.get_sample_value(f"coze_nats_{name}", labels) or 0.0


def test_a_call_to_jetstream_is_counted_by_its_verb_without_names() -> None:
    with metrics.JetStreamCall("test", "STREAM.INFO.orders"):
        pass
    with metrics.JetStreamCall("test", "INFO"):
        pass
    labels = {"connection": "test", "result": "success"}
    assert value("jetstream_requests_total", verb="STREAM.INFO", **labels) == 1
    assert value("jetstream_requests_total", verb="INFO", **labels) == 1
    duration = "jetstream_request_duration_seconds_count"
    assert value(duration, connection="test", verb="STREAM.INFO") == 1


def test_a_call_that_fails_is_counted_by_its_failure_which_goes_on() -> None:
    with pytest.raises(OutcomeUnknown), metrics.JetStreamCall("test", "STREAM.UPDATE.orders"):
        raise OutcomeUnknown("no answer")
    labels = {"connection": "test", "verb": "STREAM.UPDATE"}
    assert value("jetstream_requests_total", result="outcome_unknown", **labels) == 1


def test_a_connection_that_is_gone_takes_its_series_along() -> None:
    with ResyncRound("test"):
        pass
    assert b'connection="test"' in metrics.exposition()
    forget_connection("test")
    assert b'connection="test"' not in metrics.exposition()


def test_what_ends_after_its_connection_is_gone_makes_no_series_anew() -> None:
    with ResyncRound("test"), metrics.JetStreamCall("test", "INFO"):
        forget_connection("test")
    with metrics.JetStreamCall("test", "INFO"):
        pass
    assert b'connection="test"' not in metrics.exposition()


def test_a_reconcile_that_is_tried_again_is_a_retry() -> None:
    before = value("reconcile_retries_total", kind="CozeStream")
    for result in ("done", metrics.Reconcile.RETRY):
        with metrics.Reconcile("CozeStream") as reconcile:
            reconcile.result = result
    assert value("reconcile_retries_total", kind="CozeStream") == before + 1


def test_a_refusal_counts_again_only_when_something_about_it_changes() -> None:
    labels = {"kind": "CozeStream", "reason": "WouldLoseData"}
    before = value("plan_refusals_total", **labels)
    metrics.held(KEY, "update", "WouldLoseData")
    metrics.held(KEY, "update", "WouldLoseData")
    assert value("plan_refusals_total", **labels) == before + 1
    metrics.not_held(KEY)
    metrics.held(KEY, "update", "WouldLoseData")
    assert value("plan_refusals_total", **labels) == before + 2


def test_drift_counts_once_while_it_stays_and_again_when_it_comes_back() -> None:
    labels = {"kind": "CozeStream", "field": "maxAge"}
    found, repaired = (value(f"drift_{what}_total", **labels) for what in ("found", "repaired"))
    metrics.drift_found(KEY, ["maxAge"])
    metrics.drift_found(KEY, ["maxAge"])
    assert value("drift_found_total", **labels) == found + 1
    metrics.drift_repaired(KEY, ["maxAge"])
    metrics.drift_found(KEY, ["maxAge"])
    metrics.drift_found(KEY, [])
    metrics.drift_found(KEY, ["maxAge"])
    assert value("drift_found_total", **labels) == found + 3
    assert value("drift_repaired_total", **labels) == repaired + 1


def test_time_to_ready_is_taken_once_from_the_newest_spec() -> None:
    count = "resource_ready_duration_seconds_count"
    before = value(count, kind="CozeStream")
    metrics.ready(KEY, 2)
    assert value(count, kind="CozeStream") == before
    metrics.declared(KEY, 2)
    metrics.ready(KEY, 2)
    metrics.ready(KEY, 2)
    assert value(count, kind="CozeStream") == before + 1


def test_being_ready_for_an_older_spec_does_not_count() -> None:
    before = value("resource_ready_duration_seconds_count", kind="CozeStream")
    metrics.declared(KEY, 3)
    metrics.ready(KEY, 2)
    assert value("resource_ready_duration_seconds_count", kind="CozeStream") == before


def test_a_reconcile_that_ends_with_a_bug_is_an_error() -> None:
    count = "reconcile_duration_seconds_count"
    before = value(count, kind="CozeStream", result="error")
    with pytest.raises(ZeroDivisionError), metrics.Reconcile("CozeStream"):
        raise ZeroDivisionError
    assert value(count, kind="CozeStream", result="error") == before + 1


def test_a_request_to_kubernetes_is_counted_by_its_code_or_by_what_went_wrong() -> None:
    labels = {"verb": "get", "resource": "tests"}
    with metrics.KubernetesCall("get", "tests") as call:
        call.code = "200"
    with pytest.raises(TimeoutError), metrics.KubernetesCall("get", "tests"):
        raise TimeoutError
    assert value("kubernetes_requests_total", code="200", **labels) == 1
    assert value("kubernetes_requests_total", code="timeout_error", **labels) == 1
    assert value("kubernetes_request_duration_seconds_count", **labels) == 2


def test_time_to_ready_of_a_resource_that_went_is_not_taken() -> None:
    before = value("resource_ready_duration_seconds_count", kind="CozeStream")
    metrics.declared(KEY, 2)
    metrics.forget(KEY)
    metrics.ready(KEY, 2)
    assert value("resource_ready_duration_seconds_count", kind="CozeStream") == before
