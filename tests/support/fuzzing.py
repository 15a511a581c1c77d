"""Sessions with real servers, as they were recorded, and what becomes of them when servers lie.

`sessions/` holds what nats-servers sent, byte for byte: `python tests/support/fuzzing.py VERSION`
records one more. A case is made of a number, so that one that fails can be looked at again.
"""

import asyncio
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SESSIONS = Path(__file__).with_name("sessions")
_LINE = re.compile(rb"[^\r\n]*\r\n")

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**63, 2**64 + 1, 10**400, -(10**30), float("inf")),
    *(float("nan"), "", "many", "9" * 40, "x" * 5000, "a b", "\x00\x1b[2J\u202e", "\ud800", "*.>"),
    *([], {}, [None], [[]], [1, "a", {}], {"a": None}, {"": ""}, {"name": []}),
)
SIZES = (b"", b"0", b"1", b"-1", b"7", b"99999", b"99999999999", b"1e3", b"0x10", b"\xd9\xa3")


def sessions() -> list[bytes]:
    """What servers sent, each from its greeting on."""
    return [path.read_bytes() for path in sorted(SESSIONS.glob("*.txt"))]


def frames_of(session: bytes) -> list[bytes]:
    """A recorded session frame by frame, messages with their line."""
    found, at = [], 0
    while match := _LINE.match(session, at):
        end = match.end()
        if match[0].startswith((b"MSG", b"HMSG")):
            end += int(match[0].split()[-1]) + 2
        found.append(session[at:end])
        at = end
    return found


def case(number: int) -> Iterator[bytes]:
    """The bytes of one lying session, cut as a network might."""
    chance = random.Random(number)  # no cryptography
    frames = frames_of(chance.choice(sessions()))
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = chance.randrange(len(frames))
        if frames[at].strip():
            frames[at : at + 1] = chance.choice(_CHANGES)(chance, frames[at])
    data = b"".join(frames)
    while data:
        cut = chance.choice((1, 7, 100, 4096, 32_768))
        yield data[:cut]
        data = data[cut:]


Change = Callable[[random.Random, bytes], list[bytes]]


def _lost(_: random.Random, __: bytes) -> list[bytes]:
    return []


def _twice(_: random.Random, frame: bytes) -> list[bytes]:
    return [frame, frame]


def _cut(chance: random.Random, frame: bytes) -> list[bytes]:
    return [frame[: chance.randrange(len(frame))]]


def _scratched(chance: random.Random, frame: bytes) -> list[bytes]:
    at = chance.randrange(len(frame))
    return [frame[:at] + chance.randbytes(chance.choice((1, 3))) + frame[at + 1 :]]


def _stretched(chance: random.Random, frame: bytes) -> list[bytes]:
    at = chance.randrange(min(len(frame), 40))
    filler = chance.choice((b" ", b"\t", b"x", b"\r", b"\n", b"\x00", b"[", b"9", b'"'))
    return [frame[:at] + filler * chance.choice((1, 50, 3000, 70_000)) + frame[at:]]


def _renamed(chance: random.Random, frame: bytes) -> list[bytes]:
    verbs = (b"MSG", b"HMSG", b"PING", b"PONG", b"+OK", b"-ERR", b"INFO", b"PUB", b"info", b"")
    return [chance.choice(verbs) + frame[frame.find(b" ") if b" " in frame else 4 :]]


def _resized(chance: random.Random, frame: bytes) -> list[bytes]:
    line, end, rest = frame.partition(b"\r\n")
    words = line.split()
    words[chance.randrange(len(words))] = chance.choice(SIZES)
    return [b" ".join(words) + end + rest]


def _retold(chance: random.Random, frame: bytes) -> list[bytes]:
    """The same frame with something else in its JSON, and a size that is right."""
    start, end = frame.find(b"{"), frame.rfind(b"}") + 1
    try:
        value = json.loads(frame[start:end])
    except ValueError:
        # It has none, or has been changed before.
        return [frame]
    for _ in range(chance.choice((1, 1, 3))):
        value = _replaced(chance, value)
    told = json.dumps(value, ensure_ascii=chance.random() < 0.5)  # either
    body = told.encode(errors="surrogatepass")
    if frame.startswith(b"MSG"):
        line = frame[: frame.find(b"\r\n")].split()
        return [b" ".join([*line[:-1], b"%d" % len(body)]) + b"\r\n" + body + b"\r\n"]
    return [frame[:start] + body + frame[end:]]


