"""Sockets that lead to other machines only: what a name resolves to is judged at each connect.

Whoever may declare a connection has the operator connect to where they say, and is told what came
of it. Behind loopback and link-local addresses is what only the operator's own place can reach:
other processes of its pod or machine, and the metadata of its cloud.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from urllib.parse import ParseResult

from nats.aio.transport import TcpTransport


class LocalAddress(Exception):
    """The address is one that leads nowhere but to the operator's own surroundings."""

    def __str__(self) -> str:
        return (
            "it leads to the operator's own machine or link (a loopback, link-local or unspecified "
            "address), where a CozeConnection may not lead; nothing was sent"
        )


def is_local(address: str) -> bool:
    """Whether an IP address, with or without a scope, is loopback, link-local or unspecified."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_loopback or found.is_link_local or found.is_unspecified


class RemoteTransport(TcpTransport):
    """nats-py's own, which connects to the very addresses that were judged."""

    def __init__(self, is_refused: Callable[[str], bool] = is_local) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # nats-py leaves it so
        self._is_refused = is_refused

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect to one of the addresses of the host; LocalAddress if any of them is local."""
        async with asyncio.timeout(connect_timeout):
            found = await asyncio.get_running_loop().getaddrinfo(
                uri.hostname, uri.port, type=socket.SOCK_STREAM
            )
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if any(map(self._is_refused, addresses)):
            raise LocalAddress
        failure: OSError | None = None
        for address in addresses:
            host = f"[{address}]" if ":" in address else address
            there = uri._replace(netloc=f"{host}:{uri.port}")
            try:
                await super().connect(there, buffer_size, connect_timeout)
            except OSError as error:
                failure = error
            else:
                return
        raise failure or OSError("the name has no address")
