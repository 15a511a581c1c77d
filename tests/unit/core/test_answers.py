"""JetStream's answers: the operator goes by none that isn't what every server gives."""

from functools import partial
from typing import Any

import pytest

from coze_nats.core import answers
from coze_nats.core.bounds import LISTED
from coze_nats.core.errors import Nonsense, NotFound, Rejected
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS
from support.small_jetstream import account, consumer_info, failure, stream_info


def words(text: str) -> str:
    return text.replace("secret", "[hidden]")


def test_every_field_of_a_spec_has_a_shape() -> None:
    assert {field.wire for field in STREAM_FIELDS} <= answers.STREAM_CONFIG.keys()
    assert {field.wire for field in CONSUMER_FIELDS} <= answers.CONSUMER_CONFIG.keys()


def test_an_error_is_the_failure_that_it_stands_for() -> None:
    assert answers.failure_in({"total": 1}, words) is None
    assert isinstance(answers.failure_in(failure(10059, "none"), words), NotFound)
    found = answers.failure_in(failure(10052, "the\nsecret is wrong"), words)
    assert isinstance(found, Rejected)
    assert str(found) == "the [hidden] is wrong (10052)"


@pytest.mark.parametrize(
    "error", ["no", [], {"err_code": 1}, {"description": "x"}, {"err_code": "x"}]
)
def test_an_error_of_another_shape_is_nonsense(error: Any) -> None:
    with pytest.raises(Nonsense):
        answers.failure_in({"error": error}, words)


def test_a_stream_is_the_one_that_was_asked_for() -> None:
    assert answers.stream_of(stream_info("A")).name == "A"
    assert answers.stream_of(stream_info("A"), "A").messages == 0
    with pytest.raises(Nonsense, match="it is about stream A"):
        answers.stream_of(stream_info("A"), "B")


def test_a_consumer_is_the_one_that_was_asked_for() -> None:
    info = consumer_info("A", "c", sample_freq="30%")
    assert answers.consumer_of(info, "A", "c").name == "c"
    assert answers.consumer_of({**info, "stream_name": ""}, "A").stream == ""
    with pytest.raises(Nonsense, match="it is about stream A"):
        answers.consumer_of(info, "B", "c")
    with pytest.raises(Nonsense, match="it is about consumer c"):
        answers.consumer_of(info, "A", "d")
    with pytest.raises(Nonsense, match="it is about consumer without a name"):
        answers.consumer_of({**info, "config": {}}, "A", "d")
    with pytest.raises(Nonsense, match=r"config\.sample_freq is no percentage"):
        answers.consumer_of(consumer_info("A", "c", sample_freq="often"), "A")


def test_the_account_and_the_server_are_told_by_info() -> None:
    server = answers.server_of(account(domain="hub"), "2.14.6")
    assert (server.version, server.api_level, server.domain) == ("2.14.6", 4, "hub")
    oldest = answers.server_of(account(api={"total": 1}), "2.10.26")
    assert (oldest.api_level, oldest.domain) == (0, "")
    with pytest.raises(Nonsense, match="api is missing"):
        answers.server_of(account(api=None), "")
    with pytest.raises(Nonsense, match=r"tiers has 6,000 members; 64 are the most"):
        answers.account_of(account(tiers={f"R{n}": account() for n in range(6_000)}))


def test_the_messages_of_subjects_are_counts() -> None:
    info = stream_info("A")
    assert answers.subjects_of(info) == {}
    info["state"]["subjects"] = {"a": 7}
    assert answers.subjects_of(info) == {"a": 7}
    info["state"]["subjects"] = {"a": "many"}
    with pytest.raises(Nonsense, match=r"state\.subjects\.a is text"):
        answers.subjects_of(info)


def test_a_page_has_what_is_found_and_what_is_missing() -> None:
    answer = {"total": 3, "streams": [stream_info("A"), stream_info("B")], "missing": ["B", "C"]}
    page = answers.page_of(answer, "streams", answers.stream_of)
    assert page.found.keys() == {"A"}
    assert (page.missing, page.total) == (frozenset({"B", "C"}), 3)
    empty = answers.page_of({"total": 0}, "consumers", partial(answers.consumer_of, stream="A"))
    assert (empty.found, empty.missing, empty.total) == ({}, frozenset(), 0)
    names = answers.names_of({"total": 1, "streams": ["A"]}, "streams")
    assert names.found == {"A": "A"}


def test_a_list_that_nobody_could_read_is_nonsense() -> None:
    with pytest.raises(Nonsense, match=f"it lists 10,000,000 streams; .* up to {LISTED:,}"):
        answers.names_of({"total": 10_000_000, "streams": ["A"]}, "streams")


def test_what_is_done_says_so() -> None:
    answers.success_of({"success": True})
    with pytest.raises(Nonsense):
        answers.success_of({"success": "yes"})
    assert answers.is_paused({"paused": True})
    assert not answers.is_paused({})
    with pytest.raises(Nonsense):
        answers.is_paused({"paused": "yes"})
