"""A soak sees what it is for: growth, lies, losses, and what is left over."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from soak import measures, promises, reader, report
from soak.feed import Book, Feed
from soak.findings import Findings

SCRAPE = """\
# HELP coze_nats_tasks Tasks.
process_resident_memory_bytes 1.048576e+08
process_open_fds 20.0
coze_nats_tasks 70.0
coze_nats_leader{shard=""} 1.0
coze_nats_stream_messages{connection="coze/hub",namespace="coze",name="orders",stream="x"} 3
coze_nats_connection_up{connection="operator"} 1.0
"""


def measure(replica: str = "steady", pid: int = 1, **changed: Any) -> measures.Measure:
    figures: dict[str, Any] = {
        "leads": True,
        "memory": 80.0,
        "files": 20,
        "tasks": 70,
        "series": 1000,
        "families": Counter[str](),
        "strangers": frozenset[str](),
    }
    return measures.Measure(replica=replica, pid=pid, **{**figures, **changed})


def judged(*rests: measures.Measure, log: str = "") -> list[str]:
    """The promises that are broken."""
    findings = Findings()
    promises.judge([(0.0, found) for found in rests], {"steady": log}, findings)
    return [broken.partition(":")[0] for broken in findings.broken]


@pytest.mark.parametrize(
    "grown, promise",
    [
        ({"memory": 95.0}, "memory stays"),
        ({"files": 34}, "file descriptors stay"),
        ({"tasks": 74}, "tasks stay"),
        ({"series": 1200}, "series stay"),
        ({"strangers": frozenset({"gone"})}, "no series is about what is gone"),
    ],
)
def test_a_process_that_grew_between_two_rests_breaks_a_promise(
    grown: dict[str, Any], promise: str
) -> None:
    assert judged(measure(), measure(**grown)) == [promise]


def test_a_process_within_the_tolerance_breaks_none() -> None:
    assert judged(measure(), measure(memory=85.0, files=21, tasks=71, series=1040)) == []


def test_another_process_and_another_role_are_not_compared() -> None:
    assert judged(measure(pid=1, tasks=10), measure(pid=2, tasks=70)) == []
    assert judged(measure(leads=False, tasks=10), measure(leads=True, tasks=70)) == []


def test_an_unforeseen_error_in_a_log_breaks_a_promise() -> None:
    assert judged(log="Task exception was never retrieved") == ["no error is unforeseen"]


def test_a_measure_takes_the_least_of_its_looks_and_names_what_is_not_declared() -> None:
    busier = SCRAPE.replace("70.0", "75.0")
    found = measures.taken("steady", 1, [SCRAPE, busier], {"hub"})
    assert (found.memory, found.files, found.tasks, found.leads) == (100.0, 20, 70, True)
    assert found.series == 6
    assert found.strangers == {"orders"}


# --- messages -------------------------------------------------------------------------------------


@pytest.fixture
def feed() -> Feed:
    """Of its messages 1 to 4, the first was handled, the second removed by hand."""
    stream = {"subjects": ["orders.>"], "retention": "limits", "policies": {"deletion": "Delete"}}
    consumer = {"streamRef": {"name": "orders"}, "ackWait": "5s"}
    found = Feed("orders", "coze", "OWN", stream, consumer, "orders-1")
    found.messages.acknowledged = {1, 2, 3, 4}
    found.messages.handled = {1}
    found.messages.removed = {2}
    return found


def test_a_message_is_lost_that_was_neither_handled_nor_removed_nor_is_there(feed: Feed) -> None:
    assert feed.messages.open == {3, 4}
    book = Book()
    book.close(feed, left={3})
    assert (book.acknowledged, book.handled, book.removed, book.kept) == (4, 1, 1, 1)
    messages = {name: getattr(book, name) for name in Book.__slots__}
    assert report.lost(messages) == 1


# --- statuses -------------------------------------------------------------------------------------


class Documents:
    """What a namespace declares, and what JetStream has."""

    def __init__(self, feed: Feed) -> None:
        conditions = [{"type": "Ready", "status": "True", "reason": "Converged"}]
        self.status = {"observedGeneration": 1, "conditions": conditions, "created": "now"}
        self.resources = [
            {"metadata": {"name": name, "generation": 1}, "status": dict(self.status)}
            for name in (feed.name, feed.consumer_name)
        ]
        self.config: dict[str, Any] = {
            "subjects": ["orders.>"],
            "retention": "limits",
            "max_msgs": -1,
            "duplicate_window": 120 * 10**9,
            "metadata": {"coze.dev/owner": "here/coze/orders"},
        }
        self.consumer: dict[str, Any] = {"ack_wait": 5 * 10**9, "max_ack_pending": 1000}
        self.names = {"orders-1"}

    async def all(self) -> list[dict[str, Any]]:
        return self.resources

    async def ask(self, verb: str) -> dict[str, Any]:
        config = self.config if verb.startswith("STREAM") else self.consumer
        return {"config": config, "created": "now"} if config else {}

    async def consumer_names(self, _: str) -> set[str]:
        return self.names


async def lies(feed: Feed, change: Callable[[Documents], object]) -> list[str]:
    documents: Any = Documents(feed)
    change(documents)
    findings = Findings()
    await reader.compare(documents, {"OWN": documents}, [feed], findings)
    return [broken.partition(":")[0] for broken in findings.broken]


async def test_a_status_that_is_so_is_no_lie(feed: Feed) -> None:
    assert await lies(feed, lambda documents: None) == []


@pytest.mark.parametrize(
    "change, promise",
    [
        (lambda found: found.config.update(retention="interest"), reader.LIE),
        (lambda found: found.config.update(description="by hand"), reader.LIE),
        (lambda found: found.config.pop("metadata"), reader.LIE),
        (lambda found: found.consumer.update(ack_wait=1), reader.LIE),
        (lambda found: found.consumer.clear(), reader.LIE),
        (lambda found: found.resources[0]["status"].update(created="before"), reader.LIE),
        (lambda found: found.resources.pop(), reader.LIE),
        (lambda found: found.names.add("somebody-else"), reader.LEFT),
    ],
)
async def test_a_status_that_is_not_so_is_found(
    feed: Feed, change: Callable[[Documents], object], promise: str
) -> None:
    assert await lies(feed, change) == [promise]


async def test_a_resource_that_is_not_ready_at_rest_is_found(feed: Feed) -> None:
    def outdate(found: Documents) -> None:
        found.resources[0]["metadata"]["generation"] = 2

    assert await lies(feed, outdate) == ["everything is Ready at rest"]