def _replaced(chance: random.Random, value: Any) -> Any:
    """The JSON with another value, or none, somewhere."""
    if isinstance(value, dict) and value and chance.random() < 0.9:  # mostly deeper
        key = chance.choice(list(value))
        if chance.random() < 0.1:  # now and then
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: _replaced(chance, value[key])}
    if isinstance(value, list) and value and chance.random() < 0.8:  # mostly deeper
        at = chance.randrange(len(value))
        return [*value[:at], _replaced(chance, value[at]), *value[at + 1 :]]
    found = chance.choice(VALUES)
    for _ in range(chance.choice((*(0,) * 18, 40, 900))):
        found = [found]
    return found


_CHANGES: tuple[Change, ...] = (
    *(_lost, _twice, _cut, _scratched, _stretched, _renamed, _resized),
    *(_retold,) * 8,
)


async def record(version: str) -> bytes:
    """What a server of that version sends to a client that asks for all kinds of things."""
    from controlplane.nats import NatsServer  # noqa: PLC0415 # tests need no control plane

    with NatsServer(version=version) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b'CONNECT {"headers":true,"no_responders":true,"protocol":1}\r\nPING\r\n')
        for sid, subject in enumerate(_HEARD, start=1):
            writer.write(f"SUB {subject} {sid}\r\n".encode())
        writer.write(b"PING\r\n")
        for number, (verb, body) in enumerate(_ASKED):
            data = json.dumps(body).encode() if body else b""
            line = f"PUB $JS.API.{verb} _INBOX.{number}.{verb} {len(data)}\r\n"
            writer.write(line.encode() + data + b"\r\n")
            await asyncio.sleep(0.05)
        writer.write(b"PUB nobody _INBOX.nobody 0\r\n\r\nPING\r\n")
        await asyncio.sleep(0.5)
        writer.write(b"NONSENSE\r\n")
        return await reader.read(1 << 20) if not reader.at_eof() else b""


_HEARD = ("_INBOX.>", "$JS.EVENT.ADVISORY.STREAM.>", "$JS.EVENT.ADVISORY.CONSUMER.>")
_STREAM = {
    "name": "ORDERS",
    "subjects": ["orders.>", "returns.*"],
    "storage": "memory",
    "description": "of the shop",
    "max_age": 3_600_000_000_000,
    "placement": {"tags": []},
    "republish": {"src": "orders.>", "dest": "copies.>"},
    "metadata": {"team": "shop"},
    "consumer_limits": {"max_ack_pending": 500},
}
_COPY = {
    "name": "COPY",
    "storage": "memory",
    "sources": [{"name": "ORDERS", "filter_subject": "orders.eu", "opt_start_seq": 1}],
}
_CONSUMER = {
    "durable_name": "billing",
    "name": "billing",
    "ack_policy": "explicit",
    "filter_subject": "orders.eu",
    "backoff": [1_000_000_000, 2_000_000_000],
    "max_deliver": 5,
    "sample_freq": "20",
    "deliver_policy": "by_start_time",
    "opt_start_time": "2026-01-31T12:00:00Z",
}
_ASKED: tuple[tuple[str, Any], ...] = (
    ("INFO", None),
    ("STREAM.CREATE.ORDERS", _STREAM),
    ("STREAM.CREATE.COPY", _COPY),
    ("CONSUMER.CREATE.ORDERS.billing", {"stream_name": "ORDERS", "config": _CONSUMER}),
    ("STREAM.INFO.ORDERS", {"subjects_filter": ">"}),
    ("STREAM.INFO.NONE", None),
    ("CONSUMER.INFO.ORDERS.billing", None),
    ("CONSUMER.INFO.ORDERS.none", None),
    ("STREAM.LIST", {"offset": 0}),
    ("STREAM.NAMES", {"offset": 0, "subject": "orders.eu"}),
    ("CONSUMER.LIST.ORDERS", {"offset": 0}),
    ("STREAM.CREATE.OTHER", {"name": "OTHER", "subjects": ["orders.eu"]}),
    ("CONSUMER.DELETE.ORDERS.billing", None),
    ("STREAM.DELETE.ORDERS", None),
    ("INFO", None),
)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        (SESSIONS / f"nats-server-{name}.txt").write_bytes(asyncio.run(record(name)))
