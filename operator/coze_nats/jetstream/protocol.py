"""NATS's protocol as servers speak it, read strictly and instead of nats-py: bytes to frames.

nats-py's own parser bounds nothing: a message's size, the length of a line, blanks (of which its
patterns make a quadratic search), the servers that INFO names. Nothing here waits, and nothing is
kept but what has not come whole.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from coze_nats.core.bounds import ANSWER_BYTES, GREETING_BYTES, LINE_BYTES
from coze_nats.core.errors import Nonsense
from coze_nats.core.strict import Count, Text, checked, read_json

_DIGITS = re.compile(rb"\d{1,10}", re.ASCII)
_MSG, _HMSG = 3, 4
"""Words of the shortest line of a message; a subject for answers makes one more."""

_INFO = {
    "version": Text(LINE_BYTES),
    "cluster": Text(LINE_BYTES),
    "nonce": Text(1024),
    "headers": bool,
    "auth_required": bool,
    "tls_required": bool,
    "tls_available": bool,
    "max_payload": Count(),
    "client_id": Count(),
    "client_ip": Text(64),
    "ldm": bool,
}
"""What is gone by of INFO; the other servers that it names are nobody's: the declared ones are."""


class Sign(Enum):
    """Frames without content."""

    PING = "PING"
    PONG = "PONG"
    OK = "+OK"


@dataclass(frozen=True, slots=True)
class Message:
    """A message for a subscription.

    Attributes:
        sid: the subscription's number.
        header: as it came; b"" without one.
    """

    subject: str
    sid: int
    header: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Info:
    """What the server tells of itself; of the right types, and only what is known here."""

    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Complaint:
    """`-ERR` with the server's words."""

    words: str


Frame = Sign | Message | Info | Complaint


@dataclass(slots=True)
class _Coming:
    """A message of which the line has come."""

    subject: str
    sid: int
    header: int
    size: int


class Reader:
    """Makes frames of bytes, however they are cut.

    Attributes:
        held: bytes that are kept until the rest comes.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._coming: _Coming | None = None

    @property
    def held(self) -> int:
        """Bytes that are kept until the rest comes."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole with these bytes; Nonsense for what can't become one."""
        self._buffer += data
        while True:
            frame = self._message() if self._coming else self._line()
            if frame is None:
                return
            if not isinstance(frame, _Coming):
                yield frame

    def _line(self) -> Frame | _Coming | None:
        end = self._buffer.find(b"\n", self._searched)
        length = len(self._buffer) if end < 0 else end
        if length > LINE_BYTES and length > _longest(self._buffer):
            raise Nonsense(f"the server sends a line of more than {LINE_BYTES:,} bytes")
        if end < 0:
            self._searched = length
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        frame = read_line(line)
        self._coming = frame if isinstance(frame, _Coming) else None
        return frame

    def _message(self) -> Message | None:
        coming = self._coming
        assert coming  # noqa: S101 # for the type
        if len(self._buffer) < coming.size + 2:
            return None
        if self._buffer[coming.size : coming.size + 2] != b"\r\n":
            raise Nonsense("the server sends a message that is longer than it says")
        header = bytes(self._buffer[: coming.header])
        data = bytes(self._buffer[coming.header : coming.size])
        del self._buffer[: coming.size + 2]
        self._coming = None
        return Message(coming.subject, coming.sid, header, data)


def _longest(line: bytearray) -> int:
    return GREETING_BYTES if line[:4].upper() == b"INFO" else LINE_BYTES


def read_line(line: bytes) -> Frame | _Coming:
    """The frame that a line is, or begins, without its end; Nonsense if it is none."""
    verb, _, rest = (
        line.strip().partition(b" ") if line[:4] != b"INFO" else (b"INFO", b"", line[4:])
    )
    match verb.upper():
        case b"MSG":
            return _coming(rest.split(), _MSG)
        case b"HMSG":
            return _coming(rest.split(), _HMSG)
        case b"PING" | b"PONG" | b"+OK" as sign:
            return Sign(sign.decode())
        case b"-ERR":
            return Complaint(rest.strip(b" '").decode(errors="replace"))
        case b"INFO":
            return Info(info_of(rest))
    raise Nonsense("the server sends something else than NATS's protocol")


def info_of(text: bytes) -> dict[str, Any]:
    """What of INFO is gone by."""
    try:
        value = checked(read_json(text.strip()), dict, "")
        found = checked(value, _INFO, "")
    except Nonsense as nonsense:
        raise Nonsense(f"the server's INFO makes no sense: {nonsense}") from None
    return {name: value for name, value in found.items() if name in _INFO}


def _coming(words: list[bytes], fewest: int) -> _Coming:
    """Read SUBJECT SID [REPLY] [HEADER] SIZE."""
    if not fewest <= len(words) <= fewest + 1:
        raise Nonsense("the server sends a message without subject, number or size")
    sizes = words[-1:] if fewest == _MSG else words[-2:]
    sid, *numbers = (_number(word) for word in (words[1], *sizes))
    size = numbers[-1]
    header = numbers[0] if fewest == _HMSG else 0
    if size > ANSWER_BYTES:
        raise Nonsense(
            f"the server sends a message of {size:,} bytes; {ANSWER_BYTES:,} are the most"
        )
    if header > size:
        raise Nonsense("the server sends a message that is shorter than its header")
    return _Coming(words[0].decode(errors="replace"), sid, header, size)


def _number(word: bytes) -> int:
    if not _DIGITS.fullmatch(word):
        raise Nonsense("the server sends a message whose size is no number that can be")
    return int(word)
