"""Failures named by their consequence, and the one table that classifies JetStream's error codes.

    Failure
    ├── NotPermitted     the cluster refuses it: somebody has to grant the operator a right
    ├── StatusRefused    the API server won't take a status, however often it is sent
    ├── NotLeading       another operator may have taken over: write nothing, report nothing
    ├── Unavailable      no session with NATS: wait at the gate until there is one
    ├── OutcomeUnknown   a time-out: the request may have run or may run yet; observe again
    ├── Transient        retry soon
    ├── CapacityExceeded retry slowly; somebody has to make room
    ├── NotFound         the object (or its stream) is not there
    ├── AlreadyExists    the object is there and differs: observe again
    ├── SubjectOverlap   another stream holds the subject: user must act, retry slowly
    ├── Rejected         permanent until the spec or the server changes: user must act
    │   └── Denied       the NATS user lacks the permission for it
    └── Nonsense         an answer that no server gives: the connection is given up for a while

The table follows the servers' own list of error codes (nats-server, server/errors.json), measured
on 2.10 to 2.15. The HTTP-like `code` is never looked at: permanent refusals come as "500" too.
"""

from typing import ClassVar


class Failure(Exception):
    """A call to NATS, or to the cluster, did not do what was asked.

    Attributes:
        description: what went wrong in the server's own words; holds no secrets.
        err_code: JetStream's `err_code`, or None where the failure did not come from JetStream.
    """

    def __init__(self, description: str, err_code: int | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.err_code = err_code

    def __str__(self) -> str:
        return (
            self.description if self.err_code is None else f"{self.description} ({self.err_code})"
        )


class NotPermitted(Failure):
    """The operator lacks a right in the cluster, which the description names."""


class StatusRefused(Failure):
    """The API server refuses a status and will go on refusing it."""


class NotLeading(Failure):
    """This operator may not write now, so nothing was sent; it isn't its place to report that."""


class Unavailable(Failure):
    """There is no session with NATS, so nothing was sent."""


class OutcomeUnknown(Failure):
    """No answer in time: whether the request ran is unknown."""


class Transient(Failure):
    """JetStream can't do it right now (no leader, a node down, a snapshot running, disabled)."""


class CapacityExceeded(Failure):
    """JetStream lacks room: memory, storage, streams, consumers or suitable peers."""


class NotFound(Failure):
    """The stream or the consumer does not exist."""

    STREAM: ClassVar[int] = 10059

    @property
    def stream_is_missing(self) -> bool:
        """Whether it is the stream itself that does not exist."""
        return self.err_code == self.STREAM


class AlreadyExists(Failure):
    """An object of that name exists with another configuration."""


class SubjectOverlap(Failure):
    """Another stream already stores messages of one of the subjects."""


class Rejected(Failure):
    """The server refuses the configuration and will go on refusing it."""


class Denied(Rejected):
    """The NATS user may not do it.

    Attributes:
        subject: what the user may not publish to.
    """

    def __init__(self, subject: str) -> None:
        super().__init__(f"permissions violation: the user may not publish to {subject}")
        self.subject = subject


class Nonsense(Failure):
    """What a server sends makes no sense, so nothing that it says can be relied on."""


_CREATION_FAILED = 10049
NO_JETSTREAM = frozenset({10035, 10039, 10076})
"""Off for the account (two ways to say it), off for the server."""

_CLASSES: dict[type[Failure], frozenset[int]] = {
    # 10049, 10104: the store can't be made; also for a moment after one of its name was deleted.
    Transient: frozenset(
        {10004, 10008, 10009, 10013, 10023, _CREATION_FAILED, 10104, 10118, 10119, 10124}
        | {10163, 10167, 10194, 10195, 10226}
        | NO_JETSTREAM
    ),
    CapacityExceeded: frozenset({10002, 10005, 10026, 10027, 10028, 10047}),
    NotFound: frozenset({10014, 10059, 10149}),
    AlreadyExists: frozenset({10058, 10148}),
    SubjectOverlap: frozenset({10065}),
}
_INVALID_CREATION = ("subject transform ", "republish transform ")
"""In the words of 10049, on nats-server 2.10: it is the configuration that is wrong.

Names of streams stand in these words too, but have no spaces.
"""

_FAILURES = {code: failure for failure, codes in _CLASSES.items() for code in codes}


def from_api_error(err_code: int, description: str) -> Failure:
    """Turn JetStream's `error` object into the failure that says what to do about it.

    A code that stands in no other class is a refusal: retrying what the server has judged wrong
    would hide it from the user, and Rejected is looked at again at every resync anyway.
    """
    if err_code == _CREATION_FAILED and any(words in description for words in _INVALID_CREATION):
        return Rejected(description, err_code)
    return _FAILURES.get(err_code, Rejected)(description, err_code)
