"""Connections that may not lead to the operator's own surroundings, by whatever name."""

import json
from typing import Any
from urllib.parse import urlparse

import pytest

from controlplane.nats import NatsServer
from coze_nats.core.login import Login
from coze_nats.core.trouble import Trouble
from coze_nats.jetstream.addresses import JudgedTransport, LocalAddress, is_local
from coze_nats.jetstream.endpoint import NatsEndpoint
from coze_nats.jetstream.lookups import Lookups
from support.connections import started
from support.impostors import impostor
from support.until import until

LOCAL = (
    *("127.0.0.1", "127.8.9.1", "localhost", "127.1", "2130706433", "0x7f000001"),
    "0.0.0.0",  # noqa: S104  nothing is bound to it
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "169.254.169.254", "[fe80::1]"),
    *("[fd00:ec2::254]", "100.100.100.200", "[64:ff9b::169.254.169.254]", "[2002:7f00:1::]"),
)
INFO = {"server_id": "X", "version": "2.14.6", "max_payload": 1 << 20}


@pytest.mark.parametrize("host", LOCAL)
async def test_a_local_address_is_refused_whether_or_not_somebody_listens_there(host: str) -> None:
    async with impostor(f"INFO {json.dumps(INFO)}\r\n".encode()) as listener:
        said = set()
        for port in (listener.port, 1):
            options = {"allow_local": False, "token": "t", "connect_timeout": 3}
            async with started(f"nats://{host}:{port}", **options) as connection:
                await until(lambda: connection.last_error)
                assert connection.trouble is Trouble.ADDRESS
                said.add(connection.last_error.partition(f":{port}: ")[2])
        assert said == {str(LocalAddress())}
        assert listener.visits == 0


async def test_a_dialled_endpoint_refuses_local_addresses_also_with_another_login() -> None:
    endpoint = NatsEndpoint.dial(Login(servers=("nats://127.0.0.1:1",)))
    await endpoint.start()
    try:
        await until(lambda: endpoint.trouble is Trouble.ADDRESS)
        endpoint.renew(Login(servers=("nats://127.0.0.1:1",), token="t"))
        assert not endpoint.options.allow_local
    finally:
        await endpoint.close(0)


@pytest.mark.parametrize(
    "address, local",
    [
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("::ffff:10.0.0.1", False),
        ("fd00::1", False),
        ("2001:db8::1", False),
        ("fd00:ec3::254", False),
        ("fd20:ce::253", False),
        ("100.100.100.201", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b:1::10.0.0.1", False),
        ("2002:a00:1::", False),
        ("2001:0:a00:1::f5ff:fffe", False),
        ("2001:db8::5efe:10.0.0.1", False),
    ],
)
def test_other_addresses_are_not_local(address: str, local: bool) -> None:
    assert is_local(address) is local


@pytest.mark.parametrize(
    "address",
    [
        *("fe80::1%eth0", "0.1.2.3", "::ffff:169.254.1.1"),
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
        *("100.100.100.200", "::ffff:100.100.100.200", "168.63.129.16", "192.0.0.192"),
    ],
)
def test_what_clouds_have_for_their_machines_alone_is_local(address: str) -> None:
    assert is_local(address)


@pytest.mark.parametrize(
    "form",
    [
        *("::127.0.0.1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1"),
        *("64:ff9b:1::127.0.0.1", "64:ff9b:1:7f00:0:100::", "64:ff9b:1:ab7f:0:1::"),
        *("64:ff9b:1:abcd:7f:0:100:0", "2002:7f00:1::1", "2001:0:7f00:1::1"),
        *("2001:0:a00:1::80ff:fffe", "2001:db8::5efe:127.0.0.1", "2001:db8::200:5efe:127.0.0.1"),
    ],
    ids=(
        *("compatible", "mapped", "translated", "NAT64"),
        *("NAT64/96 of a site", "NAT64/48 of a site", "NAT64/56 of a site"),
        *("NAT64/64 of a site", "6to4", "Teredo's server"),
        *("Teredo's client", "ISATAP", "ISATAP, global"),
    ),
)
def test_a_local_address_within_one_of_ipv6_is_local(form: str) -> None:
    assert is_local(form)


async def test_what_is_not_refused_is_connected_to_by_the_address_that_was_judged(
    nats_server: NatsServer,
) -> None:
    judged = []

    def note(address: str) -> bool:
        judged.append(address)
        return False

    transport: Any = JudgedTransport(Lookups(), is_refused=note)
    uri = urlparse(nats_server.url.replace("127.0.0.1", "localhost"))
    await transport.connect(uri, buffer_size=1 << 15, connect_timeout=5)
    assert (await transport.readline()).startswith(b"INFO ")
    assert "127.0.0.1" in judged
    transport.close()
    await transport.wait_closed()
