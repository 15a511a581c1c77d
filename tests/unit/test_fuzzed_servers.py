"""Whatever a server sends: it is read, or it is nonsense for a reason, and nothing else."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coze_nats.core import answers
from coze_nats.core.bounds import ANSWER_BYTES, GREETING_BYTES
from coze_nats.core.connections import facts_of
from coze_nats.core.errors import Failure, Nonsense
from coze_nats.core.fields import Field, in_spec_terms
from coze_nats.core.kinds.consumer.fields import CONSUMER_FIELDS
from coze_nats.core.kinds.stream.fields import STREAM_FIELDS
from coze_nats.core.live import LiveConsumer, LiveStream
from coze_nats.core.strict import read_json
from coze_nats.jetstream.protocol import Frame, Info, Message, Reader
from support.fuzzing import case, frames_of, sessions

PAGE = Path("/proc/self/statm")
GROWTH = 48 * 1024 * 1024
"""Bytes by which a process may grow that has read 10,000 lying sessions; each has 30,000."""


def read_whole(session: list[bytes]) -> list[Frame]:
    """Read as a client does: until it makes no sense."""
    reader = Reader()
    found: list[Frame] = []
    try:
        for data in session:
            found += reader.feed(data)
            assert reader.held <= max(ANSWER_BYTES, GREETING_BYTES)
    except Nonsense as nonsense:
        assert_said_well(nonsense)
    return found


def assert_said_well(failure: Failure) -> None:
    assert str(failure).isprintable()
    assert 0 < len(str(failure)) < 1000


def stored(status: Any) -> None:
    json.dumps(status, allow_nan=False, ensure_ascii=False).encode()


def used(live: LiveStream | LiveConsumer, fields: tuple[Field, ...]) -> None:
    """What a reconcile makes of a configuration: comparisons, and a status that is stored."""
    for field in fields:
        hash(field.canonical(live.config.get(field.wire)))
    stored(in_spec_terms(fields, live.config))


def _stream(answer: Any) -> None:
    used(answers.stream_of(answer), STREAM_FIELDS)


def _consumer(answer: Any) -> None:
    used(answers.consumer_of(answer, stream="ORDERS"), CONSUMER_FIELDS)


def _account(answer: Any) -> None:
    stored(facts_of(answers.server_of(answer, "2.14.6"), "", answers.account_of(answer)))


READ: dict[str, Callable[[Any], Any]] = {
    "INFO": _account,
    "STREAM.CREATE": _stream,
    "STREAM.INFO": _stream,
    "STREAM.LIST": partial(answers.page_of, key="streams", parse=answers.stream_of),
    "STREAM.NAMES": partial(answers.names_of, key="streams"),
    "STREAM.DELETE": answers.success_of,
    "CONSUMER.CREATE": _consumer,
    "CONSUMER.INFO": _consumer,
    "CONSUMER.LIST": partial(
        answers.page_of,
        key="consumers",
        parse=partial(answers.consumer_of, stream="ORDERS"),
    ),
    "CONSUMER.DELETE": answers.success_of,
}


def outcome(message: Message) -> Failure | None:
    """Read an answer as the gateway does, and make use of it."""
    verb = ".".join(message.subject.split(".")[2:4])
    read: Callable[[Any], Any] = READ.get(verb, answers.subjects_of)
    try:
        answer = read_json(message.data)
        if failure := answers.failure_in(answer, lambda words: words):
            return failure
        read(answer)
    except Nonsense as nonsense:
        return nonsense
    return None


@pytest.mark.parametrize("session", sessions())
def test_what_a_server_sent_makes_sense(session: bytes) -> None:
    frames = read_whole([session])
    asked = [each for each in frames if isinstance(each, Message) and each.sid == 1]
    assert len(frames) == len(frames_of(session))
    assert len(asked) > 12
    assert not any(isinstance(outcome(each), Nonsense) for each in asked if each.data)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_frames_are_the_same_however_they_are_cut(size: int) -> None:
    session = sessions()[0]
    cut = [session[at : at + size] for at in range(0, len(session), size)]
    assert read_whole(cut) == read_whole([session])


def try_out(numbers: range) -> None:
    for number in numbers:
        frames = read_whole(list(case(number)))
        for frame in frames:
            if isinstance(frame, Message) and frame.subject.startswith("_INBOX"):
                failure = outcome(frame)
                assert failure is None or str(failure).isprintable(), number
            if isinstance(frame, Info):
                stored(dict(frame.members))


@pytest.mark.parametrize("hundred", range(4))
def test_a_server_that_lies_is_read_or_is_nonsense(hundred: int) -> None:
    try_out(range(100 * hundred, 100 * hundred + 100))


def in_memory() -> int:
    return int(PAGE.read_text().split()[1]) * 4096


@pytest.mark.slow
def test_10_000_servers_that_lie_leave_nothing_in_memory() -> None:
    try_out(range(1000, 2000))
    before = in_memory()
    try_out(range(2000, 11_000))
    assert in_memory() - before < GROWTH
