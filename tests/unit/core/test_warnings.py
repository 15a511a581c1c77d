"""What is wrong although a consumer is as declared: a filter that can never match."""

from typing import Any

import pytest

from coze_nats.core.warnings import filter_warning
from support.convergence import consumer

STORES = {"subjects": ["orders.>", "bills.*"]}


@pytest.mark.parametrize(
    "filters, message",
    [
        (
            {"filterSubject": "order.new"},
            (
                "filterSubject: order.new can never match a message of stream work, which "
                "stores orders.>, bills.*: correct one of the two"
            ),
        ),
        (
            {"filterSubjects": ["order.*", "bills"]},
            (
                "filterSubject: order.*, bills can never match a message of stream work, which "
                "stores orders.>, bills.*: correct one of the two"
            ),
        ),
    ],
)
def test_a_filter_beside_the_streams_subjects_is_named_with_them(
    filters: dict[str, Any], message: str
) -> None:
    assert filter_warning(consumer("work", "reader", filters), STORES) == message


@pytest.mark.parametrize(
    "filters, stream",
    [
        ({}, STORES),
        ({"filterSubject": "orders.new"}, STORES),
        ({"filterSubject": "*.new"}, STORES),
        ({"filterSubjects": ["order.*", "bills.a"]}, STORES),
        ({"filterSubject": "order.new"}, {}),
        ({"filterSubject": "order.new"}, {"subjects": []}),
        ({"filterSubject": "order.new"}, {**STORES, "sources": [{"name": "a"}]}),
        ({"filterSubject": "order.new"}, {**STORES, "mirror": {"name": "a"}}),
        ({"filterSubject": "order.new"}, {**STORES, "subjectTransform": {}}),
        ({"filterSubject": "order.new"}, {**STORES, "subject_transform": {}}),
    ],
    ids=[
        "no filter",
        "a filter within",
        "a filter across",
        "one filter of two within",
        "a stream that isn't known",
        "a stream without subjects",
        "a stream that copies others",
        "a mirror",
        "a stream that renames, in the spec's terms",
        "a stream that renames, on the wire",
    ],
)
def test_no_warning_where_a_message_may_match(
    filters: dict[str, Any], stream: dict[str, Any]
) -> None:
    assert filter_warning(consumer("work", "reader", filters), stream) == ""
