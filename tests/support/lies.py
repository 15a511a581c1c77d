"""The many ways in which a server is none: `LIES` names them all."""

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

from support.lying_server import GREETING, Answer, Lie, Say, Visit, honestly
from support.small_jetstream import JetStream, Json, account, consumer_info, failure, stream_info


def _saying(data: bytes) -> Say:
    async def say(visit: Visit) -> None:
        await visit.say(data)

    return say


def _flooding(make: Callable[[Visit], bytes]) -> Say:
    async def flood(visit: Visit) -> None:
        await visit.flood(make(visit))

    return flood


async def _changing_advisories(visit: Visit) -> None:
    for number in itertools.count():
        names = [f"S{number}-{each}" for each in range(200)]
        await visit.say(b"".join(visit.advisory("STREAM.DELETED", name) for name in names))


async def _trickling(visit: Visit) -> None:
    await visit.say(b"MSG x 1 1000000\r\n")
    while True:
        await visit.say(b"x")
        await asyncio.sleep(0.01)


def _to(what: str, answer: Answer) -> Answer:
    """Lie to requests that begin with these words; all others are answered honestly."""

    def answered(jetstream: JetStream, words: str, body: Json) -> Json | bytes | None:
        return (answer if words.startswith(what) else honestly)(jetstream, words, body)

    return answered


def _always(answer: Json | bytes | None) -> Answer:
    return lambda *_: answer


def _with(words: str, more: str) -> Answer:
    """The honest answer, with something else for `words` of its JSON."""

    def answered(jetstream: JetStream, asked: str, body: Json) -> Json | bytes | None:
        return json.dumps(jetstream.answer(asked, body)).replace(words, more).encode()

    return answered


def _endless_list(_: JetStream, words: str, body: Json) -> Json:
    offset = body.get("offset") or 0
    names = [f"S{number:09}" for number in range(offset, offset + 256)]
    is_names = words.startswith("STREAM.NAMES")
    items = names if is_names else [stream_info(name) for name in names]
    return {"total": 10_000_000, "offset": offset, "limit": 256, "streams": items}


def _page(**changes: Any) -> Answer:
    return _always({"total": 0, "offset": 0, "limit": 256, "streams": None, **changes})


def _another(_: JetStream, words: str, __: Json) -> Json:
    if words.startswith("CONSUMER"):
        return consumer_info("OTHER", "other")
    return stream_info("OTHER")


def _overlapping(jetstream: JetStream, words: str, body: Json) -> Json:
    if words.startswith("STREAM.CREATE"):
        return failure(10065, "subjects overlap with an existing stream")
    return jetstream.answer(words, body)


_DEEP = b"[" * 100_000 + b"]" * 100_000
_LARGE = b'{"total":1,"description":"' + b"x" * 24_000_000 + b'"}'

