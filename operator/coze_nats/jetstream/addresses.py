"""Sockets that lead to other machines only: what a name resolves to is judged at each connect.

Whoever may declare a connection has the operator connect to where they say, and is told what came
of it. Behind loopback and link-local addresses is what only the operator's own place can reach:
other processes of its pod or machine, and the metadata of its cloud. Some have that elsewhere.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from urllib.parse import ParseResult

from coze_nats.jetstream.lookups import Lookups
from coze_nats.jetstream.transport import BoundedTransport


class LocalAddress(Exception):
    """The address is one that leads nowhere but to the operator's own surroundings."""

    def __str__(self) -> str:
        return (
            "it leads to the operator's own machine or link (a loopback, link-local or unspecified "
            "address, or a cloud's metadata), where a CozeConnection may not lead; nothing was sent"
        )


Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_OF_CLOUDS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure, which has it at 169.254.169.254 as well
        "192.0.0.192/32",  # Oracle Cloud, the former generation
        "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
        "fd00:ec2::/32",  # Amazon EC2: metadata, credentials of pods, DNS, time
        "fd00:42::42/128",  # Scaleway
        "fd20:ce::254/128",  # Google Cloud
    )
)
"""Where clouds have what is for a machine alone, besides in 169.254.0.0/16 and fe80::/10."""

_UNSPECIFIED = ipaddress.ip_network("0.0.0.0/8")
"""All of it is `this host on this network` (RFC 1122)."""

_HOLDING_AT_THE_END = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "::/96",  # IPv4-compatible (RFC 4291, 2.5.5.1)
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291, 2.5.5.2)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
    )
)

_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""NAT64 within a site (RFC 8215): prefixes of 48, 56, 64 and 96 bits are usual."""

_ISATAP = (0x00005EFE, 0x02005EFE)
"""The first half of an interface identifier that ends with an IPv4 address (RFC 5214, 6.1)."""

_32_BITS = 0xFFFF_FFFF


def is_local(address: str) -> bool:
    """Whether an IP address is loopback, link-local, unspecified, or a cloud's for its machines.

    With or without a scope; an IPv4 address is found within IPv6 ones, too.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    return any(map(_is_local, (found, *_within(found))))


def _is_local(address: Address) -> bool:
    is_special = address.is_loopback or address.is_link_local or address.is_unspecified
    return is_special or any(address in network for network in (_UNSPECIFIED, *_OF_CLOUDS))


def _within(address: Address) -> Iterator[Address]:
    """The IPv4 addresses that an IPv6 address stands for, to whoever translates or tunnels it."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    number = int(address)
    last = number & _32_BITS
    is_translated = any(address in network for network in _HOLDING_AT_THE_END)
    if is_translated or address in _LOCAL_NAT64 or number >> 32 & _32_BITS in _ISATAP:
        yield ipaddress.IPv4Address(last)
    if address in _LOCAL_NAT64:
        yield from map(ipaddress.IPv4Address, _split_by_zeros(number))
    if address.sixtofour:
        yield address.sixtofour
    yield from address.teredo or ()


def _split_by_zeros(number: int) -> Iterator[int]:
    """IPv4 addresses after prefixes of 48, 56 and 64 bits, around the 8 bits of zero in between.

    RFC 6052, 2.2. Where only zeros stand, another length of prefix is meant.
    """
    for before in (16, 8, 0):
        after = 32 - before
        first = number >> 64 & (1 << before) - 1
        found = first << after | number >> 56 - after & (1 << after) - 1
        if found >> 24:
            yield found


class SlowName(Exception):
    """The system's resolver has not answered yet."""

    def __str__(self) -> str:
        return "can't resolve the host name: no answer in time"


class JudgedTransport(BoundedTransport):
    """nats-py's own, which connects to the very addresses that were judged."""

    def __init__(self, lookups: Lookups, is_refused: Callable[[str], bool] = is_local) -> None:
        super().__init__()
        self._lookups = lookups
        self._is_refused = is_refused

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect to one of the addresses of the host; LocalAddress if any of them is refused."""
        try:
            async with asyncio.timeout(connect_timeout):
                addresses = await self._lookups.addresses(uri.hostname or "", uri.port or 0)
        except TimeoutError:
            raise SlowName from None
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
