"""A status that the API server refuses: a smaller one takes its place, and says so, once."""

from collections.abc import Mapping
from typing import Any

import pytest

from coze_nats import metrics
from coze_nats.core.errors import Failure, StatusRefused
from coze_nats.core.resource import Resource
from fakes.kubernetes import FakeKubernetes
from support.bench import Bench


class Strict(FakeKubernetes):
    """An API server that takes no status with that word in its effective configuration."""

    forbidden = "unwelcome"
    offered = 0

    async def apply_status(self, resource: Resource, status: Mapping[str, Any]) -> str | None:
        self.offered += 1
        if self.forbidden in str(status.get("effective")):
            raise StatusRefused("The Kubernetes API server answered 422: unwelcome")
        return await super().apply_status(resource, status)


@pytest.fixture
def strict(bench: Bench) -> Strict:
    kubernetes = Strict()
    bench.kubernetes = kubernetes
    bench.restart()
    return kubernetes


def refusals() -> float:
    return (
        metrics.REGISTRY.get_sample_value("coze_nats_status_refusals_total", {"kind": "CozeStream"})
        or 0.0
    )


LONG = "unwelcome" * 100


async def test_a_refused_status_is_replaced_by_a_smaller_one_that_says_so(
    bench: Bench, strict: Strict, caplog: pytest.LogCaptureFixture
) -> None:
    before = refusals()
    key = bench.stream(description=LONG)
    await bench.reconcile(key)
    status = strict.status(key)
    assert status["observedGeneration"] == 1
    assert status["created"]
    assert "description" not in status["effective"]
    [ready] = status["conditions"]
    assert (ready["type"], ready["status"]) == ("Ready", "True")
    assert "refused the full status" in ready["message"]
    assert strict.reasons(key) == ["StatusRefused"]
    assert refusals() == before + 1
    assert "gets a smaller status" in caplog.text


async def test_a_refused_status_is_not_offered_again_until_something_changes(
    bench: Bench, strict: Strict
) -> None:
    key = bench.stream(description=LONG)
    await bench.reconcile(key)
    offered = strict.offered
    await bench.reconcile(key)
    assert strict.offered == offered
    bench.stream(description=LONG, maxMsgs=5)
    await bench.reconcile(key)
    assert strict.status(key)["observedGeneration"] == 2
    assert strict.reasons(key) == ["StatusRefused"]


async def test_a_status_that_is_taken_again_is_whole(bench: Bench, strict: Strict) -> None:
    key = bench.stream(description=LONG)
    await bench.reconcile(key)
    strict.forbidden = "another word"
    bench.stream(description=LONG, maxMsgs=5)
    await bench.reconcile(key)
    assert strict.status(key)["effective"]["description"] == LONG


async def test_a_smaller_status_that_is_refused_as_well_is_an_error(
    bench: Bench, strict: Strict
) -> None:
    strict.forbidden = ""
    with pytest.raises(Failure, match="answered 422"):
        await bench.reconcile(bench.stream())
