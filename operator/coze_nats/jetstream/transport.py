"""nats-py's socket, whose lines have an end: what is read before `protocol` takes over."""

import asyncio
import json

from nats.aio.transport import TcpTransport

from coze_nats.core.bounds import GREETING_BYTES
from coze_nats.core.errors import Nonsense
from coze_nats.jetstream.protocol import Complaint, Info, read_line


class BoundedTransport(TcpTransport):
    """nats-py's own, with lines of the login that can be read without harm."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # nats-py leaves it so

    async def readline(self) -> bytes:
        """The next line, as nats-py can read it; what is left of one when the server hangs up.

        Raises:
            Nonsense: it is too long, or no INFO.
        """
        line = await self._line()
        if not line.startswith((b"INFO", b"-ERR")):
            return line
        match read_line(line):
            case Info(members):
                return b"INFO " + json.dumps(members).encode() + b"\r\n"
            case Complaint(words):
                return f"-ERR '{words}'\r\n".encode()
        return line

    async def _line(self) -> bytes:
        reader = self._io_reader
        assert reader  # noqa: S101 # for the type
        line = b""
        while len(line) <= GREETING_BYTES:
            try:
                return line + await reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as overrun:
                line += await reader.read(overrun.consumed)
            except asyncio.IncompleteReadError as end:
                return line + end.partial
        raise Nonsense(f"the server's greeting has more than {GREETING_BYTES:,} bytes")
