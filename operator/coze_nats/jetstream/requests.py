"""Requests that wait for their answers, matched by a token in the subject of the answer.

Matched here rather than in nats-py, so that all of them end at once, and as "outcome unknown", when
the connection breaks, and so that a permissions violation, which nats-py reports apart from the
request, reaches the request that it belongs to.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from coze_nats.core.errors import Denied, OutcomeUnknown, Transient
from coze_nats.jetstream.protocol import Message

_NO_RESPONDERS = b"NATS/1.0 503"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that waits for its answer.

    Attributes:
        reply: the subject for the answer.
    """

    subject: str
    reply: str
    answer: asyncio.Future[bytes]

    def fail(self, error: Exception) -> None:
        """End the waiting, unless it has ended."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Requests:
    """The requests of one session.

    Attributes:
        inbox: what the subjects of all answers begin with.
        idle: set while none waits.
        answered_at: time.monotonic() of the last answer to any of them.
    """

    def __init__(self) -> None:
        self.inbox = f"_INBOX.{secrets.token_hex(11)}"
        self.answered_at = 0.0
        self.idle = asyncio.Event()
        self.idle.set()
        self._tokens = itertools.count(1)
        self._waiting: dict[str, Request] = {}

    @contextmanager
    def waiting(self, subject: str) -> Iterator[Request]:
        """Have a new request wait for its answer within the block."""
        token = str(next(self._tokens))
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[token] = request = Request(subject, f"{self.inbox}.{token}", answer)
        self.idle.clear()
        try:
            yield request
        finally:
            del self._waiting[token]
            if answer.done() and not answer.cancelled():
                # Who could not even ask doesn't await it: asyncio would log its error as lost.
                answer.exception()
            if not self._waiting:
                self.idle.set()

    def on_answer(self, message: Message) -> None:
        """Give an answer to the request that waits for it, if it still does."""
        self.answered_at = time.monotonic()
        request = self._waiting.get(message.subject.rpartition(".")[2])
        if request is None or request.reply != message.subject or request.answer.done():
            return
        if not message.data and message.header.startswith(_NO_RESPONDERS):
            request.fail(
                Transient(
                    f"nobody answers on {request.subject}: JetStream is not enabled for the user's "
                    "account, or it is still starting"
                )
            )
        else:
            request.answer.set_result(message.data)

    def deny(self, subject: str) -> None:
        """Fail what may not be published; `subject` comes in lower case."""
        found = [each for each in self._waiting.values() if each.subject.lower() == subject]
        if len({each.subject for each in found}) != 1:
            # Subjects that differ in case only can't be told apart: their time-outs will do it.
            return
        for request in found:
            request.fail(Denied(request.subject))

    def abandon(self) -> None:
        """End all waiting: there will be no answers."""
        for request in self._waiting.values():
            request.fail(
                OutcomeUnknown(f"the connection broke before {request.subject} was answered")
            )
