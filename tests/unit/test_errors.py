"""Failures by consequence: the table of JetStream's codes, and what foreign exceptions become."""

import errno
import os
import socket
import ssl

import nats.errors
import pytest

from coze_nats.core.errors import (
    AlreadyExists,
    CapacityExceeded,
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
from coze_nats.jetstream.failures import TLSNotOffered, explain, from_request


@pytest.mark.parametrize(
    "failure, codes",
    [
        (Transient, [10004, 10008, 10009, 10013, 10023, 10049, 10104, 10118, 10119, 10194]),
        (Transient, [10035, 10039, 10076]),
        (CapacityExceeded, [10002, 10005, 10026, 10027, 10028, 10047]),
        (NotFound, [10014, 10059, 10149]),
        (AlreadyExists, [10058, 10148]),
        (SubjectOverlap, [10065]),
        (Rejected, [10025, 10052, 10012, 10055, 10056, 10074, 10123, 10126, 10185, 19999]),
    ],
)
def test_an_error_code_becomes_the_failure_that_says_what_to_do(
    failure: type[Failure], codes: list[int]
) -> None:
    for code in codes:
        assert type(from_api_error(code, "words of the server")) is failure


@pytest.mark.parametrize(
    "words, failure",
    [
        ("stream subject transform from 'a.*' to 'b.*': invalid subject", Rejected),
        ("subject transform from 'a.*' to 'b.*' for the source: invalid subject", Rejected),
        ("invalid subject transform source 'a..b' for the mirror: invalid subject", Rejected),
        ("stream republish transform from 'a.*' to 'b.*': invalid subject", Rejected),
        ("error creating store for stream: mkdir /data/subject_transform: file exists", Transient),
    ],
)
def test_a_stream_that_can_not_be_created_is_refused_if_its_transform_is_the_reason(
    words: str, failure: type[Failure]
) -> None:
    assert type(from_api_error(10049, words)) is failure


def test_a_failure_shows_the_words_and_the_code_of_the_server() -> None:
    assert str(from_api_error(10059, "stream not found")) == "stream not found (10059)"
    assert str(Nonsense("an answer that must not be")) == "an answer that must not be"


def test_only_a_missing_stream_counts_as_one() -> None:
    assert NotFound("stream not found", 10059).stream_is_missing
    assert not NotFound("consumer not found", 10014).stream_is_missing


@pytest.mark.parametrize(
    "error, failure",
    [
        (nats.errors.ConnectionClosedError(), Unavailable),
        (nats.errors.ConnectionDrainingError(), Unavailable),
        (nats.errors.OutboundBufferLimitError(), Unavailable),
        (nats.errors.TimeoutError(), OutcomeUnknown),
        (TimeoutError(), OutcomeUnknown),
        (nats.errors.MaxPayloadError(), Rejected),
        (nats.errors.BadSubjectError(), Rejected),
        (nats.errors.ProtocolError(), OutcomeUnknown),
        (ConnectionResetError(errno.ECONNRESET, "reset"), OutcomeUnknown),
    ],
)
def test_only_what_was_surely_not_sent_counts_as_unavailable(
    error: Exception, failure: type[Failure]
) -> None:
    assert type(from_request(error, "$JS.API.INFO")) is failure


@pytest.mark.parametrize(
    "error, words",
    [
        (None, "the connection was closed"),
        (TLSNotOffered(), "TLS is required but the server does not offer it"),
        (Unavailable("because"), "because"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "secret"), "connection refused"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 4222, 0, 0)"),
            "connection refused",
        ),
        (OSError("Multiple exceptions: secret"), "the connection failed"),
        (OSError("secret"), "the connection failed"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "resolve the host name"),
        (TimeoutError(), "no answer in time"),
        (nats.errors.TimeoutError(), "no answer in time"),
        (nats.errors.UnexpectedEOF(), "the server closed the connection"),
        (nats.errors.Error("nats: 'Authorization Violation'"), "authorization violation"),
        (
            nats.errors.Error("nats: empty response from server when expecting INFO message"),
            "not a NATS server",
        ),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] secret"), "the TLS handshake failed"),
        (ValueError("secret"), "unexpected ValueError in the NATS client"),
    ],
)
def test_a_reason_is_told_in_words_that_hold_no_secret(
    error: BaseException | None, words: str
) -> None:
    assert words in explain(error)
    assert "secret" not in explain(error)


def test_a_refused_connection_is_recognised_by_the_platforms_own_number() -> None:
    assert os.strerror(errno.ECONNREFUSED).lower() == "connection refused"
