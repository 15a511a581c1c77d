"""A failure → how the resource stands because of it, in words that help."""

import pytest

from coze_nats.core.conditions import Health
from coze_nats.core.errors import (
    AlreadyExists,
    CapacityExceeded,
    Denied,
    Failure,
    Nonsense,
    NotFound,
    OutcomeUnknown,
    Rejected,
    SubjectOverlap,
    Transient,
    Unavailable,
    from_api_error,
)
from coze_nats.core.judgement import judged
from coze_nats.core.names import Reason
from coze_nats.core.refusals import explained


@pytest.mark.parametrize(
    "failure, health, reason",
    [
        (Unavailable("no connection"), Health.RECONCILING, Reason.NATS_UNAVAILABLE),
        (OutcomeUnknown("no answer"), Health.RECONCILING, Reason.RETRYING),
        (Transient("no leader"), Health.RECONCILING, Reason.RETRYING),
        (from_api_error(10039, "JetStream is off"), Health.RECONCILING, Reason.RETRYING),
        (AlreadyExists("in use"), Health.RECONCILING, Reason.RETRYING),
        (Nonsense("what is this"), Health.RECONCILING, Reason.RETRYING),
        (NotFound("consumer not found", 10014), Health.RECONCILING, Reason.RETRYING),
        (NotFound("stream not found", 10059), Health.RECONCILING, Reason.WAITING_FOR_STREAM),
        (CapacityExceeded("full"), Health.RECONCILING, Reason.INSUFFICIENT_CAPACITY),
        (SubjectOverlap("overlap"), Health.STALLED, Reason.SUBJECT_OVERLAP),
        (Rejected("no"), Health.STALLED, Reason.REJECTED_BY_SERVER),
        (Denied("$JS.API.INFO"), Health.STALLED, Reason.PERMISSION_DENIED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Failure) else "",
)
def test_a_failure_is_the_users_matter_only_if_waiting_cannot_help(
    failure: Failure, health: Health, reason: Reason
) -> None:
    outcome = judged(failure)
    assert (outcome.health, outcome.reason, outcome.observed) == (health, reason, False)
    assert failure.description in outcome.message


@pytest.mark.parametrize(
    "err_code, words, message",
    [
        (
            10074,
            "replicas > 1 not supported in non-clustered mode",
            (
                "replicas: the server refuses it: replicas > 1 not supported in non-clustered mode "
                "(10074); use 1, or connect to a NATS cluster"
            ),
        ),
        (
            10052,
            "duplicates window can not be larger then max age",
            (
                "duplicateWindow: the server refuses it: duplicates window can not be larger then "
                "max age (10052); use at most maxAge"
            ),
        ),
        (
            10052,
            "something new",
            "the server refuses it: something new (10052); change the spec accordingly",
        ),
    ],
)
def test_a_refusal_names_the_field_the_servers_words_and_the_remedy(
    err_code: int, words: str, message: str
) -> None:
    assert explained(from_api_error(err_code, words)) == message


def test_the_first_phrase_that_fits_decides() -> None:
    assert explained(Rejected("Mirror with duplicate window")).startswith("duplicateWindow: ")