PROTOCOL: dict[str, Lie] = {
    "a message without end": Lie(afterwards=_saying(b"MSG x 1 99999999999\r\n" + b"x" * 4096)),
    "a message that never comes whole": Lie(afterwards=_trickling),
    "a line without end": Lie(afterwards=_flooding(lambda _: b"MSG " + b"x" * 1000)),
    "a greeting without end": Lie(b"INFO " + b"x" * 4_000_000),
    "blanks in the greeting": Lie(b"INFO " + b" " * 60_000 + b"\r\n"),
    "blanks after the greeting": Lie(afterwards=_saying(b"INFO " + b" " * 60_000 + b"x" * 100)),
    "40,000 servers": Lie(
        {"connect_urls": [f"10.0.{n >> 8}.{n & 255}:4222" for n in range(40_000)]}
    ),
    "40,000 servers later": Lie(
        afterwards=_saying(
            b"INFO "
            + json.dumps(
                {**GREETING, "connect_urls": [f"h{n}:4222" for n in range(40_000)]}
            ).encode()
            + b"\r\n"
        )
    ),
    "a flood of PING": Lie(afterwards=_flooding(lambda _: b"PING\r\n")),
    "a flood of PONG": Lie(afterwards=_flooding(lambda _: b"PONG\r\n")),
    "a flood of INFO": Lie(afterwards=_flooding(lambda _: Lie().first_bytes)),
    "a flood of +OK": Lie(afterwards=_flooding(lambda _: b"+OK\r\n")),
    "a flood of advisories": Lie(
        afterwards=_flooding(lambda visit: visit.advisory("STREAM.DELETED", "ORDERS"))
    ),
    "a flood of advisories about all kinds of streams": Lie(afterwards=_changing_advisories),
    "a flood of large messages": Lie(
        afterwards=_flooding(lambda visit: visit.message("x", b"x" * 900_000))
    ),
    "a flood of violations": Lie(
        afterwards=_flooding(lambda _: b"-ERR 'Permissions Violation for Publish to \"x\"'\r\n")
    ),
    "another protocol": Lie(afterwards=_saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    "bytes": Lie(afterwards=_saying(bytes(range(256)) * 40)),
    "a message shorter than its header": Lie(
        afterwards=_saying(b"HMSG x 1 100 10\r\n0123456789\r\n")
    ),
    "a message without its end": Lie(afterwards=_saying(b"MSG x 1 3\r\nabcdef\r\n")),
    "an error without words": Lie(afterwards=_saying(b"-ERR \r\n")),
    "max_payload is a word": Lie({"max_payload": "abc"}),
    "INFO is a list": Lie(b"INFO [1, 2]\r\n"),
    "INFO is deep": Lie(b"INFO " + _DEEP + b"\r\n"),
    "INFO has no end of numbers": Lie(b'INFO {"max_payload": 1e999}\r\n'),
    "a version of 20,000 letters": Lie({"version": "v" * 20_000}),
    "a version that is a list": Lie({"version": [2, 14, 6]}),
    "a cluster that is an object": Lie({"cluster": {"name": "x"}}),
    "it reads nothing": Lie(reads=False),
    "it answers no PING": Lie(pongs=False),
}

ANSWERS: dict[str, Lie] = {
    "an answer of 24 MB": Lie(answer=_to("STREAM", _always(_LARGE))),
    "a list of 10,000,000": Lie(answer=_to("STREAM", _endless_list)),
    "a list that says 10,000,000 and is empty": Lie(
        answer=_to("STREAM.LIST", _page(total=10_000_000))
    ),
    "a total that is a word": Lie(answer=_to("STREAM.LIST", _page(total="many"))),
    "a total below zero": Lie(answer=_to("STREAM.LIST", _page(total=-5))),
    "a list that is a word": Lie(answer=_to("STREAM.LIST", _page(streams="all of them", total=1))),
    "a list of numbers": Lie(answer=_to("STREAM.LIST", _page(streams=[1, 2, 3], total=3))),
    "missing streams that are numbers": Lie(answer=_to("STREAM.LIST", _page(missing=[1, [2]]))),
    "deep nesting": Lie(answer=_to("STREAM", _always(b'{"config": ' + _DEEP + b"}"))),
    "1e999": Lie(answer=_with('"streams": 0', '"streams": 1e999')),
    "NaN": Lie(answer=_with('"memory": 0', '"memory": NaN')),
    "a number of 400 digits": Lie(answer=_with('"storage": 0', f'"storage": {"9" * 400}')),
    "a number of 10,000 digits": Lie(answer=_with('"storage": 0', f'"storage": {"9" * 10_000}')),
    "6,000 tiers": Lie(
        answer=_to("INFO", _always(account(tiers={f"R{n}": account() for n in range(6_000)})))
    ),
    "tiers that are a list": Lie(answer=_to("INFO", _always(account(tiers=[1])))),
    "limits that are a word": Lie(answer=_to("INFO", _always(account(limits="none")))),
    "a level that is a word": Lie(answer=_to("INFO", _always(account(api={"level": "new"})))),
    "a limit that is a word": Lie(
        answer=_to("INFO", _always(account(limits={"max_streams": "many"})))
    ),
    "no JSON": Lie(answer=_always(b"<html>")),
    "nothing": Lie(answer=_always(b"")),
    "null": Lie(answer=_always(b"null")),
    "a list": Lie(answer=_always(b"[]")),
    "bytes that are no text": Lie(answer=_always(b'{"domain": "\xff\xfe"}')),
    "half of a character": Lie(
        answer=_to("STREAM.INFO", _always({**stream_info("ORDERS", description="\ud800")}))
    ),
    "an error that is a word": Lie(answer=_to("STREAM", _always({"error": "no"}))),
    "an error code that is a word": Lie(
        answer=_to("STREAM", _always({"error": {"err_code": "x", "description": []}}))
    ),
    "answers to other requests": Lie(answer=_to("STREAM.INFO", _another)),
    "a configuration that is a list": Lie(
        answer=_to("STREAM.INFO", _always({**stream_info("ORDERS"), "config": []}))
    ),
    "subjects that are a number": Lie(
        answer=_to("STREAM.INFO", _always(stream_info("ORDERS", subjects=7)))
    ),
    "a replica count that is a word": Lie(
        answer=_to("STREAM.INFO", _always(stream_info("ORDERS", num_replicas="three")))
    ),
    "a time that is none": Lie(
        answer=_to("STREAM.INFO", _always({**stream_info("ORDERS"), "created": "yesterday"}))
    ),
    "a state that is a list": Lie(
        answer=_to("STREAM.INFO", _always({**stream_info("ORDERS"), "state": [1]}))
    ),
    "a cluster that is a list": Lie(
        answer=_to("STREAM.INFO", _always({**stream_info("ORDERS"), "cluster": [1]}))
    ),
    "silence of JetStream": Lie(answer=_always(None)),
    "answers after 2 s": Lie(delay=2.0),
    "subjects that are taken, told after 2 s": Lie(answer=_overlapping, delay=2.0),
}

LIES: dict[str, Lie] = PROTOCOL | ANSWERS
