"""Servers that lie, flood, or are slow: a tenant's connections to them, with streams on each."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from neighbours.kind import Begins, Json, Kind, Neighbour
from neighbours.lying import ENDLESS_MESSAGE, HANGS_UP, liars

STREAMS = 5


def named(
    *lies: str, streams: int = STREAMS, of_stream: Callable[[str], Json] = lambda _: {}, **spec: Any
) -> Begins:
    """A connection to a server for each lie, with so many streams; `spec` is of the connections."""

    @asynccontextmanager
    async def begins(neighbour: Neighbour) -> AsyncIterator[None]:
        with liars(neighbour.folder, *lies) as running:
            declared = []
            for number, url in enumerate(running.urls.values()):
                name = f"c{number}"
                declared.append(neighbour.connection(name, url, **spec))
                for each in range(streams):
                    stream = f"{name}-{each}"
                    on_it = {"connection": {"name": name}, **of_stream(stream)}
                    declared.append(neighbour.stream(stream, **on_it))
            await neighbour.declaring.create(declared)
            yield
            neighbour.deeds += running.times

    return begins


def of_many_subjects(name: str) -> Json:
    return {"subjects": [f"{name}.{number}" for number in range(256)]}


LONGER_THAN_LIVENESS = 330.0
"""Seconds: what hangs for five minutes is found by the operator's own check."""

KINDS = (
    Kind(
        name="endless-message",
        what="sends a message of 99,999,999,999 bytes",
        begins=named(ENDLESS_MESSAGE, "a message that never comes whole"),
        seconds=6,
        is_quick=True,
    ),
    Kind(
        name="blanks",
        what="60,000 blanks in its greeting, and in a later one",
        begins=named("blanks in the greeting", "blanks after the greeting"),
        seconds=6,
        is_quick=True,
    ),
    Kind(
        name="endless-line",
        what="a line, or a greeting, without an end",
        begins=named("a line without end", "a greeting without end"),
    ),
    Kind(
        name="many-servers",
        what="tells of 40,000 other servers",
        begins=named("40,000 servers", "40,000 servers later"),
        seconds=6,
        is_quick=True,
    ),
    Kind(
        name="large-answer",
        what="answers with 24 MB",
        begins=named("an answer of 24 MB", "a flood of large messages"),
    ),
    Kind(
        name="endless-list",
        what="lists 10,000,000 streams",
        begins=named("a list of 10,000,000", "a list that says 10,000,000 and is empty"),
        seconds=20,
    ),
    Kind(
        name="flood",
        what="sends PING, PONG, INFO and +OK without an end",
        begins=named("a flood of PING", "a flood of PONG", "a flood of INFO", "a flood of +OK"),
    ),
    Kind(
        name="advisories",
        what="advisories without an end, about one stream and about ever other ones",
        begins=named("a flood of advisories", "a flood of advisories about all kinds of streams"),
    ),
    Kind(
        name="other-answers",
        what="answers to other requests, or in another protocol",
        begins=named("answers to other requests", "another protocol", "bytes"),
    ),
    Kind(
        name="deep-nesting",
        what="JSON that is 100,000 levels deep",
        begins=named("deep nesting", "INFO is deep"),
    ),
    Kind(
        name="wrong-types",
        what="words, lists, NaN and 1e999 where numbers belong",
        begins=named(
            "a total that is a word",
            "max_payload is a word",
            "subjects that are a number",
            "a cluster that is a list",
            "a configuration that is a list",
            "1e999",
            "NaN",
            streams=2,
        ),
    ),
    Kind(
        name="many-tiers",
        what="6,000 tiers, and a version of 20,000 letters",
        begins=named("6,000 tiers", "a version of 20,000 letters", "a number of 10,000 digits"),
    ),
    Kind(
        name="slow",
        what="honest, and takes 2 s for each answer: 20 streams with 256 subjects that are taken",
        begins=named(
            "answers after 2 s",
            "subjects that are taken, told after 2 s",
            streams=20,
            of_stream=of_many_subjects,
        ),
        seconds=LONGER_THAN_LIVENESS,
    ),
    Kind(
        name="silent",
        what="its JetStream answers nothing: 200 streams, and a requestTimeout of 5 minutes",
        begins=named("silence of JetStream", streams=200, requestTimeout="5m"),
        seconds=LONGER_THAN_LIVENESS,
    ),
    Kind(
        name="hanging-up",
        what="hangs up right after the login, or answers no PING",
        begins=named(HANGS_UP, "it answers no PING", "it reads nothing"),
        seconds=6,
        is_quick=True,
    ),
)
