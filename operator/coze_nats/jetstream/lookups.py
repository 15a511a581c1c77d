"""Names → addresses, apart from the threads that asyncio has for everything, which are few.

The system's resolver takes as long as it likes and can't be stopped. So each look-up has a thread
of its own, and a connection has one at a time for each of its servers: however slowly names
resolve, no other connection waits for them.
"""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

LookUp = Callable[[str, int], list[str]]
"""Name and port → addresses; blocks, and raises OSError."""

_Answer = list[str] | Exception


def look_up(host: str, port: int) -> list[str]:
    """Ask the system."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Lookups:
    """The look-ups of one connection."""

    def __init__(self, ask: LookUp = look_up) -> None:
        self._ask = ask
        self._under_way: dict[tuple[str, int], asyncio.Future[_Answer]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host.

        Who gives up waiting finds the same look-up the next time, and its answer if it is there.

        Raises:
            OSError: the name can't be resolved.
        """
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        place = host, port
        if place not in self._under_way:
            self._under_way[place] = self._begun(host, port)
        answer = self._under_way[place]
        await asyncio.wait({answer})
        self._under_way.pop(place, None)
        found = answer.result()
        if isinstance(found, Exception):
            raise found
        return found

    def _begun(self, host: str, port: int) -> "asyncio.Future[_Answer]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Answer] = loop.create_future()

        def tell() -> None:
            try:
                found: _Answer = self._ask(host, port)
            except Exception as error:  # noqa: BLE001 # it is raised where somebody waits for it
                found = error
            # At the end of the process, nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(answer.set_result, found)

        threading.Thread(target=tell, name=f"look up {host}", daemon=True).start()
        return answer
